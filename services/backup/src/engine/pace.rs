//! How fast a cluster may be read: a limit that somebody may move while it is held to, and an end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use crate::error::Error;

/// No read is held back for longer without looking whether it was stopped.
const NAP: Duration = Duration::from_millis(100);

/// How fast something may go. Cheap to clone; clones share the limit.
#[derive(Debug, Clone)]
pub(crate) struct Pace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// 0: no limit.
    bytes_per_second: AtomicU64,
    /// Until when what was taken so far lasts.
    spent_until: Mutex<Instant>,
    woken: Condvar,
    stop: CancellationToken,
    progress: Progress,
}

impl Pace {
    /// At most so many bytes a second, 0 for no limit, until `stop`. Whether it holds back is told to `progress`.
    pub(crate) fn new(bytes_per_second: u64, stop: CancellationToken, progress: Progress) -> Self {
        Self(Arc::new(Inner {
            bytes_per_second: AtomicU64::new(bytes_per_second),
            spent_until: Mutex::new(Instant::now()),
            woken: Condvar::new(),
            stop,
            progress,
        }))
    }

    /// Moves the limit; 0 for none.
    pub(crate) fn limit(&self, bytes_per_second: u64) {
        self.0.bytes_per_second.store(bytes_per_second, Ordering::Relaxed);
        self.0.woken.notify_all();
    }

    /// The limit as it is now; 0 for none.
    #[cfg(test)]
    pub(crate) fn limited_to(&self) -> u64 {
        self.0.bytes_per_second.load(Ordering::Relaxed)
    }

    /// How far what is paced is.
    pub(crate) fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// Trips when it is to stop.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Takes so many bytes, and says how long to wait before going on.
    fn spend(&self, bytes: u64) -> Duration {
        let rate = self.0.bytes_per_second.load(Ordering::Relaxed);
        if rate == 0 {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut until = self.0.spent_until.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        *until = (*until).max(now) + cost;
        until.saturating_duration_since(now)
    }

    /// Takes so many bytes, on a thread that may wait. An error where it was stopped.
    pub(crate) fn take_blocking(&self, bytes: u64) -> Result<(), Error> {
        let until = Instant::now() + self.spend(bytes);
        let mut lock = self.0.spent_until.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.0.stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            let rest = until.saturating_duration_since(Instant::now());
            self.0.progress.throttled(rest > NAP);
            if rest.is_zero() || self.0.bytes_per_second.load(Ordering::Relaxed) == 0 {
                return Ok(());
            }
            let waited = self.0.woken.wait_timeout(lock, rest.min(NAP));
            lock = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The same in a task.
    pub(crate) async fn take(&self, bytes: u64) -> Result<(), Error> {
        let until = Instant::now() + self.spend(bytes);
        loop {
            if self.0.stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            let rest = until.saturating_duration_since(Instant::now());
            self.0.progress.throttled(rest > NAP);
            if rest.is_zero() || self.0.bytes_per_second.load(Ordering::Relaxed) == 0 {
                return Ok(());
            }
            tokio::time::sleep(rest.min(NAP)).await;
        }
    }
}
