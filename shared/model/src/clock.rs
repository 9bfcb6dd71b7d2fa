//! Time as an argument.
//!
//! Whatever decides by time takes a [`Clock`]; clippy refuses `SystemTime::now` and `Instant::now` elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the time comes from: the machine, or a test that moves it by hand. Cheap to clone; clones agree.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<Mutex<SystemTime>>),
}

impl Clock {
    /// The machine's wall clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: SystemTime) -> Self {
        Self(Source::Manual(Arc::new(Mutex::new(start))))
    }

    /// The present moment.
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Milliseconds since 1970, as events and rows carry them.
    pub fn unix_ms(&self) -> i64 {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// Moves a manual clock forward. The system clock takes no orders and ignores it.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(time) = &self.0 {
            *time.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }

    /// Sets a manual clock back. The system clock takes no orders and ignores it.
    pub fn set_back(&self, by: Duration) {
        if let Source::Manual(time) = &self.0 {
            *time.lock().unwrap_or_else(PoisonError::into_inner) -= by;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one door to the machine's wall clock")]
fn system_now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(10));
        let other = clock.clone();
        assert_eq!(clock.unix_ms(), 10_000);
        other.advance(Duration::from_millis(5));
        assert_eq!(clock.unix_ms(), 10_005);
        other.set_back(Duration::from_millis(1_005));
        assert_eq!(clock.unix_ms(), 9_000);
    }
}
