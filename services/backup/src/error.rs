//! What a caller of the backup service, or the record of a job, can be told.

use weir_model::{Coded, ErrorClass};

use crate::repo;

/// Refusals that pass by themselves: a server did not answer.
const SILENT: [&str; 4] = [
    "backup-server-silent",
    "backup-no-answer",
    "backup-no-primary",
    "backup-silent",
];

/// Why the backup service could not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A repository could not give or take something.
    #[error(transparent)]
    Repository(#[from] repo::Error),
    /// The user's database said no, or is away.
    #[error(transparent)]
    Upstream(#[from] weir_upstream::Error),
    /// The service's own tables cannot be reached.
    #[error(transparent)]
    Store(#[from] weir_store::StoreError),
    /// A file on this machine could not be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A field that cannot be.
    #[error("{field}: {reason}")]
    Field {
        /// Its name in the request.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not done as things stand.
    #[error("{reason}")]
    Refused {
        /// The error's short name.
        slug: &'static str,
        /// Why not, and what would help.
        reason: String,
    },
    /// It was stopped.
    #[error("stopped before it was done")]
    Stopped,
    /// A program of PostgreSQL's ended with an error.
    #[error("{program} failed: {said}")]
    Program {
        /// The program.
        program: String,
        /// What it said last.
        said: String,
    },
    /// No job of that id.
    #[error("there is no job {0}")]
    NoJob(String),
    /// No proof of that id.
    #[error("there is no proof {0}")]
    NoProof(String),
}

impl Error {
    /// A file that could not be read or written.
    pub(crate) fn file(path: &std::path::Path, error: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            error,
        }
    }

    /// Whether it may succeed if it is tried again.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Repository(error) => error.is_passing(),
            Self::Upstream(_) | Self::Store(_) | Self::Stopped | Self::Program { .. } => true,
            _ => false,
        }
    }
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Repository(error) => error.class(),
            Self::Upstream(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Field { .. } => ErrorClass::InvalidInput,
            Self::File { .. } | Self::Program { .. } => ErrorClass::Internal,
            // Who was asked and said nothing may answer the next time; the rest stays so until somebody changes it.
            Self::Refused { slug, .. } if SILENT.contains(slug) => ErrorClass::Unavailable,
            Self::Refused { .. } => ErrorClass::Conflict,
            Self::Stopped => ErrorClass::Unavailable,
            Self::NoJob(_) | Self::NoProof(_) => ErrorClass::NotFound,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Repository(error) => error.slug(),
            Self::Upstream(error) => error.slug(),
            Self::Store(error) => error.slug(),
            Self::File { .. } => "backup-file",
            Self::Field { .. } => "backup-field",
            Self::Refused { slug, .. } => slug,
            Self::Stopped => "backup-stopped",
            Self::Program { .. } => "backup-program",
            Self::NoJob(_) => "job-not-found",
            Self::NoProof(_) => "proof-not-found",
        }
    }
}
