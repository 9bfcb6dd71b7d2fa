//! What an answer means, and how long to wait after one that asks for another attempt. Pure.

use chrono::{DateTime, Utc};

/// The longest wait after the first failure. Half of it may be cut off by chance.
const FIRST_MS: i64 = 1_000;
/// The longest wait after any failure.
const CAP_MS: i64 = 5 * 60_000;
/// The longest wait that a receiver may ask for.
const RETRY_AFTER_MAX_MS: i64 = 3_600_000;

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver has it.
    Accepted,
    /// The receiver does not want it, and will not want it later.
    Refused,
    /// It is to be tried again.
    Later {
        /// Not before this time, as the receiver asks.
        after_ms: i64,
        /// Whether the receiver may have it all the same.
        in_doubt: bool,
    },
}

impl Outcome {
    /// The receiver was never reached.
    pub(crate) const UNREACHED: Self = Self::Later {
        after_ms: 0,
        in_doubt: false,
    };
    /// What was sent, and what became of it is not known.
    pub(crate) const UNKNOWN: Self = Self::Later {
        after_ms: 0,
        in_doubt: true,
    };

    /// What an HTTP answer means.
    ///
    /// 408 and 429 say that nothing was done; after any 5xx the receiver, or something before it, may have it.
    pub(crate) fn of_status(status: u16, retry_after: Option<&str>, now_unix_ms: i64) -> Self {
        let after_ms = retry_after.map_or(0, |text| retry_after_ms(text, now_unix_ms));
        match status {
            200..=299 => Self::Accepted,
            408 | 425 | 429 => Self::Later {
                after_ms,
                in_doubt: false,
            },
            // A redirect is not followed: the next place must not learn what is secret.
            300..=499 => Self::Refused,
            _ => Self::Later {
                after_ms,
                in_doubt: true,
            },
        }
    }
}

/// `Retry-After`: seconds, or a date. What cannot be read asks for nothing.
fn retry_after_ms(text: &str, now_unix_ms: i64) -> i64 {
    let text = text.trim();
    let seconds = text
        .parse::<u32>()
        .ok()
        .map(|seconds| i64::from(seconds).saturating_mul(1_000));
    let date = || {
        DateTime::parse_from_rfc2822(text)
            .ok()
            .map(|date| date.timestamp_millis() - now_unix_ms)
    };
    seconds.or_else(date).unwrap_or(0).clamp(0, RETRY_AFTER_MAX_MS)
}

/// How long to wait after this many attempts, all of which failed. Doubled each time; `jitter` (0 to 1) cuts off up to
/// half, so that what failed together does not come back together.
pub(crate) fn wait_ms(attempts: u32, jitter: f64) -> i64 {
    let doublings = attempts.saturating_sub(1).min(20);
    let longest = FIRST_MS.saturating_mul(1 << doublings).min(CAP_MS);
    (longest as f64 * (0.5 + jitter.clamp(0.0, 1.0) / 2.0)) as i64
}

/// A time as protocols write it.
pub(crate) fn rfc3339(unix_ms: i64) -> String {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(unix_ms).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_five_minutes_and_half_of_it_is_chance() {
        let longest: Vec<i64> = [1, 2, 3, 4, 9, 10, u32::MAX]
            .map(|attempts| wait_ms(attempts, 1.0))
            .into();
        assert_eq!(longest, [1_000, 2_000, 4_000, 8_000, 256_000, 300_000, 300_000]);
        assert_eq!((wait_ms(1, 0.0), wait_ms(30, 0.0)), (500, 150_000));
    }

    #[test]
    fn only_what_a_later_attempt_may_change_is_tried_again() {
        let of = |status| Outcome::of_status(status, None, 0);
        assert_eq!(
            [200, 202, 204].map(of),
            [Outcome::Accepted, Outcome::Accepted, Outcome::Accepted]
        );
        for status in [301, 307, 400, 401, 403, 404, 410, 413, 422] {
            assert_eq!(of(status), Outcome::Refused, "{status}");
        }
        for status in [408, 429] {
            assert_eq!(of(status), Outcome::UNREACHED, "{status} says that nothing was done");
        }
        for status in [500, 502, 503, 504] {
            assert_eq!(
                of(status),
                Outcome::UNKNOWN,
                "{status} does not say that nothing was done"
            );
        }
    }

    #[test]
    fn a_receiver_may_ask_for_time_but_not_for_ever() {
        let now = 1_800_000_000_000;
        let after = |text| match Outcome::of_status(429, Some(text), now) {
            Outcome::Later { after_ms, .. } => after_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("7"), 7_000);
        assert_eq!(after("Fri, 15 Jan 2027 08:00:10 GMT"), 10_000);
        assert_eq!(after("Fri, 15 Jan 2027 07:00:00 GMT"), 0);
        assert_eq!(
            (after("4294967295"), after("99999999999"), after("soon"), after("-5")),
            (3_600_000, 0, 0, 0)
        );
    }
}
