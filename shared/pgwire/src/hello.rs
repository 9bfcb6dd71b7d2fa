//! The first frame of a session, which has no tag: what a client wants before anything else.
//!
//! It is the one frame that anybody may send before they have shown who they are, so its length is bounded as
//! PostgreSQL bounds it.

use std::ops::RangeInclusive;

use crate::frontend::{CANCEL_REQUEST_CODE, SSL_REQUEST_CODE};
use crate::reader::Reader;
use crate::{CANCEL_KEY_BYTES, WireError};

/// What a client asks for with the code of a GSSENCRequest.
const GSS_REQUEST_CODE: u32 = 80_877_104;
/// The major version of the protocol that PostgreSQL speaks since 7.4.
const MAJOR: u16 = 3;
/// The length field, which counts itself.
const LENGTH_BYTES: usize = 4;
/// The length field and the code after it: the shortest frame there is.
const HEAD_BYTES: usize = 8;
/// What may follow the length field, from the code alone to PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
const BODY_BYTES: RangeInclusive<usize> = 4..=10_000;

/// What a client says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hello<'a> {
    /// It asks for TLS, and awaits one byte, `S` or `N`, before it says more.
    Ssl,
    /// It asks for GSSAPI encryption, and awaits one byte, `G` or `N`.
    Gss,
    /// It asks to cancel what another session does, and awaits nothing.
    Cancel {
        /// The process that its BackendKeyData named.
        process_id: i32,
        /// The key that its BackendKeyData gave: 4 to 256 bytes.
        key: &'a [u8],
    },
    /// It starts a session.
    Startup(Startup<'a>),
}

/// What stands at the start of a buffer that nothing was taken from yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelloScan<'a> {
    /// A whole frame.
    Whole {
        /// What it says.
        hello: Hello<'a>,
        /// Its length: where the next frame begins.
        bytes: usize,
    },
    /// The beginning of one, or nothing.
    Part {
        /// How many bytes are missing; at least so many while the length has not arrived. Never 0.
        missing: usize,
    },
}

/// The start of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Startup<'a> {
    /// The major version that the client asks for: 3.
    pub major: u16,
    /// The minor version. Any: a server that speaks only an older one says so with NegotiateProtocolVersion.
    pub minor: u16,
    parameters: Reader<'a>,
}

impl<'a> Startup<'a> {
    fn read(mut reader: Reader<'a>, major: u16, minor: u16) -> Result<Self, WireError> {
        let parameters = reader;
        while !reader.text()?.is_empty() {
            reader.text()?;
        }
        reader.end().map(|()| Self {
            major,
            minor,
            parameters,
        })
    }

    /// The parameters, such as `user` and `database`, in the client's order. A name may come twice; to PostgreSQL the
    /// last one counts.
    pub fn parameters(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut reader = self.parameters;
        std::iter::from_fn(move || {
            let name = reader.text().ok().filter(|name| !name.is_empty())?;
            reader.text().ok().map(|value| (name, value))
        })
    }
}

/// Finds and reads the frame at the start of `bytes`. A length beyond PostgreSQL's own limit is an error as soon as it
/// has arrived.
pub fn hello(bytes: &[u8]) -> Result<HelloScan<'_>, WireError> {
    let Some(length) = bytes.first_chunk::<LENGTH_BYTES>() else {
        return Ok(HelloScan::Part {
            missing: HEAD_BYTES - bytes.len(),
        });
    };
    let end = frame_bytes(u32::from_be_bytes(*length))?;
    Ok(match bytes.get(LENGTH_BYTES..end) {
        Some(body) => HelloScan::Whole {
            hello: read(body)?,
            bytes: end,
        },
        None => HelloScan::Part {
            missing: end - bytes.len(),
        },
    })
}

/// The length of the whole frame, if one can be so long.
fn frame_bytes(length: u32) -> Result<usize, WireError> {
    usize::try_from(length)
        .ok()
        .filter(|bytes| {
            bytes
                .checked_sub(LENGTH_BYTES)
                .is_some_and(|body| BODY_BYTES.contains(&body))
        })
        .ok_or(WireError::HelloLength { length })
}

fn read(body: &[u8]) -> Result<Hello<'_>, WireError> {
    let mut reader = Reader::new("StartupMessage", body);
    let code = reader.u32()?;
    match code {
        SSL_REQUEST_CODE => without_body("SSLRequest", reader, Hello::Ssl),
        GSS_REQUEST_CODE => without_body("GSSENCRequest", reader, Hello::Gss),
        CANCEL_REQUEST_CODE => read_cancel(reader.rest()),
        _ => read_startup(code, reader),
    }
}

fn without_body<'a>(frame: &'static str, reader: Reader<'a>, hello: Hello<'a>) -> Result<Hello<'a>, WireError> {
    Reader::new(frame, reader.rest()).end().map(|()| hello)
}

fn read_cancel(body: &[u8]) -> Result<Hello<'_>, WireError> {
    let mut reader = Reader::new("CancelRequest", body);
    let process_id = reader.i32()?;
    let key = reader.rest();
    if CANCEL_KEY_BYTES.contains(&key.len()) {
        Ok(Hello::Cancel { process_id, key })
    } else {
        Err(reader.malformed("its key has neither 4 nor up to 256 bytes"))
    }
}

fn read_startup(code: u32, reader: Reader<'_>) -> Result<Hello<'_>, WireError> {
    let [a, b, c, d] = code.to_be_bytes();
    let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    if major != MAJOR {
        return Err(WireError::UnsupportedVersion { major, minor });
    }
    Startup::read(reader, major, minor).map(Hello::Startup)
}
