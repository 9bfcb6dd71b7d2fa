//! Why bytes are not a frame, or a frame is not what its tag says.

use std::fmt;

/// Bytes that no PostgreSQL and no client of one would send. The stream they came from has lost its frame boundaries, or its peer lies:
/// there is no way to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A length that does not even cover its own four bytes.
    #[error("a frame {} declares {length} bytes, fewer than its own length field takes", Tag(*.tag))]
    TooShort {
        /// The frame's tag.
        tag: u8,
        /// The length it declares.
        length: u32,
    },
    /// A length beyond what the reader accepts.
    #[error("a frame {} declares {bytes} bytes; at most {bytes_max} are accepted", Tag(*.tag))]
    TooLong {
        /// The frame's tag.
        tag: u8,
        /// The body's length as declared.
        bytes: usize,
        /// The limit it exceeds.
        bytes_max: usize,
    },
    /// A tag that no server sends.
    #[error("a frame {} is not one that a server sends", Tag(*.tag))]
    UnknownTag {
        /// The frame's tag.
        tag: u8,
    },
    /// The first frame of a session with a length that none can have.
    #[error("invalid length of startup packet: {length} bytes")]
    HelloLength {
        /// The length it declares, which counts itself.
        length: u32,
    },
    /// The first frame of a session asks for a protocol that nobody here speaks.
    #[error("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2")]
    UnsupportedVersion {
        /// The version's major part.
        major: u16,
        /// Its minor part.
        minor: u16,
    },
    /// A body that does not follow its own form.
    #[error("a malformed {frame} frame: {reason}")]
    Malformed {
        /// The frame's name in PostgreSQL's documentation.
        frame: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A tag as a person reads it, whatever byte it is.
struct Tag(u8);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_ascii_graphic() {
            write!(f, "'{}'", char::from(self.0))
        } else {
            write!(f, "0x{:02x}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_never_writes_control_characters() {
        let shown = |tag| WireError::UnknownTag { tag }.to_string();
        assert_eq!(shown(b'?'), "a frame '?' is not one that a server sends");
        assert_eq!(shown(b'\n'), "a frame 0x0a is not one that a server sends");
        assert_eq!(shown(0xff), "a frame 0xff is not one that a server sends");
    }
}
