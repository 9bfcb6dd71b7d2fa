//! How chunks are made small. Pure.

use std::io::{Read as _, Write as _};

use flate2::Compression as GzipLevel;
use zstd::zstd_safe::{CCtx, DCtx};

use super::chunk::{CHUNK_BYTES, Encoding};

/// How to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// zstd, at this level.
    Zstd(i32),
    /// LZ4.
    Lz4,
    /// gzip, at this level.
    Gzip(u32),
    /// Not at all.
    None,
}

/// What compresses and decompresses on one thread.
pub(crate) struct Codec {
    compression: Compression,
    packing: CCtx<'static>,
    unpacking: DCtx<'static>,
    packed: Vec<u8>,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Codec({:?})", self.compression)
    }
}

/// Bytes that are not what their encoding makes of anything.
#[derive(Debug, thiserror::Error)]
#[error("its content cannot be unpacked")]
pub(crate) struct Unpackable;

impl Codec {
    /// Something that compresses in this way, and reads every way.
    pub(crate) fn new(compression: Compression) -> Self {
        Self {
            compression,
            packing: CCtx::create(),
            unpacking: DCtx::create(),
            packed: Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4),
        }
    }

    /// Makes content small, or says that it cannot.
    pub(crate) fn pack(&mut self, content: &[u8]) -> (Encoding, &[u8]) {
        self.packed.clear();
        let encoding = match self.compression {
            Compression::Zstd(level) => self.zstd(content, level),
            Compression::Lz4 => {
                self.packed = lz4_flex::block::compress(content);
                Some(Encoding::Lz4)
            }
            Compression::Gzip(level) => self.gzip(content, level),
            Compression::None => None,
        };
        match encoding {
            Some(encoding) if self.packed.len() < content.len() => (encoding, &self.packed),
            _ => {
                self.packed.clear();
                self.packed.extend_from_slice(content);
                (Encoding::Raw, &self.packed)
            }
        }
    }

    fn zstd(&mut self, content: &[u8], level: i32) -> Option<Encoding> {
        self.packed.reserve(zstd::zstd_safe::compress_bound(content.len()));
        let packed = self.packing.compress(&mut self.packed, content, level);
        packed.ok().map(|_| Encoding::Zstd)
    }

    fn gzip(&mut self, content: &[u8], level: u32) -> Option<Encoding> {
        let mut encoder = flate2::write::GzEncoder::new(&mut self.packed, GzipLevel::new(level));
        encoder.write_all(content).ok()?;
        encoder.finish().ok().map(|_| Encoding::Gzip)
    }

    /// Says what changed since `base`; none where that takes more than `bytes_max`.
    pub(crate) fn delta(&mut self, content: &[u8], base: &[u8], bytes_max: usize) -> Option<&[u8]> {
        let level = match self.compression {
            Compression::Zstd(level) => level.clamp(1, 3),
            _ => return None,
        };
        // A dictionary that begins with this mark would be read as a trained one.
        if base.starts_with(&[0x37, 0xA4, 0x30, 0xEC]) {
            return None;
        }
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(content.len()));
        let packed = self.packing.compress_using_dict(&mut self.packed, content, base, level);
        let bytes = packed.ok()?;
        (bytes <= bytes_max).then_some(self.packed.as_slice())
    }

    /// Makes content of what was packed, into `to`, in whose place it puts it.
    pub(crate) fn unpack(
        &mut self,
        encoding: Encoding,
        packed: &[u8],
        length: usize,
        base: Option<&[u8]>,
        to: &mut Vec<u8>,
    ) -> Result<(), Unpackable> {
        to.clear();
        if length > CHUNK_BYTES {
            return Err(Unpackable);
        }
        to.reserve(length);
        match encoding {
            Encoding::Raw => to.extend_from_slice(packed),
            Encoding::Zero => to.resize(length, 0),
            Encoding::Zstd => {
                self.unpacking.decompress(to, packed).map_err(|_| Unpackable)?;
            }
            Encoding::Delta => {
                let base = base.ok_or(Unpackable)?;
                let unpacked = self.unpacking.decompress_using_dict(to, packed, base);
                unpacked.map_err(|_| Unpackable)?;
            }
            Encoding::Lz4 => {
                to.resize(length, 0);
                let unpacked = lz4_flex::block::decompress_into(packed, to);
                to.truncate(unpacked.map_err(|_| Unpackable)?);
            }
            Encoding::Gzip => {
                let mut decoder = flate2::read::GzDecoder::new(packed).take(length as u64 + 1);
                decoder.read_to_end(to).map_err(|_| Unpackable)?;
            }
        }
        if to.len() == length { Ok(()) } else { Err(Unpackable) }
    }
}

/// Whether every byte is zero.
pub(crate) fn is_zero(content: &[u8]) -> bool {
    let (chunks, rest) = content.as_chunks::<64>();
    chunks.iter().all(|chunk| chunk == &[0; 64]) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(seed: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        let words: Vec<u64> = (0..200).map(|_| random.u64(..)).collect();
        let bytes = (0..CHUNK_BYTES / 8).flat_map(|_| words[random.usize(..200)].to_le_bytes());
        bytes.collect()
    }

    #[test]
    fn every_way_gives_back_what_was_packed() {
        let content = content(1);
        for compression in [
            Compression::Zstd(3),
            Compression::Lz4,
            Compression::Gzip(6),
            Compression::None,
        ] {
            let mut codec = Codec::new(compression);
            let (encoding, packed) = codec.pack(&content);
            let packed = packed.to_vec();
            assert_eq!(packed.len() < content.len(), compression != Compression::None);
            let mut again = Vec::new();
            codec
                .unpack(encoding, &packed, content.len(), None, &mut again)
                .unwrap();
            assert_eq!(again, content, "{compression:?}");
            let cut = codec.unpack(encoding, &packed[..packed.len() / 2], content.len(), None, &mut again);
            assert!(cut.is_err(), "{compression:?}");
        }
    }

    #[test]
    fn a_changed_page_costs_little_more_than_the_change() {
        let old = content(2);
        let mut new = old.clone();
        for page in new.chunks_mut(8192) {
            page[40..48].copy_from_slice(&[0xEE; 8]);
        }
        let mut codec = Codec::new(Compression::Zstd(3));
        let delta = codec.delta(&new, &old, new.len()).unwrap().to_vec();
        assert!(delta.len() < 1_000, "{} bytes", delta.len());
        let mut again = Vec::new();
        codec
            .unpack(Encoding::Delta, &delta, new.len(), Some(&old), &mut again)
            .unwrap();
        assert_eq!(again, new);
        assert!(codec.delta(&new, &old, 10).is_none());
    }

    #[test]
    fn zero_is_zero_to_the_last_byte() {
        let mut page = vec![0; 8193];
        assert!(is_zero(&page));
        page[8192] = 1;
        assert!(!is_zero(&page));
    }
}
