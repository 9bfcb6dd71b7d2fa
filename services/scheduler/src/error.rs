//! What a caller of the scheduler can be told.

use weir_model::{Coded, ErrorClass};

use crate::plan::InvalidTimetable;

/// Why a request about schedules or runs was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A cron pattern or time zone that cannot be.
    #[error(transparent)]
    Timetable(#[from] InvalidTimetable),
    /// A field that cannot be.
    #[error("{field}: {reason}")]
    Field {
        /// Its name in the request.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// No schedule or run of that id.
    #[error("there is no {kind} {id}")]
    NotFound {
        /// `schedule`, `run` or `window`.
        kind: &'static str,
        /// The id asked for.
        id: String,
    },
    /// Work that needs a window while none is open.
    #[error("{operation} waits for a maintenance window: {next}; force_window (--force-window) does it now")]
    OutsideWindow {
        /// What was asked for.
        operation: String,
        /// When one opens.
        next: String,
    },
    /// A window that is not the operators'.
    #[error("window {name:?} is {owner}")]
    OwnedWindow {
        /// Its name.
        name: String,
        /// Whose it is, and what to do.
        owner: &'static str,
    },
    /// As many windows as a project can have.
    #[error("the project has {0} windows, and cannot have more")]
    WindowsFull(usize),
    /// The scheduler's own tables cannot be reached.
    #[error("the scheduler's store failed: {0}")]
    Store(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_malformed(&error) {
            let (field, reason) = ("parameters_json", error.to_string());
            return Self::Field { field, reason };
        }
        Self::Store(error.to_string())
    }
}

/// Whether the database refuses a value as such, so that trying again cannot help (a NUL in a JSON text, for one).
pub(crate) fn is_malformed(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22"))
}

impl Coded for Error {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Timetable(_) | Self::Field { .. } => ErrorClass::InvalidInput,
            Self::NotFound { .. } => ErrorClass::NotFound,
            Self::OutsideWindow { .. } | Self::OwnedWindow { .. } => ErrorClass::Conflict,
            Self::WindowsFull(_) => ErrorClass::Exhausted,
            Self::Store(_) => ErrorClass::Unavailable,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Timetable(_) => "schedule-timetable",
            Self::Field { .. } => "schedule-field",
            Self::NotFound { .. } => "schedule-not-found",
            Self::OutsideWindow { .. } => "schedule-outside-window",
            Self::OwnedWindow { .. } => "schedule-window-owned",
            Self::WindowsFull(_) => "schedule-windows-full",
            Self::Store(_) => "schedule-store",
        }
    }
}
