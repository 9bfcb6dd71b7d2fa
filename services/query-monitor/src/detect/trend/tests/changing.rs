//! Changes of level: which are told, which are not, and how soon. Pure.

use fastrand::Rng;

use super::{MINUTE, START, normal, series};
use crate::detect::trend::{Change, ChangeOptions, Point, changes};

/// What latencies of a shape are like: log-normal around 20 ms, neighbours alike or not, and now and then far out.
#[derive(Clone, Copy)]
struct Kind {
    sigma: f64,
    alike: f64,
    outliers: f64,
}

const QUIET: Kind = Kind {
    sigma: 0.05,
    alike: 0.0,
    outliers: 0.0,
};
const USUAL: Kind = Kind {
    sigma: 0.2,
    alike: 0.0,
    outliers: 0.02,
};
const ALIKE: Kind = Kind {
    sigma: 0.2,
    alike: 0.5,
    outliers: 0.02,
};
/// Wandering about, each value near the one before.
const WANDERING: Kind = Kind {
    sigma: 0.4,
    alike: 0.9,
    outliers: 0.0,
};
const ROUGH: Kind = Kind {
    sigma: 0.5,
    alike: 0.0,
    outliers: 0.02,
};

impl Kind {
    fn values(self, seed: u64, count: usize) -> Vec<f64> {
        let mut random = Rng::with_seed(seed);
        let mut state = 0.0;
        let mut one = || {
            state = self.alike * state + (1.0 - self.alike * self.alike).sqrt() * normal(&mut random);
            let value = 20.0 * (state * self.sigma).exp();
            if random.f64() < self.outliers {
                value * (5.0 + 20.0 * random.f64())
            } else {
                value
            }
        };
        (0..count).map(|_| one()).collect()
    }

    fn stepped(self, seed: u64, count: usize, at: usize, factor: f64) -> Vec<f64> {
        let values = self.values(seed, count).into_iter().enumerate();
        values
            .map(|(index, value)| if index < at { value } else { value * factor })
            .collect()
    }
}

fn found(values: &[f64]) -> Vec<Change> {
    changes(&series(MINUTE, values), ChangeOptions::default())
}

fn minute(change: &Change) -> i64 {
    (change.at_unix_ms - START) / MINUTE
}

#[test]
fn flat_series_have_no_changes() {
    for (kind, series, allowed) in [
        (QUIET, 300, 0),
        (USUAL, 200, 1),
        (ROUGH, 100, 1),
        (ALIKE, 30, 1),
        (WANDERING, 20, 2),
    ] {
        let wrong = (0..series)
            .filter(|seed| !found(&kind.values(*seed, 360)).is_empty())
            .count();
        assert!(
            wrong <= allowed,
            "{wrong} of {series} flat series of sigma {} were said to change",
            kind.sigma
        );
    }
}

#[test]
fn a_planted_change_is_found_where_it_is_with_its_size() {
    for (kind, factor, of_twenty) in [
        (QUIET, 1.5, 20),
        (USUAL, 1.5, 19),
        (USUAL, 0.5, 19),
        (ALIKE, 2.0, 18),
        (ROUGH, 2.0, 16),
        (ROUGH, 10.0, 19),
    ] {
        let hit = |seed: &u64| {
            let at = Rng::with_seed(*seed).usize(60..300);
            let told = found(&kind.stepped(seed + 5_000, 360, at, factor));
            told.iter().any(|change| {
                (minute(change) - i64::try_from(at).unwrap()).abs() <= 10 && (change.factor / factor).ln().abs() < 0.25
            })
        };
        let hits = (0..20).filter(hit).count();
        assert!(
            hits >= of_twenty,
            "a factor of {factor} under noise of {} was found {hits} times of 20",
            kind.sigma
        );
    }
}

#[test]
fn a_change_too_small_to_matter_is_not_told() {
    let told = (0..30)
        .filter(|seed| !found(&QUIET.stepped(*seed, 360, 180, 1.2)).is_empty())
        .count();
    assert_eq!(told, 0, "a fifth is less than what was asked for");
    let asked = ChangeOptions {
        factor_min: 1.1,
        ..ChangeOptions::default()
    };
    let finer = |seed: &u64| !changes(&series(MINUTE, &QUIET.stepped(*seed, 360, 180, 1.2)), asked).is_empty();
    assert_eq!((0..30).filter(finer).count(), 30, "it is when it is asked for");
}

#[test]
fn a_doubling_is_told_within_a_quarter_of_an_hour() {
    let mut delays: Vec<usize> = (0..15)
        .map(|seed| {
            let values = USUAL.stepped(seed + 9_000, 340, 240, 2.0);
            let told = |after: &usize| found(&values[..240 + after]).iter().any(|change| minute(change) >= 235);
            (8..=40).find(told).unwrap_or(usize::MAX)
        })
        .collect();
    delays.sort_unstable();
    assert!(
        delays[7] <= 15 && delays[13] <= 25,
        "minutes until it was told: {delays:?}"
    );
}

#[test]
fn spikes_are_no_changes_however_high() {
    let mut values = USUAL.values(1, 360);
    for at in [50, 51, 52, 120, 200, 201, 300] {
        values[at] = 1e6;
    }
    assert_eq!(found(&values), []);
}

#[test]
fn a_level_that_comes_and_goes_is_two_changes() {
    let mut values = USUAL.values(2, 360);
    for value in &mut values[150..210] {
        *value *= 3.0;
    }
    let minutes: Vec<i64> = found(&values).iter().map(minute).collect();
    assert!(
        minutes.len() == 2 && (minutes[0] - 150).abs() <= 3 && (minutes[1] - 210).abs() <= 3,
        "{minutes:?}"
    );
}

#[test]
fn a_constant_series_that_steps_has_one_exact_change() {
    let values: Vec<f64> = (0..100).map(|minute| if minute < 40 { 10.0 } else { 30.0 }).collect();
    let told = found(&values);
    assert_eq!(told.len(), 1);
    assert!(
        (told[0].before - 10.0).abs() < 1e-9 && (told[0].after - 30.0).abs() < 1e-9,
        "{told:?}"
    );
    assert_eq!((minute(&told[0]), found(&[10.0; 360])), (40, Vec::new()));
}

#[test]
fn what_is_no_number_is_left_out_and_gaps_change_nothing() {
    let mut points = series(MINUTE, &USUAL.stepped(3, 300, 150, 3.0));
    for at in (0..300).step_by(7) {
        points[at].value = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300][at % 4];
    }
    points.drain(200..230);
    points.reverse();
    let told = changes(&points, ChangeOptions::default());
    assert!(told.len() == 1 && (minute(&told[0]) - 150).abs() <= 3, "{told:?}");
    let nothing = [Point::new(0, f64::NAN); 50];
    assert_eq!(changes(&nothing, ChangeOptions::default()), []);
    assert_eq!(changes(&series(MINUTE, &[0.0; 50]), ChangeOptions::default()), []);
    assert_eq!(changes(&[], ChangeOptions::default()), []);
}
