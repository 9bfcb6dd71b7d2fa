//! A repository that is open: its state, and how that changes.
//!
//! A state is the object `generations/<number>`. Whoever changes it makes the object of the next number, which only one
//! can: that is the compare-and-swap, and it works wherever an object can be created only once. `HEAD` says where to
//! begin to look; it may lag behind, and is never believed alone.
//!
//! Old generations are removed one by one, the oldest first. So a generation that is still there says that none above
//! it was removed, and that the first number with nothing under it is the end. Whoever slept for so long that the
//! generation it knows is gone, begins anew at `HEAD`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use uuid::Uuid;
use weir_model::Clock;

use super::keys::{self, Keys, Wrapping};
use super::manifest::{self, Manifest};
use super::seal::{self, Kind, hexadecimal};
use super::state::{BackupEntry, State};
use super::{Error, Put, Shelf};

/// The format that is written.
pub(crate) const FORMAT: u32 = 1;
const FORMAT_PATH: &str = "format";
const HEAD_PATH: &str = "HEAD";
/// How often a change is tried while others make theirs.
const TRIES: u32 = 60;
/// How often the newest generation is looked for while others remove old ones.
const FINDS: u32 = 5;

/// A repository. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub(crate) struct Repository(Arc<Inner>);

struct Inner {
    shelf: Shelf,
    id: [u8; 16],
    wrapping: RwLock<Arc<Wrapping>>,
    keys: RwLock<Arc<Keys>>,
    clock: Clock,
    latest: Mutex<Option<Arc<Generation>>>,
    /// A generation may be there that was not seen to last.
    unsure: AtomicBool,
}

/// A state that is there, and the hash of its object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Generation {
    pub state: State,
    pub hash: [u8; 32],
}

/// What was seen of a repository before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub generation: u64,
    pub hash: Vec<u8>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct FormatFile {
    weir_backup_repository: u32,
    id: Uuid,
}

#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(uint64, tag = "1")]
    generation: u64,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repository({})", self.name())
    }
}

impl Repository {
    /// Opens a repository; makes it where there is none and `cluster` is to be kept there.
    pub(crate) async fn open(
        shelf: Shelf,
        wrapping: Wrapping,
        cluster: &str,
        clock: Clock,
        seen: Option<&Seen>,
    ) -> Result<Self, Error> {
        if let Some(there) = Self::find(shelf.clone(), wrapping.clone(), clock.clone(), seen).await? {
            return Ok(there);
        }
        if let Some(seen) = seen {
            return Err(rolled_back(&shelf, seen.generation, 0));
        }
        Self::make(&shelf, &wrapping, cluster, &clock).await?;
        let made = Self::find(shelf.clone(), wrapping, clock, None).await?;
        made.ok_or_else(|| missing(&shelf, FORMAT_PATH))
    }

    /// Opens a repository that is there; none where there is none.
    pub(crate) async fn find(
        shelf: Shelf,
        wrapping: Wrapping,
        clock: Clock,
        seen: Option<&Seen>,
    ) -> Result<Option<Self>, Error> {
        let Some(format) = shelf.find(FORMAT_PATH).await? else {
            return Ok(None);
        };
        let id = read_format(&shelf, &format)?;
        if !shelf.creates_only(FORMAT_PATH, format).await? {
            return Err(Error::Unfit(shelf.name().to_owned()));
        }
        let keys = latest_keys(&shelf, &wrapping, &id).await?;
        if let Err(error) = shelf.settle("generations").await {
            // Whoever wrote the last one may not have seen it last. It can be read all the same.
            tracing::warn!(repository = shelf.name(), error = %error, "a repository cannot be written through");
        }
        let repository = Self(Arc::new(Inner {
            shelf,
            id,
            wrapping: RwLock::new(Arc::new(wrapping)),
            keys: RwLock::new(Arc::new(keys)),
            clock,
            latest: Mutex::new(None),
            unsure: AtomicBool::new(false),
        }));
        let generation = repository.latest().await?;
        if let Some(seen) = seen {
            repository.check_seen(seen, &generation)?;
        }
        Ok(Some(repository))
    }

    async fn make(shelf: &Shelf, wrapping: &Wrapping, cluster: &str, clock: &Clock) -> Result<(), Error> {
        let fresh = FormatFile {
            weir_backup_repository: FORMAT,
            id: Uuid::now_v7(),
        };
        let text = serde_json::to_vec(&fresh).map_err(|error| Error::corrupt(FORMAT_PATH, error.to_string()))?;
        // Keys and state before the mark that says there is a repository: one that was begun and not finished is begun
        // again under the id of whoever was first.
        let id = match shelf.find("made").await? {
            Some(begun) => read_format(shelf, &begun)?,
            None if shelf.put_new("made", text.into()).await? == Put::Made => fresh.id.into_bytes(),
            None => read_format(shelf, &shelf.get("made").await?)?,
        };
        if shelf.find(&keys::path_of(1)).await?.is_none() {
            let keys = Keys::fresh(clock.unix_ms()).ok_or_else(|| seal::unusable("keys"))?;
            keys.store(shelf, wrapping, &id).await?;
        }
        let keys = latest_keys(shelf, wrapping, &id).await?;
        let state = State {
            generation: 1,
            cluster: cluster.to_owned(),
            made_unix_ms: clock.unix_ms(),
            keys: keys.number,
            ..State::default()
        };
        let path = generation_path(1);
        let sealed = seal::seal(
            Kind::Generation,
            keys.current()?,
            &id,
            &path,
            keys::salt(&path)?,
            &state.encode_to_vec(),
        )?;
        shelf.put_new(&path, sealed).await?;
        let format = FormatFile {
            id: Uuid::from_bytes(id),
            ..fresh
        };
        let text = serde_json::to_vec(&format).map_err(|error| Error::corrupt(FORMAT_PATH, error.to_string()))?;
        shelf.put_new(FORMAT_PATH, text.into()).await.map(drop)
    }

    /// Its name in the settings.
    pub(crate) fn name(&self) -> &str {
        self.0.shelf.name()
    }

    /// Its id.
    pub(crate) fn id(&self) -> Uuid {
        Uuid::from_bytes(self.0.id)
    }

    /// The same as bytes, as everything sealed names it.
    pub(crate) fn id_bytes(&self) -> &[u8; 16] {
        &self.0.id
    }

    /// The store that it lies on.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    /// What wraps its keys.
    pub(crate) fn wrapping(&self) -> Arc<Wrapping> {
        Arc::clone(&self.0.wrapping.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes other keys to open its own with, as soon as those open it.
    pub(crate) async fn rewrap(&self, wrapping: Wrapping) -> Result<(), Error> {
        let keys = latest_keys(&self.0.shelf, &wrapping, &self.0.id).await?;
        *self.0.wrapping.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(wrapping);
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Its keys.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The time.
    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Reads its keys anew: somebody may have renewed them.
    pub(crate) async fn reload_keys(&self) -> Result<(), Error> {
        let keys = latest_keys(&self.0.shelf, &self.wrapping(), &self.0.id).await?;
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Seals an object under the current key and puts it where nothing is.
    pub(crate) async fn put_sealed(&self, kind: Kind, path: &str, plain: &[u8]) -> Result<Put, Error> {
        let sealed = self.sealed(kind, path, plain)?;
        self.0.shelf.put_new(path, sealed).await
    }

    /// Seals an object under the current key.
    pub(crate) fn sealed(&self, kind: Kind, path: &str, plain: &[u8]) -> Result<Bytes, Error> {
        seal::seal(kind, self.keys().current()?, &self.0.id, path, keys::salt(path)?, plain)
    }

    /// Reads and opens an object.
    pub(crate) async fn get_sealed(&self, kind: Kind, path: &str) -> Result<Vec<u8>, Error> {
        let sealed = self.0.shelf.get(path).await?;
        self.open_sealed(kind, path, &sealed).await
    }

    /// Opens an object that was read.
    pub(crate) async fn open_sealed(&self, kind: Kind, path: &str, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (key, _) = seal::read_header(kind, path, sealed)?;
        if self.keys().find(key).is_none() {
            self.reload_keys().await?;
        }
        let keys = self.keys();
        seal::open(kind, |id| keys.find(id), &self.0.id, path, sealed)
    }

    /// The state as it is now.
    pub(crate) async fn state(&self) -> Result<State, Error> {
        Ok(self.latest().await?.state.clone())
    }

    /// The newest generation.
    pub(crate) async fn latest(&self) -> Result<Arc<Generation>, Error> {
        if self.0.unsure.load(Ordering::Acquire) {
            self.0.shelf.settle("generations").await?;
            self.0.unsure.store(false, Ordering::Release);
        }
        let known = self.known();
        let at_least = known.as_ref().map_or(0, |known| known.state.generation);
        let mut from = known;
        for _ in 0..FINDS {
            let begin = match from.take() {
                Some(from) => from,
                None => Arc::new(self.first_known().await?),
            };
            let newest = self.follow(&begin).await?;
            if !self.has_generation(begin.state.generation).await? {
                continue;
            }
            if newest.state.generation < at_least {
                return Err(rolled_back(&self.0.shelf, at_least, newest.state.generation));
            }
            self.remember(&newest);
            return Ok(newest);
        }
        let reason = format!("the newest generation of repository {} cannot be found", self.name());
        Err(Error::Busy(reason))
    }

    /// The last one without a gap after this one.
    async fn follow(&self, begin: &Arc<Generation>) -> Result<Arc<Generation>, Error> {
        let mut newest = Arc::clone(begin);
        while let Some(next) = self.generation(newest.state.generation + 1).await? {
            if next.state.previous != newest.hash {
                let path = generation_path(next.state.generation);
                return Err(Error::corrupt(&path, "it does not follow the one before it"));
            }
            newest = Arc::new(next);
        }
        Ok(newest)
    }

    async fn has_generation(&self, number: u64) -> Result<bool, Error> {
        match self.0.shelf.size(&generation_path(number)).await {
            Ok(_) => Ok(true),
            Err(Error::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the generation is there as it was known.
    async fn still_has(&self, known: &Generation) -> Result<bool, Error> {
        let found = self.0.shelf.find(&generation_path(known.state.generation)).await?;
        Ok(found.is_some_and(|sealed| *blake3::hash(&sealed).as_bytes() == known.hash))
    }

    /// An error where it is not what it was before: older, or with another past.
    pub(crate) async fn confirm(&self, seen: Option<&Seen>) -> Result<Arc<Generation>, Error> {
        let latest = self.latest().await?;
        if !self.still_has(&latest).await? {
            let path = generation_path(latest.state.generation);
            return Err(Error::corrupt(&path, "it is not the one that was written"));
        }
        let Some(seen) = seen else {
            return Ok(latest);
        };
        self.check_seen(seen, &latest)?;
        match self.0.shelf.find(&generation_path(seen.generation)).await? {
            Some(sealed) if blake3::hash(&sealed).as_bytes().as_slice() != seen.hash => {
                Err(rolled_back(&self.0.shelf, seen.generation, latest.state.generation))
            }
            _ => Ok(latest),
        }
    }

    fn known(&self) -> Option<Arc<Generation>> {
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, newest: &Arc<Generation>) {
        let mut latest = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer = latest
            .as_ref()
            .is_none_or(|latest| latest.state.generation < newest.state.generation);
        if is_newer {
            *latest = Some(Arc::clone(newest));
        }
    }

    /// Where to begin: what `HEAD` says, or, where that cannot be read, the last that is listed.
    async fn first_known(&self) -> Result<Generation, Error> {
        if let Some(generation) = self.head().await?
            && let Some(found) = self.generation(generation).await?
        {
            return Ok(found);
        }
        let listed = self.0.shelf.list("generations").await?;
        let numbers = listed
            .iter()
            .filter_map(|object| object.path.rsplit('/').next()?.parse::<u64>().ok());
        let last = numbers.max().ok_or_else(|| missing(&self.0.shelf, "generations"))?;
        let found = self.generation(last).await?;
        found.ok_or_else(|| missing(&self.0.shelf, &generation_path(last)))
    }

    async fn head(&self) -> Result<Option<u64>, Error> {
        match self.get_sealed(Kind::Generation, HEAD_PATH).await {
            Ok(plain) => Ok(Head::decode(plain.as_slice()).ok().map(|head| head.generation)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(Error::Corrupt { path, reason }) => {
                tracing::warn!(
                    repository = self.name(),
                    path,
                    reason,
                    "the head of a repository is damaged"
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The generation that the head names.
    pub(crate) async fn head_generation(&self) -> Result<u64, Error> {
        let plain = self.get_sealed(Kind::Generation, HEAD_PATH).await?;
        let head = Head::decode(plain.as_slice()).map_err(|error| Error::corrupt(HEAD_PATH, error.to_string()))?;
        Ok(head.generation)
    }

    /// An error where the set of keys of this number cannot be opened.
    pub(crate) async fn check_keys(&self, number: u64) -> Result<(), Error> {
        let loaded = Keys::load(&self.0.shelf, &self.wrapping(), &self.0.id, number).await;
        loaded.map(drop)
    }

    /// The state of this number, if it is there.
    pub(crate) async fn generation(&self, number: u64) -> Result<Option<Generation>, Error> {
        let path = generation_path(number);
        let Some(sealed) = self.0.shelf.find(&path).await? else {
            return Ok(None);
        };
        let plain = self.open_sealed(Kind::Generation, &path, &sealed).await?;
        let state = State::decode(plain.as_slice()).map_err(|error| Error::corrupt(&path, error.to_string()))?;
        if state.generation != number {
            return Err(Error::corrupt(&path, "it has another's number"));
        }
        Ok(Some(Generation {
            state,
            hash: *blake3::hash(&sealed).as_bytes(),
        }))
    }

    fn check_seen(&self, seen: &Seen, found: &Generation) -> Result<(), Error> {
        let is_older = found.state.generation < seen.generation;
        let is_other = found.state.generation == seen.generation && found.hash.as_slice() != seen.hash;
        if is_older || is_other {
            return Err(rolled_back(&self.0.shelf, seen.generation, found.state.generation));
        }
        Ok(())
    }

    /// What to remember of it, to know it again.
    pub(crate) async fn seen(&self) -> Result<Seen, Error> {
        let latest = self.latest().await?;
        Ok(Seen {
            generation: latest.state.generation,
            hash: latest.hash.to_vec(),
        })
    }

    /// Changes the state. `change` may be called several times, on what others made of it meanwhile.
    pub(crate) async fn change<T>(&self, change: impl Fn(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        for attempt in 0..TRIES {
            let latest = self.latest().await?;
            let mut state = latest.state.clone();
            let answer = change(&mut state)?;
            state.generation += 1;
            state.previous = latest.hash.to_vec();
            state.made_unix_ms = self.0.clock.unix_ms();
            if self.put_generation(state, &latest).await? {
                return Ok(answer);
            }
            let pause = fastrand::u64(1..=10) * u64::from(attempt.min(20) + 1);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let reason = format!("repository {} is changed by too many at once", self.name());
        Err(Error::Busy(reason))
    }

    /// Makes the generation after `basis`; false where somebody else was first.
    async fn put_generation(&self, state: State, basis: &Generation) -> Result<bool, Error> {
        let number = state.generation;
        let path = generation_path(number);
        let sealed = self.sealed(Kind::Generation, &path, &state.encode_to_vec())?;
        let hash = *blake3::hash(&sealed).as_bytes();
        match self.0.shelf.put_new(&path, sealed).await {
            Ok(Put::Made) => {}
            Ok(Put::Exists) => return Ok(false),
            Err(error) => {
                self.0.unsure.store(true, Ordering::Release);
                return Err(error);
            }
        }
        // Whoever slept since it looked may have found the place of one that was there and removed since.
        if !self.still_has(basis).await? {
            self.0.shelf.delete(&path).await?;
            return Ok(false);
        }
        self.remember(&Arc::new(Generation { state, hash }));
        if let Err(error) = self.put_head(number).await {
            // It is a hint only. Whoever reads it looks further.
            tracing::warn!(repository = self.name(), error = %error, "the head of a repository lags behind");
        }
        Ok(true)
    }

    async fn put_head(&self, generation: u64) -> Result<(), Error> {
        let sealed = self.sealed(Kind::Generation, HEAD_PATH, &Head { generation }.encode_to_vec())?;
        self.0.shelf.put_over(HEAD_PATH, sealed).await
    }

    /// Stores the manifest that an attempt wrote; returns the hash of its object.
    pub(crate) async fn put_manifest(&self, manifest: &Manifest, attempt: &str) -> Result<Vec<u8>, Error> {
        let path = manifest::path_of(&manifest.id, attempt);
        let plain = manifest.encode_to_vec();
        let packed =
            zstd::stream::encode_all(plain.as_slice(), 3).map_err(|error| Error::corrupt(&path, error.to_string()))?;
        let sealed = self.sealed(Kind::Manifest, &path, &packed)?;
        let hash = blake3::hash(&sealed).as_bytes().to_vec();
        self.0.shelf.put_own(&path, sealed).await?;
        Ok(hash)
    }

    /// Reads the manifest of a backup, which has to be the one that was listed.
    pub(crate) async fn manifest(&self, entry: &BackupEntry) -> Result<Manifest, Error> {
        let path = entry.manifest_path();
        let sealed = self.0.shelf.get(&path).await?;
        if blake3::hash(&sealed).as_bytes().as_slice() != entry.manifest_hash {
            return Err(Error::corrupt(
                &path,
                format!(
                    "it is not the one that was listed, {}",
                    hexadecimal(&entry.manifest_hash)
                ),
            ));
        }
        let packed = self.open_sealed(Kind::Manifest, &path, &sealed).await?;
        let plain = zstd::stream::decode_all(packed.as_slice());
        let plain = plain.map_err(|error| Error::corrupt(&path, error.to_string()))?;
        Manifest::decode(Bytes::from(plain)).map_err(|error| Error::corrupt(&path, error.to_string()))
    }
}

/// Where the state of a number lies.
pub(crate) fn generation_path(number: u64) -> String {
    format!("generations/{number:012}")
}

fn read_format(shelf: &Shelf, text: &[u8]) -> Result<[u8; 16], Error> {
    let format: FormatFile =
        serde_json::from_slice(text).map_err(|error| Error::corrupt(FORMAT_PATH, error.to_string()))?;
    if format.weir_backup_repository > FORMAT {
        return Err(Error::Format {
            repository: shelf.name().to_owned(),
            found: format.weir_backup_repository,
            known: FORMAT,
        });
    }
    Ok(format.id.into_bytes())
}

/// An error that says why this is not the mark of this repository.
pub(crate) fn check_format(repository: &Repository, text: &[u8]) -> Result<(), String> {
    match read_format(&repository.0.shelf, text) {
        Ok(id) if id == repository.0.id => Ok(()),
        Ok(_) => Err("it is another repository's".to_owned()),
        Err(Error::Corrupt { reason, .. }) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

async fn latest_keys(shelf: &Shelf, wrapping: &Wrapping, id: &[u8; 16]) -> Result<Keys, Error> {
    let listed = shelf.list("keys").await?;
    let numbers = listed
        .iter()
        .filter_map(|object| object.path.rsplit('/').next()?.parse::<u64>().ok());
    let last = numbers.max().ok_or_else(|| missing(shelf, "keys"))?;
    Keys::load(shelf, wrapping, id, last).await
}

fn missing(shelf: &Shelf, path: &str) -> Error {
    Error::Missing {
        repository: shelf.name().to_owned(),
        path: path.to_owned(),
    }
}

fn rolled_back(shelf: &Shelf, seen: u64, found: u64) -> Error {
    Error::RolledBack {
        repository: shelf.name().to_owned(),
        seen,
        found,
    }
}
