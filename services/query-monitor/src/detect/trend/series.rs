//! A series as it is before anybody looks for a meaning in it: cleaned, on a grid, and measured robustly. Pure.

/// One figure of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// When, in milliseconds since 1970.
    pub at_unix_ms: i64,
    /// How much.
    pub value: f64,
}

impl Point {
    /// A figure at a moment.
    pub(crate) const fn new(at_unix_ms: i64, value: f64) -> Self {
        Self { at_unix_ms, value }
    }
}

/// Turns a median absolute deviation into the standard deviation of a normal distribution.
const MAD_TO_SIGMA: f64 = 1.482_6;
/// Values further than this many standard deviations from their neighbours are spikes.
const SPIKE_SIGMAS: f64 = 4.0;
/// Figures beyond this are no measurements, and sums of their squares would overflow.
const VALUE_MAX: f64 = 1e150;

/// The points that are numbers, in the order of time, the last told of each moment.
pub(crate) fn cleaned(points: &[Point]) -> Vec<Point> {
    let sound = |point: &&Point| point.value.abs() <= VALUE_MAX;
    let mut points: Vec<Point> = points.iter().rev().filter(sound).copied().collect();
    points.sort_by_key(|point| point.at_unix_ms);
    points.dedup_by_key(|point| point.at_unix_ms);
    points
}

/// The value in the middle. Zero of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    let (middle, even) = (values.len() / 2, values.len().is_multiple_of(2));
    if values.is_empty() {
        return 0.0;
    }
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(lower) if even => f64::midpoint(lower, *upper),
        _ => *upper,
    }
}

/// The standard deviation of a sample, untouched by a few that lie far out.
pub(crate) fn spread(values: &[f64]) -> f64 {
    let middle = median(values);
    let distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    MAD_TO_SIGMA * median(&distances)
}

/// From each value to the next.
pub(crate) fn steps(values: &[f64]) -> Vec<f64> {
    values
        .iter()
        .zip(values.iter().skip(1))
        .map(|(left, right)| right - left)
        .collect()
}

/// The noise of single values, whatever steps and slopes there are under it.
pub(crate) fn noise(values: &[f64]) -> f64 {
    spread(&steps(values)) / std::f64::consts::SQRT_2
}

/// The mean. Zero of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / (values.len().max(1) as f64)
}

/// The values with spikes that are shorter than `half_width` brought back to their surroundings.
pub(crate) fn without_spikes(values: &[f64], half_width: usize) -> Vec<f64> {
    let slope = median(&steps(values)).abs() * half_width as f64;
    let tolerance = SPIKE_SIGMAS * noise(values) + slope;
    let calmed = |(index, value): (usize, &f64)| {
        let from = index.saturating_sub(half_width);
        let to = (index + half_width + 1).min(values.len());
        let around = median(values.get(from..to).unwrap_or_default());
        if (value - around).abs() > tolerance {
            around
        } else {
            *value
        }
    };
    values.iter().enumerate().map(calmed).collect()
}

/// Values at equal distances of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    /// The beginning of the last cell.
    pub last_unix_ms: i64,
    /// The length of a cell.
    pub step_ms: i64,
    /// One value a cell.
    pub values: Vec<f64>,
    /// Cells that were measured; the others lie on a line between their neighbours.
    pub known: usize,
}

/// Puts clean points on a grid: the middle value of each cell, gaps bridged. None of nothing.
pub(crate) fn grid(points: &[Point], step_ms: i64) -> Option<Grid> {
    let cell = |point: &Point| point.at_unix_ms.div_euclid(step_ms);
    let cells: Vec<(i64, f64)> = points
        .chunk_by(|left, right| cell(left) == cell(right))
        .filter_map(|chunk| chunk.first().map(|first| (cell(first), middle_of(chunk))))
        .collect();
    let (last, value) = cells.last().copied()?;
    let mut values = Vec::new();
    for ((from, left), (to, right)) in cells.iter().zip(cells.iter().skip(1)) {
        let width = (to - from) as f64;
        values.extend((*from..*to).map(|at| left + (right - left) * ((at - from) as f64 / width)));
    }
    values.push(value);
    Some(Grid {
        last_unix_ms: last * step_ms,
        step_ms,
        values,
        known: cells.len(),
    })
}

fn middle_of(points: &[Point]) -> f64 {
    median(&points.iter().map(|point| point.value).collect::<Vec<_>>())
}
