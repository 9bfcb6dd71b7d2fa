//! When something runs out: with an interval, or not said. Pure.

use fastrand::Rng;

use super::{HOUR, normal, series, wave};
use crate::detect::trend::{Point, RunsOut, TooLittleData, Unit, runs_out, sentence};

const GB: f64 = 1e9;

/// A disk of 1 TB that fills by 3 GB a day from 900 GB on, with a daily wave and noise.
fn disk(seed: u64, hours: usize) -> Vec<f64> {
    let mut random = Rng::with_seed(seed);
    let one =
        |hour: usize| 900.0 * GB + 0.125 * GB * hour as f64 + 2.0 * GB * wave(hour) + 0.3 * GB * normal(&mut random);
    (0..hours).map(one).collect()
}

fn told(values: &[f64], capacity: f64) -> RunsOut {
    runs_out(&series(HOUR, values), capacity, 400.0)
}

fn days(outlook: &RunsOut) -> (f64, f64, f64) {
    match outlook {
        RunsOut::In { days, low, high, .. } => (*days, *low, high.unwrap_or(f64::INFINITY)),
        other => panic!("no day was named: {other:?}"),
    }
}

#[test]
fn a_disk_that_fills_is_full_when_it_is() {
    for seed in 0..20 {
        let outlook = told(&disk(seed, 336), 1_000.0 * GB);
        // 58 GB of 100 are left at 3 GB a day.
        let (likely, low, high) = days(&outlook);
        assert!(
            (likely - 19.3).abs() < 1.5 && low <= 19.3 && (18.5..30.0).contains(&high),
            "{outlook:?}"
        );
    }
}

#[test]
fn the_day_it_happened_lies_in_the_interval_nine_times_of_ten() {
    let (mut said, mut inside) = (0, 0);
    for seed in 0..300 {
        let mut random = Rng::with_seed(seed);
        let mut level = 1_000.0;
        let mut walk = || {
            level += 1.0 + 5.0 * normal(&mut random);
            level
        };
        let values: Vec<f64> = (0..3_000).map(|_| walk()).collect();
        let (past, future) = values.split_at(336);
        let capacity = past[335] + 300.0;
        let Some(came) = future.iter().position(|value| *value >= capacity) else {
            continue;
        };
        if let RunsOut::In { low, high, .. } = told(past, capacity) {
            let came = (came + 1) as f64 / 24.0;
            said += 1;
            inside += usize::from(low <= came && high.is_none_or(|high| came <= high));
        }
    }
    assert!(said > 250 && inside * 10 >= said * 9, "{inside} of {said}");
}

#[test]
fn no_day_is_named_where_there_is_no_trend() {
    let (mut of_noise, mut of_walks) = (0, 0);
    for seed in 0..500 {
        let mut random = Rng::with_seed(seed);
        let noise: Vec<f64> = (0..336).map(|_| 1_000.0 + 20.0 * normal(&mut random)).collect();
        of_noise += usize::from(matches!(told(&noise, 1_100.0), RunsOut::In { .. }));
        let mut level = 1_000.0;
        let mut walk = || {
            level += 5.0 * normal(&mut random);
            level
        };
        let walk: Vec<f64> = (0..336).map(|_| walk()).collect();
        of_walks += usize::from(matches!(told(&walk, 1_300.0), RunsOut::In { .. }));
    }
    // A walk without a direction looks as if it had one in five of a hundred cases, whatever one does.
    assert!(of_noise == 0 && of_walks <= 35, "{of_noise} and {of_walks} of 500");
}

#[test]
fn a_disk_that_was_cleaned_goes_on_filling_from_where_it_is() {
    let mut values = disk(1, 336);
    for value in &mut values[..200] {
        *value += 60.0 * GB;
    }
    let (likely, ..) = days(&told(&values, 1_000.0 * GB));
    assert!(
        (likely - 19.3).abs() < 2.0,
        "{likely}: the cleaning was taken for a trend"
    );
    let mut restored = disk(1, 336);
    for value in &mut restored[200..] {
        *value += 30.0 * GB;
    }
    let outlook = told(&restored, 1_030.0 * GB);
    let (likely, low, high) = days(&outlook);
    assert!(
        (likely - 19.3).abs() < 3.0 && low < 19.3 && high > 19.3,
        "one restore is not what happens every day: {outlook:?}"
    );
}

#[test]
fn a_disk_that_is_cleaned_every_day_does_not_fill() {
    let saw: Vec<f64> = (0..720)
        .map(|hour| 500.0 * GB + 4.0 * GB * f64::from(hour % 24))
        .collect();
    let outlook = told(&saw, 1_000.0 * GB);
    assert!(
        matches!(outlook, RunsOut::NotWithin { .. } | RunsOut::NoTrend),
        "{outlook:?}"
    );
}

#[test]
fn what_shrinks_stands_still_or_is_full_already_is_said_so() {
    let shrinking: Vec<f64> = disk(1, 336).into_iter().rev().collect();
    assert!(matches!(
        told(&shrinking, 1_000.0 * GB),
        RunsOut::NotWithin { low: None, .. }
    ));
    assert_eq!(told(&[5.0; 100], 10.0), RunsOut::NotWithin { days: 41.25, low: None });
    let full = told(&disk(1, 336), 900.0 * GB);
    assert!(matches!(full, RunsOut::In { days: 0.0, .. }), "{full:?}");
}

#[test]
fn hostile_figures_break_nothing() {
    let mut points = series(HOUR, &disk(2, 336));
    for at in (0..336).step_by(5) {
        points[at].value = [f64::NAN, f64::INFINITY, -f64::INFINITY, 1e308, -1e308][at % 25 / 5];
    }
    points.swap(3, 300);
    let (likely, ..) = days(&runs_out(&points, 1_000.0 * GB, 400.0));
    assert!((likely - 19.3).abs() < 3.0, "{likely}");
    for capacity in [f64::NAN, f64::INFINITY, f64::MIN] {
        runs_out(&points, capacity, f64::NAN);
    }
    let at_the_ends = [Point::new(i64::MIN, 1.0), Point::new(i64::MAX, 2.0)];
    assert_eq!(
        runs_out(&at_the_ends, 3.0, 400.0),
        RunsOut::TooLittleData(TooLittleData::Points(1))
    );
    let apart: Vec<Point> = (0..100)
        .map(|index| Point::new(index * (i64::MAX / 100), 1.0))
        .collect();
    assert!(matches!(runs_out(&apart, 3.0, 400.0), RunsOut::TooLittleData(_)));
}

#[test]
fn it_is_said_in_words_with_the_interval_and_the_pace() {
    let outlook = RunsOut::In {
        days: 12.2,
        low: 9.4,
        high: Some(18.0),
        per_day: 3.1 * GB,
    };
    assert_eq!(
        sentence(&outlook, "full", Unit::Bytes),
        "full in 12 days, between 9 and 18, at 3.1 GB a day"
    );
    let open = RunsOut::In {
        days: 1.04,
        low: 0.5,
        high: None,
        per_day: 0.021,
    };
    assert_eq!(
        sentence(&open, "used up", Unit::Ratio),
        "used up in 1.0 days, not before 0.5, at 2.10 percentage points a day"
    );
    let not = RunsOut::NotWithin {
        days: 400.0,
        low: Some(90.0),
    };
    assert_eq!(
        sentence(&not, "full", Unit::Bytes),
        "likely not full within 400 days, at the earliest in 90 days"
    );
    assert_eq!(
        sentence(&RunsOut::NoTrend, "full", Unit::Ratio),
        "its trend cannot be told from none"
    );
    let little = RunsOut::TooLittleData(TooLittleData::Points(3));
    assert_eq!(
        sentence(&little, "full", Unit::Ratio),
        "3 readings are too few, at least 24 are needed"
    );
}
