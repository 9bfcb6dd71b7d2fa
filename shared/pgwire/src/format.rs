//! How a value is written: as text or in the type's binary form.

/// The form of a value on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// What `psql` shows.
    #[default]
    Text,
    /// The type's own binary form.
    Binary,
}

impl Format {
    /// The form behind a code of the protocol; `None` where the protocol knows no such code.
    pub const fn from_code(code: u16) -> Option<Self> {
        match code {
            0 => Some(Self::Text),
            1 => Some(Self::Binary),
            _ => None,
        }
    }

    /// Its code in the protocol.
    pub const fn code(self) -> u16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}
