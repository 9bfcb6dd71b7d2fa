//! What is counted, with the handles kept: looking one up takes a lock.

use weir_telemetry::{Counter, Histogram};

use crate::metrics::Metrics;

/// What became of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    Hit,
    Absent,
    Malformed,
    Timeout,
    Error,
    Skipped,
}

/// What became of a result that was to be kept, or of an order to forget one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Stored,
    Forgotten,
    Dropped,
    TooLarge,
    Skipped,
    Full,
    Error,
}

impl Lookup {
    const ALL: [&'static str; 6] = ["hit", "absent", "malformed", "timeout", "error", "skipped"];
}

impl Put {
    const ALL: [&'static str; 7] = [
        "stored",
        "forgotten",
        "dropped",
        "too_large",
        "skipped",
        "full",
        "error",
    ];
}

/// The counters of level 2.
#[derive(Debug)]
pub(super) struct Counts {
    lookups: [Counter; 6],
    puts: [Counter; 7],
    /// How long look-ups took that were not skipped.
    pub(super) seconds: Histogram,
    /// Bytes of what was found, as they came.
    pub(super) read: Counter,
    /// Bytes of what was stored, as they went.
    pub(super) written: Counter,
    /// The same before it was compressed.
    pub(super) plain: Counter,
}

impl Counts {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            lookups: Lookup::ALL.map(|outcome| metrics.cache_redis_lookups.with([outcome])),
            puts: Put::ALL.map(|outcome| metrics.cache_redis_puts.with([outcome])),
            seconds: metrics.cache_redis_lookup_seconds.with([]),
            read: metrics.cache_redis_bytes.with(["read"]),
            written: metrics.cache_redis_bytes.with(["written"]),
            plain: metrics.cache_redis_bytes.with(["plain"]),
        }
    }

    pub(super) fn lookup(&self, outcome: Lookup) {
        if let Some(counter) = self.lookups.get(outcome as usize) {
            counter.inc();
        }
    }

    pub(super) fn put(&self, outcome: Put) {
        if let Some(counter) = self.puts.get(outcome as usize) {
            counter.inc();
        }
    }

    /// A figure of a length in bytes.
    pub(super) fn add(counter: &Counter, bytes: usize) {
        counter.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    #[cfg(test)]
    pub(super) fn lookups(&self, outcome: Lookup) -> u64 {
        self.lookups[outcome as usize].get()
    }

    #[cfg(test)]
    pub(super) fn puts(&self, outcome: Put) -> u64 {
        self.puts[outcome as usize].get()
    }
}
