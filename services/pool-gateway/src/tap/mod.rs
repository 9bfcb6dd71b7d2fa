//! The only way events leave the data path.
//!
//! A statement's event is written, as the bytes that will travel, into the buffer of the thread that ran it; nothing
//! is allocated for it and nobody is waited for. What does not fit is counted, and the count travels in the next
//! message. One task takes the buffers' contents and publishes them; while the bus is away it holds its batch and the
//! buffers fill behind it.

mod encode;
mod lane;
mod task;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use weir_bus::Bus;
use weir_model::{Clock, Project};
use weir_proto::events::v1::{CacheOutcome, Door};
use weir_sql::Statement;

use crate::metrics::Metrics;
use crate::workers::current_worker;
use lane::Lane;
pub(crate) use task::{TapTask, message};

/// Who asked, by which door, and who answered: the same for all statements of a session.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) project: Project,
    /// The fields of the event that say so, as they travel.
    encoded: Box<[u8]>,
}

impl Origin {
    pub(crate) fn new(
        project: Project,
        database: &str,
        user: &str,
        application: &str,
        upstream: &str,
        door: Door,
    ) -> Arc<Self> {
        let encoded = encode::origin(database, user, application, upstream, door);
        Arc::new(Self { project, encoded })
    }

    /// The calling program, as it named itself. For people who look, not for the way of a statement.
    pub(crate) fn application(&self) -> String {
        encode::application(&self.encoded)
    }
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Ok,
    Error,
    Cancelled,
    Refused,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
        }
    }
}

/// One statement that ended.
#[derive(Debug)]
pub(crate) struct Record<'r> {
    pub(crate) origin: &'r Origin,
    pub(crate) statement: &'r Statement,
    pub(crate) text_hash: u64,
    pub(crate) outcome: Outcome,
    /// Empty where it succeeded.
    pub(crate) sqlstate: &'r str,
    pub(crate) traceparent: &'r str,
    pub(crate) started_unix_ms: i64,
    pub(crate) ended: Instant,
    pub(crate) queue_wait_us: u64,
    pub(crate) server_us: u64,
    pub(crate) drain_us: u64,
    pub(crate) total: Duration,
    pub(crate) rows: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) cache: CacheOutcome,
}

/// Bounds of the tap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TapLimits {
    pub(crate) buffer_max: usize,
    pub(crate) batch_max: usize,
    pub(crate) flush_after: Duration,
}

/// The entry of the tap. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tap(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    is_open: bool,
    limits: TapLimits,
    /// One for each thread, so that none waits for another.
    lanes: Vec<Mutex<Lane>>,
    buffered: AtomicUsize,
    dropped: AtomicU64,
    /// A batch is full.
    full: Notify,
    metrics: Arc<Metrics>,
}

impl Tap {
    /// A tap and the task that empties it.
    pub(crate) fn new(
        limits: TapLimits,
        workers: usize,
        bus: Bus,
        instance: String,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> (Self, TapTask) {
        let tap = Self::with_lanes(true, limits, workers, metrics);
        let task = TapTask::new(tap.clone(), bus, instance, clock);
        (tap, task)
    }

    /// A tap that lets no event through, for those who switched events off. Metrics count all the same.
    pub(crate) fn closed(workers: usize, metrics: Arc<Metrics>) -> Self {
        let limits = TapLimits {
            buffer_max: 0,
            batch_max: 1,
            flush_after: Duration::ZERO,
        };
        Self::with_lanes(false, limits, workers, metrics)
    }

    fn with_lanes(is_open: bool, limits: TapLimits, workers: usize, metrics: Arc<Metrics>) -> Self {
        let lanes = (0..workers.max(1)).map(|_| Mutex::new(Lane::new(&metrics))).collect();
        Self(Arc::new(Shared {
            is_open,
            limits,
            lanes,
            buffered: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            full: Notify::new(),
            metrics,
        }))
    }

    /// Records one statement. Never waits.
    pub(crate) fn record(&self, record: &Record<'_>) {
        let Some(lane) = self.0.lanes.get(current_worker()).or_else(|| self.0.lanes.first()) else {
            return;
        };
        let mut lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
        lane.count(record, &self.0.metrics);
        if !self.0.is_open {
            return;
        }
        let buffered = self.0.buffered.fetch_add(1, Ordering::Relaxed);
        if buffered >= self.0.limits.buffer_max {
            self.0.buffered.fetch_sub(1, Ordering::Relaxed);
            return self.lose(1);
        }
        lane.push(record);
        drop(lane);
        if (buffered + 1).is_multiple_of(self.0.limits.batch_max.max(1)) {
            self.0.full.notify_one();
        }
    }

    fn lose(&self, count: u64) {
        self.0.dropped.fetch_add(count, Ordering::Relaxed);
        self.0.metrics.events_dropped.with([]).inc_by(count);
    }
}
