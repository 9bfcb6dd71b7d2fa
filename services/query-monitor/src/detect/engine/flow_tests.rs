//! From sheets to turns, tick by tick, with a clock moved by hand. Pure.

use std::time::Duration;

use uuid::Uuid;
use weir_model::{Fingerprint, Project};

use super::*;
use crate::detect::rules::{Layers, RulePatch, Severity};
use crate::detect::silence::matchers;
use crate::detect::{Metric, metric};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

/// An engine, its clock and its board.
struct Desk {
    engine: Engine,
    now: i64,
    sheets: Sheets,
    changes: Vec<Change>,
}

fn book(patches: &[(&str, &str)]) -> Arc<RuleBook> {
    let grpc = patches
        .iter()
        .map(|(name, rest)| toml::from_str::<RulePatch>(&format!("name = \"{name}\"\n{rest}")).unwrap());
    let layers = Layers {
        slow_query_ms: 1_000.0,
        grpc: grpc.collect(),
        ..Layers::default()
    };
    Arc::new(RuleBook::new(&layers).unwrap())
}

fn reading(metric: Metric, labels: &[(&'static str, &str)], value: f64) -> Reading {
    let labels = labels
        .iter()
        .map(|(name, label)| (*name, (*label).to_owned()))
        .collect();
    Reading::new(metric, Project::default(), labels, value)
}

fn pool(value: f64) -> Reading {
    reading(metric::POOL_UTILIZATION, &[("database", "db"), ("role", "app")], value)
}

impl Desk {
    fn new(patches: &[(&str, &str)]) -> Self {
        Self {
            engine: Engine::resume(book(patches), Vec::new(), Vec::new()),
            now: 1_000 * MINUTE,
            sheets: Sheets::new(),
            changes: Vec::new(),
        }
    }

    fn put(&mut self, source: &'static str, readings: Vec<Reading>) {
        let sheet = Sheet {
            readings,
            taken_unix_ms: self.now,
            fresh_for: Duration::from_secs(15),
        };
        self.sheets.insert(source, Arc::new(sheet));
    }

    /// Ticks every second for so long, with the same readings on a new sheet every five seconds.
    fn hold(&mut self, source: &'static str, readings: &[Reading], ms: i64) {
        for second in 0..ms / SECOND {
            if second % 5 == 0 {
                self.put(source, readings.to_vec());
            }
            self.pass(SECOND);
        }
    }

    fn pass(&mut self, ms: i64) {
        self.now += ms;
        let changes = self.engine.tick(self.now, &self.sheets);
        self.changes.extend(changes);
    }

    /// What channels were told since the last call: rule, severity, whether it fires.
    fn told(&mut self) -> Vec<(String, Severity, Told)> {
        let changes = std::mem::take(&mut self.changes);
        let told = |change: Change| Some((change.alert.rule.to_string(), change.alert.severity, change.channels?));
        changes.into_iter().filter_map(told).collect()
    }

    fn alert(&self, rule: &str) -> &Alert {
        self.engine.alerts().find(|alert| &*alert.rule == rule).unwrap()
    }
}

fn firing(rule: &str, severity: Severity) -> (String, Severity, Told) {
    (rule.to_owned(), severity, Told::Firing)
}

fn resolved(rule: &str, severity: Severity) -> (String, Severity, Told) {
    (rule.to_owned(), severity, Told::Resolved)
}

const POOL: &str = "pool-utilization";

#[test]
fn one_alert_waits_fires_escalates_goes_on_and_is_resolved() {
    let mut desk = Desk::new(&[]);
    desk.hold("gateways", &[pool(0.85)], 55 * SECOND);
    assert_eq!((desk.told(), desk.alert(POOL).phase), (vec![], Phase::Pending));
    desk.hold("gateways", &[pool(0.85)], 10 * SECOND);
    assert_eq!(desk.told(), [firing(POOL, Severity::Warning)]);
    assert_eq!(desk.alert(POOL).summary, "85.0 % of the pool of app on db is in use");
    desk.hold("gateways", &[pool(0.95)], 55 * SECOND);
    assert_eq!(desk.told(), [], "a moment is no reason to wake anybody");
    desk.hold("gateways", &[pool(0.95)], 10 * SECOND);
    assert_eq!(desk.told(), [firing(POOL, Severity::Critical)]);
    desk.hold("gateways", &[pool(0.76)], 5 * MINUTE);
    assert_eq!(
        (desk.told(), desk.alert(POOL).severity),
        (vec![], Severity::Warning),
        "between its bounds it goes on"
    );
    desk.hold("gateways", &[pool(0.7)], 119 * SECOND);
    assert_eq!(desk.told(), []);
    desk.hold("gateways", &[], 5 * SECOND);
    assert_eq!(desk.told(), [resolved(POOL, Severity::Warning)]);
    assert_eq!(desk.engine.alerts().count(), 0);
}

#[test]
fn the_bus_is_told_once_of_each_and_rows_are_few() {
    let mut desk = Desk::new(&[]);
    desk.hold("gateways", &[pool(0.85)], 10 * MINUTE);
    let told = desk.changes.iter().filter_map(|change| change.bus).count();
    assert_eq!(
        (told, desk.changes.len()),
        (1, 2),
        "one row for the clock, one for the alert"
    );
    desk.changes.clear();
    for step in 0..60 {
        desk.hold("gateways", &[pool(0.8 + f64::from(step) / 1e3)], 5 * SECOND);
    }
    assert_eq!(desk.changes.iter().filter(|change| change.bus.is_some()).count(), 0);
    assert!(
        (25..=31).contains(&desk.changes.len()),
        "a figure is written every ten seconds: {}",
        desk.changes.len()
    );
}

#[test]
fn a_stale_sheet_neither_fires_nor_resolves_and_is_told_of() {
    let mut desk = Desk::new(&[]);
    desk.hold("gateways", &[pool(0.85)], 40 * SECOND);
    desk.pass(60 * SECOND);
    for _ in 0..20 {
        desk.pass(SECOND);
    }
    assert_eq!(
        (desk.told(), desk.alert(POOL).phase),
        (vec![], Phase::Pending),
        "what is not seen has not held"
    );
    desk.hold("gateways", &[pool(0.85)], 30 * SECOND);
    assert_eq!(
        desk.told(),
        [firing(POOL, Severity::Warning)],
        "its clock went on where it stood"
    );
    for _ in 0..300 {
        desk.pass(SECOND);
    }
    assert_eq!(desk.told(), [firing("source-silent", Severity::Warning)]);
    assert_eq!(desk.alert(POOL).phase, Phase::Firing);
    desk.hold("gateways", &[], 3 * MINUTE);
    let mut told = desk.told();
    told.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        told,
        [
            resolved(POOL, Severity::Warning),
            resolved("source-silent", Severity::Warning)
        ]
    );
}

#[test]
fn a_source_that_never_comes_back_does_not_fire_for_ever() {
    let mut desk = Desk::new(&[]);
    desk.hold("gateways", &[pool(0.85)], 2 * MINUTE);
    let alerts: Vec<Alert> = desk.engine.alerts().cloned().collect();
    desk.engine = Engine::resume(book(&[]), alerts, Vec::new());
    desk.sheets.clear();
    desk.told();
    for _ in 0..23 * 60 {
        desk.pass(MINUTE);
    }
    assert_eq!(desk.told(), []);
    for _ in 0..61 {
        desk.pass(MINUTE);
    }
    assert_eq!(desk.told(), [resolved(POOL, Severity::Warning)]);
}

#[test]
fn what_was_known_before_a_restart_goes_on_and_is_not_told_again() {
    let mut desk = Desk::new(&[]);
    let breaker = reading(metric::BREAKER_OPEN, &[("upstream", "main"), ("gateway", "g1")], 1.0);
    desk.hold("gateways", &[pool(0.85), breaker.clone()], 40 * SECOND);
    assert_eq!(desk.told(), [firing("breaker-open", Severity::Critical)]);
    let alerts: Vec<Alert> = desk.engine.alerts().cloned().collect();
    assert_eq!(alerts.len(), 2);
    desk.engine = Engine::resume(book(&[]), alerts, Vec::new());
    desk.sheets.clear();
    for _ in 0..30 {
        desk.pass(SECOND);
    }
    desk.hold("gateways", &[pool(0.85), breaker], 25 * SECOND);
    // Inhibited by the breaker, so only the row and the bus see it; what matters here is when it fired.
    assert_eq!((desk.alert(POOL).phase, desk.told()), (Phase::Firing, vec![]));
    let waited = desk.alert(POOL).fired_unix_ms - desk.alert(POOL).since_unix_ms;
    assert!(
        (85..=95).contains(&(waited / SECOND)),
        "60 s seen and 30 s unseen, not {waited}"
    );
}

#[test]
fn what_flaps_is_one_alert_and_few_words() {
    let mut desk = Desk::new(&[("breaker-open", "for = \"0s\"\nkeep_firing_for = \"0s\"")]);
    let breaker = |open| reading(metric::BREAKER_OPEN, &[("upstream", "main"), ("gateway", "g1")], open);
    for _ in 0..60 {
        desk.hold("gateways", &[breaker(1.0)], MINUTE);
        desk.hold("gateways", &[breaker(0.0)], MINUTE);
    }
    assert!(desk.alert("breaker-open").flapping);
    assert!(desk.alert("breaker-open").summary.ends_with("(flapping)"));
    let told = desk.told();
    assert_eq!(told.len(), 5, "{told:?}");
    desk.hold("gateways", &[breaker(0.0)], 29 * MINUTE - 30 * SECOND);
    assert_eq!(desk.told(), []);
    desk.hold("gateways", &[breaker(0.0)], MINUTE);
    assert_eq!(desk.told(), [resolved("breaker-open", Severity::Critical)]);
}

#[test]
fn input_that_flaps_faster_than_its_rule_keeps_firing_is_one_alert() {
    let mut desk = Desk::new(&[]);
    desk.hold("gateways", &[pool(0.85)], 2 * MINUTE);
    for _ in 0..500 {
        desk.hold("gateways", &[pool(0.7)], 10 * SECOND);
        desk.hold("gateways", &[pool(0.85)], 10 * SECOND);
    }
    assert_eq!(desk.told(), [firing(POOL, Severity::Warning)]);
    let mut desk = Desk::new(&[]);
    for _ in 0..500 {
        desk.hold("gateways", &[pool(0.85)], 50 * SECOND);
        desk.hold("gateways", &[pool(0.7)], 10 * SECOND);
    }
    assert_eq!(desk.told(), [], "it never held for a minute");
}

#[test]
fn an_alert_lasts_long_enough_to_be_looked_at() {
    let mut desk = Desk::new(&[("server-down", "for = \"0s\"\nkeep_firing_for = \"0s\"")]);
    desk.hold(
        "server",
        &[reading(metric::SERVER_DOWN, &[("upstream", "main")], 1.0)],
        3 * SECOND,
    );
    desk.hold("server", &[], 5 * SECOND);
    assert_eq!(desk.told(), [firing("server-down", Severity::Critical)]);
    desk.hold("server", &[], 10 * SECOND);
    assert_eq!(desk.told(), [resolved("server-down", Severity::Critical)]);
}

fn silence(desk: &Desk, matches: &[(&str, &str)], minutes: i64) -> Silence {
    let texts = matches
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    Silence {
        id: Uuid::from_u128(7),
        matchers: matchers(&texts).unwrap(),
        starts_unix_ms: desk.now,
        ends_unix_ms: desk.now + minutes * MINUTE,
    }
}

#[test]
fn what_is_silent_fires_all_the_same_and_is_told_when_the_silence_ends() {
    let mut desk = Desk::new(&[]);
    let silence = silence(&desk, &[("rule", "pool-*"), ("database", "db|other")], 10);
    desk.engine.set_silences(vec![silence.clone()], desk.now);
    desk.hold("gateways", &[pool(0.85)], 5 * MINUTE);
    let on_bus = desk
        .changes
        .iter()
        .filter(|change| change.bus == Some(Told::Firing))
        .count();
    assert_eq!(
        (desk.told(), on_bus, desk.alert(POOL).silenced_by),
        (vec![], 1, Some(silence.id))
    );
    desk.hold("gateways", &[pool(0.85)], 6 * MINUTE);
    assert_eq!(desk.told(), [firing(POOL, Severity::Warning)]);
    desk.engine.set_silences(
        vec![Silence {
            ends_unix_ms: i64::MAX,
            ..silence
        }],
        desk.now,
    );
    desk.hold("gateways", &[], 5 * MINUTE);
    assert_eq!(
        desk.told(),
        [resolved(POOL, Severity::Warning)],
        "who was told is told the end"
    );
}

#[test]
fn a_silence_about_something_else_is_none() {
    let mut desk = Desk::new(&[]);
    let others = [
        silence(&desk, &[("database", "other")], 60),
        silence(&desk, &[("severity", "critical")], 60),
        silence(&desk, &[("upstream", "*")], 60),
        silence(&desk, &[("project", "!default")], 60),
    ];
    desk.engine.set_silences(others.to_vec(), desk.now);
    desk.hold("gateways", &[pool(0.85)], 2 * MINUTE);
    assert_eq!(desk.told(), [firing(POOL, Severity::Warning)]);
    assert!(
        matchers(&BTreeMap::new()).is_err(),
        "without a matcher it would silence everything"
    );
}

#[test]
fn a_rule_that_is_gone_takes_its_alerts_with_it() {
    let mut desk = Desk::new(&[]);
    desk.hold("gateways", &[pool(0.85)], 2 * MINUTE);
    desk.told();
    desk.engine.set_book(book(&[(POOL, "enabled = false")]));
    desk.pass(SECOND);
    assert_eq!(desk.told(), [resolved(POOL, Severity::Warning)]);
    desk.hold("gateways", &[pool(0.85)], 2 * MINUTE);
    assert_eq!(desk.told(), []);
    desk.engine.set_book(book(&[(POOL, "warning = 0.5\nfor = \"0s\"")]));
    desk.hold("gateways", &[pool(0.85)], 2 * SECOND);
    assert_eq!(
        desk.told(),
        [firing(POOL, Severity::Warning)],
        "a changed rule is judged by at once"
    );
}

#[test]
fn the_same_thing_read_twice_is_one_alert_as_bad_as_the_worse() {
    let mut desk = Desk::new(&[]);
    desk.hold("gateways", &[pool(0.95), pool(0.85), pool(0.1)], 2 * MINUTE);
    assert_eq!(desk.told(), [firing(POOL, Severity::Critical)]);
}

#[test]
fn a_storm_has_a_bound() {
    let mut desk = Desk::new(&[]);
    let slow = |fingerprint: u64| Reading {
        fingerprint: Some(Fingerprint::new(fingerprint)),
        ..reading(metric::SLOW_QUERY_MS, &[("database", "db")], 2_000.0)
    };
    desk.put("statements", (0..ALERTS_MAX as u64 + 5).map(slow).collect());
    desk.pass(SECOND);
    assert_eq!((desk.told().len(), desk.engine.refused()), (ALERTS_MAX, 5));
    assert!(desk.alert("slow-query").fingerprint.is_some());
}
