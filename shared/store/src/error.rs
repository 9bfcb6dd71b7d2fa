//! Why a store cannot do what it was asked: one line, which names the place and never a password.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use weir_model::{Coded, ErrorClass};

use crate::Address;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nobody said where Weir's own tables are.
    #[error("no place for weir's own tables: set store.url or DATABASE_URL")]
    NoUrl,
    /// The URL is not one of PostgreSQL.
    #[error("setting store.url cannot be used: {0}")]
    InvalidUrl(String),
    /// A service chose a name that would need quoting.
    #[error("schema {0:?} cannot be used: only a-z, 0-9 and '_' may stand in it")]
    InvalidSchema(&'static str),
    /// The server does not answer, or answers that it is not there yet.
    #[error("cannot reach the store at {address}: {reason}")]
    Unreachable {
        /// Where it should be.
        address: Address,
        /// What the system or the server said.
        reason: String,
    },
    /// No connection, or no answer, within the time allowed.
    #[error(
        "the store at {address} gave no answer within {waited:?}: it does not respond, or all connections are in use"
    )]
    Timeout {
        /// Where it is.
        address: Address,
        /// How long was waited.
        waited: Duration,
    },
    /// The server refuses the user or its password.
    #[error("the store at {address} refuses the login: {reason}")]
    Auth {
        /// Where it is.
        address: Address,
        /// What the server said.
        reason: String,
    },
    /// The database does not exist.
    #[error("the store at {address} has no such database: {reason}")]
    NoDatabase {
        /// Where it should be.
        address: Address,
        /// What the server said.
        reason: String,
    },
    /// The tables are those of another version of Weir. Waiting does not help.
    #[error("schema {schema} at {address} cannot be used: {reason}")]
    MigrationRefused {
        /// Where it is.
        address: Address,
        /// The service's schema.
        schema: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// A migration did not run through; it was rolled back.
    #[error("schema {schema} at {address} could not be migrated: {reason}")]
    Migration {
        /// Where it is.
        address: Address,
        /// The service's schema.
        schema: &'static str,
        /// Which migration, and what the server said.
        reason: String,
    },
    /// Another instance leads by now.
    #[error("no longer the leader of {name}: a newer term than {epoch} has begun")]
    Superseded {
        /// What was led.
        name: String,
        /// The term that is over.
        epoch: i64,
    },
    /// A statement failed.
    #[error("the store at {address} refused a statement: {source}")]
    Sql {
        /// Where it is.
        address: Address,
        /// What the driver or the server said.
        source: sqlx::Error,
    },
}

impl StoreError {
    /// Puts what the driver said into the words that a caller can act upon.
    pub(crate) fn of(address: &Address, error: sqlx::Error) -> Self {
        let address = address.clone();
        match &error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Self::Unreachable {
                address,
                reason: one_line(&error),
            },
            sqlx::Error::Database(from_server) => {
                let reason = one_line(from_server.message());
                match from_server.code().as_deref() {
                    // Wrong password, unknown role, or no entry in pg_hba.conf.
                    Some("28P01" | "28000") => Self::Auth { address, reason },
                    Some("3D000") => Self::NoDatabase { address, reason },
                    // Shutting down, crashed, starting up, no connection left.
                    Some("57P01" | "57P02" | "57P03" | "53300") => Self::Unreachable { address, reason },
                    _ => Self::Sql { address, source: error },
                }
            }
            _ => Self::Sql { address, source: error },
        }
    }

    pub(crate) fn of_migration(address: &Address, schema: &'static str, table: &str, error: MigrateError) -> Self {
        let address = address.clone();
        match error {
            MigrateError::Execute(error) => Self::of(&address, error),
            MigrateError::ExecuteMigration(sqlx::Error::Io(error), _) => Self::of(&address, error.into()),
            MigrateError::VersionMissing(version) => Self::MigrationRefused {
                address,
                schema,
                reason: format!(
                    "migration {version} in {table} is unknown here; start the newer version that applied it"
                ),
            },
            MigrateError::VersionMismatch(version) => Self::MigrationRefused {
                address,
                schema,
                reason: format!(
                    "migration {version} in {table} was changed after it had been applied; start the version that applied it"
                ),
            },
            other => Self::Migration {
                address,
                schema,
                reason: one_line(&other),
            },
        }
    }

    /// Whether waiting cannot help.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NoUrl | Self::InvalidUrl(_) | Self::InvalidSchema(_) | Self::MigrationRefused { .. }
        )
    }
}

pub(crate) fn one_line(error: impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Coded for StoreError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoUrl | Self::InvalidUrl(_) | Self::InvalidSchema(_) => ErrorClass::InvalidInput,
            // The login is Weir's own: whoever called Weir did nothing wrong.
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Auth { .. } | Self::NoDatabase { .. } => {
                ErrorClass::Unavailable
            }
            Self::Superseded { .. } => ErrorClass::Conflict,
            Self::MigrationRefused { .. } | Self::Migration { .. } | Self::Sql { .. } => ErrorClass::Internal,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::NoUrl | Self::InvalidUrl(_) => "store-url",
            Self::InvalidSchema(_) => "store-schema",
            Self::Unreachable { .. } => "store-unreachable",
            Self::Timeout { .. } => "store-timeout",
            Self::Auth { .. } => "store-auth",
            Self::NoDatabase { .. } => "store-database",
            Self::MigrationRefused { .. } | Self::Migration { .. } => "store-migration",
            Self::Superseded { .. } => "store-superseded",
            Self::Sql { .. } => "store-sql",
        }
    }
}
