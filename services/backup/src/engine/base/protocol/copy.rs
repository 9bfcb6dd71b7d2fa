//! What arrives, taken apart: archives into files, files into pieces for the threads.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use weir_upstream::BackupTablespace;

use super::ask::Facts;
use super::basis::Basis;
use super::changes::{self, Changes, NoChanges, Outcome};
use super::check::Check;
use super::crew::{Batch, Piece, Shared, What};
use super::sums::{self, Misfit};
use super::tar::{self, Part};
use crate::engine::base::pages;
use crate::engine::progress::Progress;
use crate::error::Error;
use crate::repo::chunk::{CHUNK_BYTES, Chunk};
use crate::repo::intake::Intake;
use crate::repo::manifest::{EntryKind, FileEntry, Tablespace};

/// So much goes to a thread at once.
const BATCH_BYTES: usize = 8 * CHUNK_BYTES;
const BATCH_PIECES: usize = 256;
/// The manifest of a million files is a sixth of this.
const MANIFEST_BYTES_MAX: usize = 1 << 30;
/// It is a few lines.
const LABEL_BYTES_MAX: u64 = 16 << 20;
pub(super) const LABEL: &str = "backup_label";

/// What is not as it has to be.
fn wrong(reason: impl Into<String>) -> Error {
    Error::Refused {
        slug: "backup-stream",
        reason: format!("the server sent a base backup that is none: {}", reason.into()),
    }
}

impl From<tar::Malformed> for Error {
    fn from(error: tar::Malformed) -> Self {
        wrong(error.to_string())
    }
}

impl From<NoChanges> for Error {
    fn from(error: NoChanges) -> Self {
        wrong(error.to_string())
    }
}

impl From<Misfit> for Error {
    fn from(error: Misfit) -> Self {
        Self::Refused {
            slug: "backup-manifest-differs",
            reason: error.to_string(),
        }
    }
}

/// Takes apart what arrives.
pub(super) struct Copier {
    pub facts: Facts,
    pub basis: Option<Basis>,
    pub intake: Arc<Intake>,
    pub shared: Arc<Shared>,
    pub progress: Progress,
    /// Whether the server sends what changed only.
    pub is_incremental: bool,
    pub tablespaces: Vec<BackupTablespace>,
    stage: Stage,
    /// What files of the archive at hand lie below.
    prefix: String,
    open: Option<Open>,
    pub files: Vec<FileEntry>,
    /// Where the data directory's own entries begin: tablespaces come first.
    own_from: usize,
    /// Of files of which changes came: size and sum of what came.
    pub changed: HashMap<u32, (u64, u32)>,
    pub label: Label,
    /// Where links to tablespaces lead, as the server writes it.
    map: String,
    manifest: Vec<u8>,
    outcomes: Vec<Outcome>,
    batch: Batch,
    batch_bytes: usize,
    ready: Vec<Batch>,
}

enum Stage {
    /// Nothing came yet.
    Waiting,
    Archive(Box<tar::Reader>),
    Manifest,
}

/// A file on its way.
enum Open {
    Label(Vec<u8>),
    Whole(Whole),
    Changes {
        file: u32,
        bytes: u64,
        crc: u32,
        changes: Box<Changes>,
    },
}

struct Whole {
    file: u32,
    place: u32,
    crc: u32,
    content: Vec<u8>,
    was: std::vec::IntoIter<Chunk>,
    first_block: Option<u32>,
}

/// The content of a file that is kept by itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Label {
    /// As it came: size and sum. None: it did not come.
    pub sent: Option<(u64, u32)>,
    content: Vec<u8>,
}

/// What was read, once every piece of it is stored.
#[derive(Debug)]
pub(super) struct Settled {
    pub files: Vec<FileEntry>,
    pub tablespaces: Vec<Tablespace>,
    pub label: Bytes,
    pub map: Bytes,
    pub source_bytes: u64,
    pub damaged: Vec<String>,
    pub damaged_count: u64,
}

impl Copier {
    pub(super) fn new(
        facts: Facts,
        basis: Option<Basis>,
        intake: Arc<Intake>,
        shared: Arc<Shared>,
        progress: Progress,
        is_incremental: bool,
        tablespaces: &[BackupTablespace],
    ) -> Self {
        Self {
            facts,
            basis,
            intake,
            shared,
            progress,
            is_incremental,
            tablespaces: tablespaces.to_vec(),
            stage: Stage::Waiting,
            prefix: String::new(),
            open: None,
            files: Vec::new(),
            own_from: 0,
            changed: HashMap::new(),
            label: Label::default(),
            map: String::new(),
            manifest: Vec::new(),
            outcomes: Vec::new(),
            batch: Batch::new(),
            batch_bytes: 0,
            ready: Vec::new(),
        }
    }

    /// An archive begins.
    pub(super) fn archive(&mut self, name: &str) -> Result<(), Error> {
        self.end_of_stage()?;
        let oid = name.strip_suffix(".tar").unwrap_or(name);
        if oid == "base" {
            self.prefix.clear();
            self.own_from = self.files.len();
        } else {
            let is_known = |tablespace: &BackupTablespace| tablespace.oid.is_some_and(|known| known.to_string() == oid);
            if !self.tablespaces.iter().any(is_known) {
                return Err(wrong(format!("archive {name} is nobody's")));
            }
            self.prefix = format!("pg_tblspc/{oid}/");
        }
        self.stage = Stage::Archive(Box::new(tar::Reader::new()));
        Ok(())
    }

    /// The server's manifest begins.
    pub(super) fn begin_manifest(&mut self) -> Result<(), Error> {
        self.end_of_stage()?;
        self.stage = Stage::Manifest;
        Ok(())
    }

    /// All has come.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.end_of_stage()?;
        self.cut_batch();
        if self.manifest.is_empty() {
            return Err(wrong("it has no manifest"));
        }
        Ok(())
    }

    fn end_of_stage(&self) -> Result<(), Error> {
        match &self.stage {
            Stage::Archive(reader) if !reader.is_complete() || self.open.is_some() => {
                Err(wrong("an archive ends in the middle of a file"))
            }
            _ => Ok(()),
        }
    }

    /// What can go to the threads.
    pub(super) fn ready(&mut self) -> std::vec::Drain<'_, Batch> {
        self.ready.drain(..)
    }

    /// More of what began last.
    pub(super) fn data(&mut self, mut data: &[u8]) -> Result<(), Error> {
        match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Waiting => Err(wrong("data of nothing")),
            Stage::Manifest => {
                self.stage = Stage::Manifest;
                if self.manifest.len() + data.len() > MANIFEST_BYTES_MAX {
                    return Err(wrong("its manifest is too large"));
                }
                self.manifest.extend_from_slice(data);
                Ok(())
            }
            Stage::Archive(mut reader) => {
                while let Some(part) = reader.next(&mut data)? {
                    match part {
                        Part::Entry(header) => self.entry(header)?,
                        Part::Data(data) => self.content(data)?,
                        Part::End => self.close()?,
                    }
                }
                self.stage = Stage::Archive(reader);
                Ok(())
            }
        }
    }

    fn entry(&mut self, header: tar::Header) -> Result<(), Error> {
        let path = format!("{}{}", self.prefix, header.path);
        let is_own = self.prefix.is_empty();
        if let Some(oid) = path
            .strip_prefix("pg_tblspc/")
            .filter(|_| header.kind == EntryKind::Link)
        {
            let location = header.target.replace('\\', "\\\\").replace('\n', "\\\n");
            self.map += &format!("{oid} {location}\n");
            return Ok(());
        }
        let mut entry = FileEntry {
            path,
            kind: header.kind.into(),
            bytes: header.bytes,
            mode: header.mode,
            modified_unix_ms: header.modified_unix_s.saturating_mul(1000),
            target: header.target,
            ..FileEntry::default()
        };
        if header.kind != EntryKind::File {
            self.add(entry)?;
            return Ok(());
        }
        if is_own && entry.path == LABEL {
            if header.bytes > LABEL_BYTES_MAX {
                return Err(wrong("its label is too large"));
            }
            self.open = Some(Open::Label(Vec::new()));
            return Ok(());
        }
        match self.changed_path(&entry.path) {
            Some(path) => {
                entry.path = path;
                self.open_changes(entry)
            }
            None => self.open_whole(entry),
        }
    }

    /// The path of the file of which this one holds changes.
    pub(super) fn changed_path(&self, path: &str) -> Option<String> {
        let real = changes::real_path(path).filter(|_| self.is_incremental)?;
        pages::first_block(&real).map(|_| real)
    }

    fn add(&mut self, entry: FileEntry) -> Result<u32, Error> {
        let file = u32::try_from(self.files.len()).map_err(|_| wrong("it has too many files"))?;
        self.files.push(entry);
        Ok(file)
    }

    fn open_whole(&mut self, entry: FileEntry) -> Result<(), Error> {
        let before = self.basis.as_ref().map(|basis| basis.before(&entry.path)).transpose()?;
        let was = before.flatten().map(|before| before.chunks).unwrap_or_default();
        let first_block = pages::first_block(&entry.path).filter(|_| self.facts.page_bytes == pages::PAGE_BYTES);
        let file = self.add(entry)?;
        self.open = Some(Open::Whole(Whole {
            file,
            place: 0,
            crc: 0,
            content: self.shared.buffer(),
            was: was.into_iter(),
            first_block,
        }));
        Ok(())
    }

    fn open_changes(&mut self, entry: FileEntry) -> Result<(), Error> {
        let before = self.basis.as_ref().map(|basis| basis.before(&entry.path)).transpose()?;
        let before = before.flatten();
        let before =
            before.ok_or_else(|| wrong(format!("what changed of {} came, and nobody has the rest", entry.path)))?;
        let first_block = pages::first_block(&entry.path).unwrap_or(0);
        let bytes = entry.bytes;
        let file = self.add(entry)?;
        let place = changes::Place {
            file,
            first_block,
            page_bytes: self.facts.page_bytes,
            pages_max: self.facts.pages_max,
        };
        self.open = Some(Open::Changes {
            file,
            bytes,
            crc: 0,
            changes: Box::new(Changes::new(place, before)),
        });
        Ok(())
    }

    fn content(&mut self, data: &[u8]) -> Result<(), Error> {
        match self.open.take() {
            Some(Open::Label(mut content)) => {
                content.extend_from_slice(data);
                self.open = Some(Open::Label(content));
            }
            Some(Open::Whole(mut whole)) => {
                self.progress.add(data.len() as u64);
                self.fill(&mut whole, data);
                self.open = Some(Open::Whole(whole));
            }
            Some(Open::Changes {
                file,
                bytes,
                crc,
                mut changes,
            }) => {
                changes.push(data, &mut self.outcomes)?;
                self.hand_out(file);
                let crc = crc32c::crc32c_append(crc, data);
                self.open = Some(Open::Changes {
                    file,
                    bytes,
                    crc,
                    changes,
                });
            }
            None => return Err(wrong("content of nothing")),
        }
        Ok(())
    }

    fn fill(&mut self, whole: &mut Whole, mut data: &[u8]) {
        whole.crc = crc32c::crc32c_append(whole.crc, data);
        while !data.is_empty() {
            let room = (CHUNK_BYTES - whole.content.len()).min(data.len());
            let (taken, rest) = data.split_at_checked(room).unwrap_or((data, &[]));
            whole.content.extend_from_slice(taken);
            data = rest;
            if whole.content.len() == CHUNK_BYTES {
                self.ship(whole);
            }
        }
    }

    /// A piece of a file is complete.
    fn ship(&mut self, whole: &mut Whole) {
        let before = u32::try_from(u64::from(whole.place) * CHUNK_BYTES as u64 / pages::PAGE_BYTES as u64);
        let piece = Piece {
            file: whole.file,
            place: whole.place,
            was: whole.was.next(),
            what: What::Whole {
                content: std::mem::replace(&mut whole.content, self.shared.buffer()),
                first_block: whole.first_block.map(|first| first.saturating_add(before.unwrap_or(0))),
            },
        };
        whole.place += 1;
        self.hand(piece);
    }

    /// What is known of chunks of a file with changes.
    fn hand_out(&mut self, file: u32) {
        for outcome in std::mem::take(&mut self.outcomes) {
            match outcome {
                Outcome::Same { place, chunk } => {
                    self.progress.add(u64::from(chunk.at.length));
                    let chunk = self.intake.take_over(chunk);
                    self.shared.enter(file, place, chunk, 0);
                }
                Outcome::Other(piece) => {
                    self.progress.add(piece.bytes() as u64);
                    self.hand(piece);
                }
            }
        }
    }

    fn hand(&mut self, piece: Piece) {
        self.batch_bytes += piece.bytes();
        self.batch.push(piece);
        if self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_PIECES {
            self.cut_batch();
        }
    }

    fn cut_batch(&mut self) {
        if !self.batch.is_empty() {
            self.ready.push(std::mem::take(&mut self.batch));
            self.batch_bytes = 0;
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        match self.open.take() {
            Some(Open::Label(content)) => {
                let sent = Some((content.len() as u64, crc32c::crc32c(&content)));
                self.label = Label { sent, content };
            }
            Some(Open::Whole(whole)) => self.close_whole(whole),
            Some(Open::Changes {
                file,
                bytes,
                crc,
                mut changes,
            }) => {
                let after = changes.finish(&mut self.outcomes)?;
                self.hand_out(file);
                self.changed.insert(file, (bytes, crc));
                if let Some(entry) = self.files.get_mut(file as usize) {
                    (entry.bytes, entry.crc32c) = (after.bytes, after.crc32c);
                }
            }
            None => {}
        }
        Ok(())
    }

    fn close_whole(&mut self, mut whole: Whole) {
        if !whole.content.is_empty() {
            self.ship(&mut whole);
        }
        if let Some(entry) = self.files.get_mut(whole.file as usize) {
            entry.crc32c = whole.crc;
        }
    }

    /// Every piece is stored: files get their chunks, and the server's manifest is held against them. Returns what of
    /// that manifest is still to be stored.
    pub(super) fn settle(&mut self) -> Result<Batch, Error> {
        for file in 0..self.files.len() {
            self.settle_file(file)?;
        }
        let manifest = self.checked_manifest()?;
        let entry = FileEntry {
            path: sums::PATH.to_owned(),
            bytes: manifest.len() as u64,
            mode: 0o600,
            modified_unix_ms: self.intake.repository().clock().unix_ms(),
            ..FileEntry::default()
        };
        self.open_whole(entry)?;
        if let Some(Open::Whole(mut whole)) = self.open.take() {
            self.fill(&mut whole, &manifest);
            self.close_whole(whole);
        }
        self.cut_batch();
        Ok(self.ready.drain(..).flatten().collect())
    }

    fn settle_file(&mut self, file: usize) -> Result<(), Error> {
        let number = u32::try_from(file).unwrap_or(u32::MAX);
        let is_changed = self.changed.contains_key(&number);
        let Some(entry) = self.files.get_mut(file).filter(|entry| entry.kind() == EntryKind::File) else {
            return Ok(());
        };
        let settled = self.shared.take(number, entry.bytes.div_ceil(CHUNK_BYTES as u64));
        let (chunks, crc) = settled.ok_or_else(|| wrong(format!("of {} something is missing", entry.path)))?;
        entry.chunks = chunks;
        if is_changed {
            entry.crc32c ^= crc;
        }
        Ok(())
    }

    /// The server's manifest, which names what arrived and nothing else. Where files were put together here it is
    /// written anew, for what they are now.
    fn checked_manifest(&mut self) -> Result<Vec<u8>, Error> {
        let manifest = std::mem::take(&mut self.manifest);
        let mut check = Check::of(self);
        let mut writer = sums::Writer::default();
        if !self.is_incremental {
            sums::read(&manifest, |named| check.file(&named).map(drop))?;
            check.end()?;
            return Ok(manifest);
        }
        let label = restorable(&self.label);
        let frame = sums::read(&manifest, |named| {
            let (path, bytes, crc) = match check.file(&named)? {
                None => (LABEL, label.len() as u64, crc32c::crc32c(&label)),
                Some(entry) => (entry.path.as_str(), entry.bytes, entry.crc32c),
            };
            writer.add(path, &named.modified, bytes, crc);
            Ok(())
        })?;
        check.end()?;
        Ok(writer.finish(&frame))
    }

    /// What was read, when the last of it is stored too.
    pub(super) fn into_settled(mut self) -> Result<Settled, Error> {
        if let Some(last) = self.files.len().checked_sub(1) {
            self.settle_file(last)?;
        }
        let damage = self.shared.take_damage();
        let mut named = damage.named;
        named.sort_unstable();
        let path = |file: u32| self.files.get(file as usize).map_or("", |entry| entry.path.as_str());
        let damaged = named.iter().map(|(file, block)| format!("{}:{block}", path(*file)));
        let damaged = damaged.collect();
        self.files.rotate_left(self.own_from);
        let own = self.files.len() - self.own_from;
        let all = self.tablespaces.iter();
        let (outside, inside): (Vec<_>, Vec<_>) = all.partition(|tablespace| tablespace.location.starts_with('/'));
        for oid in inside.iter().filter_map(|tablespace| tablespace.oid) {
            let path = format!("pg_tblspc/{oid}");
            if !self.files.iter().any(|file| file.path == path) {
                self.files.insert(own, directory(path));
            }
        }
        let tablespaces = outside.into_iter().filter_map(|tablespace| {
            Some(Tablespace {
                oid: tablespace.oid?,
                location: tablespace.location.clone(),
            })
        });
        self.label.sent.ok_or_else(|| wrong("it has no label"))?;
        Ok(Settled {
            source_bytes: self.files.iter().map(|file| file.bytes).sum(),
            tablespaces: tablespaces.collect(),
            label: restorable(&self.label).into(),
            map: self.map.into(),
            files: self.files,
            damaged,
            damaged_count: damage.count,
        })
    }
}

impl Piece {
    fn bytes(&self) -> usize {
        match &self.what {
            What::Whole { content, .. } => content.len(),
            What::Changed(changed) => changed.length,
        }
    }
}

fn directory(path: String) -> FileEntry {
    FileEntry {
        path,
        kind: EntryKind::Directory.into(),
        mode: 0o700,
        ..FileEntry::default()
    }
}

/// The label as it belongs to a backup that is restored: one that says it holds changes only would not be started.
fn restorable(label: &Label) -> Vec<u8> {
    let lines = label.content.split_inclusive(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.starts_with(b"INCREMENTAL FROM "));
    lines.flatten().copied().collect()
}
