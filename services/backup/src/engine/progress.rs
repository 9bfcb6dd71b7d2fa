//! How far something that moves bytes is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How far something is. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    phase: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
    moved: AtomicU64,
    throttled: AtomicBool,
}

/// How far something was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reached {
    /// `checkpoint`, `copy`, `wal`, `seal`, `restore`, `replay`, `check` or `collect`.
    pub phase: &'static str,
    pub done_bytes: u64,
    /// 0: not known yet.
    pub total_bytes: u64,
    pub moved_bytes: u64,
    pub throttled: bool,
}

impl Progress {
    /// Begins a phase, in which so many bytes are to be done; 0: not known.
    pub(crate) fn begin(&self, phase: &'static str, total_bytes: u64) {
        *self.0.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(total_bytes, Ordering::Relaxed);
    }

    /// So many bytes of the source or target more are done.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes more were stored or fetched.
    pub(crate) fn moved(&self, bytes: u64) {
        self.0.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether it is held back on purpose.
    pub(crate) fn throttled(&self, throttled: bool) {
        self.0.throttled.store(throttled, Ordering::Relaxed);
    }

    /// How far it is.
    pub(crate) fn reached(&self) -> Reached {
        Reached {
            phase: *self.0.phase.lock().unwrap_or_else(PoisonError::into_inner),
            done_bytes: self.0.done.load(Ordering::Relaxed),
            total_bytes: self.0.total.load(Ordering::Relaxed),
            moved_bytes: self.0.moved.load(Ordering::Relaxed),
            throttled: self.0.throttled.load(Ordering::Relaxed),
        }
    }
}
