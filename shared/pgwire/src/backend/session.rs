//! What a server says about the session itself.

use crate::reader::Reader;
use crate::{CANCEL_KEY_BYTES, WireError};

/// Whether a transaction is open, as ReadyForQuery says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// None is.
    Idle,
    /// One is.
    InTransaction,
    /// One is, and it failed: only its end is accepted.
    Failed,
}

impl TransactionStatus {
    /// Reads the body of a ReadyForQuery frame.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        match body {
            b"I" => Ok(Self::Idle),
            b"T" => Ok(Self::InTransaction),
            b"E" => Ok(Self::Failed),
            _ => Err(WireError::Malformed {
                frame: "ReadyForQuery",
                reason: "its status is none of I, T and E",
            }),
        }
    }

    /// Its code in the protocol.
    pub const fn code(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}

/// What a cancel request must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendKeyData<'a> {
    /// The number of the server's process.
    pub process_id: i32,
    /// Its key: 4 bytes in protocol 3.0, up to 256 from 3.2 on.
    pub key: &'a [u8],
}

impl<'a> BackendKeyData<'a> {
    /// Reads the body of a BackendKeyData frame.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("BackendKeyData", body);
        let process_id = reader.i32()?;
        let key = reader.rest();
        if CANCEL_KEY_BYTES.contains(&key.len()) {
            Ok(Self { process_id, key })
        } else {
            Err(reader.malformed("its key has neither 4 nor up to 256 bytes"))
        }
    }
}

/// A setting and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// The setting.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> ParameterStatus<'a> {
    /// Reads the body of a ParameterStatus frame.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("ParameterStatus", body);
        let (name, value) = (reader.text()?, reader.text()?);
        reader.end().map(|()| Self { name, value })
    }
}

/// A NOTIFY that this session listens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotificationResponse<'a> {
    /// The process that sent it.
    pub process_id: i32,
    /// The channel.
    pub channel: &'a [u8],
    /// What was sent.
    pub payload: &'a [u8],
}

impl<'a> NotificationResponse<'a> {
    /// Reads the body of a NotificationResponse frame.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("NotificationResponse", body);
        let (process_id, channel, payload) = (reader.i32()?, reader.text()?, reader.text()?);
        reader.end().map(|()| Self {
            process_id,
            channel,
            payload,
        })
    }
}

/// The newest protocol that a server speaks, when more was asked for.
#[derive(Debug, Clone, Copy)]
pub struct NegotiateProtocolVersion<'a> {
    /// The version as in a start-up frame: major in the upper 16 bits, minor in the lower. Old servers send the minor alone.
    pub version: u32,
    options: Reader<'a>,
    count: u32,
}

impl<'a> NegotiateProtocolVersion<'a> {
    /// Reads the body of a NegotiateProtocolVersion frame.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("NegotiateProtocolVersion", body);
        let (version, count) = (reader.u32()?, reader.u32()?);
        let options = reader;
        // A count that lies ends at the first option that is not there.
        for _ in 0..count {
            reader.text()?;
        }
        reader.end().map(|()| Self {
            version,
            options,
            count,
        })
    }

    /// The protocol options that the server does not know.
    pub fn unknown_options(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (mut reader, count) = (self.options, self.count);
        (0..count).map_while(move |_| reader.text().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_both_protocols_are_read() {
        let mut body = 77_i32.to_be_bytes().to_vec();
        body.extend([1, 2, 3, 4]);
        assert_eq!(
            BackendKeyData::parse(&body).unwrap(),
            BackendKeyData {
                process_id: 77,
                key: &[1, 2, 3, 4]
            }
        );
        body.extend([5; 252]);
        assert_eq!(BackendKeyData::parse(&body).unwrap().key.len(), 256);
        body.push(6);
        assert!(BackendKeyData::parse(&body).is_err());
        assert!(BackendKeyData::parse(&[0, 0, 0, 77, 1]).is_err());
    }

    #[test]
    fn a_body_ends_where_its_form_does() {
        assert!(ParameterStatus::parse(b"a\0b\0").is_ok());
        assert!(ParameterStatus::parse(b"a\0b\0c").is_err());
        assert!(ParameterStatus::parse(b"a\0b").is_err());
        assert!(TransactionStatus::parse(b"II").is_err());
    }

    #[test]
    fn a_count_of_options_that_lies_is_refused() {
        assert!(NegotiateProtocolVersion::parse(b"\0\x03\0\0\xff\xff\xff\xffabc\0").is_err());
        let told = NegotiateProtocolVersion::parse(b"\0\x03\0\0\0\0\0\x02_pq_.a\0_pq_.b\0").unwrap();
        let unknown: Vec<_> = told.unknown_options().collect();
        assert_eq!((told.version, unknown), (0x0003_0000, vec![&b"_pq_.a"[..], b"_pq_.b"]));
    }
}
