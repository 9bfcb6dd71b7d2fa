//! Why a database is not followed, as one sentence, with what would help.

use weir_upstream::Error;

/// Why following ended or could not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) sentence: String,
    /// Somebody has to change something first. Otherwise it is tried again soon.
    pub(crate) is_blocked: bool,
}

impl Lost {
    /// The connection went, or the server did.
    pub(crate) fn other(sentence: String) -> Self {
        Self {
            sentence,
            is_blocked: false,
        }
    }

    /// Nothing helps but a change by somebody.
    pub(crate) fn blocked(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            is_blocked: true,
        }
    }

    /// The server takes connections and does not answer.
    pub(crate) fn silent() -> Self {
        Self::other("the server does not answer".to_owned())
    }

    /// An error of the server or of the way to it.
    pub(crate) fn of(error: &Error) -> Self {
        match error.server().map(|server| server.sqlstate.as_str()) {
            Some("53400") => Self::blocked(format!("{error}; raise max_replication_slots")),
            Some("53300") => Self::blocked(format!("{error}; raise max_wal_senders or max_connections")),
            Some("42501" | "28000" | "28P01") => Self::blocked(format!("{error}; see docs/guides/cache-server.md")),
            _ => Self::other(error.to_string()),
        }
    }
}
