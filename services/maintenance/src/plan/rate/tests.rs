//! Paces from readings. Pure.

use std::time::Duration;

use super::*;

const START: i64 = 1_800_000_000_000 / WEEK_MS * WEEK_MS;

fn reading(at_ms: i64, xid: u64) -> Reading {
    Reading {
        at_ms,
        xid,
        mxid: 5,
        horizon: Some(xid.saturating_sub(3)),
    }
}

/// Readings once a minute, at the pace that a moment has.
fn read(minutes: i64, pace: impl Fn(i64) -> f64) -> History {
    let (mut history, mut xid) = (History::default(), 1e6);
    for minute in 0..minutes {
        let at_ms = START + minute * MINUTE_MS;
        history.add(reading(at_ms, xid as u64));
        xid += pace(at_ms) * 60.0;
    }
    history
}

fn close(seen: Option<Duration>, expected: f64) {
    let seen = seen.unwrap().as_secs_f64();
    assert!((seen / expected - 1.0).abs() < 0.02, "{seen} instead of {expected}");
}

#[test]
fn two_readings_say_nothing_and_three_do() {
    let pace = |minutes| read(minutes, |_| 100.0).pace(Ids::Transactions, START);
    assert_eq!(pace(2).basis(), Basis::None);
    assert_eq!(pace(2).until(1), None);
    assert_eq!((pace(3).basis(), pace(3).per_second()), (Basis::Recent, Some(100.0)));
    close(pace(3).until(1_000_000), 10_000.0);
}

#[test]
fn a_new_pace_counts_within_a_quarter_of_an_hour_and_for_an_emergency_within_a_day() {
    let end = START + 600 * MINUTE_MS;
    let history = read(600, |at_ms| if at_ms > end - 20 * MINUTE_MS { 1_000.0 } else { 10.0 });
    let pace = history.pace(Ids::Transactions, end);
    assert_eq!(pace.per_second(), Some(1_000.0));
    close(pace.until(1_000_000), 1_000.0);
    let steady = pace.until_steadily(1_000_000).unwrap();
    assert!(steady > Duration::from_secs(20_000), "{steady:?}");
}

#[test]
fn multixacts_wrap_and_go_on() {
    let mut history = History::default();
    for (minute, mxid) in [(0, u32::MAX - 600), (1, u32::MAX), (2, 599)] {
        history.add(Reading {
            mxid,
            ..reading(START + minute * MINUTE_MS, 10)
        });
    }
    let pace = history.pace(Ids::Multixacts, START);
    assert_eq!(pace.per_second(), Some(10.0));
    assert_eq!(history.pace(Ids::Transactions, START).until(5), None);
}

#[test]
fn a_server_that_was_restored_and_a_clock_that_was_set_back_begin_anew() {
    let mut history = read(60, |_| 100.0);
    history.add(reading(START + 61 * MINUTE_MS, 500));
    assert_eq!(history.pace(Ids::Transactions, START).basis(), Basis::None);
    let mut history = read(60, |_| 100.0);
    let back = START + 30 * MINUTE_MS - 1;
    history.add(reading(back, 2_000_000));
    assert!(history.kept.iter().all(|reading| reading.at_ms <= back));
}

/// By day ten times as much as by night, on Sundays nothing.
fn week(at_ms: i64) -> f64 {
    let (day, hour) = (at_ms.rem_euclid(WEEK_MS) / DAY_MS, at_ms.rem_euclid(DAY_MS) / HOUR_MS);
    match (day, hour) {
        (3, _) => 0.0,
        (_, 8..20) => 1_000.0,
        _ => 100.0,
    }
}

#[test]
fn once_two_weeks_are_known_the_hours_of_the_week_count() {
    let thirteen = read(13 * 1_440, week).pace(Ids::Transactions, START + 13 * DAY_MS);
    assert_eq!(thirteen.basis(), Basis::Recent);
    let minutes = 16 * 1_440 + 120;
    let history = read(minutes, week);
    assert!(history.kept.len() < 7_100, "{} readings are kept", history.kept.len());
    let now_ms = START + minutes * MINUTE_MS;
    let pace = history.pace(Ids::Transactions, now_ms);
    assert_eq!(pace.basis(), Basis::Week);
    // It is two at night, and until eight it is 100 a second: the quarter of an hour of late knows nothing of the day.
    let until_eight = 6.0 * 3_600.0 * 100.0;
    close(pace.until(until_eight as u64 + 3_600_000), 7.0 * 3_600.0);
    let week_ids = 6.0 * (12.0 * 1_000.0 + 12.0 * 100.0) * 3_600.0;
    close(pace.until((week_ids * 10.0) as u64), 10.0 * 7.0 * 86_400.0);
}

#[test]
fn a_pace_that_the_week_never_saw_is_taken_to_last() {
    let begins = START + 15 * DAY_MS;
    let history = read(
        15 * 1_440 + 20,
        |at_ms| if at_ms >= begins { 50_000.0 } else { week(at_ms) },
    );
    let pace = history.pace(Ids::Transactions, begins + 20 * MINUTE_MS);
    assert_eq!(pace.basis(), Basis::Unusual);
    close(pace.until(50_000_000), 1_000.0);
    // An emergency is not declared for twenty minutes.
    assert!(pace.until_steadily(50_000_000).unwrap() > Duration::from_secs(10_000));
}

#[test]
fn readings_grow_fewer_with_age_and_none_is_kept_for_ever() {
    let history = read(37 * 1_440, |_| 1.0);
    let first = history.kept.first().unwrap().at_ms;
    assert!(first >= START + 2 * DAY_MS - HOUR_MS, "{first}");
    let expected = 2 * 1_440 + 33 * 288;
    assert!(history.kept.len().abs_diff(expected) < 100, "{}", history.kept.len());
    let whole = History::of(history.kept.clone());
    let (one, two) = (
        history.pace(Ids::Transactions, first),
        whole.pace(Ids::Transactions, first),
    );
    assert!(one.week.is_some() && two.week.is_some());
}

#[test]
fn a_horizon_that_stays_while_ids_are_used_stands_still() {
    let mut history = read(5, |_| 10.0);
    assert_eq!(history.stands_still(), None);
    for minute in 5..20 {
        history.add(Reading {
            horizon: Some(1_000_000),
            ..reading(START + minute * MINUTE_MS, 2_000_000 + minute as u64)
        });
    }
    assert_eq!(history.stands_still(), Some(Duration::from_secs(14 * 60)));
    history.add(reading(START + 20 * MINUTE_MS, 3_000_000));
    assert_eq!(history.stands_still(), None);
    let mut idle = History::default();
    for minute in 0..20 {
        idle.add(reading(START + minute * MINUTE_MS, 7));
    }
    assert_eq!(idle.stands_still(), None);
}
