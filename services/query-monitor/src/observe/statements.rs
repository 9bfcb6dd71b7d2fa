//! What rules judge of the statements themselves: each project's last minutes, put on the board twice a second.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_model::{Clock, Project};
use weir_runtime::TaskResult;
use weir_store::pause;

use super::{Board, Shared};
use crate::aggregate::{Recent, Traces};
use crate::detect::{Labels, Metric, ProjectOutcomes, Reading, metric};

/// How the board knows this source.
const SOURCE: &str = "statements";
/// How often the projects are read: an alert is told within two seconds of its cause.
const EVERY: Duration = Duration::from_millis(500);
/// How long a reading is worth anything.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// Statements within five minutes that a ratio or a percentile needs to mean something.
const CALLS_MIN: u64 = 20;
/// Cacheable reads of the day before that make a hit ratio usual.
const USUAL_MIN: u64 = 1_000;

/// Reads the projects until told to stop.
pub(crate) async fn read(shared: Shared, board: Board, clock: Clock, stop: CancellationToken) -> TaskResult {
    while pause(&stop, EVERY).await {
        let recent = recent(&shared, clock.unix_ms()).into_iter().map(|recent| {
            let traces = shared.with(|knowledge| knowledge.statistics.traces(&recent.project));
            (recent, traces)
        });
        let readings = recent.flat_map(|(recent, traces)| readings(&recent, &traces));
        board.put(SOURCE, readings.collect(), FRESH_FOR);
    }
    Ok(())
}

/// For objectives: how every project fared in each window.
pub(crate) fn outcomes(shared: &Shared, now_unix_ms: i64) -> Vec<ProjectOutcomes> {
    let of_project = |recent: Recent| ProjectOutcomes {
        project: recent.project,
        windows: recent.windows,
    };
    recent(shared, now_unix_ms).into_iter().map(of_project).collect()
}

fn recent(shared: &Shared, now_unix_ms: i64) -> Vec<Recent> {
    shared.with(|knowledge| {
        knowledge.statistics.settle(now_unix_ms);
        knowledge.statistics.history.recent(now_unix_ms)
    })
}

fn readings(recent: &Recent, traces: &Traces) -> Vec<Reading> {
    let (sums, latency) = (&recent.lately.sums, &recent.lately.latency);
    let mut readings = vec![
        reading(&recent.project, metric::SLOW_PER_HOUR, recent.hour.slow as f64),
        reading(&recent.project, metric::PER_MINUTE, sums.calls as f64 / 5.0),
    ];
    if sums.calls >= CALLS_MIN {
        let note = format!("of {} statements within five minutes", sums.calls);
        let figures = [
            (metric::SLOW_RATIO, share(sums.slow, sums.calls), &traces.late),
            (metric::ERROR_RATIO, share(sums.errors, sums.calls), &traces.failed),
            (metric::P95_MS, latency.total.quantile_us(0.95) / 1e3, &traces.late),
            (metric::WAIT_P95_MS, latency.wait.quantile_us(0.95) / 1e3, &traces.late),
        ];
        readings.extend(figures.map(|(metric, value, trace)| Reading {
            note: note.clone(),
            traceparent: trace.clone(),
            ..reading(&recent.project, metric, value)
        }));
    }
    readings.extend(cache_readings(recent));
    readings
}

fn cache_readings(recent: &Recent) -> Vec<Reading> {
    let (hits, misses) = (recent.lately.sums.cache_hits, recent.lately.sums.cache_misses);
    if hits + misses < CALLS_MIN {
        return Vec::new();
    }
    let now = share(hits, hits + misses);
    let mut readings = vec![reading(&recent.project, metric::CACHE_HIT_RATIO, now)];
    let before = &recent.day_before;
    if before.cache_hits + before.cache_misses >= USUAL_MIN && before.cache_hits > 0 {
        let usual = share(before.cache_hits, before.cache_hits + before.cache_misses);
        let fall = ((usual - now) / usual).max(0.0);
        readings.push(reading(&recent.project, metric::CACHE_HIT_FALL, fall));
    }
    readings
}

fn reading(project: &Project, metric: Metric, value: f64) -> Reading {
    Reading::new(metric, project.clone(), Labels::new(), value)
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
