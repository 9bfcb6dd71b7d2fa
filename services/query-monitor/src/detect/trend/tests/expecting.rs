//! Forecasts: how often the interval held what came. Pure.

use fastrand::Rng;

use super::{HOUR, START, normal, series, wave};
use crate::detect::trend::{Forecast, TooLittleData, forecast};

/// A way in which hourly figures can grow by 1 an hour in the mean.
#[derive(Debug, Clone, Copy)]
enum Growth {
    /// Evenly, measured with noise.
    Line,
    /// By steps of which each stays.
    Walk,
    /// With a day's wave.
    Daily,
    /// By rare large steps.
    Bursts,
    /// On five days of seven.
    Weekdays,
}

impl Growth {
    fn values(self, seed: u64, count: usize) -> Vec<f64> {
        let mut random = Rng::with_seed(seed);
        let mut level = 1_000.0;
        let one = |hour: usize| match self {
            Self::Line => 1_000.0 + hour as f64 + 20.0 * normal(&mut random),
            Self::Daily => 1_000.0 + hour as f64 + 30.0 * wave(hour) + 10.0 * normal(&mut random),
            Self::Walk => added(&mut level, 1.0 + 5.0 * normal(&mut random)),
            Self::Bursts => {
                let burst = if random.f64() < 0.02 { 100.0 * random.f64() } else { 0.0 };
                added(&mut level, burst + normal(&mut random))
            }
            Self::Weekdays if (hour / 24) % 7 < 5 => added(&mut level, 1.4 + 2.0 * normal(&mut random)),
            Self::Weekdays => added(&mut level, 0.5 * normal(&mut random)),
        };
        (0..count).map(one).collect()
    }
}

fn added(level: &mut f64, step: f64) -> f64 {
    *level += step;
    *level
}

fn ahead(values: &[f64], hours: usize) -> Forecast {
    forecast(&series(HOUR, values), i64::try_from(hours).unwrap() * HOUR).unwrap()
}

/// How often of a hundred the figure `hours` ahead lay in the interval.
fn held(growth: Growth, watched: usize, hours: usize) -> usize {
    let inside = |seed: &u64| {
        let values = growth.values(*seed, watched + hours);
        let seen = ahead(&values[..watched], hours);
        let came = values[watched + hours - 1];
        seen.low[hours - 1] <= came && came <= seen.high[hours - 1]
    };
    (0..100).filter(inside).count()
}

#[test]
fn nine_of_ten_intervals_hold_what_comes() {
    let (mut all, mut cases) = (0, 0);
    for growth in [
        Growth::Line,
        Growth::Walk,
        Growth::Daily,
        Growth::Bursts,
        Growth::Weekdays,
    ] {
        for hours in [84, 1_008] {
            let held = held(growth, 336, hours);
            assert!(held >= 80, "{growth:?}, {hours} hours ahead: {held} of 100");
            (all, cases) = (all + held, cases + 1);
        }
    }
    assert!(all >= 90 * cases, "{all} of {} in all", 100 * cases);
}

#[test]
fn an_interval_is_narrow_where_the_data_is_good_and_wide_where_it_is_poor() {
    let width = |seen: &Forecast| (seen.high[99] - seen.low[99]) / 100.0;
    let good = ahead(&Growth::Line.values(1, 1_000), 100);
    let poor = ahead(&Growth::Walk.values(1, 80), 100);
    assert!(width(&good) < 1.0, "{}", width(&good));
    assert!(width(&poor) > 2.0, "{}", width(&poor));
    assert!(good.told && (good.per_day - 24.0).abs() < 1.0, "{}", good.per_day);
}

#[test]
fn a_season_is_found_followed_and_not_taken_for_a_trend() {
    let values: Vec<f64> = (0..336).map(|hour| 1_000.0 + 30.0 * wave(hour)).collect();
    let seen = ahead(&values, 48);
    assert_eq!(seen.seasons_hours, [24]);
    for (hour, likely) in seen.likely.iter().enumerate() {
        let came = 1_000.0 + 30.0 * wave(336 + hour);
        assert!((likely - came).abs() < 6.0, "hour {hour}: {likely} instead of {came}");
    }
    let mut random = Rng::with_seed(4);
    let noise: Vec<f64> = (0..336).map(|_| normal(&mut random)).collect();
    assert!(ahead(&noise, 48).seasons_hours.is_empty(), "noise has no day");
}

#[test]
fn large_figures_keep_their_digits() {
    let disk = |hour: usize| 4e12 + 1e8 * hour as f64 + 1e9 * wave(hour);
    let seen = ahead(&(0..720).map(disk).collect::<Vec<_>>(), 24);
    assert!(
        (seen.likely[23] - disk(743)).abs() < 3e8,
        "{} instead of {}",
        seen.likely[23],
        disk(743)
    );
}

#[test]
fn too_little_data_is_said_and_never_guessed_from() {
    let values = Growth::Line.values(1, 100);
    let asked = |points: &[_]| forecast(points, HOUR);
    assert_eq!(asked(&[]), Err(TooLittleData::Points(0)));
    assert_eq!(asked(&series(HOUR, &values[..23])), Err(TooLittleData::Points(23)));
    assert_eq!(asked(&series(100, &values)), Err(TooLittleData::Minutes(0)));
    let mut torn = series(HOUR, &values);
    for point in &mut torn[50..] {
        point.at_unix_ms += 200 * HOUR;
    }
    assert_eq!(asked(&torn), Err(TooLittleData::Gaps));
    torn.truncate(50);
    assert_eq!(
        asked(&torn).map(|seen| seen.step_ms),
        Ok(40 * 60_000),
        "two days are cut finer than into hours"
    );
}

#[test]
fn nobody_looks_further_than_ten_times_what_was_watched() {
    let seen = ahead(&Growth::Line.values(1, 97), 24 * 365);
    assert_eq!(seen.likely.len(), 960);
    assert_eq!(seen.from_unix_ms, START + 97 * HOUR);
}
