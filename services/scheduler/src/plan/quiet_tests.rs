//! Quiet hours of made-up months. Pure.

use chrono::{NaiveDate, TimeZone as _};

use super::*;

const VIENNA: Tz = chrono_tz::Europe::Vienna;
const MONTH: i64 = 30;

/// 2026-11-21, 15:20 in Vienna, a Saturday.
fn now() -> i64 {
    VIENNA
        .with_ymd_and_hms(2026, 11, 21, 15, 20, 0)
        .unwrap()
        .timestamp_millis()
}

/// An hour of a trace: which day of the week, which hour, and what ran.
type Hour = (usize, usize, f64);

/// The hours of so many days before now, with a load of their local day and hour, uneven by up to a fifth. Hours without
/// load are left out, as the monitor does.
fn trace(days: i64, load: impl Fn(NaiveDate, usize) -> f64) -> (Vec<Load>, Vec<Hour>) {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut loads, mut hours) = (Vec::new(), Vec::new());
    let first = (now() - days * 24 * HOUR_MS) / HOUR_MS * HOUR_MS;
    for from_unix_ms in (first..now()).step_by(3_600_000) {
        let at = VIENNA.timestamp_millis_opt(from_unix_ms).unwrap();
        let hour = at.hour() as usize;
        let busy_ms = load(at.date_naive(), hour) * (0.8 + 0.4 * random.f64());
        hours.push((at.weekday().num_days_from_monday() as usize, hour, busy_ms));
        if busy_ms > 0.0 {
            let to_unix_ms = from_unix_ms + HOUR_MS;
            loads.push(Load {
                from_unix_ms,
                to_unix_ms,
                busy_ms,
            });
        }
    }
    (loads, hours)
}

/// The windows as `days start-end`.
fn learned(loads: &[Load], allowed: Option<Hours>) -> Vec<String> {
    let Quiet::Known(windows) = quiet_hours(loads, VIENNA, now(), allowed) else {
        panic!("nothing was learned")
    };
    let text = |(days, hours): &(Weekdays, Hours)| {
        let days: String = days.days().map(|day| day.to_string()).collect();
        format!("{days} {}-{}", hours.start(), hours.end())
    };
    windows.iter().map(text).collect()
}

/// A shop: busiest in the afternoon, a third as busy on Sundays.
fn shop(date: NaiveDate, hour: usize) -> f64 {
    let angle = (hour as f64 - 3.0) / 24.0 * std::f64::consts::TAU;
    let day = if date.weekday() == chrono::Weekday::Sun {
        0.33
    } else {
        1.0
    };
    day * (1_000.0 - 960.0 * angle.cos()) + 5.0
}

/// An office: ten hours from Monday to Friday, and next to nothing else.
fn office(date: NaiveDate, hour: usize) -> f64 {
    let is_weekend = date.weekday().num_days_from_monday() >= 5;
    if !is_weekend && (8..18).contains(&hour) {
        4_000.0
    } else {
        40.0
    }
}

/// A shop whose reports run from one to four each night, so that its quiet hours are in the evening.
fn reports(_: NaiveDate, hour: usize) -> f64 {
    match hour {
        1..4 => 9_000.0,
        18..23 => 60.0,
        _ => 1_500.0,
    }
}

/// A bakery: quieter from eight in the evening on, and quietest from two to five.
fn bakery(_: NaiveDate, hour: usize) -> f64 {
    match hour {
        2..5 => 110.0,
        20.. | ..8 => 150.0,
        _ => 1_000.0,
    }
}

#[test]
fn what_is_chosen_of_thirty_days_is_within_the_quietest_fifth() {
    for (name, load) in [
        ("shop", shop as fn(NaiveDate, usize) -> f64),
        ("reports", reports),
        ("bakery", bakery),
    ] {
        let (loads, hours) = trace(MONTH, load);
        let Quiet::Known(windows) = quiet_hours(&loads, VIENNA, now(), None) else {
            panic!("{name}: nothing was learned")
        };
        let is_chosen = |&(day, hour, _): &Hour| {
            windows.iter().any(|(days, of)| {
                let (start, end) = of.minutes();
                let minute = hour as u16 * 60;
                let on = |day: usize| days.days().any(|one| one as usize == day % 7);
                (on(day) && (start..end).contains(&minute)) || (on(day + 6) && (start..end).contains(&(minute + 1_440)))
            })
        };
        let chosen: Vec<f64> = hours.iter().filter(|hour| is_chosen(hour)).map(|hour| hour.2).collect();
        let fifth = percentile(hours.iter().map(|hour| hour.2).collect(), 20);
        let load = mean(chosen.iter().copied());
        assert!(
            load <= fifth,
            "{name}: {load} on average, the quietest fifth is below {fifth}: {windows:?}"
        );
        assert!(
            chosen.len() >= 30 * 2,
            "{name}: {} hours in a month: {windows:?}",
            chosen.len()
        );
    }
}

#[test]
fn windows_lie_where_it_is_quiet_and_not_where_clocks_usually_are_set_to() {
    let (loads, _) = trace(MONTH, reports);
    let windows = learned(&loads, None);
    assert!(!windows.is_empty());
    for window in windows {
        let (start, end) = window.split_once(' ').unwrap().1.split_once('-').unwrap();
        assert!(start >= "18:00" && end <= "23:00", "{window}");
    }
    let (loads, _) = trace(MONTH, shop);
    let windows = learned(&loads, None);
    assert!(
        windows
            .iter()
            .any(|window| window.contains("02:00-") || window.contains("01:00-")),
        "{windows:?}"
    );
}

#[test]
fn where_nights_hardly_differ_all_of_them_are_taken() {
    let (loads, _) = trace(MONTH, office);
    assert_eq!(
        learned(&loads, None),
        ["6 12:00-08:00", "5 12:00-12:00", "0123 18:00-08:00", "4 18:00-12:00"]
    );
}

#[test]
fn an_even_load_has_no_quiet_hours() {
    let (loads, _) = trace(MONTH, |_, _| 500.0);
    assert_eq!(learned(&loads, None), [""; 0]);
}

#[test]
fn two_weeks_have_to_be_known_and_an_absent_monitor_does_not_count_as_quiet() {
    let early = |loads: &[Load]| matches!(quiet_hours(loads, VIENNA, now(), None), Quiet::TooEarly { .. });
    assert_eq!(quiet_hours(&[], VIENNA, now(), None), Quiet::TooEarly { days: 0 });
    // The first day and today are not whole.
    assert!(early(&trace(14, shop).0));
    assert!(!early(&trace(15, shop).0));
    // There is a first day and a last, and little between.
    let (mut loads, _) = trace(MONTH, shop);
    loads.retain(|load| load.from_unix_ms < now() - 25 * 24 * HOUR_MS || load.from_unix_ms > now() - 3 * 24 * HOUR_MS);
    assert!(early(&loads));

    // Two whole days in the middle are missing: the windows are the same as without.
    let (mut loads, _) = trace(MONTH, shop);
    let before = learned(&loads, None);
    let hole = now() - 10 * 24 * HOUR_MS;
    loads.retain(|load| !(hole..hole + 24 * HOUR_MS).contains(&load.from_unix_ms));
    assert_eq!(learned(&loads, None), before);
}

#[test]
fn a_day_on_which_nothing_ever_runs_is_quiet() {
    let idle = |date: NaiveDate, hour| {
        if date.weekday() == chrono::Weekday::Sun {
            0.0
        } else {
            shop(date, hour)
        }
    };
    let (loads, _) = trace(MONTH, idle);
    let windows = learned(&loads, None);
    // From Saturday night on, through Sunday noon, to Monday.
    assert!(
        windows
            .iter()
            .any(|window| window.starts_with("6 ") && window.contains("12:00-")),
        "{windows:?}"
    );
}

#[test]
fn windows_stay_within_what_an_operator_allows() {
    let (loads, _) = trace(MONTH, office);
    let allowed = Hours::parse("22:00", "02:00").unwrap();
    let windows = learned(&loads, Some(allowed));
    assert!(!windows.is_empty());
    for window in windows {
        let (start, end) = window.split_once(' ').unwrap().1.split_once('-').unwrap();
        assert!(
            ["22:00", "23:00", "00:00"].contains(&start) && ["00:00", "01:00", "02:00"].contains(&end),
            "{window}"
        );
    }
}

#[test]
fn fine_spans_are_added_up_and_coarse_ones_left_out() {
    let (loads, _) = trace(MONTH, shop);
    let fine: Vec<Load> = loads
        .iter()
        .flat_map(|load| {
            (0..60).map(|minute| Load {
                from_unix_ms: load.from_unix_ms + minute * 60_000,
                to_unix_ms: load.from_unix_ms + (minute + 1) * 60_000,
                busy_ms: load.busy_ms / 60.0,
            })
        })
        .collect();
    assert_eq!(learned(&fine, None), learned(&loads, None));
    let day = Load {
        from_unix_ms: now() - 40 * 24 * HOUR_MS,
        to_unix_ms: now() - 39 * 24 * HOUR_MS,
        busy_ms: 1e12,
    };
    let with_days: Vec<Load> = loads.iter().copied().chain([day]).collect();
    assert_eq!(learned(&with_days, None), learned(&loads, None));
}
