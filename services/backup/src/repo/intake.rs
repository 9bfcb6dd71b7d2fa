//! A backup on its way into a repository.
//!
//! Whoever writes holds a lease, and its packs carry the lease's id: what a cut-off attempt stored is found again by
//! the next attempt under the same id, and nothing of it is listed before all of it is there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::chunk::{CHUNK_BYTES, Chunk, ChunkId, Encoding, Locator};
use super::codec::{Codec, Compression, is_zero};
use super::manifest::{Manifest, PackRef};
use super::pack::{self, PackBuilder};
use super::reader::ChunkReader;
use super::seal::HEADER_BYTES;
use super::state::{BackupEntry, Lease};
use super::{Error, Repository};

/// So many chunks of this backup are remembered, to store the same content once.
const KNOWN_MAX: usize = 1 << 16;
/// A base is not fetched for less than this.
const DELTA_BYTES_MIN: usize = 8 * 1024;

/// A backup on its way.
pub(crate) struct Intake {
    repository: Repository,
    id: Uuid,
    /// Which attempt this is; what it stores has names of its own.
    attempt: String,
    basis: Option<Arc<Manifest>>,
    basis_packs: Arc<[PackRef]>,
    table: Mutex<Table>,
    known: Mutex<HashMap<ChunkId, Locator>>,
    next: AtomicU32,
    stored_bytes: AtomicU64,
    stored_objects: AtomicU64,
}

/// The packs of the manifest in the making.
#[derive(Default)]
struct Table {
    packs: Vec<PackRef>,
    /// Where a pack of the basis stands in it.
    adopted: HashMap<u32, u32>,
}

/// A pack that is ready to be stored.
pub(crate) struct Sealed {
    place: u32,
    path: String,
    bytes: Bytes,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Intake({}, {})", self.repository.name(), self.id)
    }
}

impl Intake {
    /// Takes the lease for a backup of this id, and finds what an earlier attempt left. `basis`: the backup whose
    /// chunks it may take over.
    pub(crate) async fn begin(
        repository: &Repository,
        id: Uuid,
        basis: Option<&str>,
        holder: &str,
    ) -> Result<Arc<Self>, Error> {
        let attempt = Uuid::now_v7().simple().to_string();
        let entry = repository
            .change(|state| {
                let entry = basis.map(|basis| state.basis(basis).cloned()).transpose()?;
                let name = id.to_string();
                if state.doomed.iter().any(|doomed| doomed.path.contains(&name)) {
                    let reason = format!("what an earlier attempt at backup {id} left is being removed");
                    return Err(Error::Busy(reason));
                }
                state.leases.retain(|lease| lease.id != name);
                state.leases.push(Lease {
                    id: name,
                    basis: basis.unwrap_or_default().to_owned(),
                    holder: holder.to_owned(),
                    renewed_unix_ms: repository.clock().unix_ms(),
                    beats: 0,
                    attempt: attempt.clone(),
                });
                Ok(entry)
            })
            .await?;
        let basis = match &entry {
            Some(entry) => Some(Arc::new(repository.manifest(entry).await?)),
            None => None,
        };
        let intake = Self {
            basis_packs: basis.iter().flat_map(|basis| basis.packs.iter().cloned()).collect(),
            basis,
            repository: repository.clone(),
            id,
            attempt,
            table: Mutex::default(),
            known: Mutex::default(),
            next: AtomicU32::new(0),
            stored_bytes: AtomicU64::new(0),
            stored_objects: AtomicU64::new(0),
        };
        intake.resume().await?;
        Ok(Arc::new(intake))
    }

    /// What an earlier attempt stored is not stored again.
    async fn resume(&self) -> Result<(), Error> {
        let folder = format!("packs/{}", self.id);
        let left = self.repository.shelf().list(&folder).await?;
        if !left.is_empty() {
            // Whoever put them may have been cut off before they were sure to stay.
            self.repository.shelf().settle(&folder).await?;
        }
        for listed in left {
            let chunks = match self.list_of(&listed.path, listed.bytes).await {
                Ok(chunks) => chunks,
                // What was cut off is not used, and collected later.
                Err(Error::Corrupt { path, reason }) => {
                    tracing::warn!(path, reason, "a pack of an earlier attempt is not used");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let place = self.lock_table().add(listed.path, listed.bytes);
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let whole = chunks.into_iter().filter(|at| at.encoding != Encoding::Delta);
            known.extend(whole.map(|at| (at.id, Locator { pack: place, ..at })));
        }
        Ok(())
    }

    async fn list_of(&self, path: &str, bytes: u64) -> Result<Vec<Locator>, Error> {
        if bytes < pack::SMALLEST {
            return Err(Error::corrupt(path, "it is too short"));
        }
        let shelf = self.repository.shelf();
        let header = shelf.get_range(path, 0..HEADER_BYTES as u64).await?;
        let opener = self.repository.pack_opener(path, &header).await?;
        let footer = shelf.get_range(path, bytes - 8..bytes).await?;
        let tail = pack::tail_bytes(&footer).filter(|tail| *tail <= bytes);
        let tail = tail.ok_or_else(|| Error::corrupt(path, "it has no end"))?;
        opener.open_list(&shelf.get_range(path, bytes - tail..bytes).await?)
    }

    /// The backup whose chunks may be taken over.
    pub(crate) fn basis(&self) -> Option<&Arc<Manifest>> {
        self.basis.as_ref()
    }

    /// The repository that it goes to.
    pub(crate) const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Bytes and objects stored so far.
    pub(crate) fn stored(&self) -> (u64, u64) {
        (
            self.stored_bytes.load(Ordering::Relaxed),
            self.stored_objects.load(Ordering::Relaxed),
        )
    }

    /// A worker for one thread, outside of the runtime's own. Its full packs go through `sealed`.
    pub(crate) fn worker(self: &Arc<Self>, compression: Compression, sealed: mpsc::Sender<Sealed>) -> ChunkWorker {
        ChunkWorker {
            intake: Arc::clone(self),
            codec: Codec::new(compression),
            deltas: matches!(compression, Compression::Zstd(_)),
            pack: None,
            sealed,
            bases: ChunkReader::new(self.repository.clone(), Arc::clone(&self.basis_packs)),
            base: Vec::with_capacity(CHUNK_BYTES),
            runtime: Handle::current(),
        }
    }

    /// Stores packs as they come, until every worker has ended.
    pub(crate) async fn store(
        self: Arc<Self>,
        mut sealed: mpsc::Receiver<Sealed>,
        at_once: usize,
    ) -> Result<(), Error> {
        let mut under_way = JoinSet::new();
        while let Some(next) = sealed.recv().await {
            if under_way.len() >= at_once.max(1) {
                settled(under_way.join_next().await)?;
            }
            let intake = Arc::clone(&self);
            under_way.spawn(async move { intake.put(next).await });
        }
        while let Some(ended) = under_way.join_next().await {
            settled(Some(ended))?;
        }
        Ok(())
    }

    async fn put(&self, sealed: Sealed) -> Result<(), Error> {
        let bytes = sealed.bytes.len() as u64;
        self.repository.shelf().put_own(&sealed.path, sealed.bytes).await?;
        self.lock_table().set_bytes(sealed.place, bytes);
        self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.stored_objects.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Says that the backup is still being written. An error where its lease was ended.
    pub(crate) async fn renew(&self) -> Result<(), Error> {
        let now = self.repository.clock().unix_ms();
        self.repository
            .change(|state| {
                let lease = state.lease_mut(self.id, &self.attempt)?;
                lease.renewed_unix_ms = now;
                lease.beats += 1;
                Ok(())
            })
            .await
    }

    /// Has the backup listed. Its packs are filled in here.
    pub(crate) async fn commit(&self, mut manifest: Manifest, mut entry: BackupEntry) -> Result<BackupEntry, Error> {
        manifest.id = self.id.to_string();
        manifest.packs = self.lock_table().packs.clone();
        let basis = self.basis.as_ref().map(|basis| basis.id.clone());
        let latest = self.repository.state().await?;
        manifest.previous = latest
            .backups
            .last()
            .map(|last| last.manifest_hash.clone())
            .unwrap_or_default();
        entry.id.clone_from(&manifest.id);
        entry.attempt.clone_from(&self.attempt);
        entry.based_on = basis.unwrap_or_default();
        entry.manifest_hash = self.repository.put_manifest(&manifest, &self.attempt).await?;
        let (bytes, objects) = self.stored();
        (entry.stored_bytes, entry.stored_objects) = (bytes, objects + 1);
        self.repository
            .change(|state| state.commit(self.id, &self.attempt, entry.clone()))
            .await?;
        Ok(entry)
    }

    /// Gives the lease back. What was stored stays for another attempt until it is collected.
    pub(crate) async fn abandon(&self) -> Result<(), Error> {
        let name = self.id.to_string();
        self.repository
            .change(|state| {
                state
                    .leases
                    .retain(|lease| lease.id != name || lease.attempt != self.attempt);
                Ok(())
            })
            .await
    }

    fn lock_table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a chunk of the basis of which it is known that nothing changed.
    pub(crate) fn take_over(&self, was: Chunk) -> Chunk {
        self.adopt(was)
    }

    /// A chunk of the basis as one of this backup.
    fn adopt(&self, chunk: Chunk) -> Chunk {
        let mut table = self.lock_table();
        let mut at = HashMap::new();
        for locator in [Some(chunk.at), chunk.base].into_iter().flatten() {
            if locator.encoding != Encoding::Zero {
                at.insert(locator.pack, table.adopt(locator.pack, &self.basis_packs));
            }
        }
        chunk.map_packs(|pack| at.get(&pack).copied().unwrap_or(pack))
    }

    fn known(&self, id: ChunkId) -> Option<Locator> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .copied()
    }

    fn learn(&self, at: Locator) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < KNOWN_MAX {
            known.insert(at.id, at);
        }
    }

    fn new_pack(&self) -> Result<(u32, PackBuilder), Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = format!("packs/{}/{}-{number:06}", self.id, self.attempt);
        let place = self.lock_table().add(path.clone(), 0);
        let keys = self.repository.keys();
        let builder = PackBuilder::new(path, keys.current()?, *self.repository.id_bytes())?;
        Ok((place, builder))
    }
}

impl Table {
    fn add(&mut self, path: String, bytes: u64) -> u32 {
        self.packs.push(PackRef { path, bytes });
        u32::try_from(self.packs.len() - 1).unwrap_or(u32::MAX)
    }

    fn set_bytes(&mut self, place: u32, bytes: u64) {
        if let Some(pack) = self.packs.get_mut(place as usize) {
            pack.bytes = bytes;
        }
    }

    fn adopt(&mut self, pack: u32, basis: &[PackRef]) -> u32 {
        if let Some(place) = self.adopted.get(&pack) {
            return *place;
        }
        let Some(found) = basis.get(pack as usize) else {
            return u32::MAX;
        };
        let place = self.add(found.path.clone(), found.bytes);
        self.adopted.insert(pack, place);
        place
    }
}

fn settled(ended: Option<Result<Result<(), Error>, tokio::task::JoinError>>) -> Result<(), Error> {
    match ended {
        Some(Ok(stored)) => stored,
        Some(Err(error)) => Err(Error::corrupt("packs", error.to_string())),
        None => Ok(()),
    }
}

/// Stores chunks, on a thread of its own.
pub(crate) struct ChunkWorker {
    intake: Arc<Intake>,
    codec: Codec,
    deltas: bool,
    pack: Option<(u32, PackBuilder)>,
    sealed: mpsc::Sender<Sealed>,
    bases: ChunkReader,
    base: Vec<u8>,
    runtime: Handle,
}

impl std::fmt::Debug for ChunkWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChunkWorker({:?})", self.intake)
    }
}

impl ChunkWorker {
    /// Stores a chunk, or finds that it is there. `was`: what the basis has in this place.
    pub(crate) fn store(&mut self, content: &[u8], was: Option<Chunk>) -> Result<Chunk, Error> {
        let id = ChunkId::of(self.intake.repository.keys().naming(), content);
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        if is_zero(content) {
            return Ok(Chunk::whole(Locator::zero(id, length)));
        }
        if let Some(was) = was.filter(|was| was.at.id == id && was.at.length == length) {
            return Ok(self.intake.adopt(was));
        }
        if let Some(at) = self.intake.known(id) {
            return Ok(Chunk::whole(at));
        }
        if let Some(was) = was.filter(|_| self.deltas && content.len() >= DELTA_BYTES_MIN)
            && let Some(chunk) = self.store_delta(id, content, was)?
        {
            return Ok(chunk);
        }
        self.store_whole(id, content)
    }

    /// Stores what is packed already, as the copy of another repository's chunk is. `base`: what a delta is against,
    /// here.
    pub(crate) fn store_packed(
        &mut self,
        id: ChunkId,
        encoding: Encoding,
        length: u32,
        packed: &[u8],
        base: Option<Locator>,
    ) -> Result<Chunk, Error> {
        if let Some(at) = self.intake.known(id) {
            return Ok(Chunk::whole(at));
        }
        let (place, pack) = open_pack(&mut self.pack, &self.intake)?;
        let at = pack.push(id, encoding, length, packed, base.map(|base| base.id))?;
        let at = Locator { pack: *place, ..at };
        self.close_if_full()?;
        if base.is_none() {
            self.intake.learn(at);
        }
        Ok(Chunk { at, base })
    }

    /// A chunk of the basis, as one of this backup.
    pub(crate) fn take_over(&self, chunk: Chunk) -> Chunk {
        self.intake.adopt(chunk)
    }

    /// The chunk of this content, if this backup has stored it whole already.
    pub(crate) fn stored(&self, id: ChunkId) -> Option<Locator> {
        self.intake.known(id)
    }

    fn store_whole(&mut self, id: ChunkId, content: &[u8]) -> Result<Chunk, Error> {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let (place, pack) = open_pack(&mut self.pack, &self.intake)?;
        let (encoding, packed) = self.codec.pack(content);
        let at = pack.push(id, encoding, length, packed, None)?;
        let at = Locator { pack: *place, ..at };
        self.close_if_full()?;
        self.intake.learn(at);
        Ok(Chunk::whole(at))
    }

    /// Stores what changed since the basis, if that is little.
    fn store_delta(&mut self, id: ChunkId, content: &[u8], was: Chunk) -> Result<Option<Chunk>, Error> {
        let key = was.key();
        if matches!(key.encoding, Encoding::Zero | Encoding::Delta) {
            return Ok(None);
        }
        let base = Chunk::whole(key);
        self.runtime.block_on(self.bases.read(&base, &mut self.base))?;
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        // More than this, and it would rather be the base of what comes after it.
        let bytes_max = (key.stored as usize).saturating_mul(7) / 10;
        let Some(packed) = self.codec.delta(content, &self.base, bytes_max) else {
            return Ok(None);
        };
        let (place, pack) = open_pack(&mut self.pack, &self.intake)?;
        let at = pack.push(id, Encoding::Delta, length, packed, Some(key.id))?;
        let at = Locator { pack: *place, ..at };
        self.close_if_full()?;
        Ok(Some(Chunk {
            at,
            base: Some(self.intake.adopt(base).at),
        }))
    }

    fn close_if_full(&mut self) -> Result<(), Error> {
        match self.pack.take() {
            Some((place, pack)) if pack.is_full() => self.send(place, pack),
            open => {
                self.pack = open;
                Ok(())
            }
        }
    }

    fn send(&self, place: u32, pack: PackBuilder) -> Result<(), Error> {
        let (path, bytes) = pack.finish()?;
        let sealed = Sealed { place, path, bytes };
        let sent = self.sealed.blocking_send(sealed);
        sent.map_err(|_| Error::Store {
            repository: self.intake.repository.name().to_owned(),
            reason: "packs are not stored any more".to_owned(),
        })
    }

    /// No more chunks: the last pack goes out as well.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        match self.pack.take() {
            Some((place, pack)) => self.send(place, pack),
            None => Ok(()),
        }
    }
}

fn open_pack<'a>(
    pack: &'a mut Option<(u32, PackBuilder)>,
    intake: &Intake,
) -> Result<&'a mut (u32, PackBuilder), Error> {
    if pack.is_none() {
        *pack = Some(intake.new_pack()?);
    }
    pack.as_mut()
        .ok_or_else(|| Error::corrupt("packs", "there is none open"))
}
