//! What has to be looked after while a log is read: the lock, the triggers, what the slot holds back, tables that wait to
//! be told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{interval, timeout};
use weir_proto::cache::v1::FollowerState;
use weir_upstream::{Connection, Error, Lsn};

use super::catalogue;
use super::core::Ripening;
use super::eyes::snapshot;
use super::lost::Lost;
use super::managing::{Manager, literal};
use super::state::{Shared, State};

/// How often the lock's connection and the triggers are looked after.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often tables that wait are looked after.
const RIPEN_EVERY: Duration = Duration::from_millis(100);
/// How often the publication is changed once more where it could not be.
const REPAIR_EVERY: Duration = Duration::from_secs(10);
/// How long the server may take to answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// The same, where it has to change something for many tables.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that is looked after for one log.
pub(crate) struct Keeping<'a> {
    pub(crate) keeper: &'a tokio::sync::Mutex<Connection>,
    pub(crate) manager: &'a Manager,
    pub(crate) ripening: &'a Mutex<Ripening>,
    pub(crate) shared: &'a Shared,
    /// Commits on the server wait until this log has them.
    pub(crate) is_awaited: &'a AtomicBool,
    /// The process of the server that sends the log.
    pub(crate) process_id: i32,
    pub(crate) version: u32,
    pub(crate) is_everything: bool,
}

/// Where the server's log is, and what it does for ours.
struct Wal {
    flushed_lsn: u64,
    restart_lsn: Option<u64>,
    is_awaited: bool,
}

impl Keeping<'_> {
    /// Looks after it until something is lost.
    pub(crate) async fn run(&self) -> Lost {
        let (mut check, mut ripen) = (interval(CHECK_EVERY), interval(RIPEN_EVERY));
        let mut repair = interval(REPAIR_EVERY);
        let mut flushed_lsn = 0;
        loop {
            let done = tokio::select! {
                _ = check.tick() => within(CHECK_TIMEOUT, self.check(&mut flushed_lsn)).await,
                _ = ripen.tick() => within(CHECK_TIMEOUT, self.ripen()).await,
                _ = repair.tick() => within(REPAIR_TIMEOUT, self.repair()).await,
            };
            if let Err(lost) = done {
                return lost;
            }
        }
    }

    async fn check(&self, flushed_lsn: &mut u64) -> Result<(), Lost> {
        let slot = self.shared.lock().slot.clone();
        // Whoever reads the catalogue now sees as well whether the connection is there.
        let Ok(mut keeper) = self.keeper.try_lock() else {
            return Ok(());
        };
        if !self.manager.is_watched(&mut keeper).await? {
            return Err(Lost::other("the event triggers are not as they were made".to_owned()));
        }
        let Some(wal) = self.wal(&mut keeper, &slot).await? else {
            return Ok(());
        };
        drop(keeper);
        self.is_awaited.store(wal.is_awaited, Ordering::Relaxed);
        let mut known = self.shared.lock();
        let retained = wal.restart_lsn.map(|restart| wal.flushed_lsn.saturating_sub(restart));
        known.retained_wal_bytes = retained.unwrap_or_default();
        known.state = state(&known, *flushed_lsn);
        *flushed_lsn = wal.flushed_lsn;
        Ok(())
    }

    async fn wal(&self, keeper: &mut Connection, slot: &str) -> Result<Option<Wal>, Error> {
        let sql = format!(
            "select pg_catalog.pg_current_wal_flush_lsn() as flushed, \
             (select restart_lsn from pg_catalog.pg_replication_slots where slot_name = {}) as restart, \
             coalesce((select sync_state from pg_catalog.pg_stat_replication where pid = {}) <> 'async', true) as awaited",
            literal(slot),
            self.process_id
        );
        let rows = keeper.simple_query(&sql).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let restart = row.get("restart").and_then(|lsn| lsn.parse::<Lsn>().ok());
        Ok(Some(Wal {
            flushed_lsn: row.parse::<Lsn>("flushed")?.0,
            restart_lsn: restart.map(|lsn| lsn.0),
            is_awaited: row.flag("awaited")?,
        }))
    }

    /// Tables become ripe when every transaction has ended that may have changed them before they were published. The
    /// log is told, so that whoever asks sees it in its place.
    async fn ripen(&self) -> Result<(), Lost> {
        if !self.ripening().is_waiting() {
            return Ok(());
        }
        let Ok(mut keeper) = self.keeper.try_lock() else {
            return Ok(());
        };
        let seen = snapshot(&mut keeper).await?;
        let done = self.ripening().look(&seen);
        if !done.is_empty() {
            // Whoever reads the catalogue waits for this connection, and so sees both or nothing.
            self.manager.announce(&mut keeper).await?;
            self.ripening().ripe.extend(done);
        }
        drop(keeper);
        Ok(())
    }

    /// Changes the publication where that was not possible before; the log then tells of it.
    async fn repair(&self) -> Result<(), Lost> {
        if !self.ripening().is_incomplete || self.is_everything {
            return Ok(());
        }
        let Ok(mut keeper) = self.keeper.try_lock() else {
            return Ok(());
        };
        let facts = catalogue::read(&mut keeper, self.version, &self.manager.publication).await?;
        let is_complete = self.manager.apply(&mut keeper, &facts, &facts.changes()).await?;
        self.ripening().is_incomplete = !is_complete;
        Ok(())
    }

    fn ripening(&self) -> MutexGuard<'_, Ripening> {
        self.ripening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn within(limit: Duration, work: impl Future<Output = Result<(), Lost>>) -> Result<(), Lost> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(Lost::silent()))
}

/// It lags where what had been written a check ago has not been told yet.
fn state(known: &State, flushed_lsn: u64) -> FollowerState {
    let applied = known.log.as_ref().map(|log| log.at.applied_lsn);
    match (known.state, applied) {
        (FollowerState::Following | FollowerState::Lagging, Some(applied)) if applied < flushed_lsn => {
            FollowerState::Lagging
        }
        (FollowerState::Lagging, _) => FollowerState::Following,
        (state, _) => state,
    }
}
