//! What a caller of maintenance, or the record of a job, can be told.

use weir_model::{Coded, ErrorClass};

/// Why maintenance could not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The user's database said no, or is away.
    #[error(transparent)]
    Upstream(#[from] weir_upstream::Error),
    /// Maintenance's own tables cannot be reached.
    #[error(transparent)]
    Store(#[from] weir_store::StoreError),
    /// A field that cannot be.
    #[error("{field}: {reason}")]
    Field {
        /// Its name in the request.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Advice that is not carried out, or not taken back.
    #[error(transparent)]
    Advice(#[from] crate::act::AdviceError),
    /// One run works on a server at a time, and this is not it.
    #[error("another maintenance run is at work on this server")]
    Busy,
    /// What was ordered was stopped, and is tried again.
    #[error("{0}")]
    BackedOff(String),
    /// A check found damage.
    #[error("{0}")]
    Corrupt(String),
    /// No job of that id.
    #[error("there is no job {0}")]
    NoJob(String),
    /// No piece of work of that id.
    #[error("there is no piece of work {0}")]
    NoPiece(String),
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Upstream(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Advice(error) => error.class(),
            Self::Field { .. } => ErrorClass::InvalidInput,
            Self::Busy | Self::BackedOff(_) => ErrorClass::Unavailable,
            Self::Corrupt(_) => ErrorClass::Internal,
            Self::NoJob(_) | Self::NoPiece(_) => ErrorClass::NotFound,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Upstream(error) => error.slug(),
            Self::Store(error) => error.slug(),
            Self::Advice(error) => error.slug(),
            Self::Field { .. } => "maintenance-field",
            Self::Busy => "maintenance-busy",
            Self::BackedOff(_) => "maintenance-backed-off",
            Self::Corrupt(_) => "maintenance-corrupt",
            Self::NoJob(_) => "job-not-found",
            Self::NoPiece(_) => "piece-not-found",
        }
    }
}
