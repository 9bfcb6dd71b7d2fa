//! How many calls took how long, in the rows of a heat-map. Pure.

use weir_model::Sketch;

/// Up to how many microseconds each row goes: four to a power of ten, from a tenth of a millisecond to most of a minute.
pub(crate) const BOUNDS_US: [u64; 24] = [
    100, 180, 320, 560, 1_000, 1_800, 3_200, 5_600, 10_000, 18_000, 32_000, 56_000, 100_000, 180_000, 320_000, 560_000,
    1_000_000, 1_800_000, 3_200_000, 5_600_000, 10_000_000, 18_000_000, 32_000_000, 56_000_000,
];

/// How many values each row has, and how many are beyond the last. Together they are all that were counted.
pub(crate) fn rows(sketch: &Sketch) -> Vec<u64> {
    let mut left = sketch.count();
    let mut counts = Vec::with_capacity(BOUNDS_US.len() + 1);
    for bound in BOUNDS_US {
        let above = sketch.above(bound);
        counts.push(left.saturating_sub(above));
        left = above;
    }
    counts.push(left);
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.add(*value));
        sketch
    }

    #[test]
    fn a_value_is_in_the_row_that_goes_up_to_it() {
        let rows = rows(&of(&[0, 100, 150, 1_000, 2_000, 50_000_000, 70_000_000, u64::MAX]));
        let met: Vec<(usize, u64)> = rows.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        assert_eq!(met, [(0, 2), (1, 1), (4, 1), (6, 1), (23, 1), (24, 2)]);
    }

    proptest! {
        #[test]
        fn rows_add_up_to_everything_and_each_is_right_within_two_per_cent(
            values in prop::collection::vec((0..40_u32, any::<u64>()), 1..300)
        ) {
            let values: Vec<u64> = values.iter().map(|(bits, value)| value & ((1 << bits) - 1)).collect();
            let rows = rows(&of(&values));
            prop_assert_eq!(rows.len(), BOUNDS_US.len() + 1);
            prop_assert_eq!(rows.iter().sum::<u64>(), values.len() as u64);
            let mut up_to = 0;
            for (bound, row) in BOUNDS_US.iter().zip(&rows) {
                up_to += row;
                let surely = values.iter().filter(|value| *value <= bound).count() as u64;
                let at_most = values.iter().filter(|value| **value <= bound + bound / 50).count() as u64;
                prop_assert!((surely..=at_most).contains(&up_to), "{bound}: {up_to} of {surely} to {at_most}");
            }
        }
    }
}
