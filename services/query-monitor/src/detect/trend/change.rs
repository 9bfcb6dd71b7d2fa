//! Where the level of a series changed for good. Pure.
//!
//! Bayesian online changepoint detection (`augurs`) proposes; each proposal then has to hold against what the model
//! does not know: outliers, neighbours that resemble each other, and changes too small to matter.

use augurs_changepoint::{Detector as _, NormalGammaDetector};

use super::series::{Point, cleaned, mean, median, noise, spread, without_spikes};

/// What counts as a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ChangeOptions {
    /// Points that a level must last at least.
    pub segment_min: usize,
    /// The smallest factor between two levels that is told, above 1.
    pub factor_min: f64,
}

impl Default for ChangeOptions {
    fn default() -> Self {
        Self {
            segment_min: 10,
            factor_min: 1.3,
        }
    }
}

/// One level that gave way to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    /// The first point of the new level, in milliseconds since 1970.
    pub at_unix_ms: i64,
    /// The level before.
    pub before: f64,
    /// The level since.
    pub after: f64,
    /// How many times the one before.
    pub factor: f64,
}

/// Standard deviations by which the ranks of two levels must differ. Four of a million comparisons of equals do.
const RANK_SIGMAS: f64 = 4.5;
/// Levels that lie this many standard deviations apart differ, however much neighbours resemble each other.
const APART_SIGMAS: f64 = 6.0;
/// The least noise, as a part of the value: below two per cent nothing is worth a change of level.
const NOISE_MIN: f64 = 0.02;
/// No more than this many standard deviations from the middle are shown to the model, whose odds would underflow.
const SHOWN_SIGMAS: f64 = 12.0;
/// Points that are looked at; older ones are left out. The model's cost grows with the square.
pub(crate) const POINTS_MAX: usize = 500;

/// Every change of level in a series of positive figures, the oldest first. Zero and less count as next to nothing.
pub(crate) fn changes(points: &[Point], options: ChangeOptions) -> Vec<Change> {
    let points = cleaned(points);
    let points = points
        .get(points.len().saturating_sub(POINTS_MAX)..)
        .unwrap_or_default();
    let segment = options.segment_min.max(3);
    if points.len() < 2 * segment {
        return Vec::new();
    }
    let values = logarithms(points);
    if !may_have_changed(&values, segment, options.factor_min.ln()) {
        return Vec::new();
    }
    let calm = without_spikes(&values, segment / 2);
    let bounds = confirmed(&calm, proposed(&calm), segment, options.factor_min.ln());
    let bounds = placed(&calm, bounds, segment);
    told(points, &values, &bounds)
}

fn logarithms(points: &[Point]) -> Vec<f64> {
    let positive = points.iter().map(|point| point.value).filter(|value| *value > 0.0);
    let least = positive.min_by(f64::total_cmp).unwrap_or(1.0);
    points.iter().map(|point| point.value.max(least).ln()).collect()
}

/// Whether it is worth asking the model: most series are flat, and this costs a hundredth of it.
fn may_have_changed(values: &[f64], segment: usize, shift_min: f64) -> bool {
    let levels = values
        .chunks(segment)
        .filter(|chunk| 2 * chunk.len() > segment)
        .map(median);
    let (low, high) = levels.fold((f64::MAX, f64::MIN), |(low, high), level| {
        (level.min(low), level.max(high))
    });
    // The standard error of a median, and how far the least and the greatest of some dozens lie apart.
    let by_chance = 4.5 * 1.25 * noise(values) / (segment as f64).sqrt();
    high - low > (0.8 * shift_min).max(by_chance)
}

/// Where the model sees a new level begin, ends of the series excluded.
fn proposed(values: &[f64]) -> Vec<usize> {
    let (middle, sigma) = (median(values), noise(values).max(NOISE_MIN));
    let shown: Vec<f64> = values
        .iter()
        .map(|value| ((value - middle) / sigma).clamp(-SHOWN_SIGMAS, SHOWN_SIGMAS))
        .collect();
    let mut found = NormalGammaDetector::default().detect_changepoints(&shown);
    found.retain(|index| *index > 0 && *index < values.len());
    found.sort_unstable();
    found.dedup();
    found
}

/// The bounds that hold: the weakest is given up, and its neighbours are judged anew without it, until all hold.
fn confirmed(values: &[f64], mut bounds: Vec<usize>, segment: usize, shift_min: f64) -> Vec<usize> {
    loop {
        let weakest = (0..bounds.len())
            .map(|which| (which, strength(values, &bounds, which, segment, shift_min)))
            .min_by(|(_, left), (_, right)| left.total_cmp(right));
        match weakest {
            Some((which, strength)) if strength < 1.0 => bounds.remove(which),
            _ => return bounds,
        };
    }
}

/// The same bounds, each where it parts its two levels best: the model is off by a point or two.
fn placed(values: &[f64], mut bounds: Vec<usize>, segment: usize) -> Vec<usize> {
    for which in 0..bounds.len() {
        let Some((before, after)) = sides(values, &bounds, which) else {
            continue;
        };
        let around = [before, after].concat();
        let reach = (before.len() - segment / 2).min(segment / 2);
        let nearest = before.len() - reach..=before.len() + reach.min(after.len() - segment / 2);
        let best = nearest.min_by(|left, right| apart(&around, *left).total_cmp(&apart(&around, *right)));
        if let (Some(bound), Some(best)) = (bounds.get_mut(which), best) {
            *bound = *bound + best - before.len();
        }
    }
    bounds
}

/// How far values lie from the means of the two parts that they are cut into.
fn apart(values: &[f64], at: usize) -> f64 {
    let (left, right) = values.split_at(at.min(values.len()));
    let off = |part: &[f64]| {
        let middle = mean(part);
        part.iter().map(|value| (value - middle).powi(2)).sum::<f64>()
    };
    off(left) + off(right)
}

/// How far a bound is beyond what is asked of it; below 1 it is none.
fn strength(values: &[f64], bounds: &[usize], which: usize, segment: usize, shift_min: f64) -> f64 {
    let Some((before, after)) = sides(values, bounds, which) else {
        return 0.0;
    };
    if before.len().min(after.len()) < segment {
        // The shorter, the sooner it goes.
        return before.len().min(after.len()) as f64 / segment as f64 * 0.1;
    }
    let shift = (median(after) - median(before)).abs();
    let by_rank = rank_sigmas(before, after).abs() / RANK_SIGMAS;
    // Ranks do not know how far apart two levels are; some lie so far that it takes no count of values.
    let by_distance = shift / (APART_SIGMAS * spread(before).max(spread(after)).max(NOISE_MIN));
    by_rank.max(by_distance).min(shift / shift_min)
}

fn sides<'a>(values: &'a [f64], bounds: &[usize], which: usize) -> Option<(&'a [f64], &'a [f64])> {
    let at = *bounds.get(which)?;
    let from = which
        .checked_sub(1)
        .and_then(|left| bounds.get(left))
        .copied()
        .unwrap_or(0);
    let to = bounds.get(which + 1).copied().unwrap_or(values.len());
    Some((values.get(from..at)?, values.get(at..to)?))
}

/// By how many standard deviations the ranks of two samples differ (Wilcoxon, Mann and Whitney), with as many values
/// as they are worth where neighbours resemble each other.
fn rank_sigmas(before: &[f64], after: &[f64]) -> f64 {
    let (left, right) = (before.len() as f64, after.len() as f64);
    let mut sorted = before.to_vec();
    sorted.sort_by(f64::total_cmp);
    let below: f64 = after.iter().map(|value| halves_below(&sorted, *value)).sum();
    let deviation = (left * right * (left + right + 1.0) / 12.0).sqrt();
    (below - left * right / 2.0) / deviation * worth(before, after).sqrt()
}

/// How many of a sorted sample lie below a value; those that equal it count half.
fn halves_below(sorted: &[f64], value: f64) -> f64 {
    let less = sorted.partition_point(|other| *other < value);
    let not_more = sorted.partition_point(|other| *other <= value);
    f64::midpoint(less as f64, not_more as f64)
}

/// The part of the values that is news, given how much each resembles the one before.
fn worth(before: &[f64], after: &[f64]) -> f64 {
    let resemblance = f64::midpoint(likeness(before), likeness(after)).clamp(0.0, 0.95);
    (1.0 - resemblance) / (1.0 + resemblance)
}

/// The correlation of neighbours within one level, which a few far out cannot fake.
fn likeness(values: &[f64]) -> f64 {
    let (middle, sigma) = (median(values), spread(values));
    if sigma <= 0.0 {
        return 0.0;
    }
    let near: Vec<f64> = values
        .iter()
        .map(|value| ((value - middle) / sigma).clamp(-3.0, 3.0))
        .collect();
    let products: Vec<f64> = near
        .iter()
        .zip(near.iter().skip(1))
        .map(|(left, right)| left * right)
        .collect();
    let squares: Vec<f64> = near.iter().map(|value| value * value).collect();
    // Short samples underestimate it by about four parts of their length.
    mean(&products) / mean(&squares).max(f64::MIN_POSITIVE) + 4.0 / values.len() as f64
}

fn told(points: &[Point], values: &[f64], bounds: &[usize]) -> Vec<Change> {
    let one = |which: usize| {
        let (before, after) = sides(values, bounds, which)?;
        let at_unix_ms = points.get(*bounds.get(which)?)?.at_unix_ms;
        let (before, after) = (median(before), median(after));
        let factor = (after - before).exp();
        Some(Change {
            at_unix_ms,
            before: before.exp(),
            after: after.exp(),
            factor,
        })
    };
    (0..bounds.len()).filter_map(one).collect()
}
