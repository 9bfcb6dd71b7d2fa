//! Tag, length, body: in that order, although the length is known last.

use bytes::{BufMut, BytesMut};

/// The length field counts itself.
const LENGTH_BYTES: usize = 4;

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
    /// Nothing where the protocol takes nothing for the end of a list.
    #[error("the {part} is empty, which would end the list it stands in")]
    NoName {
        /// Which name.
        part: &'static str,
    },
    /// A key for cancel requests whose length no peer accepts.
    #[error("a cancel key of {bytes} bytes cannot be sent; it takes 4 to 256")]
    KeyLength {
        /// Its length.
        bytes: usize,
    },
    /// Parameter types that end in the middle of one.
    #[error("{bytes} bytes of parameter types are not a whole number of them; each takes 4")]
    PartOfType {
        /// Their length.
        bytes: usize,
    },
    /// A frame that is shorter than its own beginning.
    #[error("a body of {bytes} bytes cannot begin with {head_bytes} bytes of names")]
    ShorterThanHead {
        /// The body's length.
        bytes: usize,
        /// The length of its beginning.
        head_bytes: usize,
    },
}

/// Appends a frame whose body `write` appends.
pub(crate) fn put_frame(
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
pub(crate) fn put_sized(
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
    set(out, at, length.to_be_bytes());
    Ok(())
}

/// Writes over what stands at `at`.
pub(crate) fn set<const N: usize>(out: &mut BytesMut, at: usize, bytes: [u8; N]) {
    if let Some(field) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = bytes;
    }
}

/// Tag and length of a frame whose body the caller appends.
pub(crate) fn put_header(out: &mut BytesMut, tag: u8, body_bytes: usize) -> Result<(), WriteError> {
    let length = length_of(body_bytes.saturating_add(LENGTH_BYTES))?;
    out.put_u8(tag);
    out.put_i32(length);
    Ok(())
}

/// Bytes as they are: the body of a frame whose form the protocol leaves open.
pub(crate) fn put_raw(out: &mut BytesMut, tag: u8, bytes: &[u8]) -> Result<(), WriteError> {
    put_frame(out, tag, |body| {
        body.put_slice(bytes);
        Ok(())
    })
}

/// A frame without a body.
pub(crate) fn put_empty(out: &mut BytesMut, tag: u8) {
    out.put_slice(&[tag, 0, 0, 0, 4]);
}

/// A text and the zero byte that ends it; `part` is its name for errors.
pub(crate) fn put_text(out: &mut BytesMut, part: &'static str, text: &[u8]) -> Result<(), WriteError> {
    if text.contains(&0) {
        return Err(WriteError::ZeroByte { part });
    }
    out.put_slice(text);
    out.put_u8(0);
    Ok(())
}

/// A text as an element of a list that an empty text ends.
pub(crate) fn put_listed(out: &mut BytesMut, part: &'static str, text: &[u8]) -> Result<(), WriteError> {
    if text.is_empty() {
        return Err(WriteError::NoName { part });
    }
    put_text(out, part, text)
}

/// Items with their number in front, of which there may be at most 65535.
pub(crate) fn put_items<T>(
    out: &mut BytesMut,
    part: &'static str,
    items: impl IntoIterator<Item = T>,
    mut put: impl FnMut(&mut BytesMut, T) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let at = out.len();
    out.put_u16(0);
    let mut count = 0_usize;
    for item in items {
        count += 1;
        let code = u16::try_from(count).map_err(|_| WriteError::TooMany { part, count })?;
        put(out, item)?;
        set(out, at, code.to_be_bytes());
    }
    Ok(())
}

/// A count of at most 65535.
pub(crate) fn put_count(out: &mut BytesMut, part: &'static str, count: usize) -> Result<(), WriteError> {
    out.put_u16(u16::try_from(count).map_err(|_| WriteError::TooMany { part, count })?);
    Ok(())
}

/// A value with its length in front; `None` is NULL.
pub(crate) fn put_value(out: &mut BytesMut, value: Option<&[u8]>) -> Result<(), WriteError> {
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
