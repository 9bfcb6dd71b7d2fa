//! What a caller of the gateway can be told.

use std::time::Duration;

use weir_model::{Coded, ErrorClass};

/// Why a statement was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// PostgreSQL, or the way to it, said no.
    #[error(transparent)]
    Upstream(#[from] weir_upstream::Error),
    /// No connection became free in time.
    #[error(
        "no connection to database {database} became free within {waited:?}: {active} of {max} are in use, {waiting} callers wait"
    )]
    PoolTimeout {
        /// The pool's database.
        database: String,
        /// How long the caller waited.
        waited: Duration,
        /// Connections in use.
        active: usize,
        /// The pool's maximum.
        max: usize,
        /// Callers still waiting.
        waiting: usize,
    },
    /// Too many callers wait already.
    #[error("{waiting} callers already wait for a connection to database {database}; try again later")]
    QueueFull {
        /// The pool's database.
        database: String,
        /// Callers waiting.
        waiting: usize,
    },
    /// One pool more than allowed.
    #[error("{max} databases are in use already (gateway.pools_max); {database} would be one more")]
    TooManyPools {
        /// The database asked for.
        database: String,
        /// The limit.
        max: usize,
    },
    /// A statement beyond the limit.
    #[error("the statement has {bytes} bytes; at most {max} are accepted (gateway.statement_bytes_max)")]
    StatementTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// More rows than one reply may carry.
    #[error("the reply exceeds {limit}; use the streaming call Query, or ask for less")]
    ReplyTooLarge {
        /// The limit that was reached, in words.
        limit: String,
    },
    /// A statement began a transaction that nobody could end.
    #[error("the statement left a transaction open, which was rolled back; one call is one transaction here")]
    TransactionLeftOpen,
    /// A value that cannot be sent.
    #[error("parameter ${position}: {reason}")]
    Parameter {
        /// Counted from 1.
        position: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A field of the request that cannot be.
    #[error("{0}")]
    Request(String),
    /// The statement ran longer than it may.
    #[error("the statement was cancelled after {0:?}")]
    StatementTimeout(Duration),
    /// The caller went away before the last row.
    #[error("the caller went away")]
    CallerGone,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Upstream(error) => error.class(),
            Self::PoolTimeout { .. } | Self::QueueFull { .. } | Self::TooManyPools { .. } => ErrorClass::Exhausted,
            Self::ReplyTooLarge { .. } => ErrorClass::Exhausted,
            Self::StatementTooLong { .. } | Self::Parameter { .. } | Self::Request(_) => ErrorClass::InvalidInput,
            Self::TransactionLeftOpen => ErrorClass::Conflict,
            Self::StatementTimeout(_) => ErrorClass::Deadline,
            Self::CallerGone => ErrorClass::Cancelled,
            Self::Stopping => ErrorClass::Unavailable,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Upstream(error) => error.slug(),
            Self::PoolTimeout { .. } => "pool-timeout",
            Self::QueueFull { .. } => "pool-queue-full",
            Self::TooManyPools { .. } => "pool-too-many",
            Self::StatementTooLong { .. } => "statement-too-long",
            Self::ReplyTooLarge { .. } => "reply-too-large",
            Self::TransactionLeftOpen => "transaction-left-open",
            Self::Parameter { .. } => "parameter-invalid",
            Self::Request(_) => "request-invalid",
            Self::StatementTimeout(_) => "statement-timeout",
            Self::CallerGone => "caller-gone",
            Self::Stopping => "gateway-stopping",
        }
    }
}
