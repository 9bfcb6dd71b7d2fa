//! The data of a COPY towards the server.

use bytes::BytesMut;

use crate::write::{WriteError, put_empty, put_frame, put_raw, put_text};

/// A piece of it.
pub fn copy_data(out: &mut BytesMut, data: &[u8]) -> Result<(), WriteError> {
    put_raw(out, b'd', data)
}

/// That was all.
pub fn copy_done(out: &mut BytesMut) {
    put_empty(out, b'c');
}

/// It ends here, and failed.
pub fn copy_fail(out: &mut BytesMut, reason: &str) -> Result<(), WriteError> {
    put_frame(out, b'f', |body| put_text(body, "reason", reason.as_bytes()))
}
