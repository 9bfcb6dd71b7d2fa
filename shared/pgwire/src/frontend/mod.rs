//! Frames that a client sends, appended to the buffer that goes to the socket.
//!
//! A writer either appends a whole frame or leaves the buffer as it was.

mod copy;
mod extended;
mod startup;

pub use copy::{copy_data, copy_done, copy_fail};
pub use extended::{Bind, BindValue, Subject, bind, close, describe, execute, parse};
pub(crate) use startup::{CANCEL_REQUEST_CODE, SSL_REQUEST_CODE};
pub use startup::{
    ProtocolVersion, cancel_request, password, sasl_initial_response, sasl_response, ssl_request, startup,
};

use bytes::BytesMut;

pub use crate::write::WriteError;
use crate::write::{put_empty, put_frame, put_text};

/// A statement, or several, in the simple protocol.
pub fn query(out: &mut BytesMut, sql: &str) -> Result<(), WriteError> {
    put_frame(out, b'Q', |body| put_text(body, "statement", sql.as_bytes()))
}

/// The end of a series of extended frames: the server answers and commits what is not in a transaction.
pub fn sync(out: &mut BytesMut) {
    put_empty(out, b'S');
}

/// Asks for the answers so far.
pub fn flush(out: &mut BytesMut) {
    put_empty(out, b'H');
}

/// Says goodbye.
pub fn terminate(out: &mut BytesMut) {
    put_empty(out, b'X');
}
