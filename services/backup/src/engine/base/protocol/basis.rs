//! An earlier backup, as far as the next one makes use of it: its files by their paths.

use std::sync::Arc;

use super::changes::Before;
use super::sums;
use crate::error::Error;
use crate::repo::chunk::CHUNK_BYTES;
use crate::repo::manifest::{EntryKind, FileEntry, Manifest};
use crate::repo::state::Position;

/// An earlier backup.
#[derive(Debug)]
pub(super) struct Basis {
    manifest: Arc<Manifest>,
    /// Its files by their paths.
    order: Vec<u32>,
}

impl Basis {
    pub(super) fn of(manifest: Arc<Manifest>) -> Self {
        let files = |at: &u32| manifest.files.get(*at as usize);
        let mut order: Vec<u32> = (0..).take(manifest.files.len()).collect();
        order.retain(|at| files(at).is_some_and(|file| file.kind() == EntryKind::File));
        order.sort_unstable_by_key(|at| files(at).map(|file| file.path.as_str()));
        Self { order, manifest }
    }

    /// A file of it.
    pub(super) fn find(&self, path: &str) -> Option<&FileEntry> {
        let file = |at: &u32| self.manifest.files.get(*at as usize);
        let by_path = |at: &u32| file(at).map(|file| file.path.as_str()).cmp(&Some(path));
        let found = self.order.binary_search_by(by_path).ok()?;
        file(self.order.get(found)?)
    }

    /// What it knows of a file; an error where its list of chunks is damaged.
    pub(super) fn before(&self, path: &str) -> Result<Option<Before>, Error> {
        let Some(file) = self.find(path) else {
            return Ok(None);
        };
        let chunks: Result<Vec<_>, _> = file.chunks().collect();
        let chunks = chunks?;
        if chunks.len() as u64 != file.bytes.div_ceil(CHUNK_BYTES as u64) {
            let reason = format!("{path} has another size than its chunks");
            return Err(crate::repo::Error::corrupt("manifest", reason).into());
        }
        Ok(Some(Before {
            bytes: file.bytes,
            crc32c: file.crc32c,
            chunks,
        }))
    }

    /// The server's manifest of it, where the server can be asked for what changed since, on this timeline.
    pub(super) fn server_manifest(&self, timeline: u32) -> Option<&FileEntry> {
        let is_on = |place: Option<Position>| place.is_some_and(|place| place.timeline == timeline);
        self.find(sums::PATH)
            .filter(|_| is_on(self.manifest.start) && is_on(self.manifest.stop))
    }
}
