//! Base backups: a cluster's files, as they are while it works, with what makes them consistent.

mod assembly;
mod facts;
pub(crate) mod label;
pub(crate) mod listing;
mod local;
pub(crate) mod pages;
pub(crate) mod protocol;
#[cfg(test)]
mod tests;
mod way;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::engine::pace::Pace;
use crate::engine::wal;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::{BackupOrder, Kind, Packing};
use crate::repo::codec::Compression;
use crate::repo::intake::Intake;
use crate::repo::manifest::{FileEntry, Manifest, Relation, Tablespace};
use crate::repo::state::{BackupEntry, BackupKind, BackupState, Position, State};
use crate::repo::{self, Repository};
use crate::settings::{BackupSettings, CompressionChoice};
use facts::Facts;
use way::Way;

/// How often a writer says that it is there.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// How to read and store.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub threads: usize,
    pub compression: Compression,
    /// An immediate checkpoint rather than a spread one.
    pub checkpoint_now: bool,
    /// Whether pages have checksums, which are then looked at.
    pub page_checksums: bool,
    /// The label that the server shows.
    pub label: String,
}

/// What was read of a cluster, and stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken {
    pub files: Vec<FileEntry>,
    pub tablespaces: Vec<Tablespace>,
    pub backup_label: Bytes,
    pub tablespace_map: Bytes,
    pub start: Position,
    pub stop: Position,
    /// Bytes of the files.
    pub source_bytes: u64,
    /// Pages whose checksum was wrong, as `path:block`, at most 1,000; and how many there were.
    pub corrupt_pages: Vec<String>,
    pub corrupt_page_count: u64,
}

/// Takes a backup under this id, and has it listed. Under the id of an attempt that was cut off, goes on with it.
pub(crate) async fn back_up(keeper: &Keeper, id: Uuid, order: &BackupOrder, pace: &Pace) -> Result<BackupEntry, Error> {
    let started_unix_ms = keeper.clock.unix_ms();
    let repository = chosen(keeper, order).await?;
    let mut way = Way::of(&keeper.cluster).await?;
    let facts = Facts::of(way.connection()).await?;
    let state = owned(&repository, &facts).await?;
    let (kind, basis) = basis(&state, order.kind);
    let intake = Intake::begin(&repository, id, basis.as_deref(), "backup").await?;
    let options = options(&keeper.settings, order, id, &facts);
    way.hold_log().await;
    let working = async {
        let reading = way.read(&intake, &options, pace);
        let (taken, relations) = tokio::join!(reading, facts::relations(&keeper.cluster, &facts));
        let taken = taken?;
        pace.progress().begin("wal", 0);
        // Without the log of the time that it took, it is no backup.
        let log = wal::ensure(keeper, &repository, taken.start, taken.stop);
        let log = pace.stop().run_until_cancelled(Box::pin(log)).await;
        log.ok_or(Error::Stopped)??;
        Ok::<_, Error>((taken, relations))
    };
    let (taken, relations) = match leased(&intake, Box::pin(working)).await {
        Ok(done) => done,
        Err(error) => return Err(given_up(&intake, error).await),
    };
    pace.progress().begin("seal", 0);
    let mut entry = entry(keeper, kind, &facts, &options, &taken, started_unix_ms);
    entry.note.clone_from(&order.note);
    let manifest = manifest(taken, &facts, relations);
    Ok(intake.commit(manifest, entry).await?)
}

async fn chosen(keeper: &Keeper, order: &BackupOrder) -> Result<Repository, Error> {
    match order.repositories.first() {
        Some(name) => keeper.repositories.get(name).await,
        None => keeper.repositories.first().await,
    }
}

/// The state, once the repository is known to be this cluster's.
pub(crate) async fn owned(repository: &Repository, facts: &Facts) -> Result<State, Error> {
    let this = facts.system_identifier;
    let state = repository.state().await?;
    if state.system_identifier == this {
        return Ok(state);
    }
    let claimed = repository.change(|state| match state.system_identifier {
        0 => {
            state.system_identifier = this;
            Ok(state.clone())
        }
        holds if holds == this => Ok(state.clone()),
        holds => Err(repo::Error::Foreign {
            repository: repository.name().to_owned(),
            holds,
            this,
        }),
    });
    Ok(claimed.await?)
}

/// What sort of backup it will be, and whose chunks it takes over.
pub(crate) fn basis(state: &State, wanted: Kind) -> (BackupKind, Option<String>) {
    let sound = || {
        state
            .of_cluster()
            .rev()
            .filter(|entry| entry.state() != BackupState::Failed)
    };
    let last = sound().next();
    let last_full = sound().find(|entry| entry.kind() == BackupKind::Full);
    match (wanted, last, last_full) {
        (Kind::Incremental | Kind::Unspecified, Some(last), _) => (BackupKind::Incremental, Some(last.id.clone())),
        (Kind::Differential, _, Some(full)) => (BackupKind::Differential, Some(full.id.clone())),
        _ => (BackupKind::Full, None),
    }
}

fn options(settings: &BackupSettings, order: &BackupOrder, id: Uuid, facts: &Facts) -> Options {
    Options {
        threads: settings.threads,
        compression: compression(settings, order.compression),
        checkpoint_now: order.checkpoint_now,
        page_checksums: facts.page_checksums,
        label: format!("weir {id}"),
    }
}

/// How to compress, by the order or else the settings.
pub(crate) fn compression(settings: &BackupSettings, wanted: Packing) -> Compression {
    let level = i32::try_from(settings.compression_level).unwrap_or(3);
    let zstd = Compression::Zstd(level);
    match (wanted, settings.compression) {
        (Packing::Zstd, _) | (Packing::Unspecified, CompressionChoice::Zstd) => zstd,
        (Packing::Lz4, _) | (Packing::Unspecified, CompressionChoice::Lz4) => Compression::Lz4,
        (Packing::Gzip, _) | (Packing::Unspecified, CompressionChoice::Gzip) => Compression::Gzip(6),
        (Packing::None, _) | (Packing::Unspecified, CompressionChoice::None) => Compression::None,
    }
}

const fn compression_number(compression: Compression) -> i32 {
    match compression {
        Compression::Zstd(_) => 1,
        Compression::Lz4 => 2,
        Compression::Gzip(_) => 3,
        Compression::None => 4,
    }
}

/// Works while the lease is renewed; ends when it is lost.
async fn leased<T>(intake: &Arc<Intake>, working: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let renewing = async {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match intake.renew().await {
                Err(error @ repo::Error::Fenced(_)) => return Error::from(error),
                // A store that is away for a moment is asked again; the lease outlives that.
                Err(error) => tracing::warn!(error = %error, "the lease of a backup was not renewed"),
                Ok(()) => {}
            }
        }
    };
    tokio::select! {
        done = working => done,
        lost = renewing => Err(lost),
    }
}

/// What was stored stays for the next attempt; one that cannot succeed gives its lease back.
async fn given_up(intake: &Intake, error: Error) -> Error {
    if !error.is_passing()
        && let Err(other) = intake.abandon().await
    {
        tracing::warn!(error = %other, "the lease of a failed backup stays until it is taken for dead");
    }
    error
}

fn entry(
    keeper: &Keeper,
    kind: BackupKind,
    facts: &Facts,
    options: &Options,
    taken: &Taken,
    started_unix_ms: i64,
) -> BackupEntry {
    BackupEntry {
        kind: kind.into(),
        state: BackupState::Unproven.into(),
        started_unix_ms,
        ended_unix_ms: keeper.clock.unix_ms(),
        start: Some(taken.start),
        stop: Some(taken.stop),
        source_bytes: taken.source_bytes,
        server_version: facts.server_version,
        compression: compression_number(options.compression),
        corrupt_pages: taken.corrupt_page_count,
        wal_segment_bytes: facts.wal_segment_bytes,
        ..BackupEntry::default()
    }
}

fn manifest(taken: Taken, facts: &Facts, relations: Vec<Relation>) -> Manifest {
    Manifest {
        files: taken.files,
        tablespaces: taken.tablespaces,
        backup_label: taken.backup_label,
        tablespace_map: taken.tablespace_map,
        system_identifier: facts.system_identifier,
        server_version: facts.server_version,
        start: Some(taken.start),
        stop: Some(taken.stop),
        page_checksums: facts.page_checksums,
        wal_segment_bytes: facts.wal_segment_bytes,
        relations,
        corrupt_pages: taken.corrupt_pages,
        ..Manifest::default()
    }
}

/// Does work that takes the whole of a thread.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::Refused {
            slug: "backup-defect",
            reason: format!("a thread of the backup ended by itself: {error}"),
        }),
    }
}
