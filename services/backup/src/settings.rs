//! The `[backup]` section.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_config::{DatabaseSettings, Error, Origin, Sources, Tables, Texts, unset};
use weir_upstream::Target;

weir_config::choice! {
    /// How backups are compressed.
    pub enum CompressionChoice {
        /// zstd.
        Zstd = "zstd",
        /// LZ4: quicker, and larger.
        Lz4 = "lz4",
        /// gzip: slower, and larger than zstd.
        Gzip = "gzip",
        /// Not at all.
        None = "none",
    }
}

weir_config::choice! {
    /// Which server is read.
    pub enum SourceChoice {
        /// A standby where one is fit, else the primary.
        Auto = "auto",
        /// The primary.
        Primary = "primary",
        /// A standby only.
        Standby = "standby",
    }
}

weir_config::choice! {
    /// How thorough proofs are.
    pub enum DepthChoice {
        /// Structure of what changed since the last proof.
        Changed = "changed",
        /// Structure of everything, each index compared with its table.
        Full = "full",
    }
}

/// A place where backups are kept, in the settings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRepository {
    /// Its name.
    pub name: String,
    /// Where it is: `file:///directory`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.
    pub url: String,
    /// The file with the key that wraps its keys: 32 bytes, or 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Files with keys that wrapped them before.
    #[serde(default)]
    pub old_key_files: Vec<PathBuf>,
    /// The address of the service, where it is not the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The id of the access key; an account's name at Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The file with the secret that belongs to it; with the service account at Google.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Whether an endpoint without TLS may be used.
    #[serde(default)]
    pub allow_http: bool,
    /// Whether objects stay for a while whatever anybody does, so that they are not removed before.
    #[serde(default)]
    pub object_lock_days: u32,
}

/// What belongs to a project, in the settings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileProject {
    /// The project.
    pub project: String,
    /// The database that its tables are in.
    pub database: String,
    /// Schemas that are its own, whole; `*` stands for any characters.
    #[serde(default)]
    pub schemas: Vec<String>,
    /// Tables that it shares with others, and which of their rows are its own.
    #[serde(default)]
    pub rows: Vec<FileRows>,
    /// Who can read its exports: age recipients. None: a key is made for it.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// The file with the identity that reads them, where imports may be done here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_file: Option<PathBuf>,
    /// Its exports are kept for so many days. None: as all backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
}

/// Rows of a shared table that are a project's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRows {
    /// The table, as `schema.name`.
    pub table: String,
    /// Which rows: a condition in SQL.
    pub condition: String,
}

/// A question of the user's that a restored server has to answer rightly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSmoke {
    /// What it is called in evidence.
    pub name: String,
    /// The database.
    pub database: String,
    /// The statement. It passes if it ends without an error and its first value is not false.
    pub sql: String,
}

weir_config::section! {
    /// Backups, the write-ahead log, restore and proofs.
    pub struct BackupSettings("backup") {
        /// Where gRPC is served.
        grpc_listen: SocketAddr = "127.0.0.1:7006",
        /// Where health and metrics are served.
        ops_listen: SocketAddr = "127.0.0.1:8006",
        /// Whether backups are taken and log is received. What is stored can be restored in any case.
        enabled: bool = "true", also ["BACKUP_ENABLED" in ""],
        /// The name of the cluster whose server is `database.url`.
        cluster: String = "main",
        /// Where backups are kept: tables with name, url and key_file. The first that can be used takes backups first, the others a copy.
        repositories: Tables<FileRepository> = "[]",
        /// Whether repositories are encrypted; each then needs a key_file, and nothing is ever written without.
        encryption: bool = "true", also ["BACKUP_ENCRYPTION_ENABLED" in ""],
        /// How backups are compressed.
        compression: CompressionChoice = "zstd", also ["BACKUP_COMPRESSION" in ""],
        /// How hard zstd tries, from 1 to 19.
        compression_level: u32 = "3",
        /// The cluster's data directory, if it is at hand: files are then read directly.
        data_directory: Option<PathBuf> = unset(),
        /// Which server is read for a backup.
        source: SourceChoice = "auto",
        /// Standbys, as `host:port`, separated by semicolons.
        standbys: Texts = "",
        /// Threads that compress and encrypt.
        threads: usize = "2",
        /// Most bytes read per second for a backup; 0: no limit but the load.
        bytes_per_second_max: u64 = "0",
        /// The p95 of users' statements may become so many times what it was before the backup began; it is slowed down beyond that. 0: not looked at.
        yield_p95_factor: f64 = "1.5",
        /// Or so much longer, whichever is more.
        yield_p95_margin: Duration = "20ms",
        /// Backups are kept for so many days; 0: not by days.
        retention_days: u32 = "30", also ["BACKUP_RETENTION_DAYS" in ""],
        /// At least so many backups are kept, however old.
        retention_count: u32 = "2",
        /// Of so many days the last backup is kept.
        retention_daily: u32 = "0",
        /// Of so many weeks the last backup is kept.
        retention_weekly: u32 = "0",
        /// Of so many months the last backup is kept.
        retention_monthly: u32 = "0",
        /// Whether the write-ahead log is received.
        wal: bool = "true", also ["WAL_ARCHIVING_ENABLED" in ""],
        /// Log is kept for so many days, and in any case what kept backups need to be consistent.
        wal_retention_days: u32 = "7", also ["WAL_RETENTION_DAYS" in ""],
        /// A directory into which an `archive_command` puts segments, to be taken in from there.
        wal_archive_directory: Option<PathBuf> = unset(), also ["WAL_ARCHIVE_DIRECTORY" in ""],
        /// The replication slot that holds the log until it is safe.
        wal_slot: String = "weir_backup",
        /// The slot is given up rather than hold back more than this at the server; a gap is then closed from the archive or told of. 0: no guard.
        wal_slot_guard_bytes: u64 = "17179869184",
        /// Log that came is stored at least so often.
        wal_flush_every: Duration = "200ms",
        /// Longer than this without being safe, and commits count as exposed: an alert.
        wal_exposure_max: Duration = "30s",
        /// Where the programs of PostgreSQL are, for restores and proofs. Without it: the packages' place for the cluster's version.
        postgres_bin: Option<PathBuf> = unset(),
        /// The user that a scratch server runs as where this process is root.
        postgres_user: String = "postgres",
        /// Where scratch servers lie. Without it: nothing is proven.
        scratch_directory: Option<PathBuf> = unset(),
        /// Whether each backup is proven as soon as it is taken.
        prove_each: bool = "true",
        /// How thorough proofs are where nobody says.
        proof_depth: DepthChoice = "changed",
        /// Whether the scratch server is kept and rolled on from proof to proof, so that a proof costs what changed.
        proof_rolling: bool = "true",
        /// Questions that a restored server has to answer: tables with name, database and sql.
        smoke: Tables<FileSmoke> = "[]",
        /// What belongs to which project: tables with project, database, and schemas or rows.
        projects: Tables<FileProject> = "[]",
        /// Jobs that run at once.
        concurrency: usize = "2",
        /// A job whose worker was silent for this long is given to another.
        heartbeat_dead_after: Duration = "30s",
        /// A writer of a repository that was silent for this long is taken for dead.
        lease_dead_after: Duration = "10m",
        /// What nothing needs is removed after this time.
        garbage_grace: Duration = "1h",
    }
}

/// Whether a reload takes a setting over: repositories, slots and schedules of care are opened at the start, so none is.
pub(crate) const fn reloads(_key: &str) -> bool {
    false
}

/// Validates the settings as the start would, and finds the cluster.
pub fn check(sources: &Sources) -> Result<(BackupSettings, Target), Error> {
    let settings: BackupSettings = sources.section()?;
    let wrong = |key, reason: String| Err(Error::invalid(key, Origin::File, reason));
    for (key, number) in [
        ("backup.threads", settings.threads),
        ("backup.concurrency", settings.concurrency),
    ] {
        if !(1..=256).contains(&number) {
            return wrong(key, format!("{number} is not between 1 and 256"));
        }
    }
    if !(1..=19).contains(&settings.compression_level) {
        let reason = format!("{} is not between 1 and 19", settings.compression_level);
        return wrong("backup.compression_level", reason);
    }
    if let Some(reason) = repositories_trouble(&settings) {
        return wrong("backup.repositories", reason);
    }
    if let Some(reason) = crate::project::trouble(&settings) {
        return wrong("backup.projects", reason);
    }
    let database: DatabaseSettings = sources.section()?;
    let Some(url) = database.url else {
        let reason = "backups need a PostgreSQL; set DATABASE_URL";
        return wrong("database.url", reason.to_owned());
    };
    match Target::parse(url.secret().expose()) {
        Ok(target) => Ok((settings, target)),
        Err(error) => Err(Error::Refused(format!("setting database.url: {error}"))),
    }
}

fn repositories_trouble(settings: &BackupSettings) -> Option<String> {
    let all = &settings.repositories.0;
    for (at, repository) in all.iter().enumerate() {
        let name = &repository.name;
        if name.is_empty() {
            return Some("one has no name".to_owned());
        }
        if all.iter().take(at).any(|other| other.name == *name) {
            return Some(format!("two are called {name}"));
        }
        if let Some(reason) = crate::repositories::place_of(repository).trouble() {
            return Some(format!("{name}: {reason}"));
        }
        if settings.encryption && repository.key_file.is_none() {
            return Some(format!(
                "{name} has no key_file; set one, or backup.encryption = false to keep backups that anybody can read"
            ));
        }
    }
    None
}
