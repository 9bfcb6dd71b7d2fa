//! What a backup consists of: its files, and which chunks each is made of. Pure.

use bytes::Bytes;
use prost::Message;

use super::Error;
use super::chunk::{self, Chunk};
use super::state::Position;

/// A backup of a cluster, whole: nothing else is needed to restore its files.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Manifest {
    #[prost(string, tag = "1")]
    pub id: String,
    /// Packs with chunks of it, its own and earlier ones'. Chunks name a pack by its place in this list.
    #[prost(message, repeated, tag = "2")]
    pub packs: Vec<PackRef>,
    /// Directories, symbolic links and files, a directory before what is in it.
    #[prost(message, repeated, tag = "3")]
    pub files: Vec<FileEntry>,
    /// Tablespaces outside of the data directory.
    #[prost(message, repeated, tag = "4")]
    pub tablespaces: Vec<Tablespace>,
    /// The content of `backup_label`.
    #[prost(bytes = "bytes", tag = "5")]
    pub backup_label: Bytes,
    /// The content of `tablespace_map`. Empty: there is none.
    #[prost(bytes = "bytes", tag = "6")]
    pub tablespace_map: Bytes,
    #[prost(fixed64, tag = "7")]
    pub system_identifier: u64,
    #[prost(uint32, tag = "8")]
    pub server_version: u32,
    #[prost(message, optional, tag = "9")]
    pub start: Option<Position>,
    #[prost(message, optional, tag = "10")]
    pub stop: Option<Position>,
    /// Whether pages have checksums.
    #[prost(bool, tag = "11")]
    pub page_checksums: bool,
    #[prost(uint32, tag = "12")]
    pub wal_segment_bytes: u32,
    /// Names of relations by where their files are, as far as they could be asked.
    #[prost(message, repeated, tag = "13")]
    pub relations: Vec<Relation>,
    /// Pages whose checksum was wrong, as `path:block`, at most 1,000.
    #[prost(string, repeated, tag = "14")]
    pub corrupt_pages: Vec<String>,
    /// The hash of the manifest of the backup before, sealed. Empty: there was none.
    #[prost(bytes = "vec", tag = "15")]
    pub previous: Vec<u8>,
}

/// A pack that a backup needs.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct PackRef {
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum EntryKind {
    /// A file.
    File = 0,
    /// A directory.
    Directory = 1,
    /// A symbolic link. Those in `pg_tblspc` to tablespaces are not entries.
    Link = 2,
}

/// A file, directory or link.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FileEntry {
    /// Its path in the data directory with `/`; files of a tablespace lie below `pg_tblspc/<oid>/`.
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(enumeration = "EntryKind", tag = "2")]
    pub kind: i32,
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
    #[prost(uint32, tag = "4")]
    pub mode: u32,
    #[prost(int64, tag = "5")]
    pub modified_unix_ms: i64,
    /// Its chunks, each [`chunk::CHUNK_BYTES`] but the last; read with [`FileEntry::chunks`].
    #[prost(bytes = "bytes", tag = "6")]
    pub chunks: Bytes,
    /// CRC-32C of its content.
    #[prost(fixed32, tag = "7")]
    pub crc32c: u32,
    /// Where a link leads.
    #[prost(string, tag = "8")]
    pub target: String,
}

impl FileEntry {
    /// Its chunks, in order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Result<Chunk, Error>> + '_ {
        chunk::chunks(&self.path, &self.chunks)
    }
}

/// A tablespace outside of the data directory.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Tablespace {
    #[prost(uint32, tag = "1")]
    pub oid: u32,
    #[prost(string, tag = "2")]
    pub location: String,
}

/// A relation's name, and where its files are.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Relation {
    #[prost(string, tag = "1")]
    pub database: String,
    #[prost(uint32, tag = "2")]
    pub database_oid: u32,
    /// As `schema.name`.
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(uint32, tag = "4")]
    pub oid: u32,
    #[prost(uint32, tag = "5")]
    pub filenode: u32,
    /// As in `pg_class`: `r`, `i`, `t`, `m`, `S`.
    #[prost(string, tag = "6")]
    pub kind: String,
    /// 0: the database's own.
    #[prost(uint32, tag = "7")]
    pub tablespace: u32,
}

/// Where the manifest of a backup lies that this attempt wrote.
pub(crate) fn path_of(id: &str, attempt: &str) -> String {
    format!("manifests/{id}/{attempt}")
}
