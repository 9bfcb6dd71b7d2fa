//! When something runs out. Pure.

use super::forecast::{DAY_MS, Forecast, TooLittleData, forecast};
use super::series::{Point, cleaned};

/// When a growing series reaches its capacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RunsOut {
    /// It will, as things go.
    In {
        /// The likely time, in days.
        days: f64,
        /// The earliest that is to be expected: one future in twenty is earlier.
        low: f64,
        /// The latest that is to be expected; none where it may also be beyond what can be seen.
        high: Option<f64>,
        /// How much it grows a day.
        per_day: f64,
    },
    /// It does not within so many days, likely.
    NotWithin {
        /// As far as one can see.
        days: f64,
        /// The earliest, where even that is within sight.
        low: Option<f64>,
    },
    /// It moves, but whether up or down the data does not say.
    NoTrend,
    /// The data says nothing.
    TooLittleData(TooLittleData),
}

/// Says when a series reaches `capacity`, as far ahead as `horizon_days`.
pub(crate) fn runs_out(points: &[Point], capacity: f64, horizon_days: f64) -> RunsOut {
    let horizon_ms = (horizon_days.clamp(0.0, 36_500.0) * DAY_MS as f64) as i64;
    let seen = match forecast(points, horizon_ms) {
        Ok(seen) => seen,
        Err(reason) => return RunsOut::TooLittleData(reason),
    };
    let last = cleaned(points).last().map_or(seen.level, |point| point.value);
    if last >= capacity {
        return RunsOut::In {
            days: 0.0,
            low: 0.0,
            high: Some(0.0),
            per_day: seen.per_day,
        };
    }
    judged(&seen, capacity)
}

fn judged(seen: &Forecast, capacity: f64) -> RunsOut {
    let reached = |path: &[f64]| {
        path.iter()
            .position(|value| *value >= capacity)
            .map(|step| days(seen, step + 1))
    };
    let low = reached(&seen.peak);
    let sight = days(seen, seen.likely.len());
    match reached(&seen.likely) {
        // A trend that may as well be none is no reason to name a day.
        _ if !seen.told && low.is_some() => RunsOut::NoTrend,
        Some(likely) => RunsOut::In {
            days: likely,
            low: low.unwrap_or(likely).min(likely),
            high: reached(&seen.low),
            per_day: seen.per_day,
        },
        None => RunsOut::NotWithin { days: sight, low },
    }
}

fn days(seen: &Forecast, steps: usize) -> f64 {
    steps as f64 * (seen.step_ms as f64 / DAY_MS as f64)
}
