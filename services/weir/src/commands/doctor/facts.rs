//! What was found out before anything is judged. What could not be found out says why. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Something, or why it is not known: one line.
pub(super) type Known<T> = Result<T, String>;

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) wanted: Wanted,
    /// What `weir config check` would refuse.
    pub(super) refused: Vec<String>,
    pub(super) here: Here,
    pub(super) services: Vec<Service>,
    pub(super) servers: Vec<Server>,
    pub(super) store: Store,
    pub(super) bus: Bus,
    /// None: no Redis is set.
    pub(super) redis: Option<Known<()>>,
    pub(super) disks: Vec<Disk>,
    pub(super) certificates: Vec<Certificate>,
    pub(super) channels: Known<Vec<Channel>>,
    pub(super) backups: Known<Backups>,
    pub(super) keys: Vec<Key>,
}

/// What the settings ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) is_development: bool,
    /// Connections of one pool at most.
    pub(super) pool_max: u64,
    /// Connections that the services open to their own tables, if these are on the users' server. 0: they are elsewhere.
    pub(super) store_connections: u64,
    pub(super) clients_max: u64,
    pub(super) statement_timeout: Duration,
    pub(super) acquire_timeout: Duration,
    pub(super) idle_in_transaction_timeout: Duration,
    pub(super) slow_query_threshold: Duration,
    /// Whether gateways answer from memory.
    pub(super) caches: bool,
    /// Databases whose log the cache follows.
    pub(super) followed: u64,
    pub(super) backups: BackupWish,
    pub(super) has_auth_query: bool,
    pub(super) channels: usize,
    /// Addresses at which one service looks for another: the setting, what it says, where that one listens.
    pub(super) looks: Vec<Look>,
    /// Doors that others than this machine can reach and that are not encrypted, by the names of their settings.
    pub(super) open_doors: Vec<String>,
}

/// What the settings say of backups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct BackupWish {
    pub(super) enabled: bool,
    pub(super) repositories: usize,
    pub(super) encrypted: bool,
    pub(super) takes_log: bool,
    pub(super) has_archive_directory: bool,
    pub(super) has_scratch_directory: bool,
    /// Whether the scheduler of these settings asks for them.
    pub(super) scheduled: bool,
}

impl BackupWish {
    /// Whether anything is to be backed up.
    pub(super) const fn is_on(&self) -> bool {
        self.enabled && self.repositories > 0
    }
}

/// An address in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) setting: &'static str,
    pub(super) says: String,
    pub(super) of: &'static str,
    pub(super) listens: String,
}

/// This process and its machine.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Here {
    pub(super) unix_ms: i64,
    pub(super) descriptors_max: Option<u64>,
}

/// A clock somewhere else, beside the one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockGap {
    /// How far it is ahead, in milliseconds.
    pub(super) ahead_ms: i64,
    /// How wrong that may be: half of the way there and back, and how coarsely it is told.
    pub(super) give_or_take_ms: i64,
}

/// A service of the settings.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) grpc: String,
    pub(super) serves: Known<()>,
    pub(super) ops: String,
    pub(super) report: Known<Report>,
}

/// What a service says of itself at its ops door.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Report {
    pub(super) ready: bool,
    /// What it waits for or misses: name and reason.
    pub(super) away: Vec<Missing>,
    /// None: of a version that does not tell.
    pub(super) version: Option<String>,
    pub(super) descriptors_max: Option<u64>,
    pub(super) clock: Option<ClockGap>,
}

/// A dependency that is not up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) optional: bool,
}

/// What a server is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// It is the one of `database.url`.
    Main,
    /// It follows the main one.
    Replica,
    /// It gets a copy of what clients do.
    Mirror,
}

/// A PostgreSQL server of the settings.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Host and port, and the database where several are asked.
    pub(super) place: String,
    /// Whether its host is this machine by its address.
    pub(super) is_local: bool,
    pub(super) duty: Duty,
    pub(super) seen: Known<Seen>,
}

/// What a server says.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Such as 150020.
    pub(super) version: u32,
    pub(super) is_standby: bool,
    pub(super) clock: Option<ClockGap>,
    pub(super) role: Role,
    /// Settings by name, in PostgreSQL's base unit. What the role may not see is missing.
    pub(super) settings: BTreeMap<String, String>,
    pub(super) pending_restart: Vec<String>,
    /// Connections of clients now.
    pub(super) connections: u64,
    pub(super) extensions: BTreeMap<String, Extension>,
    pub(super) slots: Vec<Slot>,
    /// The last segment that could not be archived, if none was archived since.
    pub(super) archive_failed: Option<String>,
    pub(super) leftovers: Vec<String>,
    pub(super) is_encrypted: bool,
    /// When its certificate ends, in milliseconds since 1970.
    pub(super) certificate_until_ms: Option<i64>,
    /// Where its data lies, if that is on this machine.
    pub(super) data_directory: Option<String>,
}

impl Seen {
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.setting(name)?.parse().ok()
    }
}

/// Weir's role on a server.
#[derive(Debug, Clone, Default)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) is_superuser: bool,
    pub(super) replicates: bool,
    pub(super) sees_stats: bool,
    pub(super) sees_settings: bool,
    pub(super) signals: bool,
    pub(super) reads_logins: bool,
    pub(super) begins_backups: bool,
    /// Tables of users, and how many of them it may not maintain.
    pub(super) tables: u64,
    pub(super) others_tables: u64,
}

/// An extension in the main database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extension {
    /// The version that could be created.
    pub(super) available: Option<String>,
    /// The version that is there.
    pub(super) installed: Option<String>,
}

/// A replication slot.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) is_active: bool,
    pub(super) wal_status: String,
    pub(super) retained_bytes: u64,
}

/// Weir's own tables.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) place: String,
    pub(super) seen: Known<StoreSeen>,
}

/// What the store says.
#[derive(Debug, Clone, Default)]
pub(super) struct StoreSeen {
    pub(super) role: String,
    pub(super) database: String,
    pub(super) may_create: bool,
    pub(super) schemas: Vec<Schema>,
}

/// The schema of a service.
#[derive(Debug, Clone, Default)]
pub(super) struct Schema {
    pub(super) name: &'static str,
    pub(super) exists: bool,
    /// Whether the role may use it and create in it.
    pub(super) usable: bool,
    /// Migrations that this version knows and that were not applied.
    pub(super) missing: u64,
    /// Applied ones that this version does not know.
    pub(super) unknown: BTreeSet<String>,
    /// Applied ones with another text.
    pub(super) changed: BTreeSet<String>,
    /// Those that failed half-way.
    pub(super) failed: BTreeSet<String>,
    /// Why it could not be looked at. Empty: it could.
    pub(super) hidden: String,
}

/// The bus.
#[derive(Debug, Clone)]
pub(super) enum Bus {
    /// In the memory of one process. Whether the services run in several is told by nobody but their bus.
    Memory,
    /// Over NATS.
    Nats {
        place: String,
        reached: Known<Option<ClockGap>>,
    },
}

/// A disk that something of Weir's or the server's lies on.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) path: String,
    /// What lies there.
    pub(super) holds: String,
    pub(super) space: Known<Space>,
}

/// Room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) total_bytes: u64,
    pub(super) available_bytes: u64,
}

/// A certificate in a file.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) setting: &'static str,
    pub(super) path: String,
    /// When the first of them ends, in milliseconds since 1970.
    pub(super) until_ms: Known<i64>,
}

/// A channel of alerts as the monitor tells of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) pending: u64,
    pub(super) last_success_unix_ms: i64,
    pub(super) last_error_unix_ms: i64,
    pub(super) last_error: String,
}

/// What the backup service knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Backups {
    pub(super) repositories: Vec<Repository>,
    /// When the last backup of the cluster ended. None: there is none.
    pub(super) last_ms: Option<i64>,
    /// When the last successful proof ended.
    pub(super) proven_ms: Option<i64>,
    /// The last proof, if it failed.
    pub(super) proof_failed: Option<String>,
    pub(super) log: Vec<Log>,
    /// Why the rest is not known. Empty: it is.
    pub(super) trouble: String,
}

/// A repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Repository {
    pub(super) name: String,
    pub(super) reachable: bool,
    pub(super) trouble: String,
    pub(super) backups: u64,
}

/// How a cluster's log gets to the repositories.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub(super) cluster: String,
    pub(super) is_off: bool,
    pub(super) reason: String,
    pub(super) exposure_ms: u64,
    pub(super) exposure_max_ms: u64,
}

/// The key file of a repository.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) repository: String,
    pub(super) path: String,
    pub(super) file: Known<KeyFile>,
}

/// What can be seen of a key file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyFile {
    /// Its permissions.
    pub(super) mode: u32,
    /// Whether it is on the disk that the repository is on.
    pub(super) is_beside_backups: bool,
}
