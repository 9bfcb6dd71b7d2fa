//! What the bus counts. The owner makes metrics of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counts of a bus since it was opened. None of them ever falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages that the bus accepted: core ones into its buffer, durable ones into their stream.
    pub published_total: u64,
    /// Messages that the bus refused at once, or could not bring to their stream.
    pub refused_total: u64,
    /// Messages that were dropped because a subscription's receiver was slow.
    pub dropped_total: u64,
    /// Times that the connection came back.
    pub reconnects_total: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    published: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    reconnects: AtomicU64,
}

impl Counters {
    /// Counts how a publication ended, and hands the result on.
    pub(crate) fn publication<T, E>(&self, result: Result<T, E>) -> Result<T, E> {
        let counter = if result.is_ok() { &self.published } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }

    pub(crate) fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        Counts {
            published_total: self.published.load(Ordering::Relaxed),
            refused_total: self.refused.load(Ordering::Relaxed),
            dropped_total: self.dropped.load(Ordering::Relaxed),
            reconnects_total: self.reconnects.load(Ordering::Relaxed),
        }
    }
}
