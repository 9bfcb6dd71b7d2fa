//! Packs: many chunks in one object, so that a store is asked for few.
//!
//! A pack begins with the header of every sealed object. Chunks follow, each sealed by itself under its number, so that
//! one can be read alone. At the end is the sealed list of what is in it, for whoever has no manifest.

use bytes::Bytes;
use ring::aead::{Aad, LessSafeKey};

use super::chunk::{Chunk, ChunkId, Encoding, LOCATOR_BYTES, Locator};
use super::seal::{self, HEADER_BYTES, Key, Kind, TAG_BYTES};
use super::{Error, keys};

/// A pack is closed when it holds so much.
pub(crate) const PACK_BYTES: usize = 24 << 20;
/// Under this number the list is sealed. No pack has so many chunks.
const LIST_NUMBER: u32 = u32::MAX;
/// Length of the list, and the mark of the end.
const FOOTER_BYTES: usize = 8;
const END: &[u8; 4] = b"RIEW";

/// A pack in the making.
pub(crate) struct PackBuilder {
    path: String,
    repository: [u8; 16],
    key: LessSafeKey,
    bytes: Vec<u8>,
    list: Vec<u8>,
    chunks: u32,
}

impl PackBuilder {
    /// An empty pack for this path, which nobody else uses.
    pub(crate) fn new(path: String, key: &Key, repository: [u8; 16]) -> Result<Self, Error> {
        let salt = keys::salt(&path)?;
        let object = key.of_object(&path, &salt).ok_or_else(|| seal::unusable(&path))?;
        let mut bytes = Vec::with_capacity(PACK_BYTES + (256 << 10));
        bytes.extend_from_slice(&seal::header(Kind::Pack, key.id(), &salt));
        Ok(Self {
            path,
            repository,
            key: object,
            bytes,
            list: Vec::new(),
            chunks: 0,
        })
    }

    /// Whether it is to be closed.
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes.len() >= PACK_BYTES
    }

    /// Adds a chunk. Its locator names the pack by 0.
    pub(crate) fn push(
        &mut self,
        id: ChunkId,
        encoding: Encoding,
        length: u32,
        packed: &[u8],
        base: Option<ChunkId>,
    ) -> Result<Locator, Error> {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(packed);
        let aad = authenticated(&self.repository, id, encoding, length, base);
        let sealed = self.bytes.get_mut(offset..).unwrap_or_default();
        let tag = self
            .key
            .seal_in_place_separate_tag(seal::nonce(self.chunks), Aad::from(aad), sealed)
            .map_err(|_| seal::unusable(&self.path))?;
        self.bytes.extend_from_slice(tag.as_ref());
        let at = Locator {
            id,
            pack: 0,
            number: self.chunks,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            stored: u32::try_from(packed.len() + TAG_BYTES).unwrap_or(u32::MAX),
            length,
            encoding,
        };
        at.write(&mut self.list);
        self.chunks += 1;
        Ok(at)
    }

    /// Leaves room up to the place of a chunk in the pack that this one takes the place of. False: that lies behind.
    pub(crate) fn leave_room(&mut self, offset: u32, number: u32) -> bool {
        let offset = offset as usize;
        if offset < self.bytes.len() || number < self.chunks || offset > PACK_BYTES * 2 {
            return false;
        }
        self.bytes.resize(offset, 0);
        self.chunks = number;
        true
    }

    /// Leaves room so that it becomes so long when it is closed. False: it is longer.
    pub(crate) fn leave_room_to(&mut self, bytes: u64) -> bool {
        let end = self.list.len() + TAG_BYTES + FOOTER_BYTES;
        let offset = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_sub(end);
        let number = self.chunks;
        offset <= self.bytes.len() || self.leave_room(u32::try_from(offset).unwrap_or(u32::MAX), number)
    }

    /// Closes it: its path, and what to store there.
    pub(crate) fn finish(mut self) -> Result<(String, Bytes), Error> {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(&self.list);
        let list = self.bytes.get_mut(offset..).unwrap_or_default();
        let tag = self
            .key
            .seal_in_place_separate_tag(seal::nonce(LIST_NUMBER), Aad::from(self.repository), list)
            .map_err(|_| seal::unusable(&self.path))?;
        self.bytes.extend_from_slice(tag.as_ref());
        let list_bytes = u32::try_from(self.list.len() + TAG_BYTES).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&list_bytes.to_le_bytes());
        self.bytes.extend_from_slice(END);
        self.bytes.shrink_to_fit();
        Ok((self.path, self.bytes.into()))
    }
}

/// What opens the chunks of one pack.
pub(crate) struct PackOpener {
    path: String,
    repository: [u8; 16],
    key: LessSafeKey,
}

impl PackOpener {
    /// Reads the pack's header, which `bytes` begins with.
    pub(crate) fn new(
        path: &str,
        bytes: &[u8],
        find: impl Fn(seal::KeyId) -> Option<Key>,
        repository: [u8; 16],
    ) -> Result<Self, Error> {
        let (id, salt) = seal::read_header(Kind::Pack, path, bytes)?;
        let key = find(id).ok_or_else(|| Error::corrupt(path, "it takes a key that the repository does not have"))?;
        Ok(Self {
            path: path.to_owned(),
            repository,
            key: key.of_object(path, &salt).ok_or_else(|| seal::unusable(path))?,
        })
    }

    /// Opens a chunk in place: `sealed` is what lies at its locator.
    pub(crate) fn open<'a>(&self, chunk: &Chunk, sealed: &'a mut [u8]) -> Result<&'a [u8], Error> {
        self.open_at(&chunk.at, chunk.base.map(|base| base.id), sealed)
    }

    /// The same for a locator that is known to be of no delta, or of one against this base.
    pub(crate) fn open_at<'a>(
        &self,
        at: &Locator,
        base: Option<ChunkId>,
        sealed: &'a mut [u8],
    ) -> Result<&'a [u8], Error> {
        let aad = authenticated(&self.repository, at.id, at.encoding, at.length, base);
        let opened = self
            .key
            .open_in_place(seal::nonce(at.number), Aad::from(aad), sealed)
            .map_err(|_| Error::corrupt(&self.path, format!("chunk {} is not what was written", at.number)))?;
        Ok(opened)
    }

    /// Opens the list at the end of a pack. `tail` ends with the pack.
    pub(crate) fn open_list(&self, tail: &[u8]) -> Result<Vec<Locator>, Error> {
        let wrong = || Error::corrupt(&self.path, "its list of chunks is not what was written");
        let (rest, footer) = tail
            .len()
            .checked_sub(FOOTER_BYTES)
            .and_then(|at| tail.split_at_checked(at))
            .ok_or_else(wrong)?;
        let bytes = list_bytes(footer).ok_or_else(wrong)?;
        let from = rest.len().checked_sub(bytes).ok_or_else(wrong)?;
        let mut list = rest.get(from..).unwrap_or_default().to_vec();
        let opened = self
            .key
            .open_in_place(seal::nonce(LIST_NUMBER), Aad::from(self.repository), &mut list)
            .map_err(|_| wrong())?;
        let mut opened: &[u8] = opened;
        let mut locators = Vec::with_capacity(opened.len() / LOCATOR_BYTES);
        while !opened.is_empty() {
            locators.push(Locator::read(&mut opened).ok_or_else(wrong)?);
        }
        Ok(locators)
    }
}

/// How much of the end of a pack its list takes, footer included. `footer` is its last eight bytes.
pub(crate) fn tail_bytes(footer: &[u8]) -> Option<u64> {
    Some(list_bytes(footer)? as u64 + FOOTER_BYTES as u64)
}

fn list_bytes(footer: &[u8]) -> Option<usize> {
    let (length, end) = footer.split_first_chunk::<4>()?;
    (end == END).then_some(())?;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

/// The smallest that a pack can be.
pub(crate) const SMALLEST: u64 = (HEADER_BYTES + TAG_BYTES + FOOTER_BYTES) as u64;

fn authenticated(
    repository: &[u8; 16],
    id: ChunkId,
    encoding: Encoding,
    length: u32,
    base: Option<ChunkId>,
) -> [u8; 85] {
    let mut aad = [0; 85];
    let base = base.map_or([0; 32], |base| base.0);
    let parts: [&[u8]; 5] = [repository, &id.0, &[encoding as u8], &length.to_le_bytes(), &base];
    let mut at = 0;
    for part in parts {
        if let Some(to) = aad.get_mut(at..at + part.len()) {
            to.copy_from_slice(part);
        }
        at += part.len();
    }
    aad
}
