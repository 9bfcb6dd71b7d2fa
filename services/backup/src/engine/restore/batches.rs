//! Which parts of which packs are read together: every chunk that is needed, in the order in which they lie. Pure.
//!
//! A delta is read together with the chunk that it is against, so that one is unpacked once for both. An entry here is
//! small; where a chunk lies exactly is read in the manifest again.

use crate::repo::Error;
use crate::repo::chunk::{self, Chunk, Encoding};
use crate::repo::manifest::Manifest;

/// So much is fetched for one batch, about.
const BATCH_BYTES: u64 = 4 << 20;
/// So much is read along for nothing rather than ask a second time: of a store that is near, and of one that is far.
const GAP_BYTES: [u64; 2] = [64 << 10, 512 << 10];

/// A chunk that is needed at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    /// Where the chunk lies that it is, or is a delta against.
    key: (u32, u32),
    /// Where it lies itself.
    own: (u32, u32),
    /// The file, by its place in the manifest.
    pub file: u32,
    /// Its number among the chunks of the file.
    pub number: u32,
    /// Where the file's list of chunks tells of it.
    listed_at: u32,
}

/// A chunk of a file, and where the file's list tells of it.
pub(super) struct Told {
    pub chunk: Chunk,
    pub number: u32,
    pub listed_at: u32,
}

/// Reads a file's list of chunks, from the one of this number on, of which the list tells at `listed_at`.
pub(super) fn told_from(
    manifest: &Manifest,
    file: u32,
    number: u32,
    listed_at: u32,
) -> impl Iterator<Item = Result<Told, Error>> + '_ {
    let entry = manifest.files.get(file as usize);
    let path = entry.map_or("manifest", |entry| entry.path.as_str());
    let list = entry.and_then(|entry| entry.chunks.get(listed_at as usize..));
    let (mut number, mut at) = (number, listed_at);
    chunk::chunks(path, list.unwrap_or_default()).map(move |chunk| {
        let chunk = chunk?;
        let told = Told {
            chunk,
            number,
            listed_at: at,
        };
        let locators = 1 + u32::from(chunk.base.is_some());
        number += 1;
        at += locators * chunk::LOCATOR_BYTES as u32;
        Ok(told)
    })
}

impl Item {
    /// A chunk at its place. None for zeros, which lie nowhere.
    pub(super) fn of(file: u32, told: &Told) -> Option<Self> {
        let (at, key) = (told.chunk.at, told.chunk.key());
        (at.encoding != Encoding::Zero).then_some(Self {
            key: (key.pack, key.offset),
            own: (at.pack, at.offset),
            file,
            number: told.number,
            listed_at: told.listed_at,
        })
    }

    /// What it says of the chunk.
    pub(super) fn chunk(&self, manifest: &Manifest) -> Result<Chunk, Error> {
        let entry = manifest.files.get(self.file as usize);
        let list = entry.and_then(|entry| entry.chunks.get(self.listed_at as usize..));
        let path = entry.map_or("manifest", |entry| entry.path.as_str());
        let first = chunk::chunks(path, list.unwrap_or_default()).next();
        first.unwrap_or_else(|| Err(Error::corrupt(path, "its list of chunks is shorter than it was")))
    }
}

/// A part of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub pack: u32,
    pub from: u32,
    pub end: u32,
}

/// What is fetched together, and what is made of it.
#[derive(Debug)]
pub(super) struct Batch {
    pub spans: Vec<Span>,
    pub items: Vec<Item>,
}

/// Puts items into batches, in the order in which they lie.
pub(super) struct Batches<'a> {
    manifest: &'a Manifest,
    items: std::iter::Peekable<std::vec::IntoIter<Item>>,
    gap: u64,
}

impl<'a> Batches<'a> {
    pub(super) fn of(manifest: &'a Manifest, mut items: Vec<Item>, is_near: bool) -> Self {
        items.sort_unstable();
        let [near, far] = GAP_BYTES;
        Self {
            manifest,
            items: items.into_iter().peekable(),
            gap: if is_near { near } else { far },
        }
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let (mut items, mut parts, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut last: Option<Item> = None;
        while let Some(item) = self.items.peek().copied() {
            if last.is_none_or(|last| (last.key, last.own) != (item.key, item.own)) {
                if bytes >= BATCH_BYTES {
                    break;
                }
                let chunk = item.chunk(self.manifest)?;
                let base = chunk.base.filter(|_| last.is_none_or(|last| last.key != item.key));
                for at in [Some(chunk.at), base].into_iter().flatten() {
                    let end = at.offset.saturating_add(at.stored);
                    parts.push(Span {
                        pack: at.pack,
                        from: at.offset,
                        end,
                    });
                    bytes += u64::from(at.stored);
                }
            }
            last = Some(item);
            items.push(item);
            self.items.next();
        }
        Ok((!items.is_empty()).then(|| Batch {
            spans: joined(parts, self.gap),
            items,
        }))
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

/// Parts that lie near each other, as one.
fn joined(mut parts: Vec<Span>, gap: u64) -> Vec<Span> {
    parts.sort_unstable_by_key(|part| (part.pack, part.from));
    let mut spans: Vec<Span> = Vec::new();
    for part in parts {
        match spans.last_mut() {
            Some(span) if span.pack == part.pack && u64::from(part.from) <= u64::from(span.end) + gap => {
                span.end = span.end.max(part.end);
            }
            _ => spans.push(part),
        }
    }
    spans
}
