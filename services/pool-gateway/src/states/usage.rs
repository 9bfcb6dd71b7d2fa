//! How much of a pool was in use, and of how much. Pure.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// A look that is late counts for so long at most: what was between is not known.
const LOOK_COUNTS_MAX: Duration = Duration::from_secs(2);

/// What has been in use in each pool since it was first looked at.
#[derive(Debug)]
pub(super) struct Usage<K> {
    pools: HashMap<K, Used>,
    looked: Option<Instant>,
}

/// What has been in use of one pool, in connection-microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Used {
    pub(super) busy_us: u64,
    pub(super) capacity_us: u64,
}

impl<K: Hash + Eq> Usage<K> {
    pub(super) fn new() -> Self {
        Self {
            pools: HashMap::new(),
            looked: None,
        }
    }

    /// Takes note of the connections in use and of those that there may be, of every pool. A pool that is not named
    /// any more is forgotten.
    pub(super) fn look(&mut self, pools: impl Iterator<Item = (K, (usize, usize))>, now: Instant) {
        let passed = self.looked.replace(now).map_or(Duration::ZERO, |looked| now - looked);
        let passed_us = micros(passed.min(LOOK_COUNTS_MAX));
        let mut before = std::mem::take(&mut self.pools);
        let known = pools.map(|(key, (active, max))| {
            // One that has just come has no past.
            let used = before
                .remove(&key)
                .map_or(Used::default(), |used| used.with(active, max, passed_us));
            (key, used)
        });
        self.pools = known.collect();
    }

    pub(super) fn of(&self, key: &K) -> Used {
        self.pools.get(key).copied().unwrap_or_default()
    }
}

impl Used {
    const fn with(self, active: usize, max: usize, passed_us: u64) -> Self {
        Self {
            busy_us: self.busy_us.saturating_add(passed_us.saturating_mul(active as u64)),
            capacity_us: self.capacity_us.saturating_add(passed_us.saturating_mul(max as u64)),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn what_is_in_use_counts_for_the_time_since_the_look_before() {
        let (mut usage, start) = (Usage::new(), Instant::now());
        for (ms, active) in [(0, 9), (100, 4), (400, 0), (500, 10)] {
            usage.look([("a", (active, 10))].into_iter(), after(start, ms));
        }
        let expected = Used {
            busy_us: (100 * 4 + 100 * 10) * 1_000,
            capacity_us: 500 * 10 * 1_000,
        };
        assert_eq!(usage.of(&"a"), expected);
    }

    #[test]
    fn a_pool_has_no_past_before_it_was_seen_and_none_after_it_was_gone() {
        let (mut usage, start) = (Usage::new(), Instant::now());
        usage.look([("a", (1, 1))].into_iter(), start);
        usage.look([("a", (1, 1)), ("b", (1, 1))].into_iter(), after(start, 100));
        assert_eq!((usage.of(&"a").busy_us, usage.of(&"b").busy_us), (100_000, 0));
        usage.look([("b", (1, 2))].into_iter(), after(start, 200));
        usage.look([("a", (1, 1)), ("b", (1, 2))].into_iter(), after(start, 300));
        assert_eq!((usage.of(&"a").busy_us, usage.of(&"b").busy_us), (0, 200_000));
        assert_eq!(usage.of(&"b").capacity_us, 400_000);
    }

    #[test]
    fn a_process_that_was_stopped_for_an_hour_does_not_make_one_look_count_for_it() {
        let (mut usage, start) = (Usage::new(), Instant::now());
        usage.look([("a", (1, 1))].into_iter(), start);
        usage.look([("a", (1, 1))].into_iter(), after(start, 3_600_000));
        assert_eq!(usage.of(&"a").busy_us, micros(LOOK_COUNTS_MAX));
    }
}
