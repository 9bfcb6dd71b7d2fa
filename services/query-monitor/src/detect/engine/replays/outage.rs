//! A server that dies for ten minutes, with all that is seen of it. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{Fingerprint, Project};

use crate::detect::engine::{Engine, Phase, Sheets, Told};
use crate::detect::rules::{Layers, RuleBook};
use crate::detect::{Labels, Metric, Objectives, Outcomes, ProjectOutcomes, Reading, Sheet, WINDOWS, metric};

fn reading(metric: Metric, project: &str, labels: &[(&'static str, &str)], value: f64) -> Reading {
    let labels: Labels = labels
        .iter()
        .map(|(name, label)| (*name, (*label).to_owned()))
        .collect();
    Reading::new(metric, Project::parse(project).unwrap(), labels, value)
}

/// What is read of a server so many seconds after it died; nothing before and long after.
struct Death {
    lasts: i64,
    projects: Vec<String>,
}

impl Death {
    /// A figure over five minutes goes on for as long after the end.
    fn in_window(&self, second: i64) -> bool {
        (0..self.lasts + 300).contains(&second)
    }

    fn statements(&self, second: i64) -> Vec<Reading> {
        let mut readings = Vec::new();
        for project in self.projects.iter().filter(|_| self.in_window(second)) {
            readings.push(reading(metric::ERROR_RATIO, project, &[], 0.9));
            readings.push(reading(metric::P95_MS, project, &[], 15_000.0));
            readings.push(reading(metric::WAIT_P95_MS, project, &[], 5_000.0));
            readings.push(reading(metric::SLOW_RATIO, project, &[], 0.9));
        }
        for project in self
            .projects
            .iter()
            .filter(|_| (0..self.lasts + 3_600).contains(&second))
        {
            readings.push(reading(metric::SLOW_PER_HOUR, project, &[], 500.0));
        }
        // Statements that hang are known when they are given up, after fifteen seconds.
        if (15..self.lasts + 300).contains(&second) {
            readings.extend((0..100).map(|fingerprint| Reading {
                fingerprint: Some(Fingerprint::new(fingerprint)),
                ..reading(metric::SLOW_QUERY_MS, "shop", &[("database", "db")], 15_000.0)
            }));
        }
        readings
    }

    fn gateways(&self, second: i64) -> Vec<Reading> {
        let down = (0..self.lasts).contains(&second);
        let place = [("upstream", "main"), ("gateway", "g1")];
        let pool = [
            ("upstream", "main"),
            ("gateway", "g1"),
            ("database", "db"),
            ("role", "app"),
        ];
        vec![
            reading(metric::BREAKER_OPEN, "default", &place, if down { 1.0 } else { 0.0 }),
            reading(metric::POOL_UTILIZATION, "default", &pool, if down { 1.0 } else { 0.2 }),
        ]
    }

    fn server(&self, second: i64) -> Vec<Reading> {
        // The probe takes two seconds to give up.
        let down = (2..self.lasts + 2).contains(&second);
        vec![reading(
            metric::SERVER_DOWN,
            "default",
            &[("upstream", "main")],
            if down { 1.0 } else { 0.0 },
        )]
    }

    fn objectives(&self, second: i64) -> Vec<Reading> {
        let failed = |window: &Duration| {
            let window = window.as_secs() as i64;
            (second.min(self.lasts) - (second - window).max(0)).max(0) as u64
        };
        let of = |project: &String| ProjectOutcomes {
            project: Project::parse(project).unwrap(),
            windows: WINDOWS.map(|window| Outcomes {
                requests: window.as_secs(),
                errors: failed(&window),
                error_incidents: failed(&window).div_ceil(31),
                ..Outcomes::default()
            }),
        };
        let outcomes: Vec<_> = self.projects.iter().map(of).collect();
        Objectives::new(Vec::new()).readings(&outcomes)
    }

    fn sheets(&self, second: i64, now: i64) -> Sheets {
        let sheet = |readings| {
            Arc::new(Sheet {
                readings,
                taken_unix_ms: now,
                fresh_for: Duration::from_secs(15),
            })
        };
        Sheets::from([
            ("statements", sheet(self.statements(second))),
            ("gateways", sheet(self.gateways(second))),
            ("server", sheet(self.server(second))),
            ("objectives", sheet(self.objectives(second))),
        ])
    }
}

#[test]
fn a_dead_server_is_one_group_and_the_rest_is_inhibited() {
    let layers = Layers {
        slow_query_ms: 1_000.0,
        ..Layers::default()
    };
    let mut engine = Engine::resume(Arc::new(RuleBook::new(&layers).unwrap()), Vec::new(), Vec::new());
    let death = Death {
        lasts: 600,
        projects: ["shop", "blog", "wiki"].map(str::to_owned).to_vec(),
    };
    let (mut groups, mut words, mut inhibited) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    let mut sheets = Sheets::new();
    for second in (-60..1_800).chain((1_800..8 * 3_600).step_by(5)) {
        let now = 1_800_000_000_000 + second * 1_000;
        if second % 5 == 0 || (second == 2) {
            sheets = death.sheets(second, now);
        }
        for change in engine.tick(now, &sheets) {
            if let Some(told) = change.channels {
                groups.insert((change.alert.rule.to_string(), change.alert.project.to_string()));
                words.push((second, told));
            }
            if change.alert.phase == Phase::Firing && change.alert.inhibited_by.is_some() {
                inhibited.insert(change.alert.rule.to_string());
            }
        }
    }
    println!("told: {groups:?} {words:?}; inhibited: {inhibited:?}");
    assert_eq!(
        groups,
        BTreeSet::from([("server-down".to_owned(), "default".to_owned())])
    );
    assert_eq!(
        words.iter().map(|(_, told)| *told).collect::<Vec<_>>(),
        [Told::Firing, Told::Resolved]
    );
    assert!(
        (2..=8).contains(&words[0].0) && (600..700).contains(&words[1].0),
        "{words:?}"
    );
    let expected = [
        "breaker-open",
        "error-budget-fast",
        "latency-p95",
        "pool-utilization",
        "slow-query",
        "slow-share",
    ];
    assert!(expected.iter().all(|rule| inhibited.contains(*rule)), "{inhibited:?}");
    assert_eq!(engine.alerts().filter(|alert| alert.told.is_some()).count(), 0);
}

#[test]
fn with_two_servers_only_what_names_the_dead_one_is_inhibited() {
    let layers = Layers {
        slow_query_ms: 1_000.0,
        ..Layers::default()
    };
    let mut engine = Engine::resume(Arc::new(RuleBook::new(&layers).unwrap()), Vec::new(), Vec::new());
    let mut told = BTreeSet::new();
    for second in 0..600 {
        let now = 1_800_000_000_000 + second * 1_000;
        let down = |upstream, value| reading(metric::SERVER_DOWN, "default", &[("upstream", upstream)], value);
        let pool = |upstream| reading(metric::POOL_UTILIZATION, "default", &[("upstream", upstream)], 1.0);
        let sheet = Sheet {
            readings: vec![
                down("main", 1.0),
                down("second", 0.0),
                pool("main"),
                pool("second"),
                reading(metric::P95_MS, "shop", &[], 500.0),
            ],
            taken_unix_ms: now,
            fresh_for: Duration::from_secs(15),
        };
        for change in engine.tick(now, &Sheets::from([("server", Arc::new(sheet))])) {
            if change.channels.is_some() {
                let upstream = change.alert.labels.get("upstream").cloned().unwrap_or_default();
                told.insert((change.alert.rule.to_string(), upstream));
            }
        }
    }
    let expected = [
        ("latency-p95", ""),
        ("pool-utilization", "second"),
        ("server-down", "main"),
    ];
    assert_eq!(
        told,
        expected
            .map(|(rule, upstream)| (rule.to_owned(), upstream.to_owned()))
            .into()
    );
}
