//! A base backup out of a data directory at hand: several threads read, judge, compress and encrypt files.
//!
//! The server is told where the backup begins and ends, and works on meanwhile. Files are taken as they are at the
//! moment; the log between begin and end makes them consistent.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use weir_upstream::Connection;

use super::assembly::{Assembly, Earlier, Part};
use super::label::{Label, lsn_of};
use super::listing::{self, CONTROL, Listing};
use super::{Options, Taken, pages};
use crate::cluster::literal;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::repo::chunk::CHUNK_BYTES;
use crate::repo::intake::{ChunkWorker, Intake};
use crate::repo::manifest::{EntryKind, FileEntry};

/// A thread takes so many chunks of a file at a time.
const PART_CHUNKS: u32 = 128;
/// Packs that wait to be stored, for each thread.
const PACKS_WAITING: usize = 1;
/// Packs that are stored at once.
const STORED_AT_ONCE: usize = 3;
/// A control file that is just being written is read again so often.
const CONTROL_TRIES: u32 = 50;

/// Takes a backup of the data directory `root`, whose server `connection` leads to.
pub(crate) async fn back_up(
    connection: &mut Connection,
    root: &Path,
    intake: &Arc<Intake>,
    options: &Options,
    pace: &Pace,
) -> Result<Taken, Error> {
    pace.progress().begin("checkpoint", 0);
    let begin = format!(
        "select pg_catalog.pg_backup_start({}, {})",
        literal(&options.label),
        options.checkpoint_now
    );
    let start = asked(connection, pace, &begin).await?;
    let since = lsn_of(start.first().map_or("", String::as_str))?;
    let reading = Arc::new(Reading {
        root: root.to_owned(),
        listing: listed(root).await?,
        earlier: Earlier::of(intake.basis()),
        since,
        checksums: options.page_checksums,
        next: AtomicUsize::new(0),
        parts: OnceLock::new(),
        threads: AtomicUsize::new(options.threads),
        pace: pace.clone(),
    });
    pace.progress().begin("copy", reading.listing.bytes);
    let assembly = copied(&reading, intake, options).await?;
    let end = "select lsn, labelfile, spcmapfile from pg_catalog.pg_backup_stop(false)";
    let stop = asked(connection, pace, end).await?;
    let [lsn, label, map] = stop.try_into().unwrap_or_default();
    let label = Label::read(&label)?;
    let listing = Arc::into_inner(reading)
        .map(|reading| reading.listing)
        .unwrap_or_default();
    let done = assembly.finish(listing.entries);
    Ok(Taken {
        files: done.files,
        tablespaces: listing.tablespaces,
        start: label.start,
        stop: label.at(lsn_of(&lsn)?),
        backup_label: label.text.into(),
        tablespace_map: map.into(),
        source_bytes: done.source_bytes,
        corrupt_pages: done.corrupt_pages,
        corrupt_page_count: done.corrupt_page_count,
    })
}

/// The first row of an answer, which a stop does not wait for.
async fn asked(connection: &mut Connection, pace: &Pace, sql: &str) -> Result<Vec<String>, Error> {
    let answer = pace.stop().run_until_cancelled(connection.simple_query(sql)).await;
    let rows = answer.ok_or(Error::Stopped)??;
    let row = rows.into_iter().next();
    let values = row
        .iter()
        .flat_map(|row| row.values().map(|value| value.unwrap_or_default().to_owned()));
    Ok(values.collect())
}

async fn listed(root: &Path) -> Result<Listing, Error> {
    let root = root.to_owned();
    super::on_a_thread(move || listing::list(&root)).await
}

/// Reads and stores every file, the control file last.
async fn copied(reading: &Arc<Reading>, intake: &Arc<Intake>, options: &Options) -> Result<Assembly, Error> {
    let (send, sealed) = mpsc::channel(PACKS_WAITING * options.threads);
    let storing = Arc::clone(intake).store(sealed, STORED_AT_ONCE);
    let threads = (0..options.threads).map(|_| {
        let (reading, worker) = (Arc::clone(reading), intake.worker(options.compression, send.clone()));
        super::on_a_thread(move || reading.work(worker))
    });
    let threads: Vec<_> = threads.collect();
    drop(send);
    let (stored, worked) = tokio::join!(storing, futures_util::future::join_all(threads));
    stored?;
    let mut assembly = Assembly::default();
    for part in worked {
        assembly.join(part?);
    }
    Ok(assembly)
}

/// What the threads share.
struct Reading {
    root: PathBuf,
    listing: Listing,
    earlier: Earlier,
    since: u64,
    checksums: bool,
    /// The next part to take.
    next: AtomicUsize,
    parts: OnceLock<Vec<Task>>,
    /// How many still read.
    threads: AtomicUsize,
    pace: Pace,
}

/// A part of a file to read: the file's place in the listing, the first chunk, how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Task {
    file: usize,
    first: u32,
    chunks: u32,
}

impl Reading {
    fn work(&self, mut worker: ChunkWorker) -> Result<Assembly, Error> {
        let mut assembly = Assembly::default();
        let mut buffer = vec![0; CHUNK_BYTES];
        let parts = self.parts.get_or_init(|| tasks(&self.listing.entries));
        while let Some(task) = parts.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            match self.part(*task, &mut worker, &mut buffer)? {
                Some(part) => assembly.add(task.file, part),
                None => assembly.gone(task.file),
            }
        }
        // The control file may not say less than what was read before it.
        let is_last = self.threads.fetch_sub(1, Ordering::AcqRel) == 1;
        if is_last && let Some(control) = self.listing.entries.len().checked_sub(1) {
            assembly.add(control, self.control(&mut worker)?);
        }
        worker.finish()?;
        Ok(assembly)
    }

    /// Stores a part of a file; none where the file is gone.
    fn part(&self, task: Task, worker: &mut ChunkWorker, buffer: &mut [u8]) -> Result<Option<Part>, Error> {
        let Some(entry) = self.listing.entries.get(task.file) else {
            return Ok(None);
        };
        let at = self.root.join(&entry.path);
        let file = match File::open(&at) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(&at, error)),
        };
        let mut part = Part::empty(task.first);
        let mut earlier = self.earlier.chunks(&entry.path, task.first);
        let mut left = entry.bytes.saturating_sub(u64::from(task.first) * CHUNK_BYTES as u64);
        for number in task.first..task.first + task.chunks {
            let wanted = usize::try_from(left.min(CHUNK_BYTES as u64)).unwrap_or(CHUNK_BYTES);
            self.pace.take_blocking(wanted as u64)?;
            let into = buffer.get_mut(..wanted).unwrap_or_default();
            let read = read_at(&file, into, u64::from(number) * CHUNK_BYTES as u64);
            let read = read.map_err(|error| Error::file(&at, error))?;
            let content = into.get(..read).unwrap_or_default();
            if content.is_empty() {
                break;
            }
            if self.checksums
                && let Some(first) = pages::first_block(&entry.path)
            {
                let first = first + number * (CHUNK_BYTES / pages::PAGE_BYTES) as u32;
                self.judge(&file, content, first, number, &mut part);
            }
            part.add(worker.store(content, earlier.next())?, content);
            self.pace.progress().add(content.len() as u64);
            left -= read as u64;
            if read < wanted {
                break;
            }
        }
        Ok(Some(part))
    }

    /// Judges pages; one that seems wrong may just have been written, and is looked at again.
    fn judge(&self, file: &File, content: &[u8], first: u32, chunk: u32, part: &mut Part) {
        let mut doubtful = Vec::new();
        pages::judge_all(content, first, self.since, |block| doubtful.push(block));
        for block in doubtful {
            if is_broken(file, block, block - first, chunk, self.since) {
                part.broken.push(block);
            }
        }
    }

    /// The control file, as it was between two writes of it.
    fn control(&self, worker: &mut ChunkWorker) -> Result<Part, Error> {
        let at = self.root.join(CONTROL);
        let read = || std::fs::read(&at).map_err(|error| Error::file(&at, error));
        let mut content = read()?;
        for _ in 0..CONTROL_TRIES {
            let again = read()?;
            if again == content {
                break;
            }
            content = again;
        }
        let mut part = Part::empty(0);
        part.add(worker.store(&content, None)?, &content);
        self.pace.progress().add(content.len() as u64);
        Ok(part)
    }
}

/// Whether a page is wrong however often it is read.
fn is_broken(file: &File, block: u32, within: u32, chunk: u32, since: u64) -> bool {
    let at = u64::from(chunk) * CHUNK_BYTES as u64 + u64::from(within) * pages::PAGE_BYTES as u64;
    let mut page = [0; pages::PAGE_BYTES];
    for _ in 0..5 {
        match read_at(file, &mut page, at) {
            Ok(read) if read == page.len() => {}
            // It was cut off meanwhile, or cannot be read: that is found elsewhere.
            _ => return false,
        }
        if pages::judge(&page, block, since) != pages::Verdict::Broken {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    true
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn tasks(entries: &[FileEntry]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (file, entry) in entries.iter().enumerate() {
        if entry.kind() != EntryKind::File || entry.path == CONTROL {
            continue;
        }
        let chunks = u32::try_from(entry.bytes.div_ceil(CHUNK_BYTES as u64)).unwrap_or(u32::MAX);
        let firsts = (0..chunks.max(1)).step_by(PART_CHUNKS as usize);
        tasks.extend(firsts.map(|first| Task {
            file,
            first,
            chunks: PART_CHUNKS.min(chunks.saturating_sub(first)),
        }));
    }
    tasks
}
