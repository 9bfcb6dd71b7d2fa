//! Moments on the command line: so long ago, or a time with its zone. Pure.

use std::str::FromStr;
use std::time::Duration;

use chrono::DateTime;

/// A moment as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// So long before now.
    Ago(Duration),
    /// A time, in milliseconds since 1970.
    At(i64),
}

impl When {
    /// In milliseconds since 1970.
    pub(super) fn unix_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Ago(span) => now_ms - i64::try_from(span.as_millis()).unwrap_or(i64::MAX),
            Self::At(unix_ms) => unix_ms,
        }
    }
}

impl FromStr for When {
    type Err = String;

    /// `90s`, `15m`, `2h`, `7d`, or `2026-03-01T12:00:00Z`. A time without its zone could be any.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(span) = span(text) {
            return Ok(Self::Ago(span));
        }
        let wrong = |_| {
            "it is neither so long ago (90s, 15m, 2h, 7d) nor a time with its zone (2026-03-01T12:00:00Z)".to_owned()
        };
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self::At(time.timestamp_millis()))
            .map_err(wrong)
    }
}

/// A number and its unit.
pub(super) fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// The same for clap.
pub(super) fn parse_span(text: &str) -> Result<Duration, String> {
    span(text).ok_or_else(|| "a number and its unit are expected, such as 30m, 2h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_so_long_ago_or_a_time_with_its_zone() {
        let at = |text: &str| text.parse::<When>().map(|when| when.unix_ms(1_000_000_000));
        assert_eq!(at("90s"), Ok(999_910_000));
        assert_eq!(at("7d"), Ok(1_000_000_000 - 7 * 86_400_000));
        assert_eq!(at("2026-03-01T13:00:00+01:00"), Ok(1_772_366_400_000));
        for wrong in [
            "",
            "m",
            "-5m",
            "5 m",
            "yesterday",
            "2026-03-01 12:00:00",
            "99999999999999999999d",
            "5ü",
        ] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
        assert!(parse_span("2h").is_ok() && parse_span("two").is_err());
    }
}
