//! A share of what clients do, done once more on another database, whose answers are compared and thrown away.
//!
//! A transaction is sent when the server has done it, whole or not at all. Nothing here is waited for by a client: what
//! does not fit into the bounds is dropped and counted, and while the mirror is away nothing is kept for it.

mod fitness;
mod queue;
mod reply;
mod shadow;
mod transaction;
mod work;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use weir_runtime::{Stage, Tasks};
use weir_telemetry::Counter;
use weir_upstream::Target;

pub(crate) use fitness::{Skip, judge};
pub(crate) use shadow::APPLICATION;
pub(crate) use transaction::{Answer, OK, Request, Text, Transaction};

use crate::metrics::Metrics;
use crate::pool::{Breaker, BreakerState, Common};
use crate::settings::{GatewaySettings, SampleBy};
use queue::Queue;

/// So many failures to reach the mirror are enough to let it be for a while.
const FAILURES_MAX: u32 = 1;

/// Why a transaction that was to be mirrored was not, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// There was no room for it.
    Full,
    /// The mirror is away.
    Away,
    /// The connection to it was lost in the middle.
    Lost,
    /// The session's settings could not be made there.
    Settings,
    /// The mirror answered otherwise, and the rest of it was left out.
    Diverged,
    /// The gateway stops.
    Stopped,
}

impl Loss {
    const ALL: [Self; 6] = [
        Self::Full,
        Self::Away,
        Self::Lost,
        Self::Settings,
        Self::Diverged,
        Self::Stopped,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Away => "away",
            Self::Lost => "lost",
            Self::Settings => "settings",
            Self::Diverged => "diverged",
            Self::Stopped => "stopped",
        }
    }
}

/// The mirror, as all share it.
#[derive(Debug)]
pub(crate) struct Mirror {
    target: Target,
    /// The database whose clients are mirrored.
    database: String,
    common: Arc<Common>,
    queue: Queue<Transaction>,
    bytes: AtomicUsize,
    limits: Limits,
    breaker: Mutex<Breaker>,
    counts: Counts,
}

/// Counters of what became of transactions, made once, so that nobody looks them up by name.
#[derive(Debug)]
struct Counts {
    ran: Counter,
    skipped: [Counter; Skip::ALL.len()],
    dropped: [Counter; Loss::ALL.len()],
}

impl Counts {
    fn new(metrics: &Metrics) -> Self {
        let of = |fate, reason| metrics.mirror_transactions.with([fate, reason]);
        Self {
            ran: of("ran", "whole"),
            skipped: Skip::ALL.map(|skip| of("skipped", skip.as_str())),
            dropped: Loss::ALL.map(|loss| of("dropped", loss.as_str())),
        }
    }
}

/// The settings that are looked at for each transaction.
#[derive(Debug)]
struct Limits {
    share: AtomicU64,
    by_session: AtomicBool,
    reads_only: AtomicBool,
    queue_max: AtomicUsize,
    bytes_max: AtomicUsize,
}

impl Mirror {
    /// The mirror of the settings; none without one.
    pub(crate) fn new(target: Option<Target>, common: &Arc<Common>) -> Option<Arc<Self>> {
        let settings = common.live();
        let database = settings.mirror_database.clone();
        let mirror = Arc::new(Self {
            target: target?,
            database: database.unwrap_or_else(|| common.target.database().to_owned()),
            common: common.clone(),
            queue: Queue::new(),
            bytes: AtomicUsize::new(0),
            limits: Limits {
                share: AtomicU64::new(0),
                by_session: AtomicBool::new(false),
                reads_only: AtomicBool::new(true),
                queue_max: AtomicUsize::new(0),
                bytes_max: AtomicUsize::new(0),
            },
            breaker: Mutex::new(Breaker::new(FAILURES_MAX, settings.breaker_recovery)),
            counts: Counts::new(&common.metrics),
        });
        mirror.follow(&settings);
        Some(mirror)
    }

    /// Starts what sends to it.
    pub(crate) fn start(self: &Arc<Self>, tasks: &Tasks) {
        for _ in 0..self.common.live().mirror_connections {
            let mirror = self.clone();
            tasks.spawn(Stage::Flow, "mirror", |stop| work::run(mirror, stop));
        }
    }

    /// Takes over changed settings.
    pub(crate) fn follow(&self, settings: &GatewaySettings) {
        let limits = &self.limits;
        limits.share.store(settings.mirror_share.to_bits(), Ordering::Relaxed);
        limits
            .by_session
            .store(settings.mirror_sample_by == SampleBy::Session, Ordering::Relaxed);
        limits.reads_only.store(settings.mirror_reads_only, Ordering::Relaxed);
        limits.queue_max.store(settings.mirror_queue_max, Ordering::Relaxed);
        limits
            .bytes_max
            .store(settings.mirror_queue_bytes_max, Ordering::Relaxed);
        self.with_breaker(|breaker| breaker.set_limits(FAILURES_MAX, settings.breaker_recovery));
    }

    /// Whether those of this database who call themselves so are mirrored.
    pub(crate) fn is_for(&self, database: &str, application: &str) -> bool {
        database == self.database && application != APPLICATION
    }

    /// Whether a transaction is mirrored that has drawn this number from 0 to 1, and whose session has drawn that.
    pub(crate) fn samples(&self, own: f64, session: f64) -> bool {
        let share = f64::from_bits(self.limits.share.load(Ordering::Relaxed));
        let drawn = if self.limits.by_session.load(Ordering::Relaxed) {
            session
        } else {
            own
        };
        drawn < share
    }

    /// Whether nothing but plain reads is wanted.
    pub(crate) fn reads_only(&self) -> bool {
        self.limits.reads_only.load(Ordering::Relaxed)
    }

    /// Whether nothing is to be kept for it at present.
    pub(crate) fn is_away(&self, now: Instant) -> bool {
        self.with_breaker(|breaker| breaker.refuses(now).is_some())
    }

    /// Takes a transaction over. One that it has no room for is dropped.
    pub(crate) fn send(&self, session: i32, transaction: Transaction) {
        if self
            .with_breaker(|breaker| breaker.admit(transaction.ended_at))
            .is_err()
        {
            return self.dropped(Loss::Away);
        }
        let max = self.limits.queue_max.load(Ordering::Relaxed);
        if !self.queue.push(session, transaction, max) {
            self.dropped(Loss::Full);
        }
    }

    /// A transaction of somebody sampled is not mirrored.
    pub(crate) fn skipped(&self, why: Skip) {
        if let Some(count) = self.counts.skipped.get(why as usize) {
            count.inc();
        }
    }

    /// A transaction is lost.
    pub(crate) fn dropped(&self, why: Loss) {
        if let Some(count) = self.counts.dropped.get(why as usize) {
            count.inc();
        }
    }

    /// Counts bytes that are about to be kept. False: there is no room for them.
    fn hold(&self, bytes: usize) -> bool {
        let max = self.limits.bytes_max.load(Ordering::Relaxed);
        let add = |held: usize| held.checked_add(bytes).filter(|held| *held <= max);
        self.bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        act(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It could not be reached: what waits for it is dropped, and nothing is kept for it for a while.
    fn failed(&self, error: &weir_upstream::Error) {
        let was = self.with_breaker(|breaker| {
            let was = breaker.state();
            breaker.failed(Instant::now());
            was
        });
        if was == BreakerState::Closed {
            tracing::warn!(error = %error, "the mirror is away; nothing is sent to it until it is back");
        }
        for _ in self.queue.clear() {
            self.dropped(Loss::Away);
        }
    }

    /// It was reached.
    fn succeeded(&self) {
        let was = self.with_breaker(|breaker| {
            let was = breaker.state();
            breaker.succeeded();
            was
        });
        if was != BreakerState::Closed {
            tracing::info!("the mirror is back");
        }
    }

    /// Sets the gauges that mirror its state.
    pub(crate) fn show(&self) {
        let metrics = &self.common.metrics;
        let exact = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let is_away = self.with_breaker(|breaker| breaker.state()) != BreakerState::Closed;
        metrics.mirror_queue.with([]).set(exact(self.queue.len()));
        metrics
            .mirror_queue_bytes
            .with([])
            .set(exact(self.bytes.load(Ordering::Relaxed)));
        metrics.mirror_away.with([]).set(if is_away { 1.0 } else { 0.0 });
    }
}
