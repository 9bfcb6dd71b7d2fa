//! The frames inside of a replication's COPY.

use bytes::{BufMut as _, BytesMut};

use crate::WireError;
use crate::reader::Reader;
use crate::write::{WriteError, put_frame};

/// What the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromServer<'a> {
    /// A piece of the log, or what a plugin made of it.
    Data {
        /// Where it begins in the log.
        start: u64,
        /// How long the server's log was when this was sent.
        end: u64,
        /// The piece.
        bytes: &'a [u8],
    },
    /// How far the server is: everything before was sent.
    Keepalive {
        /// The position up to which everything was sent.
        sent: u64,
        /// The server ends the connection unless it gets an answer.
        wants_reply: bool,
    },
}

impl<'a> FromServer<'a> {
    /// Reads the data of a CopyData frame.
    pub fn parse(data: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("CopyData", data);
        match reader.u8()? {
            b'w' => {
                let (start, end, _clock) = (reader.u64()?, reader.u64()?, reader.u64()?);
                let bytes = reader.rest();
                Ok(Self::Data { start, end, bytes })
            }
            b'k' => {
                let (sent, _clock) = (reader.u64()?, reader.u64()?);
                let wants_reply = reader.u8()? != 0;
                reader.end()?;
                Ok(Self::Keepalive { sent, wants_reply })
            }
            _ => Err(reader.malformed("it is neither data nor a sign of life")),
        }
    }
}

/// What the receiver tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StandbyStatus {
    /// Everything before was received.
    pub written: u64,
    /// Everything before is safe, and will not be asked for again.
    pub flushed: u64,
    /// Everything before was applied.
    pub applied: u64,
    /// When this is sent.
    pub clock: i64,
    /// The server shall say how far it is.
    pub wants_reply: bool,
}

/// Writes it, as a frame.
pub fn standby_status(out: &mut BytesMut, status: &StandbyStatus) -> Result<(), WriteError> {
    put_frame(out, b'd', |body| {
        body.put_u8(b'r');
        body.put_u64(status.written);
        body.put_u64(status.flushed);
        body.put_u64(status.applied);
        body.put_i64(status.clock);
        body.put_u8(status.wants_reply.into());
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read() {
        let data = [
            b"w".as_slice(),
            &7_u64.to_be_bytes(),
            &9_u64.to_be_bytes(),
            &[0; 8],
            b"xyz",
        ]
        .concat();
        let expected = FromServer::Data {
            start: 7,
            end: 9,
            bytes: b"xyz",
        };
        assert_eq!(FromServer::parse(&data), Ok(expected));
        let alive = [b"k".as_slice(), &7_u64.to_be_bytes(), &[0; 8], &[1]].concat();
        let expected = FromServer::Keepalive {
            sent: 7,
            wants_reply: true,
        };
        assert_eq!(FromServer::parse(&alive), Ok(expected));
        for cut in 0..alive.len() {
            assert!(FromServer::parse(&alive[..cut]).is_err(), "{cut}");
        }
        for cut in 0..25 {
            assert!(FromServer::parse(&data[..cut]).is_err(), "{cut}");
        }
        assert!(FromServer::parse(b"x").is_err());
        assert!(FromServer::parse(&[alive.as_slice(), b"x"].concat()).is_err());
    }

    #[test]
    fn a_status_has_its_form() {
        let mut out = BytesMut::new();
        let status = StandbyStatus {
            written: 1,
            flushed: 2,
            applied: 3,
            clock: 4,
            wants_reply: true,
        };
        standby_status(&mut out, &status).unwrap();
        let expected = b"d\0\0\0\x26r\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\x01";
        assert_eq!(out.as_ref(), expected);
    }
}
