//! The objects that an export's data lies in: a tar of members, made small by zstd, encrypted to the project's readers.
//!
//! Each can be read alone with `age -d | zstd -d | tar x`. Members hold whole rows. What is here works on threads that
//! may be blocked.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::readers::{Identities, Readers};

/// A part is closed once it has so many bytes. Less in tests, which want several of them without much data.
pub(crate) const PART_BYTES: u64 = if cfg!(test) { 256 * 1024 } else { 16 * 1024 * 1024 };
/// A member holds so much, unless one row is longer.
pub(crate) const MEMBER_BYTES: usize = if cfg!(test) { 64 * 1024 } else { 1024 * 1024 };

/// Bytes in memory that others may ask the number of.
struct Counted {
    bytes: Vec<u8>,
    count: Arc<AtomicU64>,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(buffer);
        self.count.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Packed = zstd::stream::write::Encoder<'static, age::stream::StreamWriter<Counted>>;

/// A part in the making.
pub(crate) struct PartWriter {
    tar: tar::Builder<Packed>,
    count: Arc<AtomicU64>,
}

impl std::fmt::Debug for PartWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartWriter({} bytes)", self.count.load(Ordering::Relaxed))
    }
}

impl PartWriter {
    /// One for these readers.
    pub(crate) fn new(readers: &Readers, level: i32) -> io::Result<Self> {
        let count = Arc::new(AtomicU64::new(0));
        let sealed = readers.encrypting(Counted {
            bytes: Vec::new(),
            count: Arc::clone(&count),
        })?;
        let tar = tar::Builder::new(zstd::stream::write::Encoder::new(sealed, level)?);
        Ok(Self { tar, count })
    }

    /// Adds a member.
    pub(crate) fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_entry_type(tar::EntryType::Regular);
        self.tar.append_data(&mut header, name, content)
    }

    /// Whether it is big enough.
    pub(crate) fn is_full(&self) -> bool {
        self.count.load(Ordering::Relaxed) >= PART_BYTES
    }

    /// Its bytes, as they are to be stored.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        Ok(self.tar.into_inner()?.finish()?.finish()?.bytes)
    }
}

/// Reads the members of a part, one after the other. What `take` is given ends with the call.
pub(crate) fn members(
    sealed: &[u8],
    identities: &Identities,
    mut take: impl FnMut(&str, Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let opened = identities.decrypting(sealed);
    let packed = opened.map_err(|error| io::Error::other(error.to_string()))?;
    let mut archive = tar::Archive::new(zstd::stream::read::Decoder::new(packed)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if content.len() as u64 != entry.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        take(&name, content)?;
    }
    // What stands behind the end of the archive has to be there as well: its encryption says that nothing was cut off.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::x25519::Identity;

    #[test]
    fn members_come_out_as_they_went_in() {
        let identity = Identity::generate();
        let mut writer = PartWriter::new(&Readers::with(&identity), 3).unwrap();
        let long = "x".repeat(2 * MEMBER_BYTES);
        for (name, content) in [
            ("data/00000/00000/000000.copy", "a\tb\n"),
            ("data/00001/00000/000000.copy", &long),
        ] {
            writer.add(name, content.as_bytes()).unwrap();
        }
        let sealed = writer.finish().unwrap();
        let mut found = Vec::new();
        let identities = Identities::of(identity);
        let take = |found: &mut Vec<(String, usize)>, name: &str, content: Vec<u8>| {
            found.push((name.to_owned(), content.len()));
        };
        members(&sealed, &identities, |name, content| {
            take(&mut found, name, content);
            Ok(())
        })
        .unwrap();
        assert_eq!(found[0], ("data/00000/00000/000000.copy".to_owned(), 4));
        assert_eq!(found[1].1, long.len());
        for length in 0..sealed.len() {
            assert!(
                members(&sealed[..length], &identities, |_, _| Ok(())).is_err(),
                "{length} bytes"
            );
        }
        assert!(members(&sealed, &Identities::of(Identity::generate()), |_, _| Ok(())).is_err());
    }
}
