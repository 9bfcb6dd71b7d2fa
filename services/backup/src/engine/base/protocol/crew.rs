//! Threads that judge, compress and encrypt pieces of files, and where what becomes of these is gathered.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::crc;
use crate::engine::base::pages::{self, PAGE_BYTES};
use crate::error::Error;
use crate::repo::chunk::{CHUNK_BYTES, Chunk, ChunkList};
use crate::repo::intake::{ChunkWorker, Intake};
use crate::repo::reader::ChunkReader;

/// Pages that are named; of more only the number is told.
const NAMED_MAX: usize = 1_000;
/// Half a page: what was added and is being filled may be read half.
const TORN_BYTES: usize = PAGE_BYTES / 2;

/// A piece of a file, in its place.
#[derive(Debug)]
pub(super) struct Piece {
    /// The file's number.
    pub file: u32,
    /// The chunk's number in it.
    pub place: u32,
    /// What the basis has in this place.
    pub was: Option<Chunk>,
    pub what: What,
}

/// What is known of a piece.
#[derive(Debug)]
pub(super) enum What {
    /// All of it. `first_block`: the number of its first page, if it consists of pages.
    Whole { content: Vec<u8>, first_block: Option<u32> },
    /// What changed of it.
    Changed(Changed),
}

/// A piece of which only some pages are new.
#[derive(Debug)]
pub(super) struct Changed {
    /// Its length.
    pub length: usize,
    /// So much of what was there before still counts; zeros follow.
    pub kept: usize,
    /// Pages that are new: where each begins in the piece, and its number in the relation.
    pub pages: Vec<(usize, u32)>,
    /// Their content, one after the other.
    pub content: Vec<u8>,
    pub page_bytes: usize,
    /// How many bytes of the file lie behind it.
    pub behind: u64,
    /// Whether the file's sum is made of its pieces, rather than of the old sum and what changed.
    pub sums_anew: bool,
}

/// Pieces that a thread takes at once, so that neighbours are handled by one.
pub(super) type Batch = Vec<Piece>;

/// Damaged pages.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Of the first, file and block.
    pub named: Vec<(u32, u32)>,
    pub count: u64,
}

/// What all threads share.
pub(super) struct Shared {
    /// Where the backup began, if its pages have checksums.
    pub judged_since: Option<u64>,
    pub stop: CancellationToken,
    ledger: Mutex<HashMap<u32, Slot>>,
    damage: Mutex<Damage>,
    buffers: Mutex<Vec<Vec<u8>>>,
}

/// What has become of a file.
#[derive(Debug, Default)]
struct Slot {
    list: ChunkList,
    next: u32,
    early: BTreeMap<u32, Chunk>,
    /// What its changed pieces add to its sum.
    crc: u32,
}

impl Shared {
    pub(super) fn new(judged_since: Option<u64>, stop: CancellationToken) -> Self {
        Self {
            judged_since,
            stop,
            ledger: Mutex::default(),
            damage: Mutex::default(),
            buffers: Mutex::default(),
        }
    }

    /// A buffer for a piece.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES))
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() < 64 {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    /// Takes note of a chunk, and of what it adds to the sum of its file.
    pub(super) fn enter(&self, file: u32, place: u32, chunk: Chunk, crc: u32) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = ledger.entry(file).or_default();
        slot.crc ^= crc;
        slot.early.insert(place, chunk);
        while let Some(chunk) = slot.early.remove(&slot.next) {
            slot.list.push(&chunk);
            slot.next += 1;
        }
    }

    /// The chunks of a file in order, which must be so many, and what they add to its sum.
    pub(super) fn take(&self, file: u32, chunks: u64) -> Option<(bytes::Bytes, u32)> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = ledger.remove(&file).unwrap_or_default();
        let is_whole = u64::from(slot.next) == chunks && slot.early.is_empty();
        is_whole.then(|| (slot.list.finish(), slot.crc))
    }

    /// The damaged pages that were found.
    pub(super) fn take_damage(&self) -> Damage {
        std::mem::take(&mut self.damage.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn judge(&self, file: u32, content: &[u8], first_block: u32) {
        let Some(since) = self.judged_since else {
            return;
        };
        pages::judge_all(content, first_block, since, |block| {
            let at = (block - first_block) as usize * PAGE_BYTES;
            let is_torn = content
                .get(at..at + TORN_BYTES)
                .is_some_and(crate::repo::codec::is_zero);
            if !is_torn {
                self.damage
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .add(file, block);
            }
        });
    }
}

impl Damage {
    fn add(&mut self, file: u32, block: u32) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push((file, block));
        }
    }
}

/// The threads of one backup.
pub(super) struct Crew {
    threads: JoinSet<Result<Hand, Error>>,
}

impl Crew {
    /// Starts as many threads as there are workers. They end when nothing more can come, or one of them fails.
    pub(super) fn start(
        intake: &Arc<Intake>,
        workers: Vec<ChunkWorker>,
        batches: mpsc::Receiver<Batch>,
        shared: &Arc<Shared>,
    ) -> Self {
        let batches = Arc::new(Mutex::new(batches));
        let mut threads = JoinSet::new();
        for worker in workers {
            let packs = intake.basis().map(|basis| basis.packs.clone()).unwrap_or_default();
            let hand = Hand {
                worker,
                shared: Arc::clone(shared),
                bases: ChunkReader::new(intake.repository().clone(), packs.into()),
                runtime: Handle::current(),
                old: Vec::new(),
            };
            let batches = Arc::clone(&batches);
            let stop = shared.stop.clone();
            threads.spawn_blocking(move || {
                let worked = hand.work(&batches);
                drop(batches);
                if worked.is_err() {
                    stop.cancel();
                }
                worked
            });
        }
        Self { threads }
    }

    /// Waits until all are idle. The error is that of the one who failed, rather than of those who were stopped then.
    pub(super) async fn join(mut self) -> Result<Vec<Hand>, Error> {
        let (mut hands, mut failed) = (Vec::new(), None);
        while let Some(ended) = self.threads.join_next().await {
            match ended.unwrap_or_else(|error| Err(broken_down(&error))) {
                Ok(hand) => hands.push(hand),
                Err(Error::Stopped) if failed.is_some() => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(hands), Err)
    }
}

/// Stores what is left, and what is open.
pub(super) async fn wind_up(mut hands: Vec<Hand>, rest: Batch) -> Result<(), Error> {
    let working = tokio::task::spawn_blocking(move || {
        for piece in rest {
            let hand = hands.first_mut().ok_or(Error::Stopped)?;
            hand.store(piece)?;
        }
        hands.into_iter().try_for_each(|hand| Ok(hand.worker.finish()?))
    });
    working.await.unwrap_or_else(|error| Err(broken_down(&error)))
}

pub(super) fn broken_down(error: &tokio::task::JoinError) -> Error {
    Error::Refused {
        slug: "backup-thread",
        reason: format!("a thread of the backup broke down: {error}"),
    }
}

/// One thread.
pub(super) struct Hand {
    worker: ChunkWorker,
    shared: Arc<Shared>,
    bases: ChunkReader,
    runtime: Handle,
    old: Vec<u8>,
}

impl Hand {
    fn work(mut self, batches: &Mutex<mpsc::Receiver<Batch>>) -> Result<Self, Error> {
        while let Some(batch) = next(batches) {
            for piece in batch {
                if self.shared.stop.is_cancelled() {
                    return Err(Error::Stopped);
                }
                self.store(piece)?;
            }
        }
        Ok(self)
    }

    fn store(&mut self, piece: Piece) -> Result<(), Error> {
        let Piece { file, place, was, what } = piece;
        let (content, crc) = match what {
            What::Whole { content, first_block } => {
                if let Some(first) = first_block {
                    self.shared.judge(file, &content, first);
                }
                (content, 0)
            }
            What::Changed(changed) => self.rebuild(file, &changed, was)?,
        };
        let chunk = self.worker.store(&content, was)?;
        self.shared.enter(file, place, chunk, crc);
        self.shared.give_back(content);
        Ok(())
    }

    /// The piece as it is now, and what it adds to the sum of its file.
    fn rebuild(&mut self, file: u32, changed: &Changed, was: Option<Chunk>) -> Result<(Vec<u8>, u32), Error> {
        match &was {
            Some(was) => self.runtime.block_on(self.bases.read(was, &mut self.old))?,
            None => self.old.clear(),
        }
        self.old.truncate(changed.kept);
        self.old.resize(changed.length, 0);
        let mut content = self.shared.buffer();
        content.extend_from_slice(&self.old);
        let pages = changed.content.chunks(changed.page_bytes.max(1));
        for ((at, block), page) in changed.pages.iter().zip(pages) {
            self.shared.judge(file, page, *block);
            if let Some(room) = content.get_mut(*at..*at + page.len()) {
                room.copy_from_slice(page);
            }
        }
        let mut sum = crc32c::crc32c(&content);
        if !changed.sums_anew {
            sum ^= crc32c::crc32c(&self.old);
        }
        Ok((content, crc::moved(sum, changed.behind)))
    }
}

fn next(batches: &Mutex<mpsc::Receiver<Batch>>) -> Option<Batch> {
    batches.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}
