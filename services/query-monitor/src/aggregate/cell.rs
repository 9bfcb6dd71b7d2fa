//! The figures of one line. Pure.

use sketches_ddsketch::{Config, DDSketch};
use weir_proto::events::v1::{CacheOutcome, QueryExecuted};

/// The relative error of a quantile.
const RELATIVE_ERROR: f64 = 0.01;
/// Bins of a sketch: enough for nine decades at one per cent.
const BINS_MAX: u32 = 2_048;
/// Below a microsecond everything is zero.
const SMALLEST_MS: f64 = 1e-3;

/// Figures of one shape in one project and database.
#[derive(Clone)]
pub(crate) struct Cell {
    /// Statements that ended.
    pub calls: u64,
    /// Those that ended with an error.
    pub errors: u64,
    /// Rows returned or changed.
    pub rows: u64,
    /// Time from request to end of reply, all calls together.
    pub total_ms: f64,
    /// The longest of them.
    pub max_ms: f64,
    /// Time spent waiting for a connection, all calls together.
    pub wait_ms: f64,
    /// Calls answered by the cache.
    pub cache_hits: u64,
    /// When the first call began, in milliseconds since 1970.
    pub first_seen_unix_ms: i64,
    /// When the last call began, in milliseconds since 1970.
    pub last_seen_unix_ms: i64,
    latency_ms: DDSketch,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cell")
            .field("calls", &self.calls)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            calls: 0,
            errors: 0,
            rows: 0,
            total_ms: 0.0,
            max_ms: 0.0,
            wait_ms: 0.0,
            cache_hits: 0,
            first_seen_unix_ms: i64::MAX,
            last_seen_unix_ms: i64::MIN,
            latency_ms: DDSketch::new(Config::new(RELATIVE_ERROR, BINS_MAX, SMALLEST_MS)),
        }
    }
}

/// The whole time of a statement as its caller felt it.
pub(crate) fn duration_ms(event: &QueryExecuted) -> f64 {
    micros_to_ms(event.queue_wait_us) + micros_to_ms(event.server_us) + micros_to_ms(event.drain_us)
}

fn micros_to_ms(micros: u64) -> f64 {
    // Exact up to 285 years.
    micros as f64 / 1_000.0
}

impl Cell {
    /// Counts one statement.
    pub(crate) fn add(&mut self, event: &QueryExecuted) {
        let took_ms = duration_ms(event);
        self.calls += 1;
        self.errors += u64::from(!event.sqlstate.is_empty());
        self.rows = self.rows.saturating_add(event.rows);
        self.total_ms += took_ms;
        self.max_ms = self.max_ms.max(took_ms);
        self.cache_hits += u64::from(event.cache() == CacheOutcome::Hit);
        self.wait_ms += micros_to_ms(event.queue_wait_us);
        self.first_seen_unix_ms = self.first_seen_unix_ms.min(event.started_unix_ms);
        self.last_seen_unix_ms = self.last_seen_unix_ms.max(event.started_unix_ms);
        self.latency_ms.add(took_ms);
    }

    /// The mean time of a call.
    pub(crate) fn mean_ms(&self) -> f64 {
        if self.calls == 0 {
            0.0
        } else {
            self.total_ms / self.calls as f64
        }
    }

    /// The time that a share of the calls did not exceed, within one per cent.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        self.latency_ms.quantile(share).ok().flatten().unwrap_or_default()
    }
}
