//! What is known of one followed database, for those who ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_proto::cache::v1::{DdlWatch, FollowerState};
use weir_tags::Buckets;

use super::lags::Lags;
use super::news::Positions;
use super::tables::Catalogue;

/// What is known, shared between the one who follows and those who ask.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<State>);

/// The state of one followed database.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) state: FollowerState,
    /// What hinders it: one sentence.
    pub(crate) hindrance: String,
    /// The instance that leads.
    pub(crate) leader: String,
    pub(crate) slot: String,
    pub(crate) retained_wal_bytes: u64,
    pub(crate) pending: usize,
    pub(crate) ddl_watch: DdlWatch,
    pub(crate) lags: Lags,
    /// What is read, while the log is followed.
    pub(crate) log: Option<Log>,
    /// Of the last log, for those who look at why it ended.
    pub(crate) catalogue: Arc<Catalogue>,
}

/// One log that is followed.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) epoch: Arc<str>,
    pub(crate) sequence: u64,
    pub(crate) at: Positions,
    /// Where it began.
    pub(crate) horizon_lsn: u64,
    pub(crate) buckets: Arc<Buckets>,
    /// Which server, as a connection URL's host and port.
    pub(crate) target: weir_upstream::Target,
}

impl Default for State {
    fn default() -> Self {
        Self {
            state: FollowerState::Starting,
            hindrance: String::new(),
            leader: String::new(),
            slot: String::new(),
            retained_wal_bytes: 0,
            pending: 0,
            ddl_watch: DdlWatch::Unspecified,
            lags: Lags::default(),
            log: None,
            catalogue: Arc::new(Catalogue {
                tables: Arc::new(HashMap::new()),
                ..Catalogue::default()
            }),
        }
    }
}

impl Shared {
    /// The state, to look at and to change. Never held while anything waits.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is followed now.
    pub(crate) fn stopped(&self, state: FollowerState, hindrance: String, leader: String) {
        let mut known = self.lock();
        known.state = state;
        known.hindrance = hindrance;
        known.leader = leader;
        known.log = None;
        known.slot = String::new();
        known.retained_wal_bytes = 0;
        known.pending = 0;
    }
}
