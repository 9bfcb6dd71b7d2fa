//! Where a series is going: its trend and, where the data shows one, its day and its week. Pure.

use augurs_core::prelude::{Fit as _, Predict as _};
use augurs_mstl::MSTLModel;

use super::drift::{Drift, DriftModel, without_accidents};
use super::series::{Grid, Point, cleaned, grid, noise, without_spikes};

/// A minute, an hour, a day, in milliseconds.
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Points without which nothing is said.
const POINTS_MIN: usize = 24;
/// From so many days on the grid has hours.
const HOURLY_FROM_DAYS: i64 = 3;
/// Cells of a grid for less.
const CELLS: i64 = 72;
/// Cells of a grid at most: what is older than two months says little of tomorrow.
const CELLS_MAX: usize = 1_440;
/// The part of the cells that must have been measured.
const KNOWN_MIN: f64 = 0.5;
/// Seasons that are looked for, in hours, with how many of them must have been seen.
const SEASONS_HOURS: [usize; 2] = [24, 168];
const SEASONS_SEEN_MIN: usize = 3;
/// How much of what is not trend a season must explain (0 to 1) to be believed.
const SEASON_STRENGTH_MIN: f64 = 0.3;
/// Nothing is said beyond this many times the time that was watched.
pub(crate) const REACH: i64 = 10;
/// The part of a slope that is in doubt while no whole week was seen: on five days something else goes on than on two.
const UNSEEN_WEEK: f64 = 0.25;
/// Cells ahead at most.
const AHEAD_MAX: i64 = 20_000;

/// Why nothing can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLittleData {
    /// Not enough points.
    #[error("{0} readings are too few, at least {POINTS_MIN} are needed")]
    Points(usize),
    /// All of them within a moment.
    #[error("the readings span {0} minutes only")]
    Minutes(i64),
    /// More gap than data.
    #[error("more than half of the time was not watched")]
    Gaps,
}

/// What is expected of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Forecast {
    /// The moment before the first expectation, in milliseconds since 1970.
    pub from_unix_ms: i64,
    /// The time from one expectation to the next.
    pub step_ms: i64,
    /// The time that was watched.
    pub watched_ms: i64,
    /// The level now and its pace.
    pub level: f64,
    pub per_day: f64,
    /// Whether that pace can be told from none.
    pub told: bool,
    /// The periods, in hours, that it follows.
    pub seasons_hours: Vec<usize>,
    /// Step by step: what is likely, and the interval that holds nine of ten futures.
    pub likely: Vec<f64>,
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    /// What may have been exceeded by then, be it for a moment.
    pub peak: Vec<f64>,
}

/// Looks ahead for `horizon_ms`, but never further than ten times what was watched.
pub(crate) fn forecast(points: &[Point], horizon_ms: i64) -> Result<Forecast, TooLittleData> {
    let watched = Watched::of(points)?;
    let Grid {
        step_ms,
        last_unix_ms,
        values,
        ..
    } = &watched.grid;
    let (values, accidents) = without_accidents(&without_spikes(values, 2));
    let ahead = (horizon_ms.min(REACH * watched.span_ms) / step_ms).clamp(1, AHEAD_MAX);
    let ahead = usize::try_from(ahead).unwrap_or(1);
    let seasons = if *step_ms == HOUR_MS {
        seasons(&values)
    } else {
        Vec::new()
    };
    let (likely, drift) = expected(&values, &seasons, ahead).ok_or(TooLittleData::Points(values.len()))?;
    let drift = drift.doubted(if watched.span_ms < 7 * DAY_MS { UNSEEN_WEEK } else { 0.0 }, accidents);
    let off: Vec<f64> = (1..=ahead).map(|step| drift.after(step as f64).1).collect();
    Ok(Forecast {
        from_unix_ms: last_unix_ms + step_ms,
        step_ms: *step_ms,
        watched_ms: watched.span_ms,
        per_day: drift.slope * (DAY_MS as f64 / *step_ms as f64),
        level: drift.level,
        told: drift.is_told(),
        seasons_hours: seasons,
        low: likely.iter().zip(&off).map(|(likely, off)| likely - off).collect(),
        high: likely.iter().zip(&off).map(|(likely, off)| likely + off).collect(),
        peak: likely
            .iter()
            .zip(1..)
            .map(|(likely, step)| likely + drift.peak(f64::from(step)))
            .collect(),
        likely,
    })
}

struct Watched {
    grid: Grid,
    span_ms: i64,
}

impl Watched {
    fn of(points: &[Point]) -> Result<Self, TooLittleData> {
        let points = cleaned(points);
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Err(TooLittleData::Points(0));
        };
        let oldest = last.at_unix_ms.saturating_sub(CELLS_MAX as i64 * HOUR_MS);
        let span_ms = last.at_unix_ms.saturating_sub(first.at_unix_ms.max(oldest));
        let points = points
            .get(points.partition_point(|point| point.at_unix_ms < oldest)..)
            .unwrap_or_default();
        if points.len() < POINTS_MIN {
            return Err(TooLittleData::Points(points.len()));
        }
        if span_ms < POINTS_MIN as i64 * MINUTE_MS {
            return Err(TooLittleData::Minutes(span_ms / MINUTE_MS));
        }
        let grid = grid(points, step_of(span_ms)).ok_or(TooLittleData::Points(points.len()))?;
        if grid.known < POINTS_MIN || (grid.known as f64) < KNOWN_MIN * grid.values.len() as f64 {
            return Err(TooLittleData::Gaps);
        }
        Ok(Self { grid, span_ms })
    }
}

fn step_of(span_ms: i64) -> i64 {
    if span_ms >= HOURLY_FROM_DAYS * DAY_MS {
        return HOUR_MS;
    }
    (span_ms / CELLS / MINUTE_MS).max(1) * MINUTE_MS
}

/// The seasons that hourly values really have.
fn seasons(values: &[f64]) -> Vec<usize> {
    let long_enough = |hours: &usize| values.len() >= SEASONS_SEEN_MIN * hours;
    let asked: Vec<usize> = SEASONS_HOURS.into_iter().filter(long_enough).collect();
    if asked.is_empty() || noise(values) <= 0.0 && values.windows(2).all(|pair| pair.first() == pair.last()) {
        return Vec::new();
    }
    let scaled = Scale::of(values);
    let Ok(fitted) = MSTLModel::new(asked.clone(), DriftModel).fit(&scaled.shown(values)) else {
        return Vec::new();
    };
    let strengths = fitted.fit().seasonal_strength();
    let strong = asked
        .into_iter()
        .zip(strengths)
        .filter(|(_, strength)| *strength >= SEASON_STRENGTH_MIN);
    strong.map(|(hours, _)| hours).collect()
}

/// What is likely, step by step, and the drift behind it. None where there is too little for a trend.
fn expected(values: &[f64], seasons: &[usize], ahead: usize) -> Option<(Vec<f64>, Drift)> {
    if seasons.is_empty() {
        let drift = Drift::of(values)?;
        return Some(((1..=ahead).map(|step| drift.after(step as f64).0).collect(), drift));
    }
    let scale = Scale::of(values);
    let fitted = MSTLModel::new(seasons.to_vec(), DriftModel)
        .fit(&scale.shown(values))
        .ok()?;
    let parts = fitted.fit().trend().iter().zip(fitted.fit().remainder());
    let rest: Vec<f64> = parts.map(|(trend, rest)| f64::from(*trend + *rest)).collect();
    let likely = fitted.predict(ahead, None).ok()?.point;
    Some((
        likely.into_iter().map(|value| scale.back(value)).collect(),
        scale.drift(Drift::of(&rest)?),
    ))
}

/// The decomposition works in single precision: it is shown differences, and none larger than 1.
struct Scale {
    base: f64,
    unit: f64,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| {
            (value.min(low), value.max(high))
        });
        Self {
            base: low,
            unit: (high - low).max(f64::MIN_POSITIVE),
        }
    }

    fn shown(&self, values: &[f64]) -> Vec<f64> {
        values.iter().map(|value| (value - self.base) / self.unit).collect()
    }

    fn back(&self, shown: f64) -> f64 {
        self.base + shown * self.unit
    }

    fn drift(&self, shown: Drift) -> Drift {
        shown.scaled(self.base, self.unit)
    }
}
