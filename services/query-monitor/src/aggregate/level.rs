//! Spans of time: how fine statistics are kept for how long, and which rows answer for a period. Pure.

use std::time::Duration;

/// How fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    /// Ten seconds.
    Seconds,
    /// A minute.
    Minutes,
    /// An hour.
    Hours,
    /// A day, by UTC.
    Days,
}

impl Level {
    /// From fine to coarse.
    pub(crate) const ALL: [Self; 4] = [Self::Seconds, Self::Minutes, Self::Hours, Self::Days];

    /// How long one span is, in milliseconds.
    pub(crate) const fn width_ms(self) -> i64 {
        match self {
            Self::Seconds => 10_000,
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
            Self::Days => 86_400_000,
        }
    }

    /// When the span that holds a moment begins.
    pub(crate) const fn floor(self, unix_ms: i64) -> i64 {
        unix_ms.div_euclid(self.width_ms()) * self.width_ms()
    }

    /// When the first span begins that holds nothing before a moment.
    pub(crate) const fn ceil(self, unix_ms: i64) -> i64 {
        self.floor(unix_ms + self.width_ms() - 1)
    }

    /// What it is made of.
    pub(crate) const fn finer(self) -> Option<Self> {
        match self {
            Self::Seconds => None,
            Self::Minutes => Some(Self::Seconds),
            Self::Hours => Some(Self::Minutes),
            Self::Days => Some(Self::Hours),
        }
    }
}

/// One figure for each level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PerLevel<T> {
    pub(crate) seconds: T,
    pub(crate) minutes: T,
    pub(crate) hours: T,
    pub(crate) days: T,
}

impl<T: Copy> PerLevel<T> {
    /// That of one level.
    pub(crate) const fn of(&self, level: Level) -> T {
        match level {
            Level::Seconds => self.seconds,
            Level::Minutes => self.minutes,
            Level::Hours => self.hours,
            Level::Days => self.days,
        }
    }

    /// That of one level, to be changed.
    pub(crate) const fn of_mut(&mut self, level: Level) -> &mut T {
        match level {
            Level::Seconds => &mut self.seconds,
            Level::Minutes => &mut self.minutes,
            Level::Hours => &mut self.hours,
            Level::Days => &mut self.days,
        }
    }
}

/// How long rows of each level are kept.
pub(crate) type Retention = PerLevel<Duration>;

/// Which rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    /// From when on each level has rows.
    pub(crate) from_unix_ms: PerLevel<i64>,
    /// Until when each level has been made from the finer one; the finest reaches as far as anything does.
    pub(crate) until_unix_ms: PerLevel<i64>,
}

/// Rows of one level that begin in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) level: Level,
    pub(crate) from_unix_ms: i64,
    pub(crate) to_unix_ms: i64,
}

/// Which rows answer for a period, each moment once: the coarsest that fit, and where only coarse ones are kept, those,
/// though they reach beyond its ends.
pub(crate) fn cover(kept: &Kept, from_unix_ms: i64, to_unix_ms: i64) -> Vec<Part> {
    cover_finely(kept, Level::Days, from_unix_ms, to_unix_ms)
}

/// The same with nothing coarser than a level, as far as finer rows are kept.
pub(crate) fn cover_finely(kept: &Kept, coarsest: Level, from_unix_ms: i64, to_unix_ms: i64) -> Vec<Part> {
    let from = from_unix_ms.max(kept.from_unix_ms.of(Level::Days));
    let mut parts = Vec::new();
    fill(kept, (Level::Days, coarsest), (from, to_unix_ms), &mut parts);
    parts
}

/// Covers a period with spans of one level, and what is left at its ends with finer ones.
fn fill(kept: &Kept, (level, coarsest): (Level, Level), (from, to): (i64, i64), parts: &mut Vec<Part>) {
    if from >= to {
        return;
    }
    let Some(finer) = level.finer() else {
        return parts.push(Part {
            level,
            from_unix_ms: level.floor(from),
            to_unix_ms: level.ceil(to),
        });
    };
    let made_until = kept.until_unix_ms.of(level);
    // A beginning of which nothing finer is left takes the whole span that it is in.
    let is_gone = from < kept.from_unix_ms.of(finer) && level.ceil(from + 1) <= made_until;
    let first = if is_gone { level.floor(from) } else { level.ceil(from) };
    // What is too coarse ends where something finer begins.
    let last = if level > coarsest {
        level.ceil(to.min(kept.from_unix_ms.of(finer)))
    } else {
        level.floor(to)
    };
    let end = last
        .min(level.floor(made_until))
        .max(if is_gone { level.ceil(from + 1) } else { first });
    if end <= first || (level > coarsest && !is_gone) {
        return fill(kept, (finer, coarsest), (from, to), parts);
    }
    fill(kept, (finer, coarsest), (from, first), parts);
    parts.push(Part {
        level,
        from_unix_ms: first,
        to_unix_ms: end,
    });
    fill(kept, (finer, coarsest), (end, to), parts);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400_000;
    const HOUR: i64 = 3_600_000;
    const MINUTE: i64 = 60_000;

    /// Everything kept as by default, at noon and 34 minutes 56 seconds of the hundredth day.
    fn kept() -> (Kept, i64) {
        let now = 100 * DAY + 12 * HOUR + 34 * MINUTE + 56_000;
        let kept = Kept {
            from_unix_ms: PerLevel {
                seconds: Level::Seconds.floor(now - 2 * HOUR),
                minutes: Level::Minutes.floor(now - 2 * DAY),
                hours: Level::Hours.floor(now - 60 * DAY),
                days: 0,
            },
            until_unix_ms: PerLevel {
                seconds: i64::MAX,
                minutes: Level::Minutes.floor(now - 90_000),
                hours: Level::Hours.floor(now - 90_000),
                days: Level::Days.floor(now - 90_000),
            },
        };
        (kept, now)
    }

    #[test]
    fn a_long_period_is_answered_by_few_rows() {
        let (kept, now) = kept();
        let parts = cover(&kept, 0, now);
        let levels: Vec<_> = parts.iter().map(|part| part.level).collect();
        assert_eq!(levels, [Level::Days, Level::Hours, Level::Minutes, Level::Seconds]);
        assert_eq!(parts[0].from_unix_ms, 0);
        assert_eq!(parts[1].from_unix_ms, 100 * DAY);
        assert_eq!(parts[2].from_unix_ms, 100 * DAY + 12 * HOUR);
        assert_eq!(parts[3].from_unix_ms, 100 * DAY + 12 * HOUR + 33 * MINUTE);
    }

    #[test]
    fn where_only_coarse_rows_are_left_they_answer() {
        let (kept, _) = kept();
        let in_the_past = 20 * DAY + 5 * HOUR;
        let parts = cover(&kept, in_the_past, in_the_past + HOUR);
        let day = Part {
            level: Level::Days,
            from_unix_ms: 20 * DAY,
            to_unix_ms: 21 * DAY,
        };
        assert_eq!(parts, [day]);
    }

    #[test]
    fn a_chart_is_made_of_the_finest_rows_that_it_can_show() {
        let (kept, now) = kept();
        let levels = |coarsest, from| -> Vec<(Level, i64)> {
            let parts = cover_finely(&kept, coarsest, from, now);
            parts.iter().map(|part| (part.level, part.from_unix_ms)).collect()
        };
        let day_ago = now - DAY;
        let minutes = levels(Level::Minutes, day_ago);
        // Ten seconds are told apart for two hours only, so it begins with the minute that it begins in.
        assert_eq!(minutes[0], (Level::Minutes, Level::Minutes.floor(day_ago)));
        assert_eq!((minutes[1].0, minutes.len()), (Level::Seconds, 2));
        // Minutes are gone after two days, and what was before is told by the hour.
        let longer = levels(Level::Minutes, now - 3 * DAY);
        let noon = 98 * DAY + 13 * HOUR;
        assert_eq!(
            (longer[0], longer[1]),
            ((Level::Hours, 97 * DAY + 12 * HOUR), (Level::Minutes, noon))
        );
    }

    proptest! {
        #[test]
        fn every_moment_is_answered_once(from in 0..101 * DAY, length in 1..40 * DAY, coarsest in 0..4_usize) {
            let (kept, now) = kept();
            let to = (from + length).min(now);
            prop_assume!(from < to);
            let parts = cover_finely(&kept, Level::ALL[coarsest], from, to);
            prop_assert!(parts[0].from_unix_ms <= from && parts[parts.len() - 1].to_unix_ms >= to);
            for part in &parts {
                prop_assert!(part.from_unix_ms < part.to_unix_ms);
                prop_assert_eq!(part.level.floor(part.from_unix_ms), part.from_unix_ms, "{:?}", parts);
            }
            prop_assert!(parts.windows(2).all(|pair| pair[0].to_unix_ms == pair[1].from_unix_ms), "{parts:?}");
        }
    }
}
