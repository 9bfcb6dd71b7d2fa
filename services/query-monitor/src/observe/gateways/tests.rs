//! What gateways tell, and what is read from it.

use super::*;

const GATEWAY: &str = "gateway-1";
/// When these tests begin, by the clocks of all.
const BEGUN: i64 = 1_800_000_000_000;

fn project(name: &str) -> Project {
    Project::parse(name).unwrap()
}

fn pool(active: u32, waiting: u32) -> Pool {
    Pool {
        upstream: "db:5432".to_owned(),
        database: "shop".to_owned(),
        role: "app".to_owned(),
        active,
        waiting,
        max: 10,
        ..Pool::default()
    }
}

/// What is told every five seconds: a pool that has been used so much in all.
fn regular(second: i64, waiting: u32, busy_s: u64) -> PoolState {
    let used = PoolUse {
        busy_us_total: busy_s * 1_000_000,
        capacity_us_total: second.unsigned_abs() * 10 * 1_000_000,
        ..PoolUse::default()
    };
    PoolState {
        instance: GATEWAY.to_owned(),
        at_unix_ms: BEGUN + second * 1_000,
        pools: vec![pool(10, waiting)],
        uses: vec![used],
        next_after_ms: 5_000,
        ..PoolState::default()
    }
}

fn turned(second: i64, state: BreakerState) -> PoolState {
    let health = UpstreamHealth {
        upstream: "db:5432".to_owned(),
        breaker: state.into(),
        since_unix_ms: BEGUN + second * 1_000,
        opened_total: 3,
        last_error: "upstream-unreachable".to_owned(),
        ..UpstreamHealth::default()
    };
    PoolState {
        instance: GATEWAY.to_owned(),
        at_unix_ms: BEGUN + second * 1_000,
        upstreams: vec![health],
        ..PoolState::default()
    }
}

/// Takes note of messages as they come in, and reads one figure at the end.
fn read(states: &mut States, metric: crate::detect::Metric, second: i64) -> Vec<Reading> {
    let now = BEGUN + second * 1_000;
    states.fade(now);
    let readings = states.readings(now).into_iter();
    readings.filter(|reading| reading.metric == metric).collect()
}

fn note(states: &mut States, second: i64, state: PoolState) -> Noted {
    states.note(&project("acme"), state, BEGUN + second * 1_000)
}

fn values(readings: &[Reading]) -> Vec<f64> {
    readings.iter().map(|reading| reading.value).collect()
}

#[test]
fn a_pool_is_as_used_as_it_was_between_two_messages_and_not_at_the_moment_of_one() {
    let mut states = States::default();
    note(&mut states, 5, regular(5, 0, 49));
    assert!(
        read(&mut states, metric::POOL_UTILIZATION, 5).is_empty(),
        "one message is no average"
    );
    // All ten connections are in use at the moment of each message, and a quarter of them between the two.
    note(&mut states, 10, regular(10, 0, 49 + 12));
    let found = read(&mut states, metric::POOL_UTILIZATION, 10);
    assert!((found[0].value - 0.24).abs() < 1e-9, "{found:?}");
    let expected = Labels::from([
        ("upstream", "db:5432".to_owned()),
        ("database", "shop".to_owned()),
        ("role", "app".to_owned()),
        ("gateway", GATEWAY.to_owned()),
    ]);
    assert_eq!((found[0].project.as_str(), &found[0].labels), ("acme", &expected));
    // One that was lost on the way makes the time longer, and nothing wrong.
    note(&mut states, 20, regular(20, 0, 49 + 12 + 95));
    let found = read(&mut states, metric::POOL_UTILIZATION, 20);
    assert!((found[0].value - 0.95).abs() < 1e-9, "{found:?}");
    // The pool was closed and made again.
    let anew = PoolState {
        at_unix_ms: BEGUN + 25_000,
        ..regular(2, 0, 6)
    };
    note(&mut states, 25, anew);
    let found = read(&mut states, metric::POOL_UTILIZATION, 25);
    assert!((found[0].value - 0.3).abs() < 1e-9, "{found:?}");
}

#[test]
fn who_waits_counts_as_far_as_somebody_waited_at_both_ends() {
    let mut states = States::default();
    for (second, waiting, expected) in [(5, 7, 0.0), (10, 3, 3.0), (15, 0, 0.0), (20, 9, 0.0), (25, 9, 9.0)] {
        note(&mut states, second, regular(second, waiting, 1));
        let found = read(&mut states, metric::POOL_WAITING, second);
        assert_eq!(values(&found), [expected], "after {second} s");
    }
}

#[test]
fn a_breaker_is_as_it_was_told_last_at_once_or_regularly() {
    let mut states = States::default();
    for (second, state, value) in [
        (1, BreakerState::Closed, 0.0),
        (2, BreakerState::Open, 1.0),
        (32, BreakerState::HalfOpen, 0.5),
        (33, BreakerState::Closed, 0.0),
    ] {
        note(&mut states, second, turned(second, state));
        let found = read(&mut states, metric::BREAKER_OPEN, second);
        assert_eq!(values(&found), [value], "{state:?}");
    }
    note(&mut states, 34, turned(34, BreakerState::Open));
    let found = read(&mut states, metric::BREAKER_OPEN, 41);
    assert_eq!(
        found[0].note,
        "callers are refused at once, since 7 s, because of upstream-unreachable; it has opened 3 times since the \
         gateway started"
    );
    // A regular message names all servers: one that is not in it is none of the gateway's any more.
    note(&mut states, 42, regular(42, 0, 1));
    assert!(read(&mut states, metric::BREAKER_OPEN, 42).is_empty());
}

#[test]
fn why_a_pool_is_nearly_used_up_is_said_as_long_as_it_is() {
    let mut states = States::default();
    let news = |second: i64, pressure: PoolPressure, reason: &str| PoolState {
        instance: GATEWAY.to_owned(),
        at_unix_ms: BEGUN + second * 1_000,
        pools: vec![pool(10, 0)],
        pressure: pressure.into(),
        reason: reason.to_owned(),
        ..PoolState::default()
    };
    note(&mut states, 5, regular(5, 0, 1));
    note(&mut states, 6, news(6, PoolPressure::High, "10 of 10 servers are busy"));
    note(&mut states, 10, regular(10, 0, 1));
    let found = read(&mut states, metric::POOL_UTILIZATION, 10);
    assert_eq!(found[0].note, "10 of 10 servers are busy");
    note(
        &mut states,
        12,
        news(12, PoolPressure::Normal, "2 of 10 servers are busy"),
    );
    assert_eq!(read(&mut states, metric::POOL_UTILIZATION, 12)[0].note, "");
    // What is told regularly is newer, and says how long somebody waits.
    let mut pressed = regular(15, 4, 1);
    pressed.uses[0].reason = "10 of 10 servers are busy: 10 idle in transaction".to_owned();
    pressed.uses[0].longest_wait_us = 2_340_000;
    note(&mut states, 15, pressed);
    assert_eq!(
        read(&mut states, metric::POOL_WAITING, 15)[0].note,
        "10 of 10 servers are busy: 10 idle in transaction; the longest wait so far is 2.3 s"
    );
}

#[test]
fn a_gateway_that_is_silent_fades_and_one_that_leaves_is_gone_at_once() {
    let mut states = States::default();
    note(&mut states, 5, regular(5, 0, 1));
    assert_eq!(
        read(&mut states, metric::POOL_WAITING, 24).len(),
        1,
        "three messages may be lost"
    );
    assert!(read(&mut states, metric::POOL_WAITING, 25).is_empty());
    // One that tells of nothing but news fades as well.
    note(&mut states, 30, turned(30, BreakerState::Open));
    assert_eq!(read(&mut states, metric::BREAKER_OPEN, 49).len(), 1);
    assert!(read(&mut states, metric::BREAKER_OPEN, 50).is_empty());
    note(&mut states, 60, regular(60, 0, 1));
    let end = PoolState {
        instance: GATEWAY.to_owned(),
        leaving: true,
        ..PoolState::default()
    };
    note(&mut states, 61, end);
    assert!(read(&mut states, metric::POOL_WAITING, 61).is_empty());
}

#[test]
fn a_pool_that_is_not_told_of_any_more_is_gone_and_a_late_message_changes_nothing() {
    let mut states = States::default();
    note(&mut states, 5, regular(5, 0, 1));
    let empty = PoolState {
        pools: Vec::new(),
        uses: Vec::new(),
        ..regular(10, 0, 1)
    };
    note(&mut states, 10, empty);
    assert_eq!(note(&mut states, 11, regular(5, 0, 1)), Noted::Late);
    assert!(read(&mut states, metric::POOL_WAITING, 11).is_empty());
}

#[test]
fn gateways_and_projects_are_told_apart() {
    let mut states = States::default();
    for second in [5, 10] {
        note(&mut states, second, regular(second, 1, 1));
        let other = PoolState {
            instance: "gateway-2".to_owned(),
            ..regular(second, 2, 1)
        };
        note(&mut states, second, other);
        states.note(&project("blog"), regular(second, 3, 1), BEGUN + second * 1_000);
    }
    let mut found = values(&read(&mut states, metric::POOL_WAITING, 10));
    found.sort_by(f64::total_cmp);
    assert_eq!(found, [1.0, 2.0, 3.0]);
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_left_out_is_said() {
    let mut states = States::default();
    for number in 0..GROUPS_MAX {
        let state = PoolState {
            instance: format!("gateway-{number}"),
            ..regular(5, 0, 1)
        };
        let noted = states.note(&project("acme"), state, BEGUN + i64::try_from(number).unwrap());
        assert_eq!(noted, Noted::Counted);
    }
    let one_more = PoolState {
        instance: "x".repeat(10_000),
        ..regular(5, 0, 1)
    };
    assert_eq!(note(&mut states, 9, one_more), Noted::Crowded);
    assert_eq!(states.groups.len(), GROUPS_MAX);
    assert!(
        !states.groups.keys().any(|(instance, _)| instance == "gateway-0"),
        "the oldest goes"
    );
    assert!(
        states
            .groups
            .keys()
            .all(|(instance, _)| instance.len() <= LABEL_CHARACTERS_MAX)
    );
    let many = PoolState {
        pools: (0..THINGS_MAX + 1)
            .map(|number| Pool {
                database: format!("db{number}"),
                ..pool(1, 0)
            })
            .collect(),
        uses: Vec::new(),
        ..regular(5, 0, 1)
    };
    assert_eq!(note(&mut states, 10, many), Noted::Crowded);
}
