//! Everything that a repository's state refers to, read and authenticated.
//!
//! Damage is told with the backups that it affects. A store that does not answer is no damage: then nothing is said.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use serde::Serialize;

use crate::engine::pace::Pace;
use crate::error::Error;
use crate::plan::garbage;
use crate::project;
use crate::repo::chunk::{Chunk, ChunkId, Encoding};
use crate::repo::codec::{Codec, Compression};
use crate::repo::manifest::Manifest;
use crate::repo::pack::{self, PackOpener};
use crate::repo::state::{BackupEntry, BackupKind, Position, State};
use crate::repo::wal::{Held, Segment};
use crate::repo::{self, Listed, Repository};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct VerifyReport {
    /// Objects that were read.
    pub objects: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Chunks that were authenticated.
    pub chunks: u64,
    /// What is wrong. None: everything is as it was written.
    pub damage: Vec<Damage>,
}

/// Something that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Damage {
    /// The object.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
    /// The backups that it affects, in order.
    pub backups: Vec<String>,
}

impl VerifyReport {
    /// The damage of one object.
    #[cfg(test)]
    pub(crate) fn of(&self, path: &str) -> Option<&Damage> {
        self.damage.iter().find(|damage| damage.path == path)
    }
}

/// Reads and authenticates everything that the state of a repository refers to.
pub(crate) async fn verify(repository: &Repository, pace: &Pace) -> Result<VerifyReport, Error> {
    let state = repository.state().await?;
    let mut verifying = Verifying {
        repository,
        pace,
        state: &state,
        report: VerifyReport::default(),
        packs: HashMap::new(),
        codec: Codec::new(Compression::None),
        content: Vec::new(),
    };
    verifying.marks().await?;
    verifying.generations().await?;
    verifying.manifests().await?;
    verifying.log().await?;
    verifying.evidence().await?;
    Ok(verifying.finish())
}

struct Verifying<'a> {
    repository: &'a Repository,
    pace: &'a Pace,
    state: &'a State,
    report: VerifyReport,
    packs: HashMap<String, PackSeen>,
    codec: Codec,
    content: Vec<u8>,
}

/// What is known of a pack.
#[derive(Debug, Default)]
struct PackSeen {
    /// Why all of it is damaged.
    whole: Option<String>,
    /// Numbers of chunks that were authenticated.
    good: HashSet<u32>,
    /// And of those that are not what was written.
    bad: BTreeMap<u32, String>,
    backups: BTreeSet<String>,
}

/// What was read, or why it is damaged.
type Read = Result<Bytes, String>;

impl Verifying<'_> {
    /// Reads an object. What is missing or damaged is said; a store that does not answer is an error.
    async fn read(&mut self, path: &str) -> Result<Read, Error> {
        if self.pace.stop().is_cancelled() {
            return Err(Error::Stopped);
        }
        let read = found(self.repository.shelf().get(path).await)?;
        if let Ok(bytes) = &read {
            self.count(bytes.len() as u64).await?;
        }
        Ok(read)
    }

    async fn count(&mut self, bytes: u64) -> Result<(), Error> {
        self.report.objects += 1;
        self.report.bytes += bytes;
        self.pace.progress().add(bytes);
        self.pace.take(bytes).await
    }

    fn damaged(&mut self, path: &str, reason: impl Into<String>, backups: Vec<String>) {
        self.report.damage.push(Damage {
            path: path.to_owned(),
            reason: reason.into(),
            backups,
        });
    }

    fn all_backups(&self) -> Vec<String> {
        garbage::rooted(self.state).map(|backup| backup.id.clone()).collect()
    }

    /// What says that there is a repository, its keys, and where to begin.
    async fn marks(&mut self) -> Result<(), Error> {
        self.pace.progress().begin("check", 0);
        let everything = self.all_backups();
        for path in ["format", "made"] {
            let trouble = match self.read(path).await? {
                Ok(text) => repo::check_format(self.repository, &text).err(),
                Err(reason) => Some(reason),
            };
            if let Some(reason) = trouble {
                self.damaged(path, reason, everything.clone());
            }
        }
        self.keys(&everything).await?;
        let head = self.read("HEAD").await?;
        let opened = match head {
            Ok(_) => found(self.repository.head_generation().await)?,
            Err(reason) => Err(reason),
        };
        match opened {
            Ok(generation) if generation > 0 && generation <= self.state.generation => {}
            Ok(_) => self.damaged("HEAD", "it names a generation that is not there", Vec::new()),
            Err(reason) => self.damaged("HEAD", reason, Vec::new()),
        }
        Ok(())
    }

    async fn keys(&mut self, everything: &[String]) -> Result<(), Error> {
        let listed = self.repository.shelf().list("keys").await?;
        let newest = listed.iter().filter_map(numbered).max().unwrap_or(0);
        if newest < self.state.keys {
            let path = repo::keys::path_of(self.state.keys);
            self.damaged(&path, "it is missing", everything.to_vec());
        }
        for set in &listed {
            let number = numbered(set).unwrap_or(0);
            self.count(set.bytes).await?;
            let loaded = self.repository.check_keys(number).await;
            // Older sets may be wrapped by a key that is not at hand any more.
            if let Err(reason) = found(loaded)?
                && number >= self.state.keys
            {
                self.damaged(&set.path, reason, everything.to_vec());
            }
        }
        Ok(())
    }

    /// Each generation that is there follows the one before it.
    async fn generations(&mut self) -> Result<(), Error> {
        let listed = self.repository.shelf().list("generations").await?;
        let mut before: Option<(u64, [u8; 32])> = None;
        for object in &listed {
            let number = numbered(object).unwrap_or(0);
            if number > self.state.generation {
                break;
            }
            self.count(object.bytes).await?;
            let read = found(self.repository.generation(number).await)?;
            let trouble = match &read {
                Ok(None) => Some("it is missing".to_owned()),
                Ok(Some(generation)) => match before {
                    Some((last, _)) if last + 1 != number => Some(format!("those between it and {last} are missing")),
                    Some((_, hash)) if generation.state.previous != hash => {
                        Some("it does not follow the one before it".to_owned())
                    }
                    _ => None,
                },
                Err(reason) => Some(reason.clone()),
            };
            if let Some(reason) = trouble {
                self.damaged(&object.path, reason, Vec::new());
            }
            before = match read {
                Ok(Some(generation)) => Some((number, generation.hash)),
                _ => None,
            };
        }
        Ok(())
    }

    async fn manifests(&mut self) -> Result<(), Error> {
        let backups: Vec<BackupEntry> = garbage::rooted(self.state).cloned().collect();
        let total = backups.iter().map(|backup| backup.stored_bytes).sum();
        self.pace.progress().begin("check", total);
        for backup in &backups {
            let path = backup.manifest_path();
            match found(self.repository.manifest(backup).await)? {
                Ok(manifest) => {
                    self.count(0).await?;
                    self.manifest(backup, manifest).await?;
                }
                Err(reason) if reason == MISSING && backup.kind() == BackupKind::Project => {
                    self.export(backup).await?;
                }
                Err(reason) => self.damaged(&path, reason, vec![backup.id.clone()]),
            }
        }
        self.tell_packs();
        Ok(())
    }

    /// An export is encrypted to its project; that its objects are those that were written can be said without its key.
    async fn export(&mut self, backup: &BackupEntry) -> Result<(), Error> {
        let read = match project::verify(self.repository, backup, self.pace).await {
            Err(Error::Repository(error)) => Err(error),
            other => Ok(other?),
        };
        if let Err(reason) = found(read)? {
            self.damaged(&format!("exports/{}", backup.id), reason, vec![backup.id.clone()]);
        }
        Ok(())
    }

    async fn manifest(&mut self, backup: &BackupEntry, manifest: Manifest) -> Result<(), Error> {
        let Ok(by_pack) = by_pack(&manifest) else {
            let reason = "its lists of chunks are not what was written";
            self.damaged(&backup.manifest_path(), reason, vec![backup.id.clone()]);
            return Ok(());
        };
        for (place, chunks) in by_pack {
            let path = match manifest.packs.get(place as usize) {
                Some(pack) => pack.path.clone(),
                None => {
                    let reason = "a chunk names a pack that is not listed";
                    self.damaged(&backup.manifest_path(), reason, vec![backup.id.clone()]);
                    continue;
                }
            };
            self.pack(&path, &chunks).await?;
            let seen = self.packs.entry(path).or_default();
            if seen.whole.is_some() || chunks.keys().any(|number| seen.bad.contains_key(number)) {
                seen.backups.insert(backup.id.clone());
            }
        }
        Ok(())
    }

    /// Authenticates chunks of a pack that were not seen yet.
    async fn pack(&mut self, path: &str, chunks: &BTreeMap<u32, Chunk>) -> Result<(), Error> {
        let is_known = |seen: &PackSeen| {
            let known = |number: &u32| seen.good.contains(number) || seen.bad.contains_key(number);
            seen.whole.is_some() || chunks.keys().all(known)
        };
        if self.packs.get(path).is_some_and(is_known) {
            return Ok(());
        }
        let is_first = !self.packs.contains_key(path);
        let bytes = match self.read(path).await? {
            Ok(bytes) => bytes,
            Err(reason) => {
                self.whole_pack(path, reason);
                return Ok(());
            }
        };
        let opener = match found(self.repository.pack_opener(path, &bytes).await)? {
            Ok(opener) => opener,
            Err(reason) => {
                self.whole_pack(path, reason);
                return Ok(());
            }
        };
        let mut seen = self.packs.remove(path).unwrap_or_default();
        for (number, chunk) in chunks {
            if seen.good.contains(number) || seen.bad.contains_key(number) {
                continue;
            }
            match self.chunk(&opener, &bytes, chunk) {
                Ok(()) => seen.good.insert(*number),
                Err(reason) => seen.bad.insert(*number, reason).is_some(),
            };
        }
        self.packs.insert(path.to_owned(), seen);
        if is_first && let Some(reason) = list_trouble(&opener, &bytes, chunks) {
            self.whole_pack(path, reason);
        }
        Ok(())
    }

    fn whole_pack(&mut self, path: &str, reason: String) {
        self.packs.entry(path.to_owned()).or_default().whole = Some(reason);
    }

    /// Authenticates a chunk, and where it stands by itself, finds its content under its name.
    fn chunk(&mut self, opener: &PackOpener, pack: &[u8], chunk: &Chunk) -> Result<(), String> {
        let (from, end) = (
            chunk.at.offset as usize,
            chunk.at.offset as usize + chunk.at.stored as usize,
        );
        let sealed = pack.get(from..end).ok_or("it is shorter than it was")?;
        let mut sealed = sealed.to_vec();
        let packed = opener.open(chunk, &mut sealed).map_err(|error| told(&error))?;
        self.report.chunks += 1;
        if chunk.at.encoding == Encoding::Delta {
            return Ok(());
        }
        let length = chunk.at.length as usize;
        let unpacked = self
            .codec
            .unpack(chunk.at.encoding, packed, length, None, &mut self.content);
        unpacked.map_err(|error| error.to_string())?;
        let id = ChunkId::of(self.repository.keys().naming(), &self.content);
        if id == chunk.at.id {
            Ok(())
        } else {
            Err(format!("chunk {} is another's content", chunk.at.number))
        }
    }

    fn tell_packs(&mut self) {
        let mut packs: Vec<(String, PackSeen)> = std::mem::take(&mut self.packs).into_iter().collect();
        packs.sort_by(|(one, _), (other, _)| one.cmp(other));
        let order = self.all_backups();
        for (path, seen) in packs {
            let reason = match (&seen.whole, seen.bad.values().next()) {
                (Some(reason), _) | (None, Some(reason)) => reason.clone(),
                (None, None) => continue,
            };
            let backups = order.iter().filter(|id| seen.backups.contains(*id)).cloned();
            self.damaged(&path, reason, backups.collect());
        }
    }

    /// The log: all that is there, and all that has to be.
    async fn log(&mut self) -> Result<(), Error> {
        let (histories, timelines) = (self.repository.histories().await?, self.timelines().await?);
        // The first timeline has none.
        for timeline in timelines
            .iter()
            .filter(|timeline| **timeline > 1 && !histories.contains(timeline))
        {
            let backups = self.recovering_through(*timeline, 0);
            self.damaged(&repo::wal::history_path(*timeline), MISSING, backups);
        }
        for timeline in histories {
            let path = repo::wal::history_path(timeline);
            if let Err(reason) = found(self.repository.history(timeline).await)? {
                let backups = self.recovering_through(timeline, 0);
                self.damaged(&path, reason, backups);
            }
            self.count(0).await?;
        }
        let Some(bytes) = garbage::segment_bytes(self.state) else {
            return Ok(());
        };
        let mut whole: BTreeSet<Segment> = BTreeSet::new();
        for timeline in timelines {
            for listed in self.repository.segments(timeline, bytes).await? {
                whole.insert(listed.segment);
                self.segment(listed.segment, listed.stored).await?;
            }
            for open in self.repository.open_segments(timeline, bytes).await? {
                if !whole.contains(&open) {
                    self.pieces(open).await?;
                    whole.insert(open);
                }
            }
        }
        self.gaps(&whole, bytes);
        Ok(())
    }

    async fn timelines(&self) -> Result<BTreeSet<u32>, Error> {
        let listed = self.repository.shelf().list("wal").await?;
        let names = listed.iter().filter_map(|object| object.path.split('/').nth(1));
        Ok(names.filter_map(|name| u32::from_str_radix(name, 16).ok()).collect())
    }

    async fn segment(&mut self, segment: Segment, stored: u64) -> Result<(), Error> {
        if self.pace.stop().is_cancelled() {
            return Err(Error::Stopped);
        }
        self.count(stored).await?;
        let trouble = match found(self.repository.segment(segment).await)? {
            Ok(Held::Whole(_)) => None,
            Ok(Held::Beginning(_)) => Some(MISSING.to_owned()),
            Err(reason) => Some(reason),
        };
        if let Some(reason) = trouble {
            let backups = self.recovering_through(segment.timeline, segment.end());
            self.damaged(&segment.whole(), reason, backups);
        }
        Ok(())
    }

    /// The parts of a segment follow each other, and each is what was written.
    async fn pieces(&mut self, segment: Segment) -> Result<(), Error> {
        let pieces = self.repository.pieces_of(segment).await?;
        let reaches = pieces.iter().map(|(_, _, end)| *end).max().unwrap_or(0);
        let held = found(self.repository.segment(segment).await)?;
        self.count(pieces.iter().map(|(object, ..)| object.bytes).sum()).await?;
        let trouble = match held {
            Ok(Held::Beginning(content)) if (content.len() as u64) < reaches => Some(format!(
                "it ends at {} of {reaches} bytes: a piece is missing",
                content.len()
            )),
            Ok(_) => None,
            Err(reason) => Some(reason),
        };
        if let Some(reason) = trouble {
            let backups = self.recovering_through(segment.timeline, segment.end());
            self.damaged(&segment.pieces(), reason, backups);
        }
        Ok(())
    }

    /// Between the first and the last position that a backup needs, nothing may be missing; nor after that, up to the end.
    fn gaps(&mut self, there: &BTreeSet<Segment>, bytes: u32) {
        let mut missing: BTreeSet<Segment> = BTreeSet::new();
        for backup in garbage::rooted(self.state) {
            let (Some(start), Some(stop)) = (backup.start, backup.stop) else {
                continue;
            };
            missing.extend(needed(start, stop, bytes).filter(|segment| !there.contains(segment)));
        }
        for (one, next) in there.iter().zip(there.iter().skip(1)) {
            let given_up = self.is_given_up(next);
            if one.timeline == next.timeline && one.next() != *next && !given_up {
                missing.insert(one.next());
            }
        }
        for segment in missing {
            let backups = self.recovering_through(segment.timeline, segment.end());
            self.damaged(&segment.whole(), MISSING, backups);
        }
    }

    /// Whether log before this segment was given up, so that gaps there are meant.
    fn is_given_up(&self, segment: &Segment) -> bool {
        let floors = &self.state.wal_floors;
        floors.iter().any(|floor| {
            segment.timeline < floor.timeline || segment.timeline == floor.timeline && segment.start() <= floor.lsn
        })
    }

    /// The backups whose recovery reads this far on a timeline: those that begin before.
    fn recovering_through(&self, timeline: u32, end: u64) -> Vec<String> {
        let begins_before =
            |start: Position| start.timeline < timeline || start.timeline == timeline && (start.lsn < end || end == 0);
        let affected = garbage::rooted(self.state).filter(|backup| backup.start.is_some_and(begins_before));
        affected.map(|backup| backup.id.clone()).collect()
    }

    /// What proofs found. Which backups are good does not depend on it.
    async fn evidence(&mut self) -> Result<(), Error> {
        for object in self.repository.shelf().list("proofs").await? {
            let opened = self.repository.get_sealed(repo::seal::Kind::Evidence, &object.path);
            if let Err(reason) = found(opened.await)? {
                self.damaged(&object.path, reason, Vec::new());
            }
            self.count(object.bytes).await?;
        }
        Ok(())
    }

    fn finish(self) -> VerifyReport {
        self.report
    }
}

const MISSING: &str = "it is missing";

/// What was read, or what is wrong with it; an error where the store did not say.
fn found<T>(read: Result<T, repo::Error>) -> Result<Result<T, String>, Error> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(repo::Error::Missing { .. }) => Ok(Err(MISSING.to_owned())),
        Err(error @ (repo::Error::Corrupt { .. } | repo::Error::WrongKey { .. } | repo::Error::Format { .. })) => {
            Ok(Err(told(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

fn told(error: &repo::Error) -> String {
    match error {
        repo::Error::Corrupt { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

fn numbered(object: &Listed) -> Option<u64> {
    object.path.rsplit('/').next()?.parse().ok()
}

/// The chunks of a manifest by pack and number, what deltas are against included.
pub(super) fn by_pack(manifest: &Manifest) -> Result<BTreeMap<u32, BTreeMap<u32, Chunk>>, repo::Error> {
    let mut packs: BTreeMap<u32, BTreeMap<u32, Chunk>> = BTreeMap::new();
    for file in &manifest.files {
        for chunk in file.chunks() {
            let chunk = chunk?;
            let base = chunk.base.map(Chunk::whole);
            for chunk in base.into_iter().chain([chunk]) {
                if chunk.at.encoding != Encoding::Zero {
                    packs.entry(chunk.at.pack).or_default().insert(chunk.at.number, chunk);
                }
            }
        }
    }
    Ok(packs)
}

/// What is wrong with the list at a pack's end, which says of its chunks what the manifest says.
fn list_trouble(opener: &PackOpener, bytes: &[u8], chunks: &BTreeMap<u32, Chunk>) -> Option<String> {
    let footer = bytes.len().checked_sub(8).and_then(|at| bytes.get(at..));
    let tail = footer
        .and_then(pack::tail_bytes)
        .and_then(|tail| usize::try_from(tail).ok());
    let Some(tail) = tail
        .and_then(|tail| bytes.len().checked_sub(tail))
        .and_then(|at| bytes.get(at..))
    else {
        return Some("it has no end".to_owned());
    };
    let listed = match opener.open_list(tail) {
        Ok(listed) => listed,
        Err(error) => return Some(told(&error)),
    };
    let listed: HashMap<u32, _> = listed
        .into_iter()
        .map(|at| (at.number, (at.id, at.offset, at.stored)))
        .collect();
    let is_listed =
        |(number, chunk): (&u32, &Chunk)| listed.get(number) == Some(&(chunk.at.id, chunk.at.offset, chunk.at.stored));
    (!chunks.iter().all(is_listed)).then(|| "its list is another pack's".to_owned())
}

/// The segments from the one that a backup's log begins in to the one before which it ends.
fn needed(start: Position, stop: Position, bytes: u32) -> impl Iterator<Item = Segment> {
    let first = Segment::at(start.timeline, start.lsn, bytes);
    let last = Segment::at(stop.timeline, stop.lsn.saturating_sub(1).max(start.lsn), bytes);
    let is_one = start.timeline == stop.timeline;
    let numbers = (first.number..=last.number).take_while(move |_| is_one);
    numbers.map(move |number| Segment { number, ..first })
}
