//! Chunks out of packs: one after the other, with what lies beside them read along.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::chunk::{Chunk, ChunkId, Encoding, Locator};
use super::codec::{Codec, Compression};
use super::manifest::PackRef;
use super::pack::PackOpener;
use super::seal::HEADER_BYTES;
use super::{Error, Repository};

/// So much of a pack is read at once.
const WINDOW_BYTES: u64 = 1 << 20;
/// So many windows are kept.
const WINDOWS: usize = 8;

/// Reads chunks that a manifest names. For one task or thread.
pub(crate) struct ChunkReader {
    repository: Repository,
    packs: Arc<[PackRef]>,
    openers: HashMap<u32, PackOpener>,
    /// The one used last at the end.
    windows: VecDeque<Window>,
    codec: Codec,
    sealed: Vec<u8>,
    base: Vec<u8>,
    read_bytes: u64,
}

struct Window {
    pack: u32,
    from: u64,
    bytes: Bytes,
}

impl std::fmt::Debug for ChunkReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChunkReader({})", self.repository.name())
    }
}

impl ChunkReader {
    /// Reads from these packs, which chunks name by their place in the list.
    pub(crate) fn new(repository: Repository, packs: Arc<[PackRef]>) -> Self {
        Self {
            repository,
            packs,
            openers: HashMap::new(),
            windows: VecDeque::new(),
            codec: Codec::new(Compression::None),
            sealed: Vec::new(),
            base: Vec::new(),
            read_bytes: 0,
        }
    }

    /// Bytes fetched so far.
    pub(crate) const fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Puts the content of a chunk in the place of what is in `to`. What comes out is what went in, or an error.
    pub(crate) async fn read(&mut self, chunk: &Chunk, to: &mut Vec<u8>) -> Result<(), Error> {
        let mut base = std::mem::take(&mut self.base);
        let read = async {
            if let Some(at) = &chunk.base {
                self.content(at, None, &[], &mut base).await?;
            }
            let base_id = chunk.base.map(|base| base.id);
            self.content(&chunk.at, base_id, &base, to).await
        };
        let read = read.await;
        self.base = base;
        read
    }

    async fn content(
        &mut self,
        at: &Locator,
        base: Option<ChunkId>,
        base_content: &[u8],
        to: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if at.encoding == Encoding::Zero {
            to.clear();
            to.resize(at.length as usize, 0);
            return Ok(());
        }
        let sealed = self.sealed(at).await?;
        self.learn_opener(at.pack).await?;
        let path = self.pack(at.pack)?.path.clone();
        self.sealed.clear();
        self.sealed.extend_from_slice(&sealed);
        let opener = self.openers.get(&at.pack);
        let opener = opener.ok_or_else(|| Error::corrupt(&path, "it has no key"))?;
        let packed = opener.open_at(at, base, &mut self.sealed)?;
        let base = base.map(|_| base_content);
        let unpacked = self.codec.unpack(at.encoding, packed, at.length as usize, base, to);
        unpacked.map_err(|error| Error::corrupt(&path, error.to_string()))?;
        if ChunkId::of(self.repository.keys().naming(), to) == at.id {
            Ok(())
        } else {
            Err(Error::corrupt(
                &path,
                format!("chunk {} is another's content", at.number),
            ))
        }
    }

    /// The same as it is packed: authenticated, and not unpacked.
    pub(crate) async fn packed(&mut self, at: &Locator, base: Option<ChunkId>, to: &mut Vec<u8>) -> Result<(), Error> {
        let sealed = self.sealed(at).await?;
        self.learn_opener(at.pack).await?;
        self.sealed.clear();
        self.sealed.extend_from_slice(&sealed);
        let opener = self.openers.get(&at.pack);
        let opener = opener.ok_or_else(|| Error::corrupt("packs", "it has no key"))?;
        let packed = opener.open_at(at, base, &mut self.sealed)?;
        to.clear();
        to.extend_from_slice(packed);
        Ok(())
    }

    fn pack(&self, number: u32) -> Result<&PackRef, Error> {
        let pack = self.packs.get(number as usize);
        pack.ok_or_else(|| Error::corrupt("manifest", "a chunk names a pack that is not listed"))
    }

    async fn sealed(&mut self, at: &Locator) -> Result<Bytes, Error> {
        let (from, end) = (u64::from(at.offset), u64::from(at.offset) + u64::from(at.stored));
        if let Some(bytes) = self.in_window(at.pack, from, end) {
            return Ok(bytes);
        }
        let pack = self.pack(at.pack)?.clone();
        let until = end.max(from + WINDOW_BYTES).min(pack.bytes.max(end));
        let bytes = self.repository.shelf().get_range(&pack.path, from..until).await?;
        self.read_bytes += bytes.len() as u64;
        if self.windows.len() >= WINDOWS {
            self.windows.pop_front();
        }
        self.windows.push_back(Window {
            pack: at.pack,
            from,
            bytes,
        });
        let found = self.in_window(at.pack, from, end);
        found.ok_or_else(|| Error::corrupt(&pack.path, "it is shorter than it was"))
    }

    fn in_window(&mut self, pack: u32, from: u64, end: u64) -> Option<Bytes> {
        let has = |window: &Window| {
            window.pack == pack && window.from <= from && end <= window.from + window.bytes.len() as u64
        };
        let at = self.windows.iter().rposition(has)?;
        let window = self.windows.remove(at)?;
        let offset = usize::try_from(from - window.from).ok()?;
        let length = usize::try_from(end - from).ok()?;
        let bytes = window.bytes.slice(offset..offset + length);
        self.windows.push_back(window);
        Some(bytes)
    }

    async fn learn_opener(&mut self, number: u32) -> Result<(), Error> {
        if self.openers.contains_key(&number) {
            return Ok(());
        }
        let path = self.pack(number)?.path.clone();
        let header = self.repository.shelf().get_range(&path, 0..HEADER_BYTES as u64).await?;
        let opener = self.repository.pack_opener(&path, &header).await?;
        self.openers.insert(number, opener);
        Ok(())
    }
}

impl Repository {
    /// What opens the chunks of a pack that begins with `header`.
    pub(crate) async fn pack_opener(&self, path: &str, header: &[u8]) -> Result<PackOpener, Error> {
        let (key, _) = super::seal::read_header(super::seal::Kind::Pack, path, header)?;
        if self.keys().find(key).is_none() {
            self.reload_keys().await?;
        }
        let keys = self.keys();
        PackOpener::new(path, header, |id| keys.find(id), *self.id_bytes())
    }
}
