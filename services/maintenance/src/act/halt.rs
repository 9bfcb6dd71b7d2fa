//! Why work ended before it was done.

use std::fmt;

/// What stopped a piece of work.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Somebody cancelled the job, or the service stops.
    Cancelled,
    /// The window is over.
    WindowEnded,
    /// Users wait longer than they may: in what way.
    UsersSuffer(String),
    /// It holds a lock that a user waits for: which.
    Blocks(String),
    /// What was checked is damaged: how.
    Corrupt(String),
    /// The server said no, or is gone.
    Failed(weir_upstream::Error),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("it was cancelled"),
            Self::WindowEnded => f.write_str("the window ended"),
            Self::UsersSuffer(how) => write!(f, "users suffer: {how}"),
            Self::Corrupt(how) => write!(f, "it is corrupt: {how}"),
            Self::Blocks(whom) => write!(f, "it blocks {whom}"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl From<weir_upstream::Error> for Halt {
    fn from(error: weir_upstream::Error) -> Self {
        Self::Failed(error)
    }
}
