//! Tag, length, body: in that order, although the length is known last.

use bytes::{BufMut, BytesMut};

/// What cannot be written as a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A text with a zero byte, which would end it there.
    #[error("the {part} contains a zero byte, which PostgreSQL cannot take")]
    ZeroByte {
        /// Which text.
        part: &'static str,
    },
    /// More of something than the protocol can count.
    #[error("{count} {part} are too many; at most 65535 can be sent")]
    TooMany {
        /// Of what.
        part: &'static str,
        /// How many.
        count: usize,
    },
    /// A frame or value whose length the protocol cannot express.
    #[error("{bytes} bytes are too long for one frame; at most 2147483647 can be sent")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// An empty name in a start-up frame, which would end it there.
    #[error("a start-up parameter has no name")]
    NoName,
}

/// Appends a frame whose body `write` appends.
pub(super) fn put_frame(
    out: &mut BytesMut,
    tag: u8,
    write: impl FnOnce(&mut BytesMut) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let start = out.len();
    out.put_u8(tag);
    let done = put_sized(out, write);
    if done.is_err() {
        out.truncate(start);
    }
    done
}

/// Appends a body with its length in front, but without a tag, as the very first frame of a session is.
pub(super) fn put_sized(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let start = out.len();
    out.put_i32(0);
    let done = write(out).and_then(|()| set_length(out, start));
    if done.is_err() {
        out.truncate(start);
    }
    done
}

fn set_length(out: &mut BytesMut, at: usize) -> Result<(), WriteError> {
    let length = length_of(out.len() - at)?;
    if let Some(field) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = length.to_be_bytes();
    }
    Ok(())
}

/// A frame without a body.
pub(super) fn put_empty(out: &mut BytesMut, tag: u8) {
    out.put_slice(&[tag, 0, 0, 0, 4]);
}

/// A text and the zero byte that ends it; `part` is its name for errors.
pub(super) fn put_text(out: &mut BytesMut, part: &'static str, text: &[u8]) -> Result<(), WriteError> {
    if text.contains(&0) {
        return Err(WriteError::ZeroByte { part });
    }
    out.put_slice(text);
    out.put_u8(0);
    Ok(())
}

/// A count of at most 65535.
pub(super) fn put_count(out: &mut BytesMut, part: &'static str, count: usize) -> Result<(), WriteError> {
    out.put_u16(u16::try_from(count).map_err(|_| WriteError::TooMany { part, count })?);
    Ok(())
}

/// A value with its length in front; `None` is NULL.
pub(super) fn put_value(out: &mut BytesMut, value: Option<&[u8]>) -> Result<(), WriteError> {
    let Some(value) = value else {
        out.put_i32(-1);
        return Ok(());
    };
    out.put_i32(length_of(value.len())?);
    out.put_slice(value);
    Ok(())
}

fn length_of(bytes: usize) -> Result<i32, WriteError> {
    i32::try_from(bytes).map_err(|_| WriteError::TooLong { bytes })
}
