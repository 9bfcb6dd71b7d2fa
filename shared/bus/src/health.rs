//! Whether the bus is reachable at present.

/// The state of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Messages flow.
    Up,
    /// They do not; the bus keeps trying to connect.
    Down {
        /// What is known about why.
        reason: String,
    },
}

impl Health {
    /// Whether messages flow.
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }

    /// The same as the outcome of a check.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Up => Ok(()),
            Self::Down { reason } => Err(reason.clone()),
        }
    }

    pub(crate) fn down(reason: impl Into<String>) -> Self {
        Self::Down { reason: reason.into() }
    }
}
