//! What is damaged in one repository, taken from another that holds the same backups.
//!
//! A pack is made anew under its own path: each chunk as the other repository has it packed, in its old place, so that
//! every manifest that names it stays as it is. Where that cannot be, the backups that need the pack are copied again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use serde::Serialize;

use super::copy;
use super::verify::{self, Damage};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::repo::chunk::{Chunk, ChunkId};
use crate::repo::manifest::{Manifest, PackRef};
use crate::repo::pack::{self, PackBuilder};
use crate::repo::reader::ChunkReader;
use crate::repo::seal::TAG_BYTES;
use crate::repo::state::BackupEntry;
use crate::repo::wal::{Held, Segment};
use crate::repo::{self, Repository};

/// How hard log is compressed when it is stored again.
const LEVEL: i32 = 3;

/// What came of mending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Mended {
    /// Objects that are whole again.
    pub mended: Vec<String>,
    /// What is still damaged.
    pub left: Vec<Damage>,
}

/// Finds what is damaged in a repository, and takes it from the others.
pub(crate) async fn mend(keeper: &Keeper, name: &str, pace: &Pace) -> Result<Mended, Error> {
    let repository = keeper.repositories.get(name).await?;
    let mut others = Vec::new();
    for other in keeper.repositories.names().filter(|other| *other != name) {
        match keeper.repositories.get(other).await {
            Ok(other) => others.push(other),
            Err(error) => {
                tracing::warn!(repository = other, error = %error, "a repository cannot help to mend another");
            }
        }
    }
    let dead_after = keeper.settings.lease_dead_after;
    let mended = from_others(&repository, &others, dead_after, pace).await?;
    keeper.repositories.remember(&repository).await;
    Ok(mended)
}

/// The same with repositories that are open.
pub(super) async fn from_others(
    repository: &Repository,
    others: &[Repository],
    dead_after: std::time::Duration,
    pace: &Pace,
) -> Result<Mended, Error> {
    let before = verify::verify(repository, pace).await?;
    for damage in &before.damage {
        for other in others {
            let mending = Mending {
                repository,
                other,
                pace,
                dead_after,
            };
            match mending.mend(damage).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => {
                    tracing::warn!(path = damage.path, other = other.name(), error = %error, "it cannot be mended from there");
                }
            }
        }
    }
    if before.damage.is_empty() {
        return Ok(Mended::default());
    }
    let left = verify::verify(repository, pace).await?.damage;
    let still: BTreeSet<&str> = left.iter().map(|damage| damage.path.as_str()).collect();
    let mended = before.damage.into_iter().map(|damage| damage.path);
    Ok(Mended {
        mended: mended.filter(|path| !still.contains(path.as_str())).collect(),
        left,
    })
}

struct Mending<'a> {
    repository: &'a Repository,
    other: &'a Repository,
    pace: &'a Pace,
    dead_after: std::time::Duration,
}

impl Mending<'_> {
    /// False: nothing is known to do about it.
    async fn mend(&self, damage: &Damage) -> Result<bool, Error> {
        let path = damage.path.as_str();
        match path.split('/').next().unwrap_or_default() {
            "packs" => self.pack(damage).await,
            "manifests" => self.copied(&damage.backups).await,
            "wal" => self.log(path).await,
            // Each change of the state makes it anew.
            "HEAD" => Ok(self.repository.change(|_| Ok(true)).await?),
            _ => Ok(false),
        }
    }

    async fn copied(&self, backups: &[String]) -> Result<bool, Error> {
        for id in backups {
            copy::anew(self.other, self.repository, id, self.dead_after, self.pace).await?;
        }
        Ok(!backups.is_empty())
    }

    async fn pack(&self, damage: &Damage) -> Result<bool, Error> {
        let wanted = self.wanted(damage).await?;
        if let Some(bytes) = self.rebuilt(&damage.path, &wanted).await? {
            self.repository.shelf().put_over(&damage.path, bytes).await?;
            return Ok(true);
        }
        self.copied(&damage.backups).await
    }

    /// The chunks of a pack that backups need, each with its like in the other repository.
    async fn wanted(&self, damage: &Damage) -> Result<Wanted, Error> {
        let mut wanted = Wanted::default();
        let state = self.repository.state().await?;
        let theirs = self.other.state().await?;
        for entry in &state.backups {
            let Ok(manifest) = self.repository.manifest(entry).await else {
                continue;
            };
            let Some(pack) = manifest.packs.iter().position(|pack| pack.path == damage.path) else {
                continue;
            };
            wanted.bytes = manifest.packs.get(pack).map_or(0, |pack| pack.bytes).max(wanted.bytes);
            let like = match theirs.basis(&entry.id) {
                Ok(like) => self.other.manifest(like).await.ok(),
                Err(_) => None,
            };
            wanted.add(entry, &manifest, u32::try_from(pack).unwrap_or(u32::MAX), like.as_ref())?;
        }
        Ok(wanted)
    }

    /// The pack as it was; none where the other repository has not all of it in the same form.
    async fn rebuilt(&self, path: &str, wanted: &Wanted) -> Result<Option<Bytes>, Error> {
        let keys = self.repository.keys();
        let mut builder = PackBuilder::new(path.to_owned(), keys.current()?, *self.repository.id_bytes())?;
        let (mut packed, mut content) = (Vec::new(), Vec::new());
        for chunk in wanted.chunks.values() {
            let Some((like, packs)) = wanted.likes.get(&chunk.at.number) else {
                return Ok(None);
            };
            self.pace.take(u64::from(chunk.at.stored)).await?;
            let mut reader = ChunkReader::new(self.other.clone(), packs.clone().into());
            reader.read(like, &mut content).await?;
            let is_same = ChunkId::of(keys.naming(), &content) == chunk.at.id && like.at.encoding == chunk.at.encoding;
            reader
                .packed(&like.at, like.base.map(|base| base.id), &mut packed)
                .await?;
            let fits = packed.len() + TAG_BYTES == chunk.at.stored as usize;
            if !is_same || !fits || !self.has_base(&mut reader, chunk, like).await? {
                return Ok(None);
            }
            if !builder.leave_room(chunk.at.offset, chunk.at.number) {
                return Ok(None);
            }
            let base = chunk.base.map(|base| base.id);
            builder.push(chunk.at.id, chunk.at.encoding, chunk.at.length, &packed, base)?;
        }
        if !builder.leave_room_to(wanted.bytes) {
            return Ok(None);
        }
        let (_, bytes) = builder.finish()?;
        Ok((bytes.len() as u64 >= wanted.bytes && bytes.len() as u64 > pack::SMALLEST).then_some(bytes))
    }

    /// A delta fits only what it was made against.
    async fn has_base(&self, reader: &mut ChunkReader, chunk: &Chunk, like: &Chunk) -> Result<bool, Error> {
        let (Some(base), Some(theirs)) = (chunk.base, like.base) else {
            return Ok(chunk.base.is_none() && like.base.is_none());
        };
        let mut content = Vec::new();
        reader.read(&Chunk::whole(theirs), &mut content).await?;
        Ok(ChunkId::of(self.repository.keys().naming(), &content) == base.id)
    }

    async fn log(&self, path: &str) -> Result<bool, Error> {
        let mut parts = path.split('/').skip(1);
        let (timeline, place, name) = (parts.next(), parts.next(), parts.next());
        if timeline == Some("histories") {
            return self.history(path).await;
        }
        let state = self.repository.state().await?;
        let bytes = crate::plan::garbage::segment_bytes(&state);
        let segment = bytes.and_then(|bytes| Segment::of_name(name?, bytes));
        let Some(segment) = segment.filter(|_| place.is_some()) else {
            return Ok(false);
        };
        let Held::Whole(content) = self.other.segment(segment).await? else {
            return Ok(false);
        };
        self.repository.shelf().delete(&segment.whole()).await?;
        self.repository.put_segment(segment, &content, LEVEL).await?;
        self.repository.drop_pieces(segment).await?;
        Ok(true)
    }

    async fn history(&self, path: &str) -> Result<bool, Error> {
        let name = path.rsplit('/').next().and_then(|name| name.strip_suffix(".history"));
        let Some(timeline) = name.and_then(|name| u32::from_str_radix(name, 16).ok()) else {
            return Ok(false);
        };
        let Some(content) = self.other.history(timeline).await? else {
            return Ok(false);
        };
        self.repository.shelf().delete(path).await?;
        self.repository.put_history(timeline, &content).await?;
        Ok(true)
    }
}

/// What has to be in a pack.
#[derive(Default)]
struct Wanted {
    /// How long it was.
    bytes: u64,
    /// Its chunks, by number.
    chunks: BTreeMap<u32, Chunk>,
    /// What has the same content in the other repository, and the packs that it names.
    likes: HashMap<u32, (Chunk, Vec<PackRef>)>,
}

impl Wanted {
    fn add(
        &mut self,
        entry: &BackupEntry,
        manifest: &Manifest,
        pack: u32,
        like: Option<&Manifest>,
    ) -> Result<(), repo::Error> {
        let theirs: HashMap<&str, _> = like
            .iter()
            .flat_map(|like| &like.files)
            .map(|file| (file.path.as_str(), file))
            .collect();
        for file in &manifest.files {
            let mut beside = theirs.get(file.path.as_str()).map(|file| file.chunks());
            for chunk in file.chunks() {
                let chunk = chunk?;
                let like_chunk = beside.as_mut().and_then(Iterator::next).transpose()?;
                let bases = (
                    chunk.base.map(Chunk::whole),
                    like_chunk.and_then(|like| like.base).map(Chunk::whole),
                );
                self.one(&chunk, pack, like_chunk, like);
                if let Some(base) = bases.0 {
                    self.one(&base, pack, bases.1, like);
                }
            }
        }
        tracing::debug!(
            backup = entry.id,
            chunks = self.chunks.len(),
            "chunks of a damaged pack"
        );
        Ok(())
    }

    fn one(&mut self, chunk: &Chunk, pack: u32, like: Option<Chunk>, manifest: Option<&Manifest>) {
        if chunk.at.pack != pack || chunk.at.encoding == crate::repo::chunk::Encoding::Zero {
            return;
        }
        self.chunks.insert(chunk.at.number, *chunk);
        if let (Some(like), Some(manifest)) = (like, manifest) {
            self.likes
                .entry(chunk.at.number)
                .or_insert_with(|| (like, manifest.packs.clone()));
        }
    }
}
