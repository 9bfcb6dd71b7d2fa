//! From the first byte to the end of the log-in.

use bytes::{BufMut, BytesMut};

use crate::write::{WriteError, put_frame, put_listed, put_raw, put_sized, put_text, put_value};

/// What a client asks for with the code of an SSLRequest.
pub(crate) const SSL_REQUEST_CODE: u32 = 80_877_103;
/// What it asks for with the code of a CancelRequest.
pub(crate) const CANCEL_REQUEST_CODE: u32 = 80_877_102;

/// The protocol that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProtocolVersion {
    /// What every server speaks.
    V3_0,
    /// Longer cancel keys, from PostgreSQL 18 on.
    V3_2,
}

impl ProtocolVersion {
    /// Major in the upper 16 bits, minor in the lower.
    pub const fn code(self) -> u32 {
        match self {
            Self::V3_0 => 0x0003_0000,
            Self::V3_2 => 0x0003_0002,
        }
    }
}

/// The start of a session, with parameters such as `user` and `database`.
pub fn startup<'p>(
    out: &mut BytesMut,
    version: ProtocolVersion,
    parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
) -> Result<(), WriteError> {
    put_sized(out, |body| {
        body.put_u32(version.code());
        for (name, value) in parameters {
            put_listed(body, "name of a start-up parameter", name.as_bytes())?;
            put_text(body, "value of a start-up parameter", value.as_bytes())?;
        }
        body.put_u8(0);
        Ok(())
    })
}

/// Asks, before anything else, whether the server speaks TLS. It answers with one byte, `S` or `N`.
pub fn ssl_request(out: &mut BytesMut) {
    out.put_u32(8);
    out.put_u32(SSL_REQUEST_CODE);
}

/// Asks, on a connection of its own, to cancel what a process does; `key` as its BackendKeyData said.
pub fn cancel_request(out: &mut BytesMut, process_id: i32, key: &[u8]) -> Result<(), WriteError> {
    put_sized(out, |body| {
        body.put_u32(CANCEL_REQUEST_CODE);
        body.put_i32(process_id);
        body.put_slice(key);
        Ok(())
    })
}

/// The password, in clear or hashed.
pub fn password(out: &mut BytesMut, password: &[u8]) -> Result<(), WriteError> {
    put_frame(out, b'p', |body| put_text(body, "password", password))
}

/// The first step of a SASL log-in: the chosen mechanism and its first message.
pub fn sasl_initial_response(out: &mut BytesMut, mechanism: &str, message: &[u8]) -> Result<(), WriteError> {
    put_frame(out, b'p', |body| {
        put_text(body, "name of a SASL mechanism", mechanism.as_bytes())?;
        put_value(body, Some(message))
    })
}

/// Every further step of a SASL log-in.
pub fn sasl_response(out: &mut BytesMut, message: &[u8]) -> Result<(), WriteError> {
    put_raw(out, b'p', message)
}
