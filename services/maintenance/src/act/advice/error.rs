//! Why advice is not carried out, or a change not taken back.

use weir_model::{Coded, ErrorClass};

/// What an operator can be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdviceError {
    /// There is no such advice, or there is none any more.
    #[error("there is no advice {0}; list the advice anew")]
    NoAdvice(String),
    /// What was shown is not so any more.
    #[error("advice {id} no longer fits: {reason}; list the advice anew")]
    Stale {
        /// Its id.
        id: String,
        /// What has changed.
        reason: String,
    },
    /// Only a person can act upon it.
    #[error("advice {id} is carried out by hand: {reason}")]
    ByHand {
        /// Its id.
        id: String,
        /// Why, and with which statement.
        reason: String,
    },
    /// The user of maintenance may not do it.
    #[error("{missing}; or let a superuser run it: {statement}")]
    Rights {
        /// What is missing, with the statement that grants it.
        missing: String,
        /// What would be done.
        statement: String,
    },
    /// The server did not take it.
    #[error("the server did not take {option}: {reason}; it is as it was before")]
    Refused {
        /// The setting or option.
        option: String,
        /// In the server's words.
        reason: String,
    },
    /// Another change is on its way.
    #[error("another change is being made; try again")]
    Busy,
    /// There is no such change.
    #[error("there is no change {0}")]
    NoChange(String),
    /// The change is not in force, or not the last.
    #[error("change {id} cannot be taken back: {reason}")]
    NotRevertible {
        /// Its id.
        id: String,
        /// Why not.
        reason: String,
    },
    /// The server answers otherwise than servers do.
    #[error("{0}")]
    Odd(String),
}

impl Coded for AdviceError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoAdvice(_) | Self::NoChange(_) => ErrorClass::NotFound,
            Self::Stale { .. } | Self::NotRevertible { .. } | Self::Busy | Self::Refused { .. } => ErrorClass::Conflict,
            Self::ByHand { .. } => ErrorClass::InvalidInput,
            Self::Rights { .. } => ErrorClass::PermissionDenied,
            Self::Odd(_) => ErrorClass::Internal,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::NoAdvice(_) => "advice-not-found",
            Self::Stale { .. } => "advice-stale",
            Self::ByHand { .. } => "advice-by-hand",
            Self::Rights { .. } => "advice-rights",
            Self::Refused { .. } => "advice-refused",
            Self::Busy => "advice-busy",
            Self::NoChange(_) => "change-not-found",
            Self::NotRevertible { .. } => "change-not-revertible",
            Self::Odd(_) => "advice-odd",
        }
    }
}
