//! Why a conversation with a server ended, or what the server complained about.

use std::fmt;
use std::io;

use weir_pgwire::WireError;
use weir_pgwire::backend::ErrorFields;
use weir_pgwire::frontend::WriteError;

/// What an ErrorResponse says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// Five characters.
    pub sqlstate: String,
    /// The message.
    pub message: String,
}

impl ServerError {
    /// Reads the fields of an error.
    pub fn of(fields: &ErrorFields<'_>) -> Self {
        Self {
            sqlstate: fields.sqlstate().unwrap_or_default().into_owned(),
            message: fields.message().unwrap_or_default().into_owned(),
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.sqlstate, self.message)
    }
}

/// Why a connection cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The other side closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// What came is not of the protocol.
    #[error("{0}")]
    Malformed(#[from] WireError),
    /// What should be sent cannot be written.
    #[error("{0}")]
    Unwritable(#[from] WriteError),
    /// The log-in was refused.
    #[error("refused with {0}")]
    Refused(ServerError),
    /// The log-in went another way than it may.
    #[error("log-in: {0}")]
    Login(String),
}
