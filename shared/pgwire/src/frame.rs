//! Where one frame ends and the next begins.
//!
//! Looks at five bytes of a frame and never at its body. Holds no state: the caller's buffer is the state.

use crate::WireError;

/// Tag and length.
const HEADER_BYTES: usize = 5;
/// The length field counts itself.
const LENGTH_BYTES: u32 = 4;

/// The first five bytes of a frame: what it is and how long it says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    tag: u8,
    body_bytes: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` while fewer than five bytes are there.
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let Some(&[tag, a, b, c, d]) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]);
        let body = length
            .checked_sub(LENGTH_BYTES)
            .ok_or(WireError::TooShort { tag, length })?;
        // On a machine whose addresses are too small for it, no limit will let it pass.
        let body_bytes = usize::try_from(body).unwrap_or(usize::MAX - HEADER_BYTES);
        Ok(Some(Self { tag, body_bytes }))
    }

    /// What kind of frame it is.
    pub const fn tag(self) -> u8 {
        self.tag
    }

    /// The length of its body.
    pub const fn body_bytes(self) -> usize {
        self.body_bytes
    }

    /// The length of the whole frame, header included.
    pub const fn frame_bytes(self) -> usize {
        HEADER_BYTES + self.body_bytes
    }
}

/// A whole frame in somebody's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What kind of frame it is.
    pub tag: u8,
    /// What follows its header.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// The length of the whole frame, header included: how far to go on to the next one.
    pub const fn bytes(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }
}

/// What stands at the start of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan<'a> {
    /// A whole frame.
    Whole(Frame<'a>),
    /// The beginning of one, or nothing. Who only forwards may pass on what is there and count `missing` down.
    Part {
        /// Its header, once that has arrived.
        header: Option<Header>,
        /// How many bytes are missing; at least so many while the header has not arrived. Never 0.
        missing: usize,
    },
}

/// Finds the frame at the start of `bytes`. A body longer than `body_bytes_max` says for its tag is an error as soon
/// as its header is there.
pub fn scan(bytes: &[u8], body_bytes_max: impl FnOnce(u8) -> usize) -> Result<Scan<'_>, WireError> {
    let Some(header) = Header::read(bytes)? else {
        return Ok(Scan::Part {
            header: None,
            missing: HEADER_BYTES - bytes.len(),
        });
    };
    let Header { tag, body_bytes } = header;
    let bytes_max = body_bytes_max(tag);
    if body_bytes > bytes_max {
        return Err(WireError::TooLong {
            tag,
            bytes: body_bytes,
            bytes_max,
        });
    }
    Ok(match bytes.get(HEADER_BYTES..header.frame_bytes()) {
        Some(body) => Scan::Whole(Frame { tag, body }),
        None => Scan::Part {
            header: Some(header),
            missing: header.frame_bytes() - bytes.len(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_ends_where_its_length_says() {
        let bytes = b"Z\0\0\0\x05IC\0\0";
        let Scan::Whole(frame) = scan(bytes, |_| 100).unwrap() else {
            panic!("not whole")
        };
        assert_eq!((frame.tag, frame.body, frame.bytes()), (b'Z', &b"I"[..], 6));
        assert_eq!(
            scan(&bytes[6..], |_| 100).unwrap(),
            Scan::Part {
                header: None,
                missing: 2
            }
        );
    }

    #[test]
    fn the_header_is_known_before_the_body() {
        let Scan::Part {
            header: Some(header),
            missing,
        } = scan(b"D\x3f\xff\xff\xffab", |_| usize::MAX).unwrap()
        else {
            panic!("no header")
        };
        assert_eq!((header.tag(), header.body_bytes()), (b'D', 0x3fff_fffb));
        assert_eq!(missing, 0x3fff_fffb - 2);
    }

    #[test]
    fn absurd_lengths_are_refused_at_once() {
        for length in 0..4_u32 {
            let mut bytes = vec![b'D'];
            bytes.extend(length.to_be_bytes());
            assert_eq!(scan(&bytes, |_| 100), Err(WireError::TooShort { tag: b'D', length }));
        }
        let longest = scan(b"D\xff\xff\xff\xff", |_| 100);
        assert_eq!(
            longest,
            Err(WireError::TooLong {
                tag: b'D',
                bytes: 0xffff_fffb,
                bytes_max: 100
            })
        );
        assert!(scan(b"D\0\0\0\x68", |_| 100).is_ok());
        assert!(scan(b"D\0\0\0\x69", |_| 100).is_err());
    }

    #[test]
    fn the_limit_may_depend_on_the_tag() {
        let limit = |tag| if tag == b'D' { 1000 } else { 10 };
        assert!(scan(b"D\0\0\0\xff", limit).is_ok());
        assert!(scan(b"Z\0\0\0\xff", limit).is_err());
    }
}
