//! Frames that a server sends, appended to the buffer that goes to the socket.
//!
//! A writer either appends a whole frame or leaves the buffer as it was. The frames of a COPY have none: who stands
//! between a client and a server forwards them as they are.

mod error;
mod login;
mod rows;
mod session;

pub use error::{error, error_response, notice_response};
pub use login::{
    authentication_cleartext_password, authentication_md5_password, authentication_ok, authentication_sasl,
    authentication_sasl_continue, authentication_sasl_final,
};
pub use rows::{Column, command_complete, data_row, parameter_description, row_description};
pub use session::{
    backend_key_data, negotiate_protocol_version, notification_response, parameter_status, ready_for_query,
};

use bytes::BytesMut;

use crate::backend::tag;
pub use crate::write::WriteError;
use crate::write::put_empty;

/// A Parse succeeded.
pub fn parse_complete(out: &mut BytesMut) {
    put_empty(out, tag::PARSE_COMPLETE);
}

/// A Bind succeeded.
pub fn bind_complete(out: &mut BytesMut) {
    put_empty(out, tag::BIND_COMPLETE);
}

/// A Close succeeded.
pub fn close_complete(out: &mut BytesMut) {
    put_empty(out, tag::CLOSE_COMPLETE);
}

/// The statement returns no rows.
pub fn no_data(out: &mut BytesMut) {
    put_empty(out, tag::NO_DATA);
}

/// The row limit of an Execute was reached.
pub fn portal_suspended(out: &mut BytesMut) {
    put_empty(out, tag::PORTAL_SUSPENDED);
}

/// The statement had no text.
pub fn empty_query_response(out: &mut BytesMut) {
    put_empty(out, tag::EMPTY_QUERY_RESPONSE);
}
