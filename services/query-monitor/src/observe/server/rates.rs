//! Counters of a database, read again and again: what moved, how fast, and whether they were reset. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What "the last minutes" are.
const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Readings that are kept, however short the time between them.
const READINGS_MAX: usize = 128;
/// A ratio of fewer blocks says nothing.
const BLOCKS_MIN: u64 = 10_000;

/// The counters of one database at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counters {
    pub(super) commits: u64,
    pub(super) rollbacks: u64,
    pub(super) blocks_hit: u64,
    pub(super) blocks_read: u64,
    pub(super) temp_bytes: u64,
    pub(super) deadlocks: u64,
    /// When they were reset, in milliseconds since 1970; 0 for never.
    pub(super) reset_unix_ms: i64,
}

impl Counters {
    /// Whether these can have followed those without a reset.
    const fn follows(&self, before: &Self) -> bool {
        self.reset_unix_ms == before.reset_unix_ms
            && self.commits >= before.commits
            && self.rollbacks >= before.rollbacks
            && self.blocks_hit >= before.blocks_hit
            && self.blocks_read >= before.blocks_read
            && self.temp_bytes >= before.temp_bytes
            && self.deadlocks >= before.deadlocks
    }
}

/// What moved between the two latest readings, each a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rates {
    pub(super) commits: f64,
    pub(super) rollbacks: f64,
    pub(super) blocks_hit: f64,
    pub(super) blocks_read: f64,
    pub(super) temp_bytes: f64,
}

/// The readings of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Track {
    readings: VecDeque<(Instant, Counters)>,
    /// How often a reset was noticed.
    pub(super) resets: u64,
}

impl Track {
    /// Takes a reading in. After a reset all begins anew.
    pub(super) fn add(&mut self, at: Instant, counters: Counters) {
        let is_reset = self
            .readings
            .back()
            .is_some_and(|(_, before)| !counters.follows(before));
        if is_reset {
            self.readings.clear();
            self.resets += 1;
        }
        self.readings.push_back((at, counters));
        // The two latest stay however far they are apart.
        while self.readings.len() > 2 && (self.readings.len() > READINGS_MAX || self.is_front_old(at)) {
            self.readings.pop_front();
        }
    }

    fn is_front_old(&self, now: Instant) -> bool {
        self.readings
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
    }

    /// The pace between the two latest readings; nothing before there are two.
    pub(super) fn rates(&self) -> Option<Rates> {
        let mut latest = self.readings.iter().rev();
        let ((now, new), (then, old)) = (latest.next()?, latest.next()?);
        let seconds = now.duration_since(*then).as_secs_f64();
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
        (seconds > 0.0).then(|| Rates {
            commits: rate(new.commits, old.commits),
            rollbacks: rate(new.rollbacks, old.rollbacks),
            blocks_hit: rate(new.blocks_hit, old.blocks_hit),
            blocks_read: rate(new.blocks_read, old.blocks_read),
            temp_bytes: rate(new.temp_bytes, old.temp_bytes),
        })
    }

    /// The part of the blocks of the last minutes that were in the buffers; nothing where too few were read.
    pub(super) fn hit_ratio(&self) -> Option<f64> {
        let (old, new) = self.ends()?;
        let hit = new.blocks_hit.saturating_sub(old.blocks_hit);
        let all = hit + new.blocks_read.saturating_sub(old.blocks_read);
        (all >= BLOCKS_MIN).then(|| hit as f64 / all as f64)
    }

    /// Deadlocks of the last minutes.
    pub(super) fn deadlocks(&self) -> u64 {
        self.ends()
            .map_or(0, |(old, new)| new.deadlocks.saturating_sub(old.deadlocks))
    }

    fn ends(&self) -> Option<(&Counters, &Counters)> {
        Some((&self.readings.front()?.1, &self.readings.back()?.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(commits: u64, hit: u64, read: u64) -> Counters {
        Counters {
            commits,
            blocks_hit: hit,
            blocks_read: read,
            ..Counters::default()
        }
    }

    fn at(seconds: u64) -> Instant {
        #[expect(clippy::disallowed_methods, reason = "some moment, from which the test counts")]
        static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
        Instant::from_std(*START) + Duration::from_secs(seconds)
    }

    #[test]
    fn rates_are_of_the_two_latest_readings() {
        let mut track = Track::default();
        track.add(at(0), counters(0, 0, 0));
        assert_eq!(track.rates(), None);
        track.add(at(10), counters(1_000, 0, 0));
        track.add(at(20), counters(1_200, 50, 100));
        let rates = track.rates().unwrap();
        assert_eq!((rates.commits, rates.blocks_hit, rates.blocks_read), (20.0, 5.0, 10.0));
    }

    #[test]
    fn a_ratio_is_of_the_last_minutes_and_of_enough_blocks() {
        let mut track = Track::default();
        track.add(at(0), counters(0, 0, 0));
        track.add(at(10), counters(0, 0, 9_999));
        assert_eq!(track.hit_ratio(), None);
        track.add(at(20), counters(0, 1, 9_999));
        assert_eq!(track.hit_ratio(), Some(0.0001));
        // Six minutes later the early reads are forgotten.
        track.add(at(370), counters(0, 1, 9_999));
        track.add(at(380), counters(0, 20_001, 9_999));
        assert_eq!(track.hit_ratio(), Some(1.0));
    }

    #[test]
    fn after_a_reset_nothing_is_compared_with_before() {
        let mut track = Track::default();
        track.add(at(0), counters(50_000, 0, 0));
        track.add(at(10), counters(50_010, 0, 0));
        track.add(at(20), counters(5, 0, 0));
        assert_eq!((track.rates(), track.resets), (None, 1));
        track.add(at(30), counters(15, 0, 0));
        assert_eq!(track.rates().unwrap().commits, 1.0);
        // The counters may have overtaken the old ones already: then the time of the reset tells.
        let reset = Counters {
            reset_unix_ms: 7,
            ..counters(1_000, 0, 0)
        };
        track.add(at(40), reset);
        assert_eq!((track.rates(), track.resets), (None, 2));
    }

    #[test]
    fn readings_are_bounded() {
        let mut track = Track::default();
        (0..10_000).for_each(|_| track.add(at(1), counters(0, 0, 0)));
        assert!(track.readings.len() <= READINGS_MAX);
        assert_eq!(track.rates(), None, "no time has passed");
    }
}
