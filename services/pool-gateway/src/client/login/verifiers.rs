//! What was looked up lately. Pure: the time is an argument.
//!
//! A log-in may always use an answer to a question that was asked after it began: those who come together share one
//! look-up, and still a changed password counts from the next log-in on. That is why answers may live for no time at
//! all. With more time, look-ups are saved and a change is seen later, because a SCRAM exchange that has begun with the
//! old salt cannot be saved by the new one; a log-in that fails then forgets the answer, so the next one asks.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use super::Found;

/// The users that came last, those that do not exist among them: a bounded number.
#[derive(Debug)]
pub(crate) struct Verifiers {
    entries: LruCache<Box<str>, Entry>,
    lives_for: Duration,
}

#[derive(Debug)]
struct Entry {
    found: Found,
    asked_at: Instant,
}

impl Verifiers {
    /// Room for so many users, whose answers serve for so long.
    pub(crate) fn new(users_max: NonZeroUsize, lives_for: Duration) -> Self {
        // Grows as users come, as most gateways see a handful.
        let mut entries = LruCache::unbounded();
        entries.resize(users_max);
        Self { entries, lives_for }
    }

    /// What a log-in that began at this moment may use. Ask once more after waiting for a connection to ask on:
    /// somebody else may have asked meanwhile.
    pub(crate) fn find(&mut self, user: &str, begun_at: Instant) -> Option<Found> {
        let entry = self.entries.get(user)?;
        let is_fresh = begun_at.saturating_duration_since(entry.asked_at) <= self.lives_for;
        is_fresh.then(|| entry.found.clone())
    }

    /// Keeps an answer. `asked_at` is the moment before the question was sent.
    pub(crate) fn keep(&mut self, user: &str, found: Found, asked_at: Instant) {
        if self.entries.peek(user).is_some_and(|entry| entry.asked_at > asked_at) {
            return;
        }
        self.entries.put(user.into(), Entry { found, asked_at });
    }

    /// A log-in that began at this moment failed, here or upstream: an answer from before it may be out of date.
    pub(crate) fn doubt(&mut self, user: &str, begun_at: Instant) {
        if self.entries.peek(user).is_some_and(|entry| entry.asked_at < begun_at) {
            self.entries.pop(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::login::lookup::User;

    const SECOND: Duration = Duration::from_secs(1);

    fn somebody() -> Found {
        Found::User(User {
            verifier: None,
            can_log_in: true,
            is_expired: false,
        })
    }

    fn verifiers(users_max: usize, lives_for: Duration) -> Verifiers {
        Verifiers::new(NonZeroUsize::new(users_max).unwrap(), lives_for)
    }

    #[test]
    fn those_who_come_together_share_an_answer_and_later_ones_ask() {
        let (mut verifiers, now) = (verifiers(8, Duration::ZERO), Instant::now());
        assert!(verifiers.find("bob", now).is_none());
        verifiers.keep("bob", somebody(), now + SECOND);
        for (begun_at, is_known) in [(now, true), (now + SECOND, true), (now + 2 * SECOND, false)] {
            assert_eq!(verifiers.find("bob", begun_at).is_some(), is_known);
        }
    }

    #[test]
    fn an_answer_serves_for_its_time_and_so_does_that_there_is_nobody() {
        let (mut verifiers, now) = (verifiers(8, 5 * SECOND), Instant::now());
        verifiers.keep("bob", somebody(), now);
        verifiers.keep("eve", Found::Nobody, now);
        for user in ["bob", "eve"] {
            assert!(verifiers.find(user, now + 5 * SECOND).is_some());
            assert!(
                verifiers
                    .find(user, now + 5 * SECOND + Duration::from_nanos(1))
                    .is_none()
            );
        }
        assert!(matches!(verifiers.find("eve", now), Some(Found::Nobody)));
    }

    #[test]
    fn a_failed_log_in_forgets_what_it_was_judged_by_and_nothing_newer() {
        let (mut verifiers, now) = (verifiers(8, 5 * SECOND), Instant::now());
        verifiers.keep("bob", somebody(), now);
        verifiers.doubt("bob", now);
        assert!(verifiers.find("bob", now).is_some(), "it was asked for this log-in");
        verifiers.doubt("bob", now + SECOND);
        assert!(verifiers.find("bob", now + SECOND).is_none());
    }

    #[test]
    fn an_answer_that_comes_late_does_not_replace_a_newer_one() {
        let (mut verifiers, now) = (verifiers(8, Duration::ZERO), Instant::now());
        verifiers.keep("bob", somebody(), now + SECOND);
        verifiers.keep("bob", Found::Nobody, now);
        assert!(matches!(verifiers.find("bob", now + SECOND), Some(Found::User(_))));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let (mut verifiers, now) = (verifiers(2, SECOND), Instant::now());
        for number in 0..1000 {
            verifiers.keep(&number.to_string(), Found::Nobody, now);
        }
        assert_eq!(verifiers.entries.len(), 2);
        assert!(verifiers.find("999", now).is_some() && verifiers.find("0", now).is_none());
    }
}
