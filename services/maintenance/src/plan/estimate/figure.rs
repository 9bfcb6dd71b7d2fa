//! What some pages say of all, and how sure that is. Pure.

/// Where half an interval is wider than so much of the relation, more pages are worth their reading.
pub(crate) const MORE_AT_HALF_PERCENT: f64 = 1.5;

/// A number that was estimated: 95 of 100 times the truth is within `half` of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Figure {
    pub likely: f64,
    pub half: f64,
}

impl Figure {
    /// Two that know nothing of each other.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            likely: self.likely + other.likely,
            half: self.half.hypot(other.half),
        }
    }

    /// The same in another unit.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self {
            likely: self.likely * factor,
            half: self.half * factor,
        }
    }
}

/// Student's quantile for 95 of 100, close enough from two degrees of freedom on.
pub(crate) fn student(degrees: f64) -> f64 {
    let degrees = degrees.max(1.0);
    1.96 + 2.5 / degrees + 8.0 / degrees.powi(3)
}

/// The sum over `all` pages from what was found on some, which are in the order of the relation and were drawn one from
/// each stretch. Neighbours differ by what is chance within a stretch, so their differences tell the error. What was met
/// on no page at all may still be there: `largest` is what one page can be off by.
pub(crate) fn total(found: &[f64], all: f64, largest: f64) -> Figure {
    let count = found.len() as f64;
    if found.is_empty() {
        return Figure { likely: 0.0, half: 0.0 };
    }
    let mean = found.iter().sum::<f64>() / count;
    let unseen = (1.0 - count / all).max(0.0);
    let half = student(count - 1.0) * (variance(found) / count * unseen).sqrt() + 1.5 / count * unseen * largest;
    Figure {
        likely: mean * all,
        half: half * all,
    }
}

/// From the differences of neighbours.
pub(crate) fn variance(found: &[f64]) -> f64 {
    let differences = found
        .iter()
        .zip(found.iter().skip(1))
        .map(|(one, next)| (next - one).powi(2));
    let pairs = found.len().saturating_sub(1).max(1) as f64;
    differences.sum::<f64>() / (2.0 * pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::estimate::draw;

    #[test]
    fn a_census_is_certain() {
        let figure = total(&[1.0, 0.0, 0.5], 3.0, 1.0);
        assert!((figure.likely - 1.5).abs() < 1e-9);
        assert!(figure.half.abs() < 1e-9);
        assert_eq!(total(&[], 0.0, 1.0), Figure { likely: 0.0, half: 0.0 });
    }

    #[test]
    fn pages_that_are_all_alike_still_leave_a_doubt() {
        let figure = total(&[1.0; 300], 1e6, 1.0);
        assert!((figure.likely - 1e6).abs() < 1e-3);
        assert!(figure.half / 1e6 > 0.004 && figure.half / 1e6 < 0.006);
    }

    /// Relations of 20 000 pages: emptied at random, in one stretch, in stripes, rising towards the end.
    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        type Shape = fn(u32, &mut fastrand::Rng) -> f64;
        let shapes: [Shape; 4] = [
            |_, chance| if chance.f64() < 0.5 { 1.0 } else { 0.0 },
            |block, _| if (4_000..13_000).contains(&block) { 0.0 } else { 1.0 },
            |block, _| if block % 64 < 20 { 0.0 } else { 1.0 },
            |block, chance| f64::from(block) / 20_000.0 * chance.f64(),
        ];
        for (number, shape) in shapes.iter().enumerate() {
            let mut chance = fastrand::Rng::with_seed(number as u64);
            let pages: Vec<f64> = (0..20_000).map(|block| shape(block, &mut chance)).collect();
            let truth: f64 = pages.iter().sum();
            let mut held = 0;
            for _ in 0..1_000 {
                let blocks = draw(0, 20_000, 300, &mut chance);
                let found: Vec<f64> = blocks.iter().map(|block| pages[*block as usize]).collect();
                let figure = total(&found, 20_000.0, 1.0);
                held += u32::from((figure.likely - truth).abs() <= figure.half);
            }
            assert!(held >= 950, "shape {number}: {held} of 1000");
        }
    }

    #[test]
    fn a_stretch_that_was_deleted_costs_little_certainty() {
        let found: Vec<f64> = (0..300).map(|page| if page < 150 { 0.0 } else { 1.0 }).collect();
        assert!(total(&found, 1e5, 1.0).half / 1e5 < 0.015);
    }

    #[test]
    fn few_degrees_of_freedom_ask_for_more() {
        for (degrees, quantile) in [(2.0, 4.30), (5.0, 2.57), (10.0, 2.23), (30.0, 2.04), (1000.0, 1.96)] {
            assert!(
                (student(degrees) - quantile).abs() / quantile < 0.06,
                "{degrees}: {}",
                student(degrees)
            );
        }
    }
}
