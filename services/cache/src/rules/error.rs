//! What a caller can be told who asks about rules.

use weir_model::{Coded, ErrorClass};

use crate::policy::InvalidRule;

/// Why a request about rules was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A rule that cannot be.
    #[error(transparent)]
    Rule(#[from] InvalidRule),
    /// The settings file has a rule about this.
    #[error("the settings file has a rule about {0}, and it can be changed there only")]
    FromFile(String),
    /// No rule of that id.
    #[error("there is no rule {0:?}")]
    NotFound(String),
    /// A project with too many rules.
    #[error("project {project} has {max} rules, and none can be added")]
    TooMany {
        /// The project.
        project: String,
        /// What it may have.
        max: i64,
    },
    /// The rules cannot be read or written.
    #[error("the cache's store failed: {0}")]
    Store(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.to_string())
    }
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Rule(_) => ErrorClass::InvalidInput,
            Self::FromFile(_) => ErrorClass::Conflict,
            Self::NotFound(_) => ErrorClass::NotFound,
            Self::TooMany { .. } => ErrorClass::Exhausted,
            Self::Store(_) => ErrorClass::Unavailable,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Rule(_) => "cache-rule",
            Self::FromFile(_) => "cache-rule-from-file",
            Self::NotFound(_) => "cache-rule-not-found",
            Self::TooMany { .. } => "cache-rules-full",
            Self::Store(_) => "cache-store",
        }
    }
}
