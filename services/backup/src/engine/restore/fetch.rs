//! Chunks from packs into files: fetched by one task, opened, unpacked, verified and written on several threads.
//!
//! Nothing is written that was not verified: each chunk is authenticated as it lies in its pack, and its content is what
//! the manifest calls it.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::batches::{Batch, Batches, Item, Span};
use super::open_files::OpenFiles;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::repo::chunk::{CHUNK_BYTES, ChunkId, Locator};
use crate::repo::codec::{Codec, Compression};
use crate::repo::manifest::Manifest;
use crate::repo::pack::PackOpener;
use crate::repo::seal::HEADER_BYTES;
use crate::repo::{self, Repository};

/// So many batches are fetched at once: from a store that is near, and from one that is far.
const AT_ONCE: [usize; 2] = [2, 8];
/// After so many bytes the disk is given something to do, while others are still unpacked. Otherwise all of it would wait
/// in memory for the end.
const SYNC_EVERY_BYTES: u64 = 32 << 20;
/// Files that wait to be synced. Where there are more, the disk has enough to do.
const SYNCS_WAITING: usize = 4;

/// What all threads share.
pub(super) struct Fetching {
    pub repository: Repository,
    pub manifest: Arc<Manifest>,
    pub files: OpenFiles,
    pub pace: Pace,
    pub read_bytes: AtomicU64,
    /// A thread failed: the others need not go on.
    pub failed: AtomicBool,
    /// Kept until the last thread has ended.
    pub _held: Arc<File>,
    pub openers: Mutex<HashMap<u32, Arc<PackOpener>>>,
}

/// A batch, and the bytes that it needs.
struct Fetched {
    batch: Batch,
    bytes: Vec<BytesMut>,
    openers: Vec<Arc<PackOpener>>,
}

/// Writes these chunks to their places.
pub(super) async fn write(fetching: Arc<Fetching>, items: Vec<Item>, threads: usize) -> Result<(), Error> {
    let threads = threads.max(1);
    let (send, fetched) = mpsc::channel::<Fetched>(threads);
    let fetched = Arc::new(Mutex::new(fetched));
    let mut workers = JoinSet::new();
    let (sync, mut written) = mpsc::channel::<(u32, Arc<File>)>(SYNCS_WAITING);
    let syncing = Arc::clone(&fetching);
    workers.spawn_blocking(move || {
        while let Some((file, open)) = written.blocking_recv() {
            open.sync_data().map_err(|error| syncing.fail(file, error))?;
        }
        Ok(())
    });
    for _ in 0..threads {
        let (fetching, fetched, sync) = (Arc::clone(&fetching), Arc::clone(&fetched), sync.clone());
        workers.spawn_blocking(move || {
            let worked = Worker::new(Arc::clone(&fetching), sync).work(&fetched);
            fetching.failed.fetch_or(worked.is_err(), Ordering::Relaxed);
            worked
        });
    }
    drop((fetched, sync));
    let feeding = feed(&fetching, items, send);
    let working = async {
        while let Some(ended) = workers.join_next().await {
            ended.map_err(|error| repo::Error::corrupt("restore", error.to_string()))??;
        }
        Ok(())
    };
    // Whichever fails first ends the other: a channel without its other end.
    let (fed, worked) = futures_util::future::join(feeding, working).await;
    worked.and(fed)
}

async fn feed(fetching: &Fetching, items: Vec<Item>, send: mpsc::Sender<Fetched>) -> Result<(), Error> {
    let is_near = fetching.repository.shelf().is_near();
    let [near, far] = AT_ONCE;
    let batches = Batches::of(&fetching.manifest, items, is_near);
    let fetches = batches.map(|batch| async { fetching.fetch(batch?).await });
    let mut fetches = stream::iter(fetches).buffered(if is_near { near } else { far });
    while let Some(fetched) = fetches.next().await {
        let fetched = fetched?;
        if fetching.failed.load(Ordering::Relaxed) || send.send(fetched).await.is_err() {
            // A worker has ended with an error of its own.
            return Ok(());
        }
    }
    Ok(())
}

impl Fetching {
    /// A file cannot be written: nobody need go on.
    fn fail(&self, file: u32, error: std::io::Error) -> Error {
        self.failed.store(true, Ordering::Relaxed);
        self.files.failed(file, error)
    }

    async fn fetch(&self, batch: Batch) -> Result<Fetched, Error> {
        if self.pace.stop().is_cancelled() {
            return Err(Error::Stopped);
        }
        let (mut bytes, mut openers) = (Vec::new(), Vec::new());
        for span in &batch.spans {
            openers.push(self.opener(span.pack).await?);
            bytes.push(self.read(span).await?);
        }
        Ok(Fetched { batch, bytes, openers })
    }

    async fn read(&self, span: &Span) -> Result<BytesMut, Error> {
        let range = u64::from(span.from)..u64::from(span.end);
        self.pace.take(range.end - range.start).await?;
        let path = self.pack(span.pack)?;
        let bytes = self.repository.shelf().get_range(path, range).await?;
        self.read_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.pace.progress().moved(bytes.len() as u64);
        // Chunks are opened where they lie.
        Ok(bytes
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(shared.as_ref())))
    }

    fn pack(&self, number: u32) -> Result<&str, Error> {
        let pack = self.manifest.packs.get(number as usize);
        let pack = pack.ok_or_else(|| repo::Error::corrupt("manifest", "a chunk names a pack that is not listed"))?;
        Ok(&pack.path)
    }

    async fn opener(&self, number: u32) -> Result<Arc<PackOpener>, Error> {
        let known = || self.openers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opener) = known().get(&number) {
            return Ok(Arc::clone(opener));
        }
        let path = self.pack(number)?;
        let header = self.repository.shelf().get_range(path, 0..HEADER_BYTES as u64).await?;
        let opener = Arc::new(self.repository.pack_opener(path, &header).await?);
        known().insert(number, Arc::clone(&opener));
        Ok(opener)
    }
}

/// What one thread works with.
struct Worker {
    fetching: Arc<Fetching>,
    codec: Codec,
    naming: [u8; 32],
    /// The content of the chunk that deltas are against, and which that is.
    key: Vec<u8>,
    key_id: Option<ChunkId>,
    content: Vec<u8>,
    sync: mpsc::Sender<(u32, Arc<File>)>,
    unsynced_bytes: u64,
}

impl Worker {
    fn new(fetching: Arc<Fetching>, sync: mpsc::Sender<(u32, Arc<File>)>) -> Self {
        Self {
            sync,
            unsynced_bytes: 0,
            naming: *fetching.repository.keys().naming(),
            fetching,
            codec: Codec::new(Compression::None),
            key: Vec::with_capacity(CHUNK_BYTES),
            key_id: None,
            content: Vec::with_capacity(CHUNK_BYTES),
        }
    }

    fn work(mut self, fetched: &Mutex<mpsc::Receiver<Fetched>>) -> Result<(), Error> {
        loop {
            let next = fetched.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
            let Some(mut fetched) = next else { return Ok(()) };
            if self.fetching.pace.stop().is_cancelled() {
                return Err(Error::Stopped);
            }
            if self.fetching.failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.batch(&mut fetched)?;
        }
    }

    fn batch(&mut self, fetched: &mut Fetched) -> Result<(), Error> {
        self.key_id = None;
        let mut done = None;
        let items = std::mem::take(&mut fetched.batch.items);
        for item in &items {
            let chunk = item.chunk(&self.fetching.manifest)?;
            match chunk.base {
                None => self.make_key(fetched, &chunk.at)?,
                Some(base) => {
                    self.make_key(fetched, &base)?;
                    if done != Some(chunk.at) {
                        self.make_delta(fetched, &chunk.at, base.id)?;
                        done = Some(chunk.at);
                    }
                }
            }
            self.put(item, chunk.base.is_some())?;
        }
        Ok(())
    }

    /// Has the content of a chunk at hand that stands by itself. One is opened once: it lies there open afterwards.
    fn make_key(&mut self, fetched: &mut Fetched, at: &Locator) -> Result<(), Error> {
        if self.key_id == Some(at.id) {
            return Ok(());
        }
        self.key_id = None;
        let (opener, sealed, path) = lying(fetched, at, &self.fetching)?;
        let packed = opener.open_at(at, None, sealed)?;
        let unpacked = self
            .codec
            .unpack(at.encoding, packed, at.length as usize, None, &mut self.key);
        unpacked.map_err(|error| repo::Error::corrupt(path, error.to_string()))?;
        verified(&self.naming, at, &self.key, path)?;
        self.key_id = Some(at.id);
        Ok(())
    }

    fn make_delta(&mut self, fetched: &mut Fetched, at: &Locator, base: ChunkId) -> Result<(), Error> {
        let (opener, sealed, path) = lying(fetched, at, &self.fetching)?;
        let packed = opener.open_at(at, Some(base), sealed)?;
        let length = at.length as usize;
        let unpacked = self
            .codec
            .unpack(at.encoding, packed, length, Some(&self.key), &mut self.content);
        unpacked.map_err(|error| repo::Error::corrupt(path, error.to_string()))?;
        Ok(verified(&self.naming, at, &self.content, path)?)
    }

    fn put(&mut self, item: &Item, is_delta: bool) -> Result<(), Error> {
        let content = if is_delta { &self.content } else { &self.key };
        let files = &self.fetching.files;
        let file = files.get(item.file)?;
        let offset = u64::from(item.number) * CHUNK_BYTES as u64;
        let written = file.write_all_at(content, offset);
        written.map_err(|error| self.fetching.fail(item.file, error))?;
        self.fetching.pace.progress().add(content.len() as u64);
        self.unsynced_bytes += content.len() as u64;
        if self.unsynced_bytes >= SYNC_EVERY_BYTES && self.sync.try_send((item.file, file)).is_ok() {
            self.unsynced_bytes = 0;
        }
        files.wrote(item.file)
    }
}

/// Where a chunk lies among what was fetched.
fn lying<'a>(
    fetched: &'a mut Fetched,
    at: &Locator,
    fetching: &'a Fetching,
) -> Result<(&'a PackOpener, &'a mut [u8], &'a str), Error> {
    let path = fetching.pack(at.pack)?;
    let lost = || repo::Error::corrupt(path, "a chunk lies outside of what was fetched");
    let end = at.offset.saturating_add(at.stored);
    let spans = &mut fetched.batch.spans.iter();
    let has = |span: &Span| span.pack == at.pack && span.from <= at.offset && end <= span.end;
    let place = spans.position(has).ok_or_else(lost)?;
    let from = fetched.batch.spans.get(place).map_or(0, |span| span.from);
    let range = (at.offset - from) as usize..(end - from) as usize;
    let sealed = fetched.bytes.get_mut(place).and_then(|bytes| bytes.get_mut(range));
    let opener = fetched.openers.get(place).ok_or_else(lost)?;
    Ok((opener, sealed.ok_or_else(lost)?, path))
}

fn verified(naming: &[u8; 32], at: &Locator, content: &[u8], path: &str) -> Result<(), repo::Error> {
    if ChunkId::of(naming, content) == at.id {
        return Ok(());
    }
    Err(repo::Error::corrupt(
        path,
        format!("chunk {} is another's content", at.number),
    ))
}
