//! Errors and notices, field by field.

use bytes::{BufMut, BytesMut};

use crate::backend::{field, tag};
use crate::write::{WriteError, put_frame, put_text};

/// A statement failed. The codes of the fields are those of [`field`].
pub fn error_response(
    out: &mut BytesMut,
    fields: impl IntoIterator<Item = (u8, impl AsRef<[u8]>)>,
) -> Result<(), WriteError> {
    put_fields(out, tag::ERROR_RESPONSE, fields)
}

/// A notice or warning. The codes of the fields are those of [`field`].
pub fn notice_response(
    out: &mut BytesMut,
    fields: impl IntoIterator<Item = (u8, impl AsRef<[u8]>)>,
) -> Result<(), WriteError> {
    put_fields(out, tag::NOTICE_RESPONSE, fields)
}

/// A statement, or the session, failed: an ErrorResponse with the fields that every driver looks at. The severity is in
/// English; `FATAL` says that the connection ends here.
pub fn error(
    out: &mut BytesMut,
    severity: &str,
    sqlstate: &str,
    message: &str,
    detail: Option<&str>,
    hint: Option<&str>,
) -> Result<(), WriteError> {
    let always = [
        (field::SEVERITY, severity),
        (field::SEVERITY_PLAIN, severity),
        (field::SQLSTATE, sqlstate),
        (field::MESSAGE, message),
    ];
    let detail = detail.map(|text| (field::DETAIL, text));
    let hint = hint.map(|text| (field::HINT, text));
    error_response(out, always.into_iter().chain(detail).chain(hint))
}

fn put_fields(
    out: &mut BytesMut,
    tag: u8,
    fields: impl IntoIterator<Item = (u8, impl AsRef<[u8]>)>,
) -> Result<(), WriteError> {
    put_frame(out, tag, |body| {
        for (code, text) in fields {
            if code == 0 {
                return Err(WriteError::NoName {
                    part: "code of a field",
                });
            }
            body.put_u8(code);
            put_text(body, "field of an error or notice", text.as_ref())?;
        }
        body.put_u8(0);
        Ok(())
    })
}
