//! What jobs are told to do: the JSON forms of the orders of `weir.backup.v1`. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What sort of backup to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Incremental, or full where there is none yet.
    #[default]
    #[serde(alias = "BACKUP_KIND_UNSPECIFIED")]
    Unspecified,
    #[serde(alias = "BACKUP_KIND_FULL")]
    Full,
    #[serde(alias = "BACKUP_KIND_INCREMENTAL")]
    Incremental,
    #[serde(alias = "BACKUP_KIND_DIFFERENTIAL")]
    Differential,
}

/// How to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Packing {
    /// As the settings say.
    #[default]
    #[serde(alias = "COMPRESSION_UNSPECIFIED")]
    Unspecified,
    #[serde(alias = "COMPRESSION_ZSTD")]
    Zstd,
    #[serde(alias = "COMPRESSION_LZ4")]
    Lz4,
    #[serde(alias = "COMPRESSION_GZIP")]
    Gzip,
    #[serde(alias = "COMPRESSION_NONE")]
    None,
}

/// Orders a backup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BackupOrder {
    pub kind: Kind,
    pub cluster: String,
    pub repositories: Vec<String>,
    pub compression: Packing,
    pub bytes_per_second_max: u64,
    pub checkpoint_now: bool,
    pub note: String,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogPosition {
    pub timeline: u32,
    pub lsn: u64,
}

/// Consistency is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Consistent {}

/// Where a restore is to end. At most one moment may be set; none means the end of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RestoreTarget {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_unix_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<LogPosition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_point: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistent: Option<Consistent>,
    /// End just before the moment.
    pub before: bool,
    /// 0: the latest that the moment lies on.
    pub timeline: u32,
}

/// What happens when the target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    /// Somebody else starts the server.
    #[default]
    #[serde(alias = "RESTORE_ACTION_UNSPECIFIED")]
    Unspecified,
    #[serde(alias = "RESTORE_ACTION_STOP")]
    Stop,
    #[serde(alias = "RESTORE_ACTION_PAUSE")]
    Pause,
    #[serde(alias = "RESTORE_ACTION_PROMOTE")]
    Promote,
    #[serde(alias = "RESTORE_ACTION_STANDBY")]
    Standby,
}

/// Orders a restore.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RestoreOrder {
    pub cluster: String,
    pub target: RestoreTarget,
    pub backup_id: String,
    pub directory: PathBuf,
    pub delta: bool,
    pub tablespaces: BTreeMap<u32, PathBuf>,
    pub only_tablespaces: Vec<u32>,
    pub then: Then,
    pub force: bool,
    pub repository: String,
}

/// How thorough a proof is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Depth {
    /// As the settings say.
    #[default]
    #[serde(alias = "PROOF_DEPTH_UNSPECIFIED")]
    Unspecified,
    #[serde(alias = "PROOF_DEPTH_CHANGED")]
    Changed,
    #[serde(alias = "PROOF_DEPTH_FULL")]
    Full,
}

/// Orders a proof.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProofOrder {
    pub backup_id: String,
    pub target: Option<RestoreTarget>,
    pub depth: Depth,
    pub repository: String,
}

/// Orders an export of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExportOrder {
    pub project: String,
    pub target: Option<RestoreTarget>,
    pub repositories: Vec<String>,
    pub note: String,
}

/// Orders that an export be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ImportOrder {
    pub backup_id: String,
    pub database: String,
    pub schema: String,
    pub tables: Vec<String>,
    pub identity: String,
}

/// Orders a round of expiry and collection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpireOrder {
    pub cluster: String,
    pub repository: String,
}

/// Orders that everything a repository holds is read and authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VerifyOrder {
    pub repository: String,
    /// What is damaged is taken from another repository that has it.
    pub mend: bool,
}

/// Orders that keys be wrapped anew.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RotateKeysOrder {
    pub repository: String,
    pub project: String,
}

/// The id of something in the catalogue, as it is written.
pub(crate) fn id_of(text: &str) -> Result<Uuid, String> {
    Uuid::parse_str(text).map_err(|_| format!("{text} is not an id"))
}
