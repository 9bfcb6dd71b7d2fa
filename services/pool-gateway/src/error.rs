//! What a caller of the gateway can be told.

use std::time::Duration;

use weir_model::{Coded, ErrorClass, Project};

use crate::firewall::Blocked;
use crate::rules::NotItsProject;

/// What one whose statement was refused may do about it.
pub(crate) const FIREWALL_HINT: &str = "if it is a statement of the application's own, have its shape approved, as \
    docs/guides/firewall.md says";

/// Why a statement was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// PostgreSQL, or the way to it, said no.
    #[error(transparent)]
    Upstream(#[from] weir_upstream::Error),
    /// No connection became free in time.
    #[error("no connection to database {database} became free within {waited:.1?}: {why}")]
    PoolTimeout {
        /// The pool's database.
        database: String,
        /// How long the caller waited.
        waited: Duration,
        /// What holds the connections.
        why: String,
    },
    /// The upstream did not answer lately, so that nobody waits for it.
    #[error("postgres at {upstream} did not answer lately; the next try is in {retry_after:?}")]
    BreakerOpen {
        /// Its address.
        upstream: String,
        /// When a caller may try again.
        retry_after: Duration,
    },
    /// Another server is the primary by now; nothing was sent.
    #[error("postgres at {from} is not the primary any more")]
    PrimaryMoved {
        /// The address of the one that was.
        from: String,
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
    /// The project has spent what it may.
    #[error("project {project} has spent its {what} for now (gateway.rules); there will be more in {retry_after:.1?}")]
    BudgetSpent {
        /// The project.
        project: Project,
        /// What there is too little of.
        what: &'static str,
        /// When there will be enough.
        retry_after: Duration,
    },
    /// The rules say which project a caller is of, and it asks for another.
    #[error("this caller is of project {own} and may not choose {asked} (gateway.rules)")]
    ProjectFixed {
        /// Its project.
        own: Project,
        /// The one that it asked for.
        asked: Project,
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
    /// Somebody cancelled the call by the id that its caller gave it.
    #[error("the call was cancelled by its operation id")]
    OperationCancelled,
    /// More in one batch than allowed.
    #[error("the batch has {count} {what}; at most {max} are accepted ({setting})")]
    BatchTooLarge {
        /// How many.
        count: usize,
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
        /// The setting that it comes from.
        setting: &'static str,
    },
    /// A statement that begins or ends a transaction, where the call does that.
    #[error("BEGIN, COMMIT and their like are no statements here: the call begins and ends the transaction")]
    TransactionControl,
    /// COMMIT of a transaction in which a statement had failed.
    #[error("the transaction was rolled back, because a statement in it had failed")]
    TransactionAborted,
    /// The caller of a transaction asked nothing for too long.
    #[error("the transaction was rolled back after {0:?} without a step (gateway.transaction_idle_timeout)")]
    TransactionIdle(Duration),
    /// No transaction of that id is open.
    #[error("no transaction of that id is open: it has ended, or was idle too long (gateway.transaction_idle_timeout)")]
    TransactionUnknown,
    /// No statement of that handle or name is known.
    #[error("no statement of that {0} is known here; declare it with Prepare")]
    StatementUnknown(&'static str),
    /// The catalogue has nothing of the kind, or not for this project.
    #[error("the catalogue (gateway.statements_file) has no {0} for this project")]
    NotInCatalogue(&'static str),
    /// A statement of the catalogue that the database refuses.
    #[error("statement {name:?} of the catalogue is of no use in database {database}: {reason}")]
    StatementBroken {
        /// Its name.
        name: String,
        /// The database.
        database: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More than one session where there can be one at most.
    #[error("statement {name:?} found {rows} sessions of one token; nobody is let in with it")]
    SessionAmbiguous {
        /// The statement that finds sessions.
        name: String,
        /// How many it found.
        rows: usize,
    },
    /// The outcome of a write cannot be remembered.
    #[error("the outcome cannot be kept under an idempotency key: {0}")]
    IdempotencyUnavailable(String),
    /// An idempotency key that was used for something else.
    #[error("the idempotency key was used for another statement")]
    IdempotencyMismatch,
    /// A value that has no place in its column's type.
    #[error("column {column} holds {what}, which its Arrow type cannot; cast it to text in the statement")]
    ValueUnsupported {
        /// The column's name.
        column: String,
        /// What it holds.
        what: &'static str,
    },
    /// The firewall does not let a statement through.
    #[error("the firewall refused the statement (rule {rule}): {words}; {FIREWALL_HINT}")]
    FirewallBlocked {
        /// The rule that it breaks.
        rule: &'static str,
        /// What that means.
        words: &'static str,
    },
    /// Who a caller says to be, and is not.
    #[error("{0}")]
    Unauthenticated(String),
}

impl Error {
    /// Whether no server could be had, and nothing was sent to any.
    pub(crate) fn is_without_server(&self) -> bool {
        use weir_upstream::Error::{Io, Refused, Timeout, Tls, Unreachable};
        match self {
            Self::BreakerOpen { .. } | Self::PrimaryMoved { .. } => true,
            Self::Upstream(Unreachable { .. } | Timeout { .. } | Io { .. } | Tls { .. }) => true,
            // It is starting, stopping, or not open for queries yet.
            Self::Upstream(Refused { server, .. }) => server.sqlstate.starts_with("57P"),
            _ => false,
        }
    }
}

impl From<Blocked> for Error {
    fn from(Blocked { rule, words }: Blocked) -> Self {
        Self::FirewallBlocked { rule, words }
    }
}

impl From<NotItsProject> for Error {
    fn from(error: NotItsProject) -> Self {
        let NotItsProject { own, asked } = error;
        Self::ProjectFixed { own, asked }
    }
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Upstream(error) => error.class(),
            Self::PoolTimeout { .. }
            | Self::QueueFull { .. }
            | Self::TooManyPools { .. }
            | Self::BudgetSpent { .. } => ErrorClass::Exhausted,
            Self::ProjectFixed { .. } | Self::FirewallBlocked { .. } => ErrorClass::PermissionDenied,
            Self::BreakerOpen { .. } | Self::PrimaryMoved { .. } => ErrorClass::Unavailable,
            Self::ReplyTooLarge { .. } => ErrorClass::Exhausted,
            Self::StatementTooLong { .. } | Self::Parameter { .. } | Self::Request(_) => ErrorClass::InvalidInput,
            Self::TransactionLeftOpen => ErrorClass::Conflict,
            Self::StatementTimeout(_) => ErrorClass::Deadline,
            Self::CallerGone => ErrorClass::Cancelled,
            Self::Stopping => ErrorClass::Unavailable,
            Self::OperationCancelled => ErrorClass::Cancelled,
            Self::BatchTooLarge { .. } | Self::TransactionControl | Self::ValueUnsupported { .. } => {
                ErrorClass::InvalidInput
            }
            Self::TransactionAborted | Self::IdempotencyUnavailable(_) | Self::IdempotencyMismatch => {
                ErrorClass::Conflict
            }
            Self::TransactionIdle(_) => ErrorClass::Deadline,
            Self::TransactionUnknown | Self::StatementUnknown(_) | Self::NotInCatalogue(_) => ErrorClass::NotFound,
            Self::StatementBroken { .. } | Self::SessionAmbiguous { .. } => ErrorClass::Conflict,
            Self::Unauthenticated(_) => ErrorClass::Unauthenticated,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Upstream(error) => error.slug(),
            Self::PoolTimeout { .. } => "pool-timeout",
            Self::QueueFull { .. } => "pool-queue-full",
            Self::BreakerOpen { .. } => "upstream-breaker-open",
            Self::PrimaryMoved { .. } => "upstream-moved",
            Self::TooManyPools { .. } => "pool-too-many",
            Self::BudgetSpent { .. } => "budget-spent",
            Self::ProjectFixed { .. } => "project-fixed",
            Self::FirewallBlocked { .. } => "firewall-blocked",
            Self::StatementTooLong { .. } => "statement-too-long",
            Self::ReplyTooLarge { .. } => "reply-too-large",
            Self::TransactionLeftOpen => "transaction-left-open",
            Self::Parameter { .. } => "parameter-invalid",
            Self::Request(_) => "request-invalid",
            Self::StatementTimeout(_) => "statement-timeout",
            Self::CallerGone => "caller-gone",
            Self::Stopping => "gateway-stopping",
            Self::OperationCancelled => "operation-cancelled",
            Self::BatchTooLarge { .. } => "batch-too-large",
            Self::TransactionControl => "transaction-control",
            Self::TransactionAborted => "transaction-aborted",
            Self::TransactionIdle(_) => "transaction-idle",
            Self::TransactionUnknown => "transaction-unknown",
            Self::StatementUnknown(_) | Self::NotInCatalogue(_) => "statement-unknown",
            Self::StatementBroken { .. } => "statement-broken",
            Self::SessionAmbiguous { .. } => "session-ambiguous",
            Self::IdempotencyUnavailable(_) => "idempotency-unavailable",
            Self::IdempotencyMismatch => "idempotency-mismatch",
            Self::ValueUnsupported { .. } => "value-unsupported",
            Self::Unauthenticated(_) => "caller-unauthenticated",
        }
    }
}
