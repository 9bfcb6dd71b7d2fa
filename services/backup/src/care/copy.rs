//! A backup in another repository: each chunk decrypted and checked, and encrypted anew as it was packed.
//!
//! The copy has the backup's id and takes over what the other repository holds of the backup that both were based on. It
//! is listed there when all of it is there, and has yet to be proven there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders;
use crate::repo::chunk::{Chunk, ChunkId, ChunkList, Encoding, Locator};
use crate::repo::codec::Compression;
use crate::repo::intake::{ChunkWorker, Intake};
use crate::repo::manifest::{FileEntry, Manifest};
use crate::repo::reader::ChunkReader;
use crate::repo::state::{BackupEntry, BackupState};
use crate::repo::{self, Repository};

/// So many packs are stored at once.
const AT_ONCE: usize = 2;
/// A lease is renewed so often while it lasts, at least.
const BEATS: u32 = 6;
/// And no more often.
const BEAT: Duration = Duration::from_secs(1);

/// What a copy did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Copied {
    /// It was there already.
    pub was_there: bool,
    /// Bytes and objects that it added.
    pub stored_bytes: u64,
    pub stored_objects: u64,
}

/// Copies a backup from one repository into another, by their names.
pub(crate) async fn copy(keeper: &Keeper, from: &str, to: &str, id: &str, pace: &Pace) -> Result<Copied, Error> {
    let (source, target) = (keeper.repositories.get(from).await?, keeper.repositories.get(to).await?);
    let dead_after = keeper.settings.lease_dead_after;
    let copied = between(&source, &target, id, dead_after, pace).await?;
    keeper.repositories.remember(&target).await;
    Ok(copied)
}

/// The same between repositories that are open. One that is listed is not copied again.
pub(super) async fn between(
    source: &Repository,
    target: &Repository,
    id: &str,
    dead_after: Duration,
    pace: &Pace,
) -> Result<Copied, Error> {
    let there = target.state().await?;
    let is_listed = |backup: &BackupEntry| backup.id == id && backup.state() != BackupState::Expired;
    if there.backups.iter().any(is_listed) {
        return Ok(Copied {
            was_there: true,
            ..Copied::default()
        });
    }
    anew(source, target, id, dead_after, pace).await
}

/// Copies a backup even where it is listed: the copy takes its place.
pub(super) async fn anew(
    source: &Repository,
    target: &Repository,
    id: &str,
    dead_after: Duration,
    pace: &Pace,
) -> Result<Copied, Error> {
    let state = source.state().await?;
    let entry = state.basis(id)?.clone();
    let manifest = source.manifest(&entry).await?;
    belong(source, target).await?;
    let number = orders::id_of(id).map_err(|reason| Error::Field { field: "id", reason })?;
    let basis = common_basis(source, target, &entry).await?;
    let copying = Copying {
        intake: begin(target, number, basis.as_ref()).await?,
        source: source.clone(),
        basis: basis.map(|(_, manifest)| manifest),
        manifest,
        pace: pace.clone(),
    };
    let intake = Arc::clone(&copying.intake);
    let copied = copying.run(entry, (dead_after / BEATS).max(BEAT)).await;
    if copied.is_err()
        && let Err(error) = intake.abandon().await
    {
        tracing::warn!(error = %error, "a lease could not be given back");
    }
    copied
}

async fn begin(target: &Repository, id: Uuid, basis: Option<&(String, Manifest)>) -> Result<Arc<Intake>, repo::Error> {
    let basis = basis.map(|(id, _)| id.as_str());
    Intake::begin(target, id, basis, "a copy of another repository's backup").await
}

/// A repository holds one cluster.
async fn belong(source: &Repository, target: &Repository) -> Result<(), Error> {
    let this = source.state().await?.system_identifier;
    let holds = target.state().await?.system_identifier;
    if this == holds || this == 0 {
        return Ok(());
    }
    let belongs = target.change(|state| match state.system_identifier {
        0 => {
            state.system_identifier = this;
            Ok(())
        }
        holds if holds == this => Ok(()),
        holds => Err(repo::Error::Foreign {
            repository: target.name().to_owned(),
            holds,
            this,
        }),
    });
    Ok(belongs.await?)
}

/// A backup that both have: what this one was based on, or else the last before it; with its manifest in the source.
async fn common_basis(
    source: &Repository,
    target: &Repository,
    entry: &BackupEntry,
) -> Result<Option<(String, Manifest)>, repo::Error> {
    let (here, there) = (source.state().await?, target.state().await?);
    let before = here.of_cluster().take_while(|backup| backup.id != entry.id);
    let mut candidates: Vec<&BackupEntry> = before.collect();
    candidates.sort_by_key(|backup| backup.id == entry.based_on);
    let has = |backup: &&&BackupEntry| there.basis(&backup.id).is_ok_and(|other| is_same(backup, other));
    match candidates.iter().rev().find(has) {
        Some(basis) => Ok(Some((basis.id.clone(), source.manifest(basis).await?))),
        None => Ok(None),
    }
}

/// Whether two of one id are of one attempt: one that was begun anew elsewhere read the cluster again.
fn is_same(one: &BackupEntry, other: &BackupEntry) -> bool {
    (one.started_unix_ms, one.start, one.stop) == (other.started_unix_ms, other.start, other.stop)
}

/// A copy under way.
struct Copying {
    intake: Arc<Intake>,
    source: Repository,
    /// What the source has of the basis.
    basis: Option<Manifest>,
    manifest: Manifest,
    pace: Pace,
}

impl Copying {
    async fn run(self, entry: BackupEntry, renew_every: Duration) -> Result<Copied, Error> {
        let intake = Arc::clone(&self.intake);
        let (send, sealed) = mpsc::channel(AT_ONCE);
        // What is packed is stored as it is; nothing is compressed here.
        let worker = intake.worker(Compression::None, send);
        let storing = Arc::clone(&intake).store(sealed, AT_ONCE);
        let working = tokio::task::spawn_blocking(move || self.work(worker));
        let both = async {
            let (stored, worked) = tokio::join!(storing, working);
            // A store that failed is the cause of a worker that could not hand on.
            stored?;
            worked.map_err(|_| Error::Stopped)?
        };
        let manifest = while_renewed(&intake, renew_every, both).await?;
        let entry = intake.commit(manifest, listed(entry)).await?;
        Ok(Copied {
            was_there: false,
            stored_bytes: entry.stored_bytes,
            stored_objects: entry.stored_objects,
        })
    }

    fn work(self, mut worker: ChunkWorker) -> Result<Manifest, Error> {
        let total = self.manifest.files.iter().map(|file| file.bytes).sum();
        self.pace.progress().begin("copy", total);
        let mut files = Vec::with_capacity(self.manifest.files.len());
        let places = Places::of(self.basis.as_ref(), self.intake.basis().map(Arc::as_ref));
        let mut chunks = Chunks {
            reader: ChunkReader::new(self.source.clone(), self.manifest.packs.clone().into()),
            naming: *self.intake.repository().keys().naming(),
            pace: &self.pace,
            manifest: &self.manifest,
            basis: self.basis.as_ref(),
            content: Vec::new(),
            packed: Vec::new(),
            runtime: Handle::current(),
        };
        for file in &self.manifest.files {
            files.push(chunks.file(&mut worker, file, &places)?);
        }
        drop(chunks);
        worker.finish()?;
        Ok(Manifest { files, ..self.manifest })
    }
}

fn listed(entry: BackupEntry) -> BackupEntry {
    let mut listed = BackupEntry {
        expired_unix_ms: 0,
        ..entry
    };
    if listed.state() == BackupState::Proven {
        listed.set_state(BackupState::Unproven);
    }
    listed
}

/// Does something while a lease is renewed. A lease that was ended ends it.
pub(super) async fn while_renewed<T>(
    intake: &Intake,
    every: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(every) => match intake.renew().await {
                Ok(()) => {}
                Err(error @ repo::Error::Fenced(_)) => return Err(error.into()),
                // It lasts longer than one renewal that was lost.
                Err(error) => tracing::warn!(error = %error, "a lease could not be renewed"),
            }
        }
    }
}

/// Where files stand in the basis, in both repositories.
struct Places<'a>(HashMap<&'a str, (&'a FileEntry, &'a FileEntry)>);

impl<'a> Places<'a> {
    fn of(source: Option<&'a Manifest>, target: Option<&'a Manifest>) -> Self {
        let (Some(source), Some(target)) = (source, target) else {
            return Self(HashMap::new());
        };
        let there: HashMap<&str, &FileEntry> = target.files.iter().map(|file| (file.path.as_str(), file)).collect();
        let both = source
            .files
            .iter()
            .filter_map(|file| Some((file.path.as_str(), (file, *there.get(file.path.as_str())?))));
        let is_same = |(_, (one, other)): &(&str, (&FileEntry, &FileEntry))| {
            one.bytes == other.bytes && one.crc32c == other.crc32c
        };
        Self(both.filter(is_same).collect())
    }

    /// The chunks of a file's basis, side by side.
    fn chunks(&self, path: &str) -> Vec<(Chunk, Chunk)> {
        let Some((source, target)) = self.0.get(path) else {
            return Vec::new();
        };
        let both = source.chunks().zip(target.chunks());
        both.map_while(|(one, other)| Some((one.ok()?, other.ok()?))).collect()
    }
}

/// Chunks on their way.
struct Chunks<'a> {
    reader: ChunkReader,
    /// How the target names chunks.
    naming: [u8; 32],
    pace: &'a Pace,
    manifest: &'a Manifest,
    basis: Option<&'a Manifest>,
    content: Vec<u8>,
    packed: Vec<u8>,
    runtime: Handle,
}

impl Chunks<'_> {
    fn file(&mut self, worker: &mut ChunkWorker, file: &FileEntry, places: &Places<'_>) -> Result<FileEntry, Error> {
        let mut list = ChunkList::default();
        let beside = places.chunks(&file.path);
        for (at, chunk) in file.chunks().enumerate() {
            list.push(&self.chunk(worker, &chunk?, beside.get(at))?);
        }
        Ok(FileEntry {
            chunks: list.finish(),
            ..file.clone()
        })
    }

    fn chunk(
        &mut self,
        worker: &mut ChunkWorker,
        chunk: &Chunk,
        beside: Option<&(Chunk, Chunk)>,
    ) -> Result<Chunk, Error> {
        let bytes = u64::from(chunk.at.length);
        self.pace.progress().add(bytes);
        if let Some((source, target)) = beside
            && self.is_same(&chunk.at, &source.at)
        {
            self.pace.take_blocking(0)?;
            return Ok(worker.take_over(*target));
        }
        self.pace.take_blocking(bytes)?;
        self.runtime.block_on(self.reader.read(chunk, &mut self.content))?;
        let id = ChunkId::of(&self.naming, &self.content);
        if chunk.at.encoding == Encoding::Zero {
            return Ok(Chunk::whole(Locator::zero(id, chunk.at.length)));
        }
        if let Some(at) = worker.stored(id) {
            return Ok(Chunk::whole(at));
        }
        let base = match &chunk.base {
            Some(base) => Some(self.base(worker, base, beside.map(|(_, target)| target))?),
            None => None,
        };
        self.store(worker, id, &chunk.at, chunk.base.map(|base| base.id), base)
    }

    fn store(
        &mut self,
        worker: &mut ChunkWorker,
        id: ChunkId,
        at: &Locator,
        was: Option<ChunkId>,
        base: Option<Locator>,
    ) -> Result<Chunk, Error> {
        self.runtime.block_on(self.reader.packed(at, was, &mut self.packed))?;
        self.pace.progress().moved(self.packed.len() as u64);
        Ok(worker.store_packed(id, at.encoding, at.length, &self.packed, base)?)
    }

    /// What a delta is against, in the target: there already, or brought along.
    fn base(&mut self, worker: &mut ChunkWorker, base: &Locator, target: Option<&Chunk>) -> Result<Locator, Error> {
        self.runtime
            .block_on(self.reader.read(&Chunk::whole(*base), &mut self.content))?;
        let id = ChunkId::of(&self.naming, &self.content);
        if let Some(key) = target.map(Chunk::key).filter(|key| key.id == id) {
            return Ok(worker.take_over(Chunk::whole(key)).at);
        }
        if let Some(at) = worker.stored(id) {
            return Ok(at);
        }
        Ok(self.store(worker, id, base, None, None)?.at)
    }

    /// Whether two locators of the source, this backup's and the basis's, are of one chunk.
    fn is_same(&self, here: &Locator, basis: &Locator) -> bool {
        let path =
            |manifest: &Manifest, at: &Locator| manifest.packs.get(at.pack as usize).map(|pack| pack.path.clone());
        let Some(manifest) = self.basis else {
            return false;
        };
        here.id == basis.id
            && here.encoding != Encoding::Zero
            && here.number == basis.number
            && path(self.manifest, here) == path(manifest, basis)
    }
}
