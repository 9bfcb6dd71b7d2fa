//! Why the bus did not do something, and whether trying again can help.

use std::time::Duration;

use weir_model::{Coded, ErrorClass};

/// What went wrong. One line, which never holds a password or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting cannot be used; the line names it.
    #[error("{0}")]
    Setting(String),
    /// The caller named something that cannot be a name, a subject, a pattern or a header.
    #[error("{what} {value:?} cannot be used: {reason}")]
    Invalid {
        /// What it was to be.
        what: &'static str,
        /// What was given, shortened.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The message is larger than the bus takes.
    #[error("the message on {subject} is larger than the {limit_bytes} bytes that the bus takes: send less at a time")]
    TooLarge {
        /// Where it was to go.
        subject: String,
        /// The largest message.
        limit_bytes: usize,
    },
    /// The server is away, or cannot do its work at present.
    #[error("the bus is away, try again later: {reason}")]
    Unavailable {
        /// What is known about it.
        reason: String,
    },
    /// A bounded buffer has no room.
    #[error("the {buffer} of the bus is full: try again later, or raise {setting}")]
    Full {
        /// Which one.
        buffer: &'static str,
        /// The setting that bounds it.
        setting: &'static str,
    },
    /// There was no answer in time. Whether the server has it is not known.
    #[error("the bus did not answer within {waited:?} to {what}: try again")]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// The server said no, and will say so again.
    #[error("the bus refuses {what}: {reason}")]
    Refused {
        /// What was asked.
        what: String,
        /// What the server said.
        reason: String,
    },
}

/// How much of a faulty value is shown.
const SHOWN_CHARS_MAX: usize = 80;

impl Error {
    /// Whether the same call may succeed later. For a durable message it is safe too: its id keeps it single.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::Full { .. } | Self::Timeout { .. }
        )
    }

    pub(crate) fn invalid(what: &'static str, value: &str, reason: &'static str) -> Self {
        let value = value.chars().take(SHOWN_CHARS_MAX).collect();
        Self::Invalid { what, value, reason }
    }

    pub(crate) fn setting(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::Setting(format!("setting {name} cannot be used: {reason}"))
    }

    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Setting(_) | Self::Invalid { .. } | Self::TooLarge { .. } => ErrorClass::InvalidInput,
            Self::Unavailable { .. } => ErrorClass::Unavailable,
            Self::Full { .. } => ErrorClass::Exhausted,
            Self::Timeout { .. } => ErrorClass::Deadline,
            Self::Refused { .. } => ErrorClass::Internal,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Setting(_) => "bus-setting",
            Self::Invalid { .. } => "bus-invalid",
            Self::TooLarge { .. } => "bus-too-large",
            Self::Unavailable { .. } => "bus-unavailable",
            Self::Full { .. } => "bus-full",
            Self::Timeout { .. } => "bus-timeout",
            Self::Refused { .. } => "bus-refused",
        }
    }
}
