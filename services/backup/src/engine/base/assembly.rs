//! Parts of files that were stored, put together in their order, whichever was stored first. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::repo::chunk::{CHUNK_BYTES, Chunk, ChunkList};
use crate::repo::manifest::{FileEntry, Manifest};

/// So many wrong pages are named; more are counted.
const NAMED_MAX: usize = 1_000;

/// A part of a file that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Which of its chunks is the first.
    pub first: u32,
    pub chunks: Vec<Chunk>,
    pub bytes: u64,
    pub crc32c: u32,
    /// Numbers of pages whose checksum is wrong.
    pub broken: Vec<u32>,
}

/// The parts of all files of a backup.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// By the file's place in the listing, and by the part's first chunk.
    parts: BTreeMap<usize, BTreeMap<u32, Part>>,
    /// Files that were gone when they were read.
    gone: Vec<usize>,
}

/// Files as they were stored, with their wrong pages.
#[derive(Debug, Default)]
pub(crate) struct Assembled {
    pub files: Vec<FileEntry>,
    pub source_bytes: u64,
    pub corrupt_pages: Vec<String>,
    pub corrupt_page_count: u64,
}

impl Part {
    /// Nothing yet, of a file from this chunk on.
    pub(crate) const fn empty(first: u32) -> Self {
        Self {
            first,
            chunks: Vec::new(),
            bytes: 0,
            crc32c: 0,
            broken: Vec::new(),
        }
    }

    /// The next chunk, with its content.
    pub(crate) fn add(&mut self, chunk: Chunk, content: &[u8]) {
        self.chunks.push(chunk);
        self.bytes += content.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, content);
    }
}

impl Assembly {
    /// A part of a file.
    pub(crate) fn add(&mut self, file: usize, part: Part) {
        self.parts.entry(file).or_default().insert(part.first, part);
    }

    /// A file that was dropped before it was read: the log knows of it.
    pub(crate) fn gone(&mut self, file: usize) {
        self.gone.push(file);
    }

    /// Everything of the one and of the other.
    pub(crate) fn join(&mut self, other: Self) {
        for (file, parts) in other.parts {
            self.parts.entry(file).or_default().extend(parts);
        }
        self.gone.extend(other.gone);
    }

    /// The files of the listing, with what was stored of each.
    pub(crate) fn finish(mut self, listed: Vec<FileEntry>) -> Assembled {
        let mut done = Assembled::default();
        let gone = std::mem::take(&mut self.gone);
        for (at, mut entry) in listed.into_iter().enumerate() {
            let parts = self.parts.remove(&at).unwrap_or_default();
            if gone.contains(&at) && parts.is_empty() {
                continue;
            }
            entry.bytes = 0;
            let mut chunks = ChunkList::default();
            let mut expected = 0;
            for (first, part) in parts {
                // A file that was cut short while it was read ends where the first part ends early. The log brings
                // back what was there after it, if it is to be there.
                if first != expected {
                    break;
                }
                part.chunks.iter().for_each(|chunk| chunks.push(chunk));
                entry.crc32c = crc32c::crc32c_combine(entry.crc32c, part.crc32c, usize_of(part.bytes));
                entry.bytes += part.bytes;
                done.note_broken(&entry.path, &part.broken);
                if part.bytes != part.chunks.len() as u64 * CHUNK_BYTES as u64 {
                    break;
                }
                expected += u32::try_from(part.chunks.len()).unwrap_or(u32::MAX);
            }
            entry.chunks = chunks.finish();
            done.source_bytes += entry.bytes;
            done.files.push(entry);
        }
        done
    }
}

impl Assembled {
    fn note_broken(&mut self, path: &str, blocks: &[u32]) {
        self.corrupt_page_count += blocks.len() as u64;
        for block in blocks {
            if self.corrupt_pages.len() < NAMED_MAX {
                self.corrupt_pages.push(format!("{path}:{block}"));
            }
        }
    }
}

fn usize_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// What the basis of a backup has in each place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Earlier(Option<Arc<Basis>>);

#[derive(Debug)]
struct Basis {
    manifest: Arc<Manifest>,
    /// Where a path stands in the manifest.
    places: HashMap<String, usize>,
}

impl Earlier {
    /// What this manifest has; nothing where there is none.
    pub(crate) fn of(manifest: Option<&Arc<Manifest>>) -> Self {
        Self(manifest.map(|manifest| {
            let files = manifest.files.iter().enumerate();
            let places = files.filter(|(_, file)| !file.chunks.is_empty());
            Arc::new(Basis {
                places: places.map(|(at, file)| (file.path.clone(), at)).collect(),
                manifest: Arc::clone(manifest),
            })
        }))
    }

    /// The chunks of a file from one on; none where the basis has no such file.
    pub(crate) fn chunks(&self, path: &str, first: u32) -> impl Iterator<Item = Chunk> + '_ {
        let file = self.0.as_ref().and_then(|basis| {
            let at = basis.places.get(path)?;
            basis.manifest.files.get(*at)
        });
        let chunks = file.into_iter().flat_map(FileEntry::chunks);
        chunks.map_while(Result::ok).skip(first as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::chunk::{ChunkId, Locator};

    fn part(first: u32, chunks: u32, bytes: u64) -> Part {
        let chunk = |number: u32| Chunk::whole(Locator::zero(ChunkId([number as u8; 32]), 1));
        Part {
            first,
            chunks: (first..first + chunks).map(chunk).collect(),
            bytes,
            crc32c: 0,
            broken: vec![first],
        }
    }

    fn finished(parts: Vec<Part>) -> (u64, usize) {
        let mut assembly = Assembly::default();
        parts.into_iter().for_each(|part| assembly.add(0, part));
        let done = assembly.finish(vec![FileEntry {
            path: "base/1/2".to_owned(),
            ..FileEntry::default()
        }]);
        (done.files[0].bytes, done.files[0].chunks().count())
    }

    #[test]
    fn parts_are_put_in_order_and_a_cut_file_ends_at_its_cut() {
        let whole = 2 * CHUNK_BYTES as u64;
        assert_eq!(finished(vec![part(2, 1, 9), part(0, 2, whole)]), (whole + 9, 3));
        assert_eq!(
            finished(vec![part(2, 2, whole), part(0, 2, whole - 8192)]),
            (whole - 8192, 2)
        );
        assert_eq!(finished(vec![part(2, 2, whole)]), (0, 0));
        assert_eq!(
            finished(vec![part(0, 2, whole), part(2, 0, 0), part(4, 1, 9)]),
            (whole, 2)
        );
    }

    #[test]
    fn a_file_that_was_gone_is_not_listed_and_an_empty_one_is() {
        let mut assembly = Assembly::default();
        assembly.gone(0);
        let named = |path: &str| FileEntry {
            path: path.to_owned(),
            ..FileEntry::default()
        };
        let done = assembly.finish(vec![named("gone"), named("empty")]);
        assert_eq!(done.files, vec![named("empty")]);
    }
}
