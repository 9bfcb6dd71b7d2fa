//! A cron pattern in a time zone. Pure.
//!
//! The next run is worked out in the zone itself each time, so a change to or from summer time moves it as a person
//! would expect: a time that the night skips runs at the moment after the gap, one that comes twice runs once.

use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};

/// Longer patterns are nobody's, and cost time to read.
const PATTERN_BYTES_MAX: usize = 255;

/// A pattern or zone that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidTimetable {
    /// Not a cron pattern.
    #[error("{pattern:?} is not a cron pattern of five fields (or six, with seconds first): {reason}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a time zone.
    #[error("{0:?} is not a time zone such as UTC or Europe/Berlin")]
    Zone(String),
    /// A pattern that no day fits, such as 30 February.
    #[error("{0:?} never comes")]
    Never(String),
}

/// The IANA zone of that name; empty means UTC.
pub(crate) fn zone_of(name: &str) -> Result<Tz, InvalidTimetable> {
    let name = if name.is_empty() { "UTC" } else { name };
    Tz::from_str(name).map_err(|_| InvalidTimetable::Zone(name.to_owned()))
}

/// What the parser takes, though nobody can mean it: a list without entries is a field that nothing fits, for which all
/// seconds of a year would be looked through.
fn check(pattern: &str) -> Result<(), InvalidTimetable> {
    let reason = if pattern.len() > PATTERN_BYTES_MAX || !pattern.is_ascii() {
        format!("it is not plain ASCII of at most {PATTERN_BYTES_MAX} characters")
    } else if pattern
        .split_ascii_whitespace()
        .any(|field| field.split(',').any(str::is_empty))
    {
        "a list has an empty entry".to_owned()
    } else {
        return Ok(());
    };
    let pattern = pattern.chars().take(PATTERN_BYTES_MAX).collect();
    Err(InvalidTimetable::Pattern { pattern, reason })
}

/// A cron pattern in a time zone.
#[derive(Debug, Clone)]
pub(crate) struct Timetable {
    cron: Cron,
    zone: Tz,
}

impl Timetable {
    /// Reads a pattern of five fields, or six with seconds first, and an IANA zone; empty means UTC.
    pub(crate) fn parse(pattern: &str, zone: &str) -> Result<Self, InvalidTimetable> {
        let zone = zone_of(zone)?;
        check(pattern)?;
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .dom_and_dow(true)
            .build();
        let cron = parser.parse(pattern).map_err(|error| InvalidTimetable::Pattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { cron, zone })
    }

    /// The first moment after `unix_ms` that fits.
    pub(crate) fn next_after(&self, unix_ms: i64) -> Result<i64, InvalidTimetable> {
        let never = || InvalidTimetable::Never(self.cron.pattern.to_string());
        let after = DateTime::<Utc>::from_timestamp_millis(unix_ms)
            .ok_or_else(never)?
            .with_timezone(&self.zone);
        let next = self.cron.find_next_occurrence(&after, false).map_err(|_| never())?;
        Ok(next.timestamp_millis())
    }

    /// Whether a planned time is so far ahead that two others come before it, as after the clock was set back. One does
    /// too when the clock went back past a run that has been: that one is not to come again.
    pub(crate) fn is_astray(
        &self,
        planned_unix_ms: i64,
        jitter_ms: i64,
        now_unix_ms: i64,
    ) -> Result<bool, InvalidTimetable> {
        let second = self.next_after(self.next_after(now_unix_ms)?)?;
        Ok(planned_unix_ms > second.saturating_add(jitter_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(pattern: &str, zone: &str, after: &str) -> String {
        let after = DateTime::parse_from_rfc3339(after).unwrap().timestamp_millis();
        let next = Timetable::parse(pattern, zone).unwrap().next_after(after).unwrap();
        DateTime::<Utc>::from_timestamp_millis(next)
            .unwrap()
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn five_fields_or_six() {
        assert_eq!(next("0 2 * * *", "UTC", "2026-11-21T10:00:00Z"), "2026-11-22T02:00:00Z");
        assert_eq!(
            next("*/10 * * * * *", "", "2026-11-21T10:00:01Z"),
            "2026-11-21T10:00:10Z"
        );
        assert_eq!(next("0 2 * * *", "UTC", "2026-11-21T02:00:00Z"), "2026-11-22T02:00:00Z");
    }

    #[test]
    fn a_zone_is_followed_through_summer_time() {
        // Berlin: 02:00 does not exist on 2026-03-29 and 02:30 comes twice on 2026-10-25.
        assert_eq!(
            next("30 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z"),
            "2026-03-29T01:30:00Z"
        );
        assert_eq!(
            next("30 3 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z"),
            "2026-03-28T02:30:00Z"
        );
        let first = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z");
        assert_eq!(first, "2026-10-25T00:30:00Z");
        assert_eq!(
            next("30 2 * * *", "Europe/Berlin", &first),
            "2026-10-26T01:30:00Z",
            "the night ran it twice"
        );
        let skipped = next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z");
        assert!(
            skipped.starts_with("2026-03-29T01:"),
            "the skipped hour was not made up for: {skipped}"
        );
    }

    #[test]
    fn a_plan_is_astray_when_two_times_come_before_it() {
        let (nightly, day) = (Timetable::parse("0 3 * * *", "UTC").unwrap(), 86_400_000);
        let three = 1_800_068_400_000;
        // Just run, and set back by an hour, or by a day: what has been is not to come again.
        for now in [three, three - 3_600_000, three - day] {
            assert!(!nightly.is_astray(three + day, 0, now).unwrap(), "{now}");
        }
        assert!(nightly.is_astray(three + day, 0, three - day - 1).unwrap());
        assert!(!nightly.is_astray(three + day, day, three - day - 1).unwrap());
    }

    #[test]
    fn nonsense_is_named() {
        assert!(matches!(
            Timetable::parse("every day", "UTC"),
            Err(InvalidTimetable::Pattern { .. })
        ));
        assert!(matches!(
            Timetable::parse("0 2 * * *", "Mars/Olympus"),
            Err(InvalidTimetable::Zone(_))
        ));
        let never = Timetable::parse("0 0 30 2 *", "UTC").unwrap();
        assert!(matches!(never.next_after(0), Err(InvalidTimetable::Never(_))));
    }

    #[test]
    fn no_pattern_breaks_the_reader() {
        let odd = [
            "*",
            "0",
            "59",
            "60",
            "-1",
            "*/0",
            "*/1",
            "5-1",
            "1-",
            "-",
            ",",
            "1,,2",
            "L",
            "3L",
            "W",
            "31W",
            "5#9",
            "#",
            "?",
            "1/99999999999999999999",
            "sun",
            "SUN-MON",
            "feb",
            "@",
            "*/*",
            "é",
            "\0",
            "1-5/2,7",
            "LW",
            "6#0",
            "8",
        ];
        for (place, word) in (0..6).flat_map(|place| odd.iter().map(move |word| (place, word))) {
            let mut fields = ["*"; 6];
            fields[place] = word;
            for pattern in [fields.join(" "), fields[1..].join(" "), fields.join("")] {
                if let Ok(read) = Timetable::parse(&pattern, "Europe/Berlin") {
                    drop(read.next_after(1_800_000_000_000));
                }
            }
        }
        for pattern in ["1,".repeat(100_000), "0 0 * * ".to_owned() + &"é".repeat(10)] {
            let refused = Timetable::parse(&pattern, "UTC").unwrap_err().to_string();
            assert!(refused.len() < 600, "{refused}");
        }
    }
}
