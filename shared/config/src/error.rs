//! A setting that cannot be: one line that names it.

use std::path::PathBuf;

use weir_model::{Coded, ErrorClass};

use crate::field::Origin;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings file cannot be read.
    #[error("cannot read the settings file {path}: {reason}")]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The settings file is not TOML.
    #[error("settings file {path}, line {line}: {reason}")]
    Syntax {
        /// The file that was read.
        path: PathBuf,
        /// Where reading it stopped, counted from 1.
        line: usize,
        /// What was found there.
        reason: String,
    },
    /// A section or key that does not exist.
    #[error("unknown setting {key} ({origin}){hint}")]
    Unknown {
        /// The name that was given.
        key: String,
        /// Where it was given.
        origin: Origin,
        /// A name that does exist and looks alike, as the end of the sentence.
        hint: String,
    },
    /// A value that is not of the setting's kind or outside its range.
    #[error("setting {key} ({origin}): {reason}")]
    Invalid {
        /// The setting, as `section.key`.
        key: String,
        /// Where the value was given.
        origin: Origin,
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// A value that reads well and that its owner cannot use. The owner's words name the setting.
    #[error("{0}")]
    Refused(String),
    /// Two places that must agree do not.
    #[error("setting {key} is contradictory: {first} and {second} say different things")]
    Contradiction {
        /// The setting, as `section.key`.
        key: String,
        /// One place.
        first: String,
        /// The other place.
        second: String,
    },
}

impl Error {
    /// An invalid value found by a service's own check, such as a minimum above its maximum.
    pub fn invalid(key: impl Into<String>, origin: Origin, reason: impl Into<String>) -> Self {
        Self::Invalid {
            key: key.into(),
            origin,
            reason: reason.into(),
        }
    }
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        ErrorClass::InvalidInput
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "config-unreadable",
            Self::Syntax { .. } => "config-syntax",
            Self::Unknown { .. } => "config-unknown-setting",
            Self::Invalid { .. } => "config-invalid-setting",
            Self::Refused(_) => "config-refused-setting",
            Self::Contradiction { .. } => "config-contradiction",
        }
    }
}
