//! Base backups: a cluster's files, as they are while it works, with what makes them consistent.

pub(crate) mod pages;

use bytes::Bytes;

use crate::repo::codec::Compression;
use crate::repo::manifest::{FileEntry, Tablespace};
use crate::repo::state::Position;

/// How to read and store.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub threads: usize,
    pub compression: Compression,
    /// An immediate checkpoint rather than a spread one.
    pub checkpoint_now: bool,
    /// The label that the server shows.
    pub label: String,
}

/// What was read of a cluster, and stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken {
    pub files: Vec<FileEntry>,
    pub tablespaces: Vec<Tablespace>,
    pub backup_label: Bytes,
    pub tablespace_map: Bytes,
    pub start: Position,
    pub stop: Position,
    /// Bytes of the files.
    pub source_bytes: u64,
    /// Pages whose checksum was wrong, as `path:block`, at most 1,000; and how many there were.
    pub corrupt_pages: Vec<String>,
    pub corrupt_page_count: u64,
}
