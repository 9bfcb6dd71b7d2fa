//! What is known of one server: what its probes brought, and until when each of that counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use weir_proto::monitor::v1 as api;

use super::cells::Said;
use super::probe::Probe;
use super::rates::Track;

/// What other questions depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Such as 150004.
    pub(super) version: u32,
    /// Whether it follows another.
    pub(super) is_standby: bool,
    /// The schema with `pg_stat_statements`, where it can be used.
    pub(super) statements_in: Option<String>,
    /// Where its data lies, if that may be known.
    pub(super) data_directory: Option<String>,
    /// Whether the server is on this machine.
    pub(super) is_local: bool,
}

/// Whether a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Presence {
    /// Nobody has asked yet.
    #[default]
    Unknown,
    /// It does.
    Up,
    /// It answers, and does not let the monitor in.
    Closed,
    /// It does not.
    Down,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) presence: Presence,
    pub(super) facts: Facts,
    /// What is told, put together by the probes.
    pub(super) server: api::Server,
    pub(super) sessions: Vec<api::ServerSession>,
    pub(super) chains: Vec<api::BlockingChain>,
    /// The counters of each database.
    pub(super) tracks: BTreeMap<String, Track>,
    pub(super) wal: Option<(Instant, u64)>,
    /// Sizes of databases.
    pub(super) sizes: BTreeMap<String, u64>,
    /// Texts of statements, by PostgreSQL's number.
    pub(super) texts: BTreeMap<i64, Said>,
    /// Since when a standby is not level any more: when it last was.
    pub(super) level_at: Option<Instant>,
    /// What is missing, by the probe that misses it.
    pub(super) missing: BTreeMap<Probe, BTreeSet<String>>,
    /// Until when what each probe brought counts.
    pub(super) fresh_until: BTreeMap<Probe, Instant>,
    /// Whether clients were refused because there were too many.
    pub(super) is_full: bool,
}

impl View {
    pub(super) fn new(upstream: &str) -> Self {
        let server = api::Server {
            upstream: upstream.to_owned(),
            ..api::Server::default()
        };
        Self {
            server,
            ..Self::default()
        }
    }

    pub(super) fn is_fresh(&self, probe: Probe, now: Instant) -> bool {
        self.fresh_until.get(&probe).is_some_and(|until| now <= *until)
    }

    /// Says what a probe misses, in place of what it missed before.
    pub(super) fn misses(&mut self, probe: Probe, missing: impl IntoIterator<Item = String>) {
        self.missing.insert(probe, missing.into_iter().collect());
        let all: BTreeSet<&String> = self.missing.values().flatten().collect();
        self.server.missing = all.into_iter().cloned().collect();
    }

    /// Whether it answers, and why not. The moment is kept as long as nothing changes. True: it changed.
    pub(super) fn turn(&mut self, presence: Presence, error: String, unix_ms: i64) -> bool {
        let is_news = self.presence != presence;
        if is_news {
            self.presence = presence;
            self.server.is_up = presence == Presence::Up;
            self.server.since_unix_ms = unix_ms;
        }
        self.server.error = error;
        is_news
    }
}

/// A view, shared between the watch that fills it and those who ask. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<View>>);

impl Shared {
    pub(super) fn new(view: View) -> Self {
        Self(Arc::new(Mutex::new(view)))
    }

    /// Does something with it. Never waits inside.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut View) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
