//! What is worth another try, and how long to wait for it.

use std::time::Duration;

use weir_store::Backoff;

use super::Halt;

/// Tries of what waits for a lock.
pub(crate) const TRIES_MAX: u32 = 10;
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_CAP: Duration = Duration::from_secs(60);

/// Counts tries, and says how long to wait before the next one.
#[derive(Debug)]
pub(crate) struct Tries {
    /// Tries so far.
    pub made: u32,
    waits: Backoff,
}

impl Tries {
    pub(crate) fn new() -> Self {
        Self::within(WAIT_CAP)
    }

    /// No wait is longer than `cap`.
    pub(crate) fn within(cap: Duration) -> Self {
        Self {
            made: 0,
            waits: Backoff::new(WAIT_FIRST.min(cap), cap),
        }
    }

    /// A try failed: the wait before the next one, drawn between half and all of what is due, or none where there were
    /// enough of them.
    pub(crate) fn failed(&mut self) -> Option<Duration> {
        self.made += 1;
        let wait = self.waits.failed();
        (self.made < TRIES_MAX).then(|| wait.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

/// Whether somebody held what was needed, so that it may go well in a moment.
pub(crate) fn is_locked(halt: &Halt) -> bool {
    matches!(halt, Halt::Failed(error) if matches!(sqlstate(error), "55P03" | "40P01"))
}

/// Whether the thing is gone, which is what was wanted.
pub(crate) fn is_gone(halt: &Halt) -> bool {
    matches!(halt, Halt::Failed(error) if matches!(sqlstate(error), "42704" | "42P01"))
}

fn sqlstate(error: &weir_upstream::Error) -> &str {
    error.server().map_or("", |server| server.sqlstate.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_wait_longer_and_longer_within_a_minute() {
        let mut tries = Tries::new();
        let waits: Vec<f64> = std::iter::from_fn(|| tries.failed())
            .map(|wait| wait.as_secs_f64())
            .collect();
        assert_eq!(waits.len(), 9);
        for (wait, due) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]) {
            assert!((due / 2.0..=due).contains(wait), "{wait} of {due}");
        }
        assert_eq!(tries.made, TRIES_MAX);
    }
}
