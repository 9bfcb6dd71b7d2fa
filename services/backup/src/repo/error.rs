//! Why a repository cannot give or take something.

use uuid::Uuid;
use weir_model::{Coded, ErrorClass};

/// Why a repository cannot give or take something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store that it lies on did not do what it was asked.
    #[error("repository {repository}: {reason}")]
    Store {
        /// The repository's name.
        repository: String,
        /// What the store said.
        reason: String,
    },
    /// An object is not there.
    #[error("repository {repository} has no object {path}")]
    Missing {
        /// The repository's name.
        repository: String,
        /// The object.
        path: String,
    },
    /// An object is not what was written.
    #[error("object {path} of the repository is damaged: {reason}")]
    Corrupt {
        /// The object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key at hand is not the one that it takes.
    #[error("repository {repository} is encrypted with key {needs}, and the key at hand is {has}")]
    WrongKey {
        /// The repository's name.
        repository: String,
        /// The key's id that its keys are wrapped with.
        needs: String,
        /// The key's id at hand.
        has: String,
    },
    /// Encryption was asked for, and there is no key, or none that can be read.
    #[error("repository {repository}: {reason}; nothing is written without encryption")]
    NoKey {
        /// The repository's name.
        repository: String,
        /// Why there is none.
        reason: String,
    },
    /// It is older than it was seen before.
    #[error(
        "repository {repository} is at generation {found} and was at {seen} before: it was rolled back, or somebody put another in its place"
    )]
    RolledBack {
        /// The repository's name.
        repository: String,
        /// The generation that was seen.
        seen: u64,
        /// The generation that is there.
        found: u64,
    },
    /// It belongs to another cluster.
    #[error("repository {repository} holds the cluster {holds:016x}, and this is {this:016x}")]
    Foreign {
        /// The repository's name.
        repository: String,
        /// The system identifier of the cluster that it holds.
        holds: u64,
        /// The system identifier of the cluster at hand.
        this: u64,
    },
    /// Whoever writes was taken for dead, and may not go on.
    #[error("lease {0} has ended: its holder was silent for too long, and has to begin anew")]
    Fenced(Uuid),
    /// Somebody else holds what may have one holder only.
    #[error("{0}")]
    Busy(String),
    /// The store cannot do what is needed for two writers to be safe.
    #[error(
        "repository {0} lies on a store that overwrites where it was told to create only; two writers would not be safe there"
    )]
    Unfit(String),
    /// There is no backup of that id.
    #[error("there is no backup {0}")]
    NoBackup(String),
    /// It was written by a later version.
    #[error("repository {repository} has format {found}, and this version reads {known}")]
    Format {
        /// The repository's name.
        repository: String,
        /// The format's number.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
}

impl Error {
    /// An object that is not what was written.
    pub(crate) fn corrupt(path: &str, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// Whether it may succeed if it is tried again.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Store { .. } | Self::Fenced(_) | Self::Busy(_))
    }
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Store { .. } | Self::Fenced(_) | Self::Busy(_) => ErrorClass::Unavailable,
            Self::NoBackup(_) => ErrorClass::NotFound,
            _ => ErrorClass::Internal,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Store { .. } => "backup-repository",
            Self::Missing { .. } => "backup-object-missing",
            Self::Corrupt { .. } => "backup-object-damaged",
            Self::WrongKey { .. } => "backup-wrong-key",
            Self::NoKey { .. } => "backup-no-key",
            Self::RolledBack { .. } => "backup-rolled-back",
            Self::Foreign { .. } => "backup-foreign",
            Self::Fenced(_) => "backup-fenced",
            Self::Busy(_) => "backup-busy",
            Self::Unfit(_) => "backup-store-unfit",
            Self::NoBackup(_) => "backup-not-found",
            Self::Format { .. } => "backup-format",
        }
    }
}
