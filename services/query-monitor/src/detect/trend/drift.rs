//! The trend model: a level that drifts, and how sure that is. Pure.
//!
//! It is asked about series between two extremes: a line with noise on it (a table that is filled evenly), and a walk
//! whose every step stays (a disk on which many write). It measures where between them the series is, and its interval
//! holds the drift's own uncertainty, which exponential smoothing leaves out.

use std::borrow::Cow;
use std::error::Error;

use augurs_core::Forecast;
use augurs_mstl::{FittedTrendModel, TrendModel};

use super::series::{mean, median, spread, steps};

/// The part of the futures that an interval holds.
pub(crate) const LEVEL: f64 = 0.9;
/// Blocks that a series is cut into; the differences between them say how sure the drift is.
const BLOCKS: usize = 24;
/// Fewer say nothing.
const BLOCKS_MIN: usize = 6;
/// What the variance is widened by because it was itself estimated, from two dozen moves: measured, not derived.
const UNSURE: f64 = 1.25;
/// So often at least must a series jump the same way for its jumps to be its way and no accident.
const HABIT: usize = 3;

/// A drifting level, found by [`Drift::of`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drift {
    /// The level at the last value.
    pub level: f64,
    /// How much it moves from value to value.
    pub slope: f64,
    /// The standard error of that.
    slope_error: f64,
    /// Variance that a single value has beside its level.
    noise: f64,
    /// Variance that the level gains with every value.
    walk: f64,
    /// How far back the middle of what the level was judged by lies, in values.
    lever: f64,
    /// Standard deviations that make [`LEVEL`].
    width: f64,
}

impl Drift {
    /// The drift of values at equal distances. None where they are too few.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let size = (values.len() / BLOCKS).max(1);
        let whole = values.get(values.len() % size..)?;
        let blocks: Vec<f64> = whole.chunks(size).map(mean).collect();
        (blocks.len() >= BLOCKS_MIN).then(|| Self::of_blocks(whole, &blocks, size as f64))
    }

    /// The same drift, less sure by that part of its slope, and with that much more variance gained with every value.
    pub(crate) fn doubted(self, slope_part: f64, walk: f64) -> Self {
        Self {
            slope_error: self.slope_error.hypot(self.slope * slope_part),
            walk: self.walk + walk,
            ..self
        }
    }

    fn of_blocks(values: &[f64], blocks: &[f64], size: f64) -> Self {
        let count = blocks.len() as f64;
        let line = Line::through(blocks);
        let moves = steps(blocks);
        let (variance, follow) = covariances(&moves, line.slope);
        // How much of a move stays. Near 0: each is taken back by the next, as with noise around a line. From 1 on: a
        // walk, whose means of blocks follow each other a little.
        let alike = follow / variance.max(f64::MIN_POSITIVE) + 1.0 / count;
        let stays = (1.0 + 2.0 * alike).clamp(0.05, 1.6);
        let (walk, staying) = (UNSURE * variance * stays, stays.min(1.0));
        let error_of_walk = 1.2 * walk / (count - 1.0);
        let error_of_line = 12.0 * line.residual / (count * count * count);
        // The line ends in the middle of the last block.
        let end_of_line = line.end + line.slope * (size - 1.0) / (2.0 * size);
        let last = values.last().copied().unwrap_or(end_of_line);
        Self {
            level: staying * last + (1.0 - staying) * end_of_line,
            slope: line.slope / size,
            slope_error: error_of_walk.max(error_of_line).sqrt() / size,
            noise: (1.0 - staying) * around(values, &line, size),
            walk: walk / size,
            lever: (1.0 - staying) * (values.len() as f64) / 2.0,
            width: t_90(count - 2.0),
        }
    }

    /// The level after so many values, and how far off it may be either way.
    pub(crate) fn after(&self, values: f64) -> (f64, f64) {
        let variance = self.noise + self.moved(values);
        (self.level + self.slope * values, self.width * variance.sqrt())
    }

    /// How far above its level a value may have been at least once by then. More than at that very moment: noise has
    /// tried many times, and a walk that was there may have gone back.
    pub(crate) fn peak(&self, values: f64) -> f64 {
        let tries = (2.0 * values.max(2.0).ln()).sqrt().max(self.width);
        (tries * tries * self.noise + (1.2 * self.width).powi(2) * self.moved(values)).sqrt()
    }

    fn moved(&self, values: f64) -> f64 {
        let reach = self.slope_error * (values + self.lever);
        self.walk * values + reach * reach
    }

    /// The same drift in other units.
    pub(crate) fn scaled(self, base: f64, unit: f64) -> Self {
        Self {
            level: base + self.level * unit,
            slope: self.slope * unit,
            slope_error: self.slope_error * unit,
            noise: self.noise * unit * unit,
            walk: self.walk * unit * unit,
            ..self
        }
    }

    /// Whether the drift can be told from none.
    pub(crate) fn is_told(&self) -> bool {
        self.slope.abs() > self.width * self.slope_error
    }
}

/// A straight line through blocks, by least squares.
struct Line {
    slope: f64,
    end: f64,
    residual: f64,
}

impl Line {
    fn through(blocks: &[f64]) -> Self {
        let count = blocks.len() as f64;
        let (middle, level) = ((count - 1.0) / 2.0, mean(blocks));
        let away = |index: usize| index as f64 - middle;
        let both: f64 = blocks
            .iter()
            .enumerate()
            .map(|(index, value)| away(index) * (value - level))
            .sum();
        let slope = 12.0 * both / (count * (count * count - 1.0));
        let off = |(index, value): (usize, &f64)| (value - level - slope * away(index)).powi(2);
        let residual = blocks.iter().enumerate().map(off).sum::<f64>() / (count - 2.0);
        Self {
            slope,
            end: level + slope * middle,
            residual,
        }
    }
}

/// The variance of single values around a line through their blocks.
fn around(values: &[f64], line: &Line, size: f64) -> f64 {
    let last = values.len() as f64 - 1.0;
    let end = line.end + line.slope * (size - 1.0) / (2.0 * size);
    let off = |(index, value): (usize, &f64)| (value - end + line.slope / size * (last - index as f64)).powi(2);
    values.iter().enumerate().map(off).sum::<f64>() / (values.len() as f64 - 2.0).max(1.0)
}

/// The variance of moves around their mean, and their covariance with the next.
fn covariances(moves: &[f64], slope: f64) -> (f64, f64) {
    let off: Vec<f64> = moves.iter().map(|step| step - slope).collect();
    let squares: f64 = off.iter().map(|step| step * step).sum();
    let products: f64 = off
        .iter()
        .zip(off.iter().skip(1))
        .map(|(left, right)| left * right)
        .sum();
    let count = off.len() as f64;
    (squares / (count - 1.0).max(1.0), products / (count - 1.0).max(1.0))
}

/// Student's quantile for [`LEVEL`] two-sided, by the expansion around the normal one.
fn t_90(freedom: f64) -> f64 {
    let z = 1.644_853_6_f64;
    let (z3, z5) = (z.powi(3), z.powi(5));
    z + (z3 + z) / (4.0 * freedom) + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * freedom * freedom)
}

/// The values with jumps taken out that are no habit of the series (a disk that was cleaned, a restored database):
/// what was before is moved to where it would have been.
///
/// Also says how much variance upward accidents had brought with every value: rare is not never.
pub(crate) fn without_accidents(values: &[f64]) -> (Vec<f64>, f64) {
    let moves = steps(values);
    let (usual, sigma) = (median(&moves), spread(&moves));
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| {
        (value.min(low), value.max(high))
    });
    let far = (8.0 * sigma).max(0.03 * (high - low));
    let jump = |step: &f64| ((step - usual).abs() > far).then_some(*step > usual);
    let jumps: Vec<Option<bool>> = moves.iter().map(jump).collect();
    let (ups, downs) = (times(&jumps, true), times(&jumps, false));
    let accident = |up: bool| (if up { ups } else { downs }) < HABIT;
    let (mut moved, mut squares) = (0.0, 0.0);
    let mut kept: Vec<f64> = values.last().copied().into_iter().collect();
    for ((step, jump), before) in moves.iter().zip(&jumps).zip(values).rev() {
        if jump.is_some_and(accident) {
            moved += step - usual;
            squares += (step - usual).max(0.0).powi(2);
        }
        kept.push(before + moved);
    }
    kept.reverse();
    (kept, squares / values.len().max(1) as f64)
}

/// How often a series jumped this way; several steps in a row are one jump.
fn times(jumps: &[Option<bool>], up: bool) -> usize {
    jumps
        .chunk_by(|left, right| left == right)
        .filter(|chunk| chunk.first() == Some(&Some(up)))
        .count()
}

/// The model as `augurs` takes it, for the part of a series that is not season.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DriftModel;

type Fault = Box<dyn Error + Send + Sync>;

impl TrendModel for DriftModel {
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed("drift")
    }

    fn fit(&self, values: &[f64]) -> Result<Box<dyn FittedTrendModel + Sync + Send>, Fault> {
        let drift = Drift::of(values).ok_or("too few values for a trend")?;
        Ok(Box::new(drift))
    }
}

impl FittedTrendModel for Drift {
    fn predict_inplace(&self, horizon: usize, level: Option<f64>, forecast: &mut Forecast) -> Result<(), Fault> {
        let steps = (1..=horizon).map(|step| self.after(step as f64));
        let (likely, off): (Vec<f64>, Vec<f64>) = steps.unzip();
        if let (Some(_), Some(intervals)) = (level, &mut forecast.intervals) {
            intervals.level = LEVEL;
            intervals.lower = likely.iter().zip(&off).map(|(likely, off)| likely - off).collect();
            intervals.upper = likely.iter().zip(&off).map(|(likely, off)| likely + off).collect();
        }
        forecast.point = likely;
        Ok(())
    }

    fn predict_in_sample_inplace(&self, _: Option<f64>, _: &mut Forecast) -> Result<(), Fault> {
        Err("the drift model looks ahead only".into())
    }

    fn training_data_size(&self) -> Option<usize> {
        None
    }
}
