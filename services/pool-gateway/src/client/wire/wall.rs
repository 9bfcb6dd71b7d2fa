//! The wall clock of the door, for statements that are told of by the thousand.
//!
//! What a statement needs is the moment it began, which the session knows as an `Instant`. How the two clocks stand to
//! each other is looked up a few times a second instead of once a statement.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;
use weir_model::Clock;

/// How the machine's wall clock stands to its steady one.
#[derive(Debug)]
pub(super) struct Wall {
    clock: Clock,
    epoch: Instant,
    /// The wall's milliseconds at the epoch.
    epoch_unix_ms: AtomicI64,
}

impl Wall {
    pub(super) fn new(clock: Clock) -> Self {
        let wall = Self {
            clock,
            epoch: Instant::now(),
            epoch_unix_ms: AtomicI64::new(0),
        };
        wall.compare();
        wall
    }

    /// The wall clock itself.
    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Looks at both clocks. To be called often enough that a wall clock that was set is followed.
    pub(super) fn compare(&self) {
        let passed = whole_ms(self.epoch.elapsed());
        let at_epoch = self.clock.unix_ms().saturating_sub(passed);
        self.epoch_unix_ms.store(at_epoch, Ordering::Relaxed);
    }

    /// What the wall clock showed at a moment, in milliseconds since 1970.
    pub(super) fn unix_ms(&self, at: Instant) -> i64 {
        let passed = whole_ms(at.duration_since(self.epoch));
        self.epoch_unix_ms.load(Ordering::Relaxed).saturating_add(passed)
    }
}

fn whole_ms(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_follows_both_clocks() {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(100));
        let wall = Wall::new(clock.clone());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(wall.unix_ms(Instant::now()), 102_000, "the steady clock went on");
        clock.advance(Duration::from_secs(50));
        wall.compare();
        assert_eq!(wall.unix_ms(Instant::now()), 150_000, "the wall clock was set");
        tokio::time::advance(Duration::from_millis(7)).await;
        assert_eq!(wall.unix_ms(Instant::now()), 150_007);
    }
}
