//! Whether a window is open, until when, or when the next one opens. Pure.
//!
//! Hours are local, and each opening is worked out on its day in its zone: a start in the gap of a summer-time night
//! opens at the moment after the gap, an hour that comes twice is one opening from its first time to its last, and a
//! window that lies in the gap as a whole does not open that night. Openings that touch or overlap are one.

use chrono::{DateTime, Datelike as _, Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::hours::{Hours, Weekdays};

/// How far is looked ahead: beyond two weeks, so that the next opening of a weekly window is found even if summer time
/// swallows one.
const AHEAD_DAYS: u64 = 16;
/// An opening that goes on for so long has no end.
const ENDLESS_MS: i64 = 14 * 24 * 3_600_000;
/// The longest gap that a zone ever had is a day.
const GAP_MINUTES_MAX: i64 = 25 * 60;

/// Hours of some days in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its name, for people.
    pub name: String,
    /// The days on which it opens.
    pub weekdays: Weekdays,
    /// From when to when.
    pub hours: Hours,
    /// Where that is meant.
    pub zone: Tz,
}

/// How windows stand at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opening {
    /// One is open.
    Open {
        /// When it ends; `None` for never.
        until_unix_ms: Option<i64>,
    },
    /// None is.
    Closed {
        /// When the next opens, and its name; `None` for never.
        next: Option<(i64, String)>,
    },
}

/// A stretch of time in which a window is open.
struct Span<'a> {
    from: i64,
    to: i64,
    name: &'a str,
}

/// How these windows stand now.
pub(crate) fn opening(windows: &[Window], now_unix_ms: i64) -> Opening {
    let all = windows.iter().flat_map(|window| spans(window, now_unix_ms)).collect();
    let spans = joined(all);
    let ahead = spans.into_iter().find(|span| span.to > now_unix_ms);
    match ahead {
        Some(span) if span.from <= now_unix_ms => Opening::Open {
            until_unix_ms: (span.to < now_unix_ms.saturating_add(ENDLESS_MS)).then_some(span.to),
        },
        ahead => Opening::Closed {
            next: ahead.map(|span| (span.from, span.name.to_owned())),
        },
    }
}

/// Openings of a window from the day before yesterday on.
fn spans(window: &Window, now_unix_ms: i64) -> Vec<Span<'_>> {
    let Some(now) = DateTime::<Utc>::from_timestamp_millis(now_unix_ms) else {
        return Vec::new();
    };
    let today = now.with_timezone(&window.zone).date_naive();
    let first = today.checked_sub_days(Days::new(2)).unwrap_or(today);
    let dates = (0..=AHEAD_DAYS).filter_map(|days| first.checked_add_days(Days::new(days)));
    dates
        .filter(|date| window.weekdays.has(date.weekday()))
        .filter_map(|date| span_on(window, date))
        .collect()
}

fn span_on(window: &Window, date: NaiveDate) -> Option<Span<'_>> {
    let (start, end) = window.hours.minutes();
    let midnight = date.and_hms_opt(0, 0, 0)?;
    let at = |minutes: u16| midnight.checked_add_signed(TimeDelta::minutes(minutes.into()));
    let from = first_moment(window.zone, at(start)?)?;
    let to = last_moment(window.zone, at(end)?)?;
    let name = window.name.as_str();
    (from < to).then_some(Span { from, to, name })
}

/// When a local time comes first: after the gap, if it falls into one.
fn first_moment(zone: Tz, local: NaiveDateTime) -> Option<i64> {
    moments(zone, local).map(|(first, _)| first)
}

/// When a local time comes last.
fn last_moment(zone: Tz, local: NaiveDateTime) -> Option<i64> {
    moments(zone, local).map(|(_, last)| last)
}

fn moments(zone: Tz, local: NaiveDateTime) -> Option<(i64, i64)> {
    let later = (0..=GAP_MINUTES_MAX).filter_map(|minutes| local.checked_add_signed(TimeDelta::minutes(minutes)));
    for local in later {
        match zone.from_local_datetime(&local) {
            LocalResult::None => {}
            LocalResult::Single(only) => return Some((only.timestamp_millis(), only.timestamp_millis())),
            LocalResult::Ambiguous(first, last) => return Some((first.timestamp_millis(), last.timestamp_millis())),
        }
    }
    None
}

/// In order of time, those that touch or overlap as one.
fn joined(mut spans: Vec<Span<'_>>) -> Vec<Span<'_>> {
    spans.sort_by_key(|span| span.from);
    let mut joined: Vec<Span<'_>> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;

    use super::*;

    const ALWAYS: &str = "open for ever";
    const NEVER: &str = "closed for ever";

    fn window(days: &str, start: &str, end: &str, zone: &str) -> Window {
        Window {
            name: format!("{days} {start}"),
            weekdays: Weekdays::parse(days).unwrap(),
            hours: Hours::parse(start, end).unwrap(),
            zone: zone.parse().unwrap(),
        }
    }

    fn text(unix_ms: i64) -> String {
        let moment = DateTime::<Utc>::from_timestamp_millis(unix_ms).unwrap();
        moment.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// How windows stand then: `open until …` or `closed until …`.
    fn stand(windows: &[Window], now: &str) -> String {
        let now = DateTime::parse_from_rfc3339(now).unwrap().timestamp_millis();
        match opening(windows, now) {
            Opening::Open { until_unix_ms: None } => ALWAYS.to_owned(),
            Opening::Open {
                until_unix_ms: Some(until),
            } => format!("open until {}", text(until)),
            Opening::Closed { next: None } => NEVER.to_owned(),
            Opening::Closed { next: Some((at, _)) } => format!("closed until {}", text(at)),
        }
    }

    fn check(windows: &[Window], stands: &[(&str, &str)]) {
        for (now, expected) in stands {
            assert_eq!(&stand(windows, now), expected, "at {now}");
        }
    }

    #[test]
    fn a_window_opens_on_its_days_at_its_start_and_closes_at_its_end() {
        // 2026-11-21 is a Saturday.
        check(
            &[window("mon-fri", "02:00", "06:00", "UTC")],
            &[
                ("2026-11-20T01:59:59Z", "closed until 2026-11-20T02:00:00Z"),
                ("2026-11-20T02:00:00Z", "open until 2026-11-20T06:00:00Z"),
                ("2026-11-20T05:59:59Z", "open until 2026-11-20T06:00:00Z"),
                ("2026-11-20T06:00:00Z", "closed until 2026-11-23T02:00:00Z"),
                ("2026-11-21T03:00:00Z", "closed until 2026-11-23T02:00:00Z"),
            ],
        );
    }

    #[test]
    fn over_midnight_it_belongs_to_the_day_of_its_start() {
        check(
            &[window("fri", "22:00", "05:00", "Europe/Vienna")],
            &[
                ("2026-11-20T20:59:00Z", "closed until 2026-11-20T21:00:00Z"),
                ("2026-11-21T03:00:00Z", "open until 2026-11-21T04:00:00Z"),
                ("2026-11-21T04:00:00Z", "closed until 2026-11-27T21:00:00Z"),
                ("2026-11-20T03:00:00Z", "closed until 2026-11-20T21:00:00Z"),
            ],
        );
    }

    #[test]
    fn windows_that_touch_or_overlap_are_one() {
        let several = [
            window("sat", "20:00", "24:00", "UTC"),
            window("sun", "00:00", "03:00", "UTC"),
            window("sun", "04:00", "06:00", "Europe/Vienna"),
            window("sat", "21:00", "22:00", "UTC"),
        ];
        check(
            &several,
            &[
                ("2026-11-21T19:00:00Z", "closed until 2026-11-21T20:00:00Z"),
                // The one of Vienna begins at three in UTC.
                ("2026-11-21T21:30:00Z", "open until 2026-11-22T05:00:00Z"),
                ("2026-11-22T05:00:00Z", "closed until 2026-11-28T20:00:00Z"),
            ],
        );
    }

    #[test]
    fn a_whole_day_is_a_window_and_a_whole_week_has_no_end() {
        check(
            &[window("sat,sun", "00:00", "24:00", "UTC")],
            &[("2026-11-21T12:00:00Z", "open until 2026-11-23T00:00:00Z")],
        );
        check(
            &[window("sat", "08:00", "08:00", "UTC")],
            &[("2026-11-21T12:00:00Z", "open until 2026-11-22T08:00:00Z")],
        );
        for zone in ["UTC", "Europe/Berlin", "Africa/Cairo", "America/Havana"] {
            let all = [window("", "00:00", "24:00", zone)];
            for day in 0..366 {
                let now = 1_767_225_600_000 + day * 86_400_000;
                assert_eq!(
                    opening(&all, now),
                    Opening::Open { until_unix_ms: None },
                    "{zone} {}",
                    text(now)
                );
            }
        }
        assert_eq!(stand(&[], "2026-11-21T12:00:00Z"), NEVER);
    }

    #[test]
    fn the_night_without_its_third_hour() {
        // Berlin, 2026-03-29: after 01:59 comes 03:00, which is one in UTC.
        check(
            &[window("", "02:30", "04:00", "Europe/Berlin")],
            &[
                ("2026-03-28T12:00:00Z", "closed until 2026-03-29T01:00:00Z"),
                ("2026-03-29T00:59:59Z", "closed until 2026-03-29T01:00:00Z"),
                ("2026-03-29T01:00:00Z", "open until 2026-03-29T02:00:00Z"),
                ("2026-03-29T02:00:00Z", "closed until 2026-03-30T00:30:00Z"),
            ],
        );
        check(
            &[window("", "01:00", "02:30", "Europe/Berlin")],
            &[("2026-03-29T00:30:00Z", "open until 2026-03-29T01:00:00Z")],
        );
        // Wholly in the gap: not that night; a weekly one, not that week.
        check(
            &[window("sun", "02:10", "02:50", "Europe/Berlin")],
            &[("2026-03-28T12:00:00Z", "closed until 2026-04-05T00:10:00Z")],
        );
    }

    #[test]
    fn the_night_with_an_hour_twice() {
        // Berlin, 2026-10-25: 02:00 to 03:00 comes at midnight and at one in UTC.
        check(
            &[window("", "02:15", "02:45", "Europe/Berlin")],
            &[
                ("2026-10-25T00:14:00Z", "closed until 2026-10-25T00:15:00Z"),
                ("2026-10-25T00:15:00Z", "open until 2026-10-25T01:45:00Z"),
                // Between the first time and the second.
                ("2026-10-25T01:00:00Z", "open until 2026-10-25T01:45:00Z"),
                ("2026-10-25T01:45:00Z", "closed until 2026-10-26T01:15:00Z"),
            ],
        );
        check(
            &[window("", "01:00", "03:00", "Europe/Berlin")],
            &[("2026-10-24T23:00:00Z", "open until 2026-10-25T02:00:00Z")],
        );
    }

    #[test]
    fn a_day_that_never_was_does_not_confuse_it() {
        // Samoa left out 2011-12-30.
        check(
            &[window("fri", "02:00", "06:00", "Pacific/Apia")],
            &[("2011-12-29T20:00:00Z", "closed until 2012-01-05T12:00:00Z")],
        );
    }

    #[test]
    fn at_every_minute_of_a_year_it_is_open_just_when_the_local_clock_says_so() {
        use chrono::Timelike as _;
        let night = window("mon-sat", "22:00", "05:00", "America/New_York");
        let all = [night.clone()];
        for minute in (0..366 * 24 * 60).step_by(7) {
            let now = 1_767_225_600_000 + minute * 60_000;
            let local = DateTime::<Utc>::from_timestamp_millis(now)
                .unwrap()
                .with_timezone(&night.zone);
            let expected = match local.hour() {
                22.. => local.weekday() != chrono::Weekday::Sun,
                ..5 => local.weekday() != chrono::Weekday::Mon,
                _ => false,
            };
            let open = matches!(opening(&all, now), Opening::Open { .. });
            assert_eq!(open, expected, "{local}");
        }
    }

    #[test]
    fn moments_beyond_the_calendar_are_closed() {
        let all = [window("", "02:00", "06:00", "UTC")];
        for now in [i64::MIN, i64::MAX, -8_334_601_228_800_000, 8_210_266_876_799_999] {
            assert!(matches!(
                opening(&all, now),
                Opening::Closed { .. } | Opening::Open { .. }
            ));
        }
    }
}
