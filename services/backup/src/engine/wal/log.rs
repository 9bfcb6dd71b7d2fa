//! How the log reaches the repositories, as those see it who ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::exposure::Exposure;
use weir_upstream::Target;

use crate::metrics::Metrics;
use crate::repo::state::Position;

/// By which way the log comes. Numbers as in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(i32)]
pub(crate) enum Way {
    /// Streamed through a replication slot.
    Streaming = 1,
    /// Handed over segment by segment by `archive_command`.
    Archive = 2,
    /// Fetched from the server to close a gap: it is far behind.
    CatchUp = 3,
    /// Not at all.
    #[default]
    Off = 4,
}

/// What the log's state is at one moment. The fields are those of the protocol's `WalState`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct WalSnapshot {
    pub cluster: String,
    pub way: Way,
    pub reason: String,
    pub server: Option<Position>,
    pub received: Option<Position>,
    pub durable: Option<Position>,
    pub lag_bytes: u64,
    pub exposure_ms: u64,
    pub exposure_p99_ms: u64,
    /// Empty: none.
    pub slot: String,
    pub slot_retained_bytes: u64,
    pub slot_guard_bytes: u64,
}

/// What hinders, by who says so; the first in this order is told first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Voice {
    /// The slot was given up.
    Guard,
    /// The server, or what it sends.
    Reception,
    /// A repository.
    Repository(String),
    /// The directory of `archive_command`.
    Archive,
    /// Log is missing. It stays so: what can be helped is told first.
    Gap,
}

/// The log of the cluster. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    cluster: String,
    guard_bytes: u64,
    exposure_max: Duration,
    begun: Instant,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// The session with the server has to end.
    given_up: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    way: Way,
    voices: BTreeMap<Voice, String>,
    server: Option<Position>,
    received: Option<Position>,
    durable: Option<Position>,
    slot: Option<String>,
    /// The server that is followed, and its timeline.
    followed: Option<(Target, u32)>,
    retained: u64,
    exposure: Exposure,
    is_exposed: bool,
    /// Where the log goes on after the last gap that was told of.
    gap_until: Option<Position>,
}

impl Log {
    /// The log of a cluster, of which nothing is known yet.
    pub(crate) fn new(cluster: &str, guard_bytes: u64, exposure_max: Duration, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared {
            cluster: cluster.to_owned(),
            guard_bytes,
            exposure_max,
            begun: Instant::now(),
            metrics,
            state: Mutex::default(),
            given_up: watch::Sender::new(0),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.0.begun.elapsed()
    }

    /// How it is now.
    pub(crate) fn state(&self) -> WalSnapshot {
        let (now, state) = (self.now(), self.lock());
        WalSnapshot {
            cluster: self.0.cluster.clone(),
            way: state.way,
            reason: state.voices.values().next().cloned().unwrap_or_default(),
            server: state.server,
            received: state.received,
            durable: state.durable,
            lag_bytes: state.lag(),
            exposure_ms: millis(state.exposure.now(now)),
            exposure_p99_ms: millis(state.exposure.p99(now)),
            slot: state.slot.clone().unwrap_or_default(),
            slot_retained_bytes: state.retained,
            slot_guard_bytes: self.0.guard_bytes,
        }
    }

    /// Sets the gauges that mirror it.
    pub(super) fn show(&self) {
        let (state, metrics) = (self.state(), &self.0.metrics);
        metrics.wal_lag_bytes.with([]).set(state.lag_bytes as f64);
        metrics
            .wal_exposure_seconds
            .with([])
            .set(state.exposure_ms as f64 / 1e3);
        metrics
            .wal_slot_retained_bytes
            .with([])
            .set(state.slot_retained_bytes as f64);
    }

    /// Something hinders.
    pub(super) fn hindered(&self, voice: Voice, why: &str) {
        let known = self.lock().voices.insert(voice.clone(), why.to_owned());
        if known.as_deref() != Some(why) {
            tracing::warn!(cluster.name = self.0.cluster, voice = ?voice, reason = why, "the log is hindered");
        }
    }

    /// It does not any more.
    pub(super) fn freed(&self, voice: &Voice) {
        if self.lock().voices.remove(voice).is_some() {
            tracing::info!(cluster.name = self.0.cluster, voice = ?voice, "the log is hindered no longer");
        }
    }

    /// By which way it comes.
    pub(super) fn goes_by(&self, way: Way) {
        let before = std::mem::replace(&mut self.lock().way, way);
        if before != way {
            tracing::info!(cluster.name = self.0.cluster, way = ?way, "the log comes another way");
        }
    }

    /// By which way it comes.
    pub(super) fn way(&self) -> Way {
        self.lock().way
    }

    /// A new session: so much of this timeline is safe.
    pub(super) fn begun(&self, durable: Position) {
        let mut state = self.lock();
        state.exposure.begin(durable.lsn);
        state.received = Some(durable);
        state.durable = Some(durable);
    }

    /// The server has log up to here.
    pub(super) fn server_at(&self, timeline: Option<u32>, lsn: u64) {
        let now = self.now();
        let mut state = self.lock();
        let known = state.server.map_or(0, |server| server.timeline);
        state.server = Some(Position {
            timeline: timeline.unwrap_or(known),
            lsn,
        });
        // Before anything is known of what is safe there is nothing to compare with.
        if state.durable.is_some() {
            state.exposure.reached(now, lsn);
        }
    }

    /// It came up to here.
    pub(super) fn received(&self, position: Position) {
        self.lock().received = Some(position);
    }

    /// It is safe up to here.
    pub(super) fn safe(&self, position: Position) {
        let now = self.now();
        let durable = self.0.metrics.wal_durable_seconds.with([]);
        let mut state = self.lock();
        state.durable = Some(position);
        state
            .exposure
            .safe(now, position.lsn, |time| durable.observe(time.as_secs_f64()));
    }

    /// How far the server is ahead of what came.
    pub(super) fn behind(&self) -> u64 {
        let state = self.lock();
        let (server, received) = (
            state.server.map_or(0, |at| at.lsn),
            state.received.map_or(0, |at| at.lsn),
        );
        server.saturating_sub(received)
    }

    /// What of the slot is known: its name, and how much it holds back.
    pub(super) fn slot(&self, name: Option<&str>, retained: u64) {
        let mut state = self.lock();
        state.slot = name.map(str::to_owned);
        state.retained = retained;
    }

    /// Says it where commits are exposed for longer than they may be, once each time that begins.
    pub(super) fn watch_exposure(&self) {
        let now = self.now();
        let mut state = self.lock();
        let exposed = state.exposure.now(now);
        let is_exposed = exposed > self.0.exposure_max;
        if is_exposed && !state.is_exposed {
            tracing::error!(
                cluster.name = self.0.cluster,
                exposed_ms = millis(exposed),
                "commits are not safe in the repositories for longer than backup.wal_exposure_max"
            );
        }
        state.is_exposed = is_exposed;
    }

    /// Log is missing up to here.
    pub(super) fn lacks(&self, until: Position, why: &str) {
        self.lock().gap_until = Some(until);
        self.hindered(Voice::Gap, why);
    }

    /// Where the log goes on after the last gap, as long as that is told of.
    pub(super) fn gap(&self) -> Option<Position> {
        self.lock().gap_until
    }

    /// A backup was taken since: the gap is no trouble any more.
    pub(super) fn bridged(&self) {
        self.lock().gap_until = None;
        self.freed(&Voice::Gap);
    }

    /// Which server is followed, on which timeline.
    pub(super) fn follows(&self, target: &Target, timeline: u32) {
        self.lock().followed = Some((target.clone(), timeline));
    }

    /// The server that is followed, and its timeline.
    pub(super) fn followed(&self) -> Option<(Target, u32)> {
        self.lock().followed.clone()
    }

    /// Has the session with the server end.
    pub(super) fn give_up(&self) {
        self.0.given_up.send_modify(|times| *times += 1);
    }

    /// Changes when a session that began before has to end.
    pub(super) fn given_up(&self) -> watch::Receiver<u64> {
        self.0.given_up.subscribe()
    }

    /// What it is counted by.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }
}

impl State {
    fn lag(&self) -> u64 {
        match (self.server, self.durable) {
            (Some(server), Some(durable)) => server.lsn.saturating_sub(durable.lsn),
            _ => 0,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
