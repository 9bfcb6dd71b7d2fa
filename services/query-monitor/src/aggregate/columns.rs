//! A stretch of time in columns of one width, as a chart of it has them. Pure.

use super::level::Level;

/// Widths that people can read, in milliseconds. Each fits into those above it or is a part of a level's span, so that
/// no span lies in two columns.
const WIDTHS_MS: [i64; 16] = [
    10_000,
    20_000,
    30_000,
    60_000,
    2 * 60_000,
    5 * 60_000,
    10 * 60_000,
    15 * 60_000,
    30 * 60_000,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    7 * DAY_MS,
];
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Columns of one width, which begin at whole multiples of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    width_ms: i64,
}

impl Columns {
    /// As narrow as can be with at most so many of them.
    pub(crate) fn of(from_unix_ms: i64, to_unix_ms: i64, most: u32) -> Self {
        // A stretch begins and ends within columns.
        let most = i64::from(most.max(3));
        let long = to_unix_ms.saturating_sub(from_unix_ms).max(1);
        let fits = |width: &i64| long / width + 2 <= most;
        let width_ms = WIDTHS_MS.into_iter().find(fits).unwrap_or_else(|| {
            let days = long / DAY_MS / (most - 2) + 1;
            days * DAY_MS
        });
        Self { width_ms }
    }

    /// The coarsest level whose spans fit into a column.
    pub(crate) fn coarsest(self) -> Level {
        let fits = |level: &Level| level.width_ms() <= self.width_ms;
        Level::ALL.into_iter().rev().find(fits).unwrap_or(Level::Seconds)
    }

    /// The beginning and the width of what a span is shown in: a column, or, where it is longer, itself.
    pub(crate) const fn place(self, from_unix_ms: i64, width_ms: i64) -> (i64, i64) {
        if width_ms >= self.width_ms {
            (from_unix_ms, width_ms)
        } else {
            (from_unix_ms.div_euclid(self.width_ms) * self.width_ms, self.width_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_as_narrow_as_their_number_allows() {
        let width = |long: i64, most: u32| Columns::of(0, long, most).width_ms;
        assert_eq!(width(HOUR_MS, 120), 60_000);
        assert_eq!(width(HOUR_MS, 1_000), 10_000);
        assert_eq!(width(DAY_MS, 120), 15 * 60_000);
        assert_eq!(Columns::of(0, DAY_MS, 120).coarsest(), Level::Minutes);
        assert_eq!(Columns::of(0, 7 * DAY_MS, 120).coarsest(), Level::Hours);
        assert_eq!(Columns::of(0, HOUR_MS, 1_000).coarsest(), Level::Seconds);
        assert_eq!(Columns::of(0, i64::MAX, 60).coarsest(), Level::Days);
    }

    proptest! {
        #[test]
        fn there_are_not_more_than_wanted_and_no_span_is_in_two(
            from in 0..1_000 * DAY_MS, long in 1..1_000 * DAY_MS, most in 3_u32..1_000, level in 0..4_usize,
        ) {
            let columns = Columns::of(from, from + long, most);
            let first = columns.place(from, 1).0;
            let last = columns.place(from + long - 1, 1).0;
            prop_assert!((last - first) / columns.width_ms < i64::from(most));
            let level = Level::ALL[level];
            let span = level.floor(from);
            let (begin, width) = columns.place(span, level.width_ms());
            prop_assert!(begin <= span && span + level.width_ms() <= begin + width);
        }
    }
}
