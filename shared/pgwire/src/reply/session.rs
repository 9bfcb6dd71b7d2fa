//! What a server says about the session itself.

use bytes::{BufMut, BytesMut};

use crate::CANCEL_KEY_BYTES;
use crate::backend::{TransactionStatus, tag};
use crate::write::{WriteError, put_frame, put_listed, put_text, set};

/// The major version of the protocol, where a version is one number.
const MAJOR: u32 = 3 << 16;

/// A setting and its value.
pub fn parameter_status(out: &mut BytesMut, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), WriteError> {
    put_frame(out, tag::PARAMETER_STATUS, |body| {
        put_text(body, "name of a setting", name.as_ref())?;
        put_text(body, "value of a setting", value.as_ref())
    })
}

/// What a cancel request must show: 4 bytes of key in protocol 3.0, up to 256 from 3.2 on.
pub fn backend_key_data(out: &mut BytesMut, process_id: i32, key: &[u8]) -> Result<(), WriteError> {
    if !CANCEL_KEY_BYTES.contains(&key.len()) {
        return Err(WriteError::KeyLength { bytes: key.len() });
    }
    put_frame(out, tag::BACKEND_KEY_DATA, |body| {
        body.put_i32(process_id);
        body.put_slice(key);
        Ok(())
    })
}

/// The server awaits the next statement.
pub fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    out.put_slice(&[tag::READY_FOR_QUERY, 0, 0, 0, 5, status.code()]);
}

/// The newest minor version of protocol 3 that the server speaks, and the protocol options that it does not know: their
/// names begin with `_pq_.`. It is sent as PostgreSQL sends it and its clients expect it, with the major version.
pub fn negotiate_protocol_version(
    out: &mut BytesMut,
    newest_minor: u32,
    unrecognised: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> Result<(), WriteError> {
    let minor = u16::try_from(newest_minor).map_err(|_| WriteError::TooMany {
        part: "minor versions",
        count: usize::try_from(newest_minor).unwrap_or(usize::MAX),
    })?;
    put_frame(out, tag::NEGOTIATE_PROTOCOL_VERSION, |body| {
        body.put_u32(MAJOR | u32::from(minor));
        let at = body.len();
        let mut count = 0_u32;
        body.put_u32(count);
        for name in unrecognised {
            put_listed(body, "name of a protocol option", name.as_ref())?;
            count += 1;
        }
        set(body, at, count.to_be_bytes());
        Ok(())
    })
}

/// A NOTIFY that the client listens for.
pub fn notification_response(
    out: &mut BytesMut,
    process_id: i32,
    channel: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
) -> Result<(), WriteError> {
    put_frame(out, tag::NOTIFICATION_RESPONSE, |body| {
        body.put_i32(process_id);
        put_text(body, "name of a channel", channel.as_ref())?;
        put_text(body, "payload of a notification", payload.as_ref())
    })
}
