//! Why there is no plan.

use std::time::Duration;

use weir_model::{Coded, ErrorClass};
use weir_upstream::Error as UpstreamError;

use crate::advise::PlanError;

/// Why a statement was not explained.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExplainError {
    /// The monitor knows no PostgreSQL.
    #[error("the monitor has no database to ask; set DATABASE_URL")]
    NoDatabase,
    /// Not a statement that can be explained.
    #[error("the statement is not explained: {0}")]
    Statement(String),
    /// A field that cannot be.
    #[error("{field}: {reason}")]
    Field {
        /// Its name in the request.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It would have changed something.
    #[error("the statement is not run: {0}; with allow_writes it is run and rolled back")]
    Writes(String),
    /// Too many at once.
    #[error("{0} analyses run already, as many as monitor.explain_concurrency allows; try again")]
    Busy(usize),
    /// It took too long; it was cancelled.
    #[error("the statement was cancelled after {0:?}")]
    Timeout(Duration),
    /// Nobody waits for it any more, or the monitor stops.
    #[error("the analysis was cancelled")]
    Cancelled,
    /// What came is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// PostgreSQL said no, or is away.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl ExplainError {
    /// The same with what it means here: a time-out of the server's is ours, and so is a transaction that may not write.
    pub(super) fn seen_from(self, read_only: bool, limit: Duration) -> Self {
        let Self::Upstream(error) = &self else { return self };
        match error
            .server()
            .map(|server| (server.sqlstate.as_str(), server.message.as_str()))
        {
            Some(("25006", message)) if read_only => Self::Writes(message.replace(char::is_control, " ")),
            Some(("57014", message)) if message.contains("timeout") => Self::Timeout(limit),
            _ => self,
        }
    }
}

impl Coded for ExplainError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoDatabase => ErrorClass::Conflict,
            Self::Statement(_) | Self::Field { .. } | Self::Writes(_) => ErrorClass::InvalidInput,
            Self::Busy(_) => ErrorClass::Exhausted,
            Self::Timeout(_) => ErrorClass::Deadline,
            Self::Cancelled => ErrorClass::Cancelled,
            Self::Plan(PlanError::TooMuch(_)) => ErrorClass::Exhausted,
            Self::Plan(PlanError::Form(_)) => ErrorClass::Internal,
            Self::Upstream(error) => error.class(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::NoDatabase => "explain-no-database",
            Self::Statement(_) => "explain-statement",
            Self::Field { .. } => "monitor-field",
            Self::Writes(_) => "explain-writes",
            Self::Busy(_) => "explain-busy",
            Self::Timeout(_) => "explain-timeout",
            Self::Cancelled => "explain-cancelled",
            Self::Plan(_) => "explain-plan",
            Self::Upstream(error) => error.slug(),
        }
    }
}
