//! What can go wrong between this process and PostgreSQL.

use std::io;
use std::time::Duration;

use weir_model::{Coded, ErrorClass};
use weir_pgwire::frontend::WriteError;

use crate::{ServerError, TargetError};

/// Why a connection could not be had, or a statement was not answered. One line each, and never a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings cannot be right.
    #[error(transparent)]
    Config(#[from] TargetError),
    /// Nobody answers there.
    #[error("cannot reach postgres at {place}: {reason}")]
    Unreachable {
        /// Host and port, or the socket's path.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The connection broke.
    #[error("lost the connection to postgres at {place}: {reason}")]
    Io {
        /// Host and port, or the socket's path.
        place: String,
        /// How.
        reason: String,
    },
    /// The connection could not be encrypted, or the server did not prove who it is.
    #[error("no tls with postgres at {place}: {reason}")]
    Tls {
        /// Host and port.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The server did not let the user in.
    #[error("postgres at {place} does not let user {user} into database {database}: {reason}")]
    Auth {
        /// Host and port, or the socket's path.
        place: String,
        /// The user.
        user: String,
        /// The database.
        database: String,
        /// Why not.
        reason: String,
        /// The server's own words, where it spoke.
        server: Option<Box<ServerError>>,
    },
    /// The server refused the session for another reason: no such database, too many clients, starting up, …
    #[error("postgres at {place} refuses user {user} on database {database}: {server}")]
    Refused {
        /// Host and port, or the socket's path.
        place: String,
        /// The user.
        user: String,
        /// The database.
        database: String,
        /// The server's own words.
        server: Box<ServerError>,
    },
    /// A statement failed.
    #[error(transparent)]
    Server(Box<ServerError>),
    /// The server sent what the protocol does not allow here.
    #[error("postgres at {place} does not keep to the protocol: {reason}")]
    Protocol {
        /// Host and port, or the socket's path.
        place: String,
        /// What it sent.
        reason: String,
    },
    /// Connecting, or cancelling, took too long.
    #[error("postgres at {place} did not answer within {after:?}")]
    Timeout {
        /// Host and port, or the socket's path.
        place: String,
        /// The time it had.
        after: Duration,
    },
    /// A row or a whole reply beyond the caller's limit.
    #[error("a {what} of {bytes} bytes or more is too large; at most {bytes_max} are accepted")]
    TooLarge {
        /// `row` or `reply`.
        what: &'static str,
        /// The size that is known so far.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// An earlier reply was not read to its end.
    #[error("the connection to postgres at {place} was left in the middle of a reply; open a new one")]
    OutOfStep {
        /// Host and port, or the socket's path.
        place: String,
    },
    /// COPY from or to the client, for which there is no door here.
    #[error("COPY from STDIN or to STDOUT is not possible in this call")]
    Copy,
    /// A statement or parameter that cannot be sent at all. Nothing was sent.
    #[error(transparent)]
    Statement(#[from] WriteError),
    /// A result that does not have what its reader needs.
    #[error("column {column} of the result {reason}")]
    Column {
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Error {
    /// The server's own words, where it spoke.
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(error) | Self::Refused { server: error, .. } => Some(error),
            Self::Auth { server, .. } => server.as_deref(),
            _ => None,
        }
    }
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Server(error) | Self::Refused { server: error, .. } => error.class(),
            Self::Config(_) | Self::Statement(_) | Self::Copy => ErrorClass::InvalidInput,
            Self::Unreachable { .. } | Self::Io { .. } | Self::Tls { .. } | Self::Timeout { .. } => {
                ErrorClass::Unavailable
            }
            Self::Auth { .. } => ErrorClass::Unauthenticated,
            Self::TooLarge { .. } => ErrorClass::Exhausted,
            Self::Protocol { .. } | Self::OutOfStep { .. } | Self::Column { .. } => ErrorClass::Internal,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Config(_) => "upstream-config",
            Self::Unreachable { .. } => "upstream-unreachable",
            Self::Io { .. } => "upstream-lost",
            Self::Tls { .. } => "upstream-tls",
            Self::Auth { .. } => "upstream-auth",
            Self::Server(error) | Self::Refused { server: error, .. } => error.slug(),
            Self::Protocol { .. } => "upstream-protocol",
            Self::Timeout { .. } => "upstream-timeout",
            Self::TooLarge { .. } => "upstream-too-large",
            Self::OutOfStep { .. } => "upstream-out-of-step",
            Self::Copy => "upstream-copy",
            Self::Statement(_) => "upstream-statement",
            Self::Column { .. } => "upstream-column",
        }
    }
}

/// An I/O error in a few words, without the number that the operating system gives it.
pub(crate) fn in_words(error: &io::Error) -> String {
    let said = error.to_string();
    let words = said.split(" (os error ").next().unwrap_or(&said);
    match error.raw_os_error() {
        Some(_) => words.to_lowercase(),
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_is_named_without_its_number() {
        assert_eq!(in_words(&io::Error::from_raw_os_error(111)), "connection refused");
        assert_eq!(in_words(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(in_words(&io::Error::other("odd: CN=Test")), "odd: CN=Test");
    }
}
