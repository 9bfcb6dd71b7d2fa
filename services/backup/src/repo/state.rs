//! What a repository knows of itself: one value, replaced as a whole, each time under the next number.
//!
//! Everything that is listed anywhere is in here or reached from here. Pure.

use prost::Message;
use uuid::Uuid;

use super::Error;

/// The state of a repository in one generation.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct State {
    /// Its number. It only grows.
    #[prost(uint64, tag = "1")]
    pub generation: u64,
    /// The hash of the state before, sealed. Empty in the first.
    #[prost(bytes = "vec", tag = "2")]
    pub previous: Vec<u8>,
    /// The cluster's name in the settings.
    #[prost(string, tag = "3")]
    pub cluster: String,
    /// PostgreSQL's identifier of the cluster. 0: nothing was stored yet.
    #[prost(fixed64, tag = "4")]
    pub system_identifier: u64,
    /// When this generation was made.
    #[prost(int64, tag = "5")]
    pub made_unix_ms: i64,
    /// The number of the set of keys.
    #[prost(uint64, tag = "6")]
    pub keys: u64,
    /// Backups and exports, in the order in which they were committed.
    #[prost(message, repeated, tag = "7")]
    pub backups: Vec<BackupEntry>,
    /// Proofs, in the order in which they ended.
    #[prost(message, repeated, tag = "8")]
    pub proofs: Vec<ProofEntry>,
    /// Who is writing.
    #[prost(message, repeated, tag = "9")]
    pub leases: Vec<Lease>,
    /// What nothing needs any more, and will be removed unless it is needed again.
    #[prost(message, repeated, tag = "10")]
    pub trash: Vec<Trash>,
    /// What is being removed. Nothing may refer to it again.
    #[prost(message, repeated, tag = "11")]
    pub doomed: Vec<Trash>,
    /// On each timeline, the position before which log was given up.
    #[prost(message, repeated, tag = "12")]
    pub wal_floors: Vec<Position>,
    /// Keys of projects that this service made, wrapped; and those that were destroyed.
    #[prost(message, repeated, tag = "13")]
    pub project_keys: Vec<ProjectKey>,
}

/// A place in the write-ahead log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
pub(crate) struct Position {
    /// The timeline.
    #[prost(uint32, tag = "1")]
    pub timeline: u32,
    /// The position.
    #[prost(fixed64, tag = "2")]
    pub lsn: u64,
}

/// What sort of backup something is. Numbers as in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum BackupKind {
    /// Not said.
    Unspecified = 0,
    /// Every file stored anew.
    Full = 1,
    /// What changed since the last of any kind.
    Incremental = 2,
    /// What changed since the last full one.
    Differential = 3,
    /// One project's data.
    Project = 4,
}

/// Whether a backup can be relied upon. Numbers as in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum BackupState {
    /// Not said.
    Unspecified = 0,
    /// Not restored yet.
    Unproven = 1,
    /// Restored, recovered and checked.
    Proven = 2,
    /// A proof failed.
    Failed = 3,
    /// Given up by retention.
    Expired = 4,
    /// Its key was destroyed.
    Shredded = 5,
}

/// A backup in the catalogue. What it consists of is in its manifest.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BackupEntry {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(enumeration = "BackupKind", tag = "2")]
    pub kind: i32,
    #[prost(enumeration = "BackupState", tag = "3")]
    pub state: i32,
    /// The project, for an export.
    #[prost(string, tag = "4")]
    pub project: String,
    #[prost(int64, tag = "5")]
    pub started_unix_ms: i64,
    #[prost(int64, tag = "6")]
    pub ended_unix_ms: i64,
    /// The backup whose chunks it took over. Empty: none.
    #[prost(string, tag = "7")]
    pub based_on: String,
    /// Where its log begins; none for an export.
    #[prost(message, optional, tag = "8")]
    pub start: Option<Position>,
    /// From where on it is consistent; none for an export.
    #[prost(message, optional, tag = "9")]
    pub stop: Option<Position>,
    #[prost(uint64, tag = "10")]
    pub source_bytes: u64,
    #[prost(uint64, tag = "11")]
    pub stored_bytes: u64,
    #[prost(uint64, tag = "12")]
    pub stored_objects: u64,
    #[prost(uint32, tag = "13")]
    pub server_version: u32,
    /// As in the protocol.
    #[prost(int32, tag = "14")]
    pub compression: i32,
    /// The key id that an export takes. Empty: the repository's.
    #[prost(string, tag = "15")]
    pub key_id: String,
    #[prost(string, tag = "16")]
    pub note: String,
    #[prost(bool, tag = "17")]
    pub keep: bool,
    #[prost(uint64, tag = "18")]
    pub corrupt_pages: u64,
    /// The hash of its manifest, sealed.
    #[prost(bytes = "vec", tag = "19")]
    pub manifest_hash: Vec<u8>,
    /// When retention gave it up. 0: it did not.
    #[prost(int64, tag = "20")]
    pub expired_unix_ms: i64,
    /// The size of a segment of the log. 0 for an export.
    #[prost(uint32, tag = "21")]
    pub wal_segment_bytes: u32,
    /// The time of the last commit that its log holds at `stop`, by the server's clock; 0: not known.
    #[prost(int64, tag = "22")]
    pub stop_unix_ms: i64,
    /// The attempt that wrote it, under whose name its manifest lies.
    #[prost(string, tag = "23")]
    pub attempt: String,
}

impl BackupEntry {
    /// Where its manifest lies.
    pub(crate) fn manifest_path(&self) -> String {
        super::manifest::path_of(&self.id, &self.attempt)
    }
}

/// A proof in the catalogue. What it found is in its evidence.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProofEntry {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub backup_id: String,
    /// As in the protocol.
    #[prost(int32, tag = "3")]
    pub state: i32,
    /// As in the protocol.
    #[prost(int32, tag = "4")]
    pub depth: i32,
    #[prost(int64, tag = "5")]
    pub started_unix_ms: i64,
    #[prost(int64, tag = "6")]
    pub ended_unix_ms: i64,
    #[prost(uint64, tag = "7")]
    pub recovery_ms: u64,
    #[prost(string, tag = "8")]
    pub reason: String,
    #[prost(message, optional, tag = "9")]
    pub recovered_to: Option<Position>,
}

/// A writer. Nothing that it refers to is collected while it is in the state, and nothing of its is listed after it
/// was removed.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Lease {
    /// The id of the backup that it writes.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The backup whose chunks it takes over. Empty: none.
    #[prost(string, tag = "2")]
    pub basis: String,
    /// Who holds it, for people.
    #[prost(string, tag = "3")]
    pub holder: String,
    /// When it was last renewed, by the holder's clock.
    #[prost(int64, tag = "4")]
    pub renewed_unix_ms: i64,
    /// How often it was renewed.
    #[prost(uint64, tag = "5")]
    pub beats: u64,
    /// Which attempt it is: another that begins under the same id ends this one.
    #[prost(string, tag = "6")]
    pub attempt: String,
}

/// An object that is to go.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Trash {
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// When it was found that nothing needs it.
    #[prost(int64, tag = "3")]
    pub since_unix_ms: i64,
    /// The generation in which that was written down.
    #[prost(uint64, tag = "4")]
    pub generation: u64,
}

/// A key of a project's own.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProjectKey {
    #[prost(string, tag = "1")]
    pub project: String,
    #[prost(string, tag = "2")]
    pub id: String,
    /// The public part.
    #[prost(string, tag = "3")]
    pub recipient: String,
    #[prost(int64, tag = "4")]
    pub created_unix_ms: i64,
    /// When it ceased to encrypt. 0: it did not.
    #[prost(int64, tag = "5")]
    pub retired_unix_ms: i64,
    /// When it was destroyed. 0: it was not.
    #[prost(int64, tag = "6")]
    pub shredded_unix_ms: i64,
}

impl State {
    /// A backup.
    pub(crate) fn backup(&self, id: &str) -> Result<&BackupEntry, Error> {
        let found = self.backups.iter().find(|backup| backup.id == id);
        found.ok_or_else(|| Error::NoBackup(id.to_owned()))
    }

    /// A backup whose chunks one may take over: what was given up may be half gone.
    pub(crate) fn basis(&self, id: &str) -> Result<&BackupEntry, Error> {
        match self.backup(id)? {
            entry if entry.state() == BackupState::Expired => Err(Error::NoBackup(id.to_owned())),
            entry => Ok(entry),
        }
    }

    /// A backup, to change it.
    pub(crate) fn backup_mut(&mut self, id: &str) -> Result<&mut BackupEntry, Error> {
        let found = self.backups.iter_mut().find(|backup| backup.id == id);
        found.ok_or_else(|| Error::NoBackup(id.to_owned()))
    }

    /// Backups of the cluster that one may restore or build upon, the oldest first.
    pub(crate) fn of_cluster(&self) -> impl DoubleEndedIterator<Item = &BackupEntry> {
        self.backups.iter().filter(|backup| {
            backup.kind() != BackupKind::Project
                && matches!(
                    backup.state(),
                    BackupState::Unproven | BackupState::Proven | BackupState::Failed
                )
        })
    }

    /// The lease of a writer's attempt; an error where it was ended.
    pub(crate) fn lease_mut(&mut self, id: Uuid, attempt: &str) -> Result<&mut Lease, Error> {
        let name = id.to_string();
        let mut leases = self.leases.iter_mut();
        let found = leases.find(|lease| lease.id == name && lease.attempt == attempt);
        found.ok_or(Error::Fenced(id))
    }

    /// Has a writer's work listed, and ends its lease.
    pub(crate) fn commit(&mut self, id: Uuid, attempt: &str, entry: BackupEntry) -> Result<(), Error> {
        let name = self.lease_mut(id, attempt)?.id.clone();
        self.leases.retain(|lease| lease.id != name);
        self.backups.retain(|backup| backup.id != entry.id);
        self.backups.push(entry);
        Ok(())
    }
}
