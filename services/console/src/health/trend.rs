//! Where a figure is going: its last third held against what was before. Pure.

use serde::Serialize;

/// With fewer points nothing is said.
const POINTS_MIN: usize = 6;
/// A change by less than so much of the figure is none.
const STEADY_RATIO: f64 = 0.2;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::TrendDirection)]
pub(crate) enum Direction {
    /// It is better than before.
    Improving,
    /// It is as before, or too little is known.
    Steady,
    /// It is worse than before.
    Worsening,
}

/// Where a figure is going.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = console::Trend)]
pub(crate) struct Trend {
    /// The figure: `connect_ms`, `p95_ms`, `error_ratio`, `not_up`. The less of it the better.
    pub(crate) figure: &'static str,
    /// Where it is going.
    pub(crate) direction: Direction,
    /// Its median before; null: too little is known.
    pub(crate) before: Option<f64>,
    /// Its median in the last third of the time.
    pub(crate) now: Option<f64>,
}

/// The trend of values in order of time, of which less is better. A change by less than `floor` is none.
pub(crate) fn trend(figure: &'static str, values: &[f64], floor: f64) -> Trend {
    let split = values.len() - values.len() / 3;
    let (before, now) = values.split_at_checked(split).unwrap_or((values, &[]));
    let (before, now) = if values.len() < POINTS_MIN {
        (None, None)
    } else {
        (median(before), median(now))
    };
    let direction = match (before, now) {
        (Some(before), Some(now)) if (now - before).abs() > floor.max(before.abs() * STEADY_RATIO) => {
            if now > before {
                Direction::Worsening
            } else {
                Direction::Improving
            }
        }
        _ => Direction::Steady,
    };
    Trend {
        figure,
        direction,
        before,
        now,
    }
}

/// The whole goes where the worst of it goes.
pub(crate) fn worst(trends: &[Trend]) -> Direction {
    let directions = || trends.iter().map(|trend| trend.direction);
    let worst = directions().max().unwrap_or(Direction::Steady);
    // One that improves while the others are steady is good news.
    if worst == Direction::Steady && directions().any(|direction| direction == Direction::Improving) {
        Direction::Improving
    } else {
        worst
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Direction {
        trend("connect_ms", values, 1.0).direction
    }

    #[test]
    fn directions_need_enough_points_and_a_real_change() {
        assert_eq!(of(&[2.0, 2.0, 2.0, 2.0, 9.0, 9.0]), Direction::Worsening);
        assert_eq!(of(&[9.0, 9.0, 9.0, 9.0, 2.0, 2.0]), Direction::Improving);
        assert_eq!(of(&[9.0, 9.0, 9.0, 9.0, 9.5, 9.5]), Direction::Steady);
        // A tenfold of nothing is nothing.
        assert_eq!(of(&[0.01, 0.01, 0.01, 0.01, 0.1, 0.1]), Direction::Steady);
        assert_eq!(of(&[1.0, 9.0]), Direction::Steady);
        assert_eq!(of(&[]), Direction::Steady);
        // One outlier is no trend.
        assert_eq!(of(&[2.0, 2.0, 90.0, 2.0, 2.0, 2.0, 2.0, 90.0, 2.0]), Direction::Steady);
    }

    #[test]
    fn the_whole_is_as_bad_as_its_worst() {
        let (better, same, worse) = (
            trend("a", &[9.0, 9.0, 9.0, 9.0, 2.0, 2.0], 0.0),
            trend("b", &[], 0.0),
            trend("c", &[2.0, 2.0, 2.0, 2.0, 9.0, 9.0], 0.0),
        );
        assert_eq!(worst(&[better.clone(), worse, same.clone()]), Direction::Worsening);
        assert_eq!(worst(&[better, same.clone()]), Direction::Improving);
        assert_eq!(worst(&[same]), Direction::Steady);
    }
}
