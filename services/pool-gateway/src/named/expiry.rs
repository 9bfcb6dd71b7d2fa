//! Times that end an answer: read from PostgreSQL's text, and compared with the wall clock. Pure.
//!
//! A row lives while the time in its column is still to come. What has no time, or one that cannot be read, has ended: so
//! it is with `expires_at > now()` in SQL, and so nothing lives longer by mistake.

use std::time::{SystemTime, UNIX_EPOCH};

use weir_proto::common::v1::value::Kind;
use weir_proto::common::v1::{TypedText, Value};

/// The number of `timestamptz`.
pub(crate) const TIMESTAMPTZ: u32 = 1184;

const DAY_US: i64 = 86_400_000_000;

/// When something ends, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// It has ended whatever the time is.
    Past,
    At(i64),
    Never,
}

impl End {
    /// What a value of type `timestamptz` says.
    pub(crate) fn of(value: &Value) -> Self {
        match &value.kind {
            Some(Kind::Typed(TypedText { type_name, text })) if type_name == "timestamptz" => Self::read(text),
            _ => Self::Past,
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "infinity" => Self::Never,
            text => micros(text).map_or(Self::Past, Self::At),
        }
    }

    /// Whether it is still to come. In its own moment it is not.
    pub(crate) fn is_to_come(self, now_us: i64) -> bool {
        match self {
            Self::Past => false,
            Self::At(end) => now_us < end,
            Self::Never => true,
        }
    }
}

/// The wall clock as PostgreSQL counts, in microseconds since 1970.
pub(crate) fn unix_us(now: SystemTime) -> i64 {
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

/// `2026-11-30 03:40:00.123456+01:30`, also with ` BC` at its end.
fn micros(text: &str) -> Option<i64> {
    let (text, is_bc) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (date, rest) = text.split_once(' ')?;
    let zone_at = rest.find(['+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone_at)?;
    let mut parts = date.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if is_bc { 1 - year } else { year };
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let (east, zone) = match zone.strip_prefix('+') {
        Some(zone) => (1, zone),
        None => (-1, zone.strip_prefix('-')?),
    };
    let seconds = clock(time, 3)? - east * clock(zone, 1)?;
    let of_day = seconds * 1_000_000 + micros_of(fraction)?;
    Some(days(year, month, day).saturating_mul(DAY_US).saturating_add(of_day))
}

fn number(digits: &str) -> Option<i64> {
    let plain = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Seconds of `hh:mm:ss`, of which at least so many parts are there.
fn clock(text: &str, parts_min: usize) -> Option<i64> {
    let parts: Vec<i64> = text.split(':').map(number).collect::<Option<_>>()?;
    match parts.as_slice() {
        found if found.len() < parts_min => None,
        [hours] => Some(hours * 3_600),
        [hours, minutes] => Some(hours * 3_600 + minutes * 60),
        [hours, minutes, seconds] => Some(hours * 3_600 + minutes * 60 + seconds),
        _ => None,
    }
}

fn micros_of(fraction: &str) -> Option<i64> {
    match fraction.len() {
        0 => Some(0),
        length @ 1..=6 => Some(number(fraction)? * 10_i64.pow(6 - u32::try_from(length).ok()?)),
        _ => None,
    }
}

/// Days since 1970 of a day of the Gregorian calendar, by counting years from March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(text: &str) -> i64 {
        match End::read(text) {
            End::At(us) => us,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn times_are_read_as_postgresql_writes_them() {
        // What `extract(epoch from …) * 1000000` says of them.
        for (text, us) in [
            ("1970-01-01 00:00:00+00", 0),
            ("1970-01-01 00:00:00.000001+00", 1),
            ("1970-01-01 01:30:00.5+01:30", 500_000),
            ("1969-12-31 16:00:00-08", 0),
            ("1969-12-31 23:59:59.999999+00", -1),
            ("2026-11-30 03:40:12.345678+00", 1_796_010_012_345_678),
            ("2024-02-29 12:00:00+00", 1_709_208_000_000_000),
            ("1900-03-01 00:00:00+00", -2_203_891_200_000_000),
            ("1883-11-18 07:03:58-04:56:02", -2_717_668_800_000_000),
            ("10000-01-01 00:00:00+00", 253_402_300_800_000_000),
            ("0044-03-15 00:00:00+00 BC", -63_517_824_000_000_000),
            // Further away than can be counted.
            ("294276-12-31 23:59:59.999999+00", i64::MAX),
        ] {
            assert_eq!(at(text), us, "{text}");
        }
        assert_eq!(End::read("infinity"), End::Never);
    }

    #[test]
    fn what_cannot_be_read_has_ended() {
        for text in [
            "",
            "-infinity",
            "now",
            "2026-11-30",
            "2026-11-30 03:40:12",
            "2026-11-30 03:40+00",
            "2026-13-30 03:40:12+00",
            "2026-11-30T03:40:12Z",
            "30/11/2026 03:40:12 CET",
            "2026-11-30 03:40:12.1234567+00",
            "-2026-11-30 03:40:12+00",
            "2026-11-30 03:40:12+a",
            "2026-11-30 03:40:12+",
            "9999999-01-01 00:00:00+00",
            "2026-11-30-1 03:40:12+00",
        ] {
            assert_eq!(End::read(text), End::Past, "{text}");
        }
        let other = |kind| End::of(&Value { kind });
        assert_eq!(other(None), End::Past);
        assert_eq!(other(Some(Kind::Int64(i64::MAX))), End::Past);
        let (type_name, text) = ("timestamp".to_owned(), "2999-01-01 00:00:00".to_owned());
        assert_eq!(other(Some(Kind::Typed(TypedText { type_name, text }))), End::Past);
    }

    #[test]
    fn in_its_own_moment_it_has_ended() {
        assert!(End::At(5).is_to_come(4) && !End::At(5).is_to_come(5) && !End::At(5).is_to_come(6));
        assert!(End::Never.is_to_come(i64::MAX) && !End::Past.is_to_come(i64::MIN));
        assert_eq!(unix_us(UNIX_EPOCH + Duration::from_nanos(4_999)), 4);
        assert_eq!(unix_us(UNIX_EPOCH - Duration::from_secs(1)), 0);
    }
}
