//! How old a release of PostgreSQL is, from its number and the calendar. Pure.
//!
//! A major version appears each autumn, minor releases follow in November, February, May and August, and five years
//! after its appearance a major version gets its last. So nobody has to keep a list.

/// The first major version that Weir works with.
pub(super) const OLDEST: u32 = 15;
/// The last that was known when this was written.
pub(super) const NEWEST: u32 = 18;
/// The year in which [`OLDEST`] appeared.
const OLDEST_YEAR: i64 = 2022;
/// Years in which a major version gets minor releases.
const SUPPORTED_YEARS: i64 = 5;
/// Minor releases come on the second Thursday of their month, the 14th at the latest.
const RELEASED_BY_DAY: i64 = 14;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
}

impl Day {
    pub(super) const fn of_unix_ms(unix_ms: i64) -> Self {
        // The proleptic Gregorian calendar, in years that begin in March.
        let days = unix_ms.div_euclid(86_400_000) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Self {
            year: year + era * 400 + next,
            month,
            day,
        }
    }
}

/// Minor releases that there surely are of a major version on this day. A release out of turn is beyond them.
pub(super) fn minors_by(major: u32, today: Day) -> i64 {
    let first_year = OLDEST_YEAR + i64::from(major) - i64::from(OLDEST);
    let last = (first_year + SUPPORTED_YEARS, 11);
    let months = (first_year..=today.year).flat_map(|year| [2, 5, 8, 11].map(|month| (year, month)));
    let due = months.filter(|month| *month >= (first_year, 11) && *month <= last);
    let out = due.filter(|(year, month)| {
        let by = Day {
            year: *year,
            month: *month,
            day: RELEASED_BY_DAY,
        };
        by < today
    });
    i64::try_from(out.count()).unwrap_or(i64::MAX)
}

/// Whether a major version gets no releases any more.
pub(super) fn is_over(major: u32, today: Day) -> bool {
    let last_year = OLDEST_YEAR + i64::from(major) - i64::from(OLDEST) + SUPPORTED_YEARS;
    let last = Day {
        year: last_year,
        month: 11,
        day: RELEASED_BY_DAY,
    };
    today > last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i64, month: i64, day: i64) -> Day {
        Day { year, month, day }
    }

    #[test]
    fn the_calendar_is_the_usual_one() {
        assert_eq!(Day::of_unix_ms(0), day(1970, 1, 1));
        assert_eq!(Day::of_unix_ms(951_782_400_000), day(2000, 2, 29));
        assert_eq!(Day::of_unix_ms(1_790_000_000_000), day(2026, 9, 21));
    }

    /// By what was released: 15.1 in November 2022, 15.5 in November 2023, 17.4 in February 2025.
    #[test]
    fn minor_releases_are_counted_by_the_calendar() {
        assert_eq!(minors_by(15, day(2022, 11, 14)), 0);
        assert_eq!(minors_by(15, day(2022, 11, 15)), 1);
        assert_eq!(minors_by(15, day(2023, 12, 1)), 5);
        assert_eq!(
            minors_by(17, day(2025, 3, 1)),
            2,
            "17.3 and 17.4 came out of turn or together"
        );
        assert_eq!(minors_by(18, day(2025, 10, 1)), 0);
        assert_eq!(
            minors_by(15, day(2030, 1, 1)),
            minors_by(15, day(2027, 12, 1)),
            "there are no more then"
        );
    }

    #[test]
    fn a_major_version_ends_after_five_years() {
        assert!(!is_over(15, day(2027, 11, 14)) && is_over(15, day(2027, 11, 15)));
    }
}
