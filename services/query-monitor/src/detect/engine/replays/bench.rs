//! What ten thousand alerts cost. Pure. (But for the clock of the processor, which is what it reads.)

use std::sync::Arc;
use std::time::Duration;

use weir_model::{Fingerprint, Project};

use crate::detect::engine::{Engine, Sheets};
use crate::detect::rules::{Layers, RuleBook};
use crate::detect::{Labels, Reading, Sheet, metric};

/// How long this thread has worked: others on the machine do not count.
fn worked() -> Duration {
    let worked = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(worked.tv_sec as u64, worked.tv_nsec as u32)
}

/// Fifteen seconds of ticks with 10,000 alerts on a sheet that is new every five seconds.
#[test]
fn ten_thousand_alerts_take_a_small_part_of_a_core() {
    let layers = Layers {
        slow_query_ms: 1_000.0,
        ..Layers::default()
    };
    let mut engine = Engine::resume(Arc::new(RuleBook::new(&layers).unwrap()), Vec::new(), Vec::new());
    let readings = |value: f64| {
        (0..10_000).map(move |fingerprint| Reading {
            fingerprint: Some(Fingerprint::new(fingerprint)),
            value,
            ..Reading::new(
                metric::SLOW_QUERY_MS,
                Project::default(),
                Labels::from([("database", "db".to_owned())]),
                0.0,
            )
        })
    };
    let (mut sheets, mut took) = (Sheets::new(), Duration::ZERO);
    for tick in 0..60_i64 {
        let now = 1_800_000_000_000 + tick * 250;
        if tick % 20 == 0 {
            let sheet = Sheet {
                readings: readings(2_000.0 + tick as f64).collect(),
                taken_unix_ms: now,
                fresh_for: Duration::from_secs(15),
            };
            sheets.insert("statements", Arc::new(sheet));
        }
        let began = worked();
        let changes = engine.tick(now, &sheets);
        took += worked() - began;
        drop(changes);
    }
    assert_eq!(engine.alerts().count(), 10_000);
    let part = took.as_secs_f64() / 15.0;
    println!(
        "10,000 alerts took {:.2} % of a core (built for tests: {})",
        part * 100.0,
        cfg!(debug_assertions)
    );
    assert!(part < 0.25, "10,000 alerts took {:.1} % of a core", part * 100.0);
}
