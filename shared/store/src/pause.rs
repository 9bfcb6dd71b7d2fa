//! Waiting that ends when it should: at a stop, and a little longer after each failure.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Waits for `time`, or until `stop` is cancelled; says whether to go on.
pub async fn pause(stop: &CancellationToken, time: Duration) -> bool {
    stop.run_until_cancelled(tokio::time::sleep(time)).await.is_some()
}

/// How long to wait after one failure, two, three: doubled each time, up to a cap.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins with `first` and never exceeds `cap`.
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            next: first,
        }
    }

    /// It worked: the next failure waits as the first did.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// It failed: how long to wait now.
    pub fn failed(&mut self) -> Duration {
        let now = self.next.min(self.cap);
        self.next = now.saturating_mul(2);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_doubles_up_to_its_cap_and_starts_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<u64> = (0..5).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(backoff.failed().as_secs(), 1);
    }
}
