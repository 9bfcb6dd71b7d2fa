//! What a caller of the monitor can be told.

use weir_model::{Coded, ErrorClass};

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A field that cannot be.
    #[error("{field}: {reason}")]
    Field {
        /// Its name in the request.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Something of that name or id is not there.
    #[error("there is no {what} {name}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// The monitor's own tables cannot be reached.
    #[error("{0}")]
    Store(String),
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Field { .. } => ErrorClass::InvalidInput,
            Self::NotFound { .. } => ErrorClass::NotFound,
            Self::Store(_) => ErrorClass::Unavailable,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Field { .. } => "monitor-field",
            Self::NotFound { .. } => "monitor-not-found",
            Self::Store(_) => "monitor-store",
        }
    }
}
