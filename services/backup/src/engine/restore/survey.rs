//! What is to be done to a directory so that it is what a backup says: found by looking, without changing anything.
//!
//! A file that is there is read, and each of its pieces compared with what the backup has in that place. So a restore
//! that was cut off is gone on with, and one that has nothing to do does nothing.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::batches::{Item, Told, told_from};
use super::guard;
use super::layout::Layout;
use super::open_files::{Owner, mode_of};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::repo;
use crate::repo::chunk::{CHUNK_BYTES, ChunkId, Encoding};
use crate::repo::codec::is_zero;
use crate::repo::manifest::{EntryKind, FileEntry, Manifest};

/// So many pieces of a file are compared by one thread at a time.
const UNIT_CHUNKS: u32 = 64;

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Chunks to fetch, with their places.
    pub items: Vec<Item>,
    /// How many chunks each file lacks, by its place in the manifest.
    pub lacking: Vec<u32>,
    /// Files to make or to cut that lack none.
    pub make: Vec<u32>,
    /// Pieces that have to be zero and are not: file, number, size.
    pub zero: Vec<(u32, u32, u32)>,
    /// Directories to make, in order.
    pub directories: Vec<u32>,
    /// Entries that have another mode, owner or time.
    pub dress: Vec<u32>,
    /// Symbolic links to make: where, and to what.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// What does not belong, a directory after what is in it.
    pub remove: Vec<PathBuf>,
    pub kept_bytes: u64,
    pub write_bytes: u64,
}

impl Survey {
    /// Whether nothing is to be done.
    pub(super) fn is_clean(&self) -> bool {
        self.items.is_empty()
            && self.make.is_empty()
            && self.zero.is_empty()
            && self.directories.is_empty()
            && self.dress.is_empty()
            && self.links.is_empty()
            && self.remove.is_empty()
    }
}

/// A part of a file that is there.
struct Unit {
    file: u32,
    number: u32,
    listed_at: u32,
    count: u32,
}

/// Looks at a directory.
pub(super) struct Surveyor<'a> {
    pub manifest: &'a Manifest,
    pub layout: &'a Layout,
    pub naming: &'a [u8; 32],
    pub owner: Option<Owner>,
    /// Nothing is there: there is nothing to look at.
    pub is_empty: bool,
    pub threads: usize,
    pub pace: &'a Pace,
}

impl Surveyor<'_> {
    /// Says what is to be done.
    pub(super) fn survey(&self) -> Result<Survey, Error> {
        let mut survey = Survey {
            lacking: vec![0; self.manifest.files.len()],
            ..Survey::default()
        };
        let mut units = Vec::new();
        for (number, entry) in self.manifest.files.iter().enumerate() {
            if !self.layout.takes(entry) {
                continue;
            }
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            match entry.kind() {
                EntryKind::File => self.file(number, entry, &mut survey, &mut units)?,
                _ if self.layout.is_directory(self.manifest, entry) => self.directory(number, entry, &mut survey)?,
                _ => self.link(self.layout.path(&entry.path), entry.target.clone().into(), &mut survey)?,
            }
        }
        for (oid, place) in self.layout.places() {
            self.link(self.layout.link(oid), place.to_owned(), &mut survey)?;
        }
        self.compare_all(&units, &mut survey)?;
        if !self.is_empty {
            self.strangers(&mut survey)?;
        }
        for item in &survey.items {
            if let Some(lacking) = survey.lacking.get_mut(item.file as usize) {
                *lacking += 1;
            }
        }
        let lacking = &survey.lacking;
        let lacks_none = |file: &u32| lacking.get(*file as usize).is_none_or(|lacking| *lacking == 0);
        survey.make.retain(lacks_none);
        survey.dress.retain(lacks_none);
        Ok(survey)
    }

    /// What is at a path now, without following a link.
    fn there(&self, path: &Path) -> Result<Option<Metadata>, Error> {
        if self.is_empty {
            return Ok(None);
        }
        match fs::symlink_metadata(path) {
            Ok(facts) => Ok(Some(facts)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(Error::file(path, error)),
        }
    }

    fn file(&self, number: u32, entry: &FileEntry, survey: &mut Survey, units: &mut Vec<Unit>) -> Result<(), Error> {
        let path = self.layout.path(&entry.path);
        let there = self.there(&path)?;
        let usable = there.as_ref().filter(|facts| facts.is_file() && facts.nlink() == 1);
        if there.is_some() && usable.is_none() {
            survey.remove.push(path);
        }
        if usable.is_none_or(|facts| facts.len() != entry.bytes) {
            survey.make.push(number);
        } else if usable.is_some_and(|facts| !self.is_dressed(facts, entry)) {
            survey.dress.push(number);
        }
        self.pieces(number, entry, usable.map_or(0, Metadata::len), survey, units)
    }

    /// Which pieces of a file have to be fetched or looked at, where so much of it is there.
    fn pieces(
        &self,
        file: u32,
        entry: &FileEntry,
        there: u64,
        survey: &mut Survey,
        units: &mut Vec<Unit>,
    ) -> Result<(), Error> {
        let mut rest = entry.bytes;
        for told in told_from(self.manifest, file, 0, 0) {
            let told = told?;
            let length = u64::from(told.chunk.at.length);
            if length != rest.min(CHUNK_BYTES as u64) || length == 0 {
                return Err(repo::Error::corrupt(&entry.path, "its chunks are not of the size they have to be").into());
            }
            if entry.bytes - rest < there {
                match units.last_mut() {
                    Some(unit) if unit.file == file && unit.count < UNIT_CHUNKS => unit.count += 1,
                    _ => units.push(Unit {
                        file,
                        number: told.number,
                        listed_at: told.listed_at,
                        count: 1,
                    }),
                }
            } else if let Some(item) = Item::of(file, &told) {
                survey.write_bytes += length;
                survey.items.push(item);
            }
            rest -= length;
        }
        if rest == 0 {
            return Ok(());
        }
        Err(repo::Error::corrupt(&entry.path, "its chunks are fewer than its size says").into())
    }

    fn directory(&self, number: u32, entry: &FileEntry, survey: &mut Survey) -> Result<(), Error> {
        let path = self.layout.path(&entry.path);
        let there = self.there(&path)?;
        let is_elsewhere = entry.path == "pg_wal" && path.is_dir();
        if there.as_ref().is_some_and(|facts| !facts.is_dir()) && !is_elsewhere {
            survey.remove.push(path);
            survey.directories.push(number);
        } else if let Some(facts) = there {
            let is_as_it_was = is_elsewhere && facts.is_symlink();
            if !is_as_it_was && !self.is_owned(&facts, entry) {
                survey.dress.push(number);
            }
        } else {
            survey.directories.push(number);
        }
        Ok(())
    }

    fn link(&self, path: PathBuf, target: PathBuf, survey: &mut Survey) -> Result<(), Error> {
        let there = self.there(&path)?;
        if there.is_some() && fs::read_link(&path).is_ok_and(|here| here == target) {
            return Ok(());
        }
        if there.is_some() {
            survey.remove.push(path.clone());
        }
        survey.links.push((path, target));
        Ok(())
    }

    fn is_owned(&self, facts: &Metadata, entry: &FileEntry) -> bool {
        let owned = self
            .owner
            .is_none_or(|owner| (facts.uid(), facts.gid()) == (owner.user, owner.group));
        owned && facts.mode() & 0o7777 == mode_of(entry)
    }

    fn is_dressed(&self, facts: &Metadata, entry: &FileEntry) -> bool {
        let modified = facts.mtime() * 1000 + facts.mtime_nsec() / 1_000_000;
        self.is_owned(facts, entry) && (entry.modified_unix_ms <= 0 || modified == entry.modified_unix_ms)
    }

    /// Compares what is there, on several threads.
    fn compare_all(&self, units: &[Unit], survey: &mut Survey) -> Result<(), Error> {
        let (next, found) = (AtomicUsize::new(0), Mutex::new(survey));
        let work = || -> Result<(), Error> {
            let mut comparer = Comparer::new(self);
            while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.pace.stop().is_cancelled() {
                    return Err(Error::Stopped);
                }
                comparer.compare(unit)?;
            }
            comparer.tell(&mut found.lock().unwrap_or_else(PoisonError::into_inner));
            Ok(())
        };
        let threads = self.threads.clamp(1, units.len().max(1));
        let joined: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            started.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        for ended in joined {
            ended.map_err(|_| repo::Error::corrupt("restore", "a thread that compared ended by itself"))??;
        }
        Ok(())
    }

    /// What is there and does not belong.
    fn strangers(&self, survey: &mut Survey) -> Result<(), Error> {
        let taken = self.manifest.files.iter().filter(|entry| self.layout.takes(entry));
        let mut known: HashSet<PathBuf> = taken.map(|entry| self.layout.path(&entry.path)).collect();
        known.extend(self.layout.places().map(|(oid, _)| self.layout.link(oid)));
        let doomed: HashSet<PathBuf> = survey.remove.drain(..).collect();
        let mut roots: Vec<PathBuf> = guard::heads(self.layout, self.manifest)
            .into_iter()
            .map(|(_, head)| head)
            .collect();
        if self.layout.is_partial() {
            roots.extend(self.layout.in_place());
        } else {
            roots.push(self.layout.root().to_owned());
        }
        let judge = Judge {
            layout: self.layout,
            known,
            doomed,
        };
        for root in roots {
            judge.walk(&root, &mut survey.remove)?;
        }
        Ok(())
    }
}

/// Knows what belongs.
struct Judge<'a> {
    layout: &'a Layout,
    known: HashSet<PathBuf>,
    /// What is to go though its name belongs: it is something else.
    doomed: HashSet<PathBuf>,
}

impl Judge<'_> {
    fn walk(&self, directory: &Path, remove: &mut Vec<PathBuf>) -> Result<(), Error> {
        let failed = |error| Error::file(directory, error);
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            let is_log = kind.is_symlink() && path == self.layout.root().join("pg_wal") && path.is_dir();
            if (kind.is_dir() || is_log) && !self.is_spared(&path) {
                self.walk(&path, remove)?;
            }
            let stays = self.known.contains(&path) && !self.doomed.contains(&path);
            if !stays && !self.is_spared(&path) {
                remove.push(path);
            }
        }
        Ok(())
    }

    /// What others see to, or nobody may touch.
    fn is_spared(&self, path: &Path) -> bool {
        let name = path.strip_prefix(self.layout.root()).ok().and_then(Path::to_str);
        name.is_some_and(|name| name == "lost+found" || name == guard::MARKER || super::layout::is_own(name))
    }
}

/// Compares pieces of files, on one thread.
struct Comparer<'a> {
    surveyor: &'a Surveyor<'a>,
    file: Option<(u32, File)>,
    bytes: Vec<u8>,
    items: Vec<Item>,
    zero: Vec<(u32, u32, u32)>,
    kept_bytes: u64,
    write_bytes: u64,
}

impl<'a> Comparer<'a> {
    fn new(surveyor: &'a Surveyor<'a>) -> Self {
        Self {
            surveyor,
            file: None,
            bytes: vec![0; CHUNK_BYTES],
            items: Vec::new(),
            zero: Vec::new(),
            kept_bytes: 0,
            write_bytes: 0,
        }
    }

    fn compare(&mut self, unit: &Unit) -> Result<(), Error> {
        let manifest = self.surveyor.manifest;
        for told in told_from(manifest, unit.file, unit.number, unit.listed_at).take(unit.count as usize) {
            self.piece(unit.file, &told?)?;
        }
        Ok(())
    }

    fn piece(&mut self, file: u32, told: &Told) -> Result<(), Error> {
        let at = told.chunk.at;
        let there = self.read(file, told.number, at.length as usize)?;
        let here = self.bytes.get(..there).unwrap_or_default();
        let is_same = match at.encoding {
            // What is not there yet will be a hole.
            Encoding::Zero => is_zero(here),
            _ => there == at.length as usize && ChunkId::of(self.surveyor.naming, here) == at.id,
        };
        if is_same {
            self.kept_bytes += u64::from(at.length);
            self.surveyor.pace.progress().add(u64::from(at.length));
            return Ok(());
        }
        self.write_bytes += u64::from(at.length);
        match Item::of(file, told) {
            Some(item) => self.items.push(item),
            None => self.zero.push((file, told.number, at.length)),
        }
        Ok(())
    }

    /// Reads a piece; how much of it is there.
    fn read(&mut self, file: u32, number: u32, length: usize) -> Result<usize, Error> {
        let entry = self.surveyor.manifest.files.get(file as usize);
        let path = entry
            .map(|entry| self.surveyor.layout.path(&entry.path))
            .unwrap_or_default();
        let failed = |error| Error::file(&path, error);
        if self.file.as_ref().is_none_or(|(open, _)| *open != file) {
            self.file = Some((file, File::open(&path).map_err(failed)?));
        }
        let Some((_, open)) = &self.file else { return Ok(0) };
        let mut offset = u64::from(number) * CHUNK_BYTES as u64;
        let mut there = 0;
        while let Some(room) = self.bytes.get_mut(there..length).filter(|room| !room.is_empty()) {
            match open.read_at(room, offset) {
                Ok(0) => break,
                Ok(read) => {
                    there += read;
                    offset += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(there)
    }

    fn tell(self, survey: &mut Survey) {
        survey.items.extend(self.items);
        survey.zero.extend(self.zero);
        survey.kept_bytes += self.kept_bytes;
        survey.write_bytes += self.write_bytes;
    }
}
