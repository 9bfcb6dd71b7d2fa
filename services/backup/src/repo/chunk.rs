//! Pieces of files: what they are called, where they lie, and how a list of them is written. Pure.

use bytes::{Buf as _, Bytes};

use super::Error;

/// The most that one chunk holds: sixteen pages of PostgreSQL.
pub(crate) const CHUNK_BYTES: usize = 128 * 1024;

/// What a chunk is called: a keyed hash of its content, which says nothing to whoever has not got the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChunkId(pub [u8; 32]);

impl std::fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&super::seal::hexadecimal(self.0.first_chunk::<8>().unwrap_or(&[0; 8])))
    }
}

impl ChunkId {
    /// The id of some content.
    pub(crate) fn of(naming: &[u8; 32], content: &[u8]) -> Self {
        Self(*blake3::keyed_hash(naming, content).as_bytes())
    }
}

/// How the bytes of a chunk are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are.
    Raw = 0,
    /// Not at all: every byte is zero.
    Zero = 1,
    /// zstd.
    Zstd = 2,
    /// LZ4.
    Lz4 = 3,
    /// gzip.
    Gzip = 4,
    /// zstd, with another chunk for a dictionary.
    Delta = 5,
}

impl Encoding {
    fn of(number: u8) -> Option<Self> {
        let all = [Self::Raw, Self::Zero, Self::Zstd, Self::Lz4, Self::Gzip, Self::Delta];
        all.into_iter().find(|encoding| *encoding as u8 == number)
    }
}

/// Where a chunk lies, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Locator {
    pub id: ChunkId,
    /// The pack, by its place in the manifest's list.
    pub pack: u32,
    /// Its number in the pack.
    pub number: u32,
    /// Where it begins in the pack.
    pub offset: u32,
    /// Its size there, authentication included.
    pub stored: u32,
    /// Its size as content.
    pub length: u32,
    pub encoding: Encoding,
}

/// A chunk, and for a delta what it is against. That one is no delta itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub at: Locator,
    pub base: Option<Locator>,
}

/// One locator as written.
pub(crate) const LOCATOR_BYTES: usize = 32 + 5 * 4 + 1;

impl Locator {
    /// Writes it.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.id.0);
        for number in [self.pack, self.number, self.offset, self.stored, self.length] {
            to.extend_from_slice(&number.to_le_bytes());
        }
        to.push(self.encoding as u8);
    }

    /// Reads one.
    pub(crate) fn read(from: &mut &[u8]) -> Option<Self> {
        let (id, rest) = from.split_first_chunk::<32>()?;
        *from = rest;
        if from.len() < LOCATOR_BYTES - 32 {
            return None;
        }
        Some(Self {
            id: ChunkId(*id),
            pack: from.get_u32_le(),
            number: from.get_u32_le(),
            offset: from.get_u32_le(),
            stored: from.get_u32_le(),
            length: from.get_u32_le(),
            encoding: Encoding::of(from.get_u8())?,
        })
    }

    /// A chunk of zeros, which lies nowhere.
    pub(crate) const fn zero(id: ChunkId, length: u32) -> Self {
        Self {
            id,
            pack: 0,
            number: 0,
            offset: 0,
            stored: 0,
            length,
            encoding: Encoding::Zero,
        }
    }
}

impl Chunk {
    /// A chunk that stands by itself.
    pub(crate) const fn whole(at: Locator) -> Self {
        Self { at, base: None }
    }

    /// What a later version of it may be a delta against.
    pub(crate) const fn key(&self) -> Locator {
        match self.base {
            Some(base) => base,
            None => self.at,
        }
    }

    /// The same with packs numbered otherwise.
    pub(crate) fn map_packs(self, to: impl Fn(u32) -> u32) -> Self {
        let mapped = |at: Locator| match at.encoding {
            Encoding::Zero => at,
            _ => Locator {
                pack: to(at.pack),
                ..at
            },
        };
        Self {
            at: mapped(self.at),
            base: self.base.map(mapped),
        }
    }
}

/// The chunks of one file, in order, as they are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChunkList(Vec<u8>);

impl ChunkList {
    /// One more.
    pub(crate) fn push(&mut self, chunk: &Chunk) {
        chunk.at.write(&mut self.0);
        if let Some(base) = &chunk.base {
            base.write(&mut self.0);
        }
    }

    /// No more.
    pub(crate) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Reads a list of chunks. The error names the object that it is in.
pub(crate) fn chunks<'a>(path: &'a str, list: &'a [u8]) -> impl Iterator<Item = Result<Chunk, Error>> + 'a {
    let mut rest = list;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = read_chunk(&mut rest);
        if read.is_none() {
            rest = &[];
        }
        Some(read.ok_or_else(|| Error::corrupt(path, "its list of chunks is not one")))
    })
}

fn read_chunk(from: &mut &[u8]) -> Option<Chunk> {
    let at = Locator::read(from)?;
    let base = match at.encoding {
        Encoding::Delta => Some(Locator::read(from)?),
        _ => None,
    };
    Some(Chunk { at, base })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let at = |number: u32, encoding| Locator {
            id: ChunkId([number as u8; 32]),
            pack: number,
            number,
            offset: number * 7,
            stored: 9,
            length: 8192,
            encoding,
        };
        let written = [
            Chunk::whole(at(1, Encoding::Zstd)),
            Chunk {
                at: at(2, Encoding::Delta),
                base: Some(at(1, Encoding::Raw)),
            },
            Chunk::whole(Locator::zero(ChunkId([0; 32]), 8192)),
        ];
        let mut list = ChunkList::default();
        written.iter().for_each(|chunk| list.push(chunk));
        let list = list.finish();
        let read: Vec<Chunk> = chunks("m", &list).map(Result::unwrap).collect();
        assert_eq!(read, written);
        let cut = chunks("m", &list[..list.len() - 1]).last().unwrap();
        assert!(cut.is_err(), "a list that was cut is not read as a shorter one");
        assert_eq!(chunks("m", &[]).count(), 0);
    }
}
