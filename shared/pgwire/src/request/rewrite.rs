//! A client's frames under other names: what a pool sends to a server whose statements are its own.

use bytes::{BufMut, BytesMut};

use super::{BindHead, tag};
use crate::write::{WriteError, put_count, put_frame, put_header, put_text};

/// A Parse under this name. `types` as [`super::Parse::types`] gives them: 4 bytes each.
pub fn put_parse(out: &mut BytesMut, name: &[u8], sql: &[u8], types: &[u8]) -> Result<(), WriteError> {
    let (oids, []) = types.as_chunks::<4>() else {
        return Err(WriteError::PartOfType { bytes: types.len() });
    };
    put_frame(out, tag::PARSE, |body| {
        put_text(body, "name of a statement", name)?;
        put_text(body, "statement", sql)?;
        put_count(body, "parameters", oids.len())?;
        body.put_slice(types);
        Ok(())
    })
}

/// The beginning of a Bind to another statement: header, portal and the statement's new name. The caller sends the rest
/// of the body after it as it was: what follows the first [`BindHead::bytes`] of the original's
/// `body_bytes_of_original`.
pub fn put_bind_head(
    out: &mut BytesMut,
    body_bytes_of_original: usize,
    head: &BindHead<'_>,
    statement: &[u8],
) -> Result<(), WriteError> {
    let rest_bytes = body_bytes_of_original
        .checked_sub(head.bytes)
        .ok_or(WriteError::ShorterThanHead {
            bytes: body_bytes_of_original,
            head_bytes: head.bytes,
        })?;
    let start = out.len();
    let names_bytes = head.portal.len() + statement.len() + 2;
    let done = put_header(out, tag::BIND, rest_bytes.saturating_add(names_bytes))
        .and_then(|()| put_text(out, "name of a portal", head.portal))
        .and_then(|()| put_text(out, "name of a statement", statement));
    if done.is_err() {
        out.truncate(start);
    }
    done
}

/// A Describe of the statement with this name.
pub fn put_describe_statement(out: &mut BytesMut, name: &[u8]) -> Result<(), WriteError> {
    put_statement(out, tag::DESCRIBE, name)
}

/// A Close of the statement with this name.
pub fn put_close_statement(out: &mut BytesMut, name: &[u8]) -> Result<(), WriteError> {
    put_statement(out, tag::CLOSE, name)
}

fn put_statement(out: &mut BytesMut, tag: u8, name: &[u8]) -> Result<(), WriteError> {
    put_frame(out, tag, |body| {
        body.put_u8(b'S');
        put_text(body, "name of a statement", name)
    })
}
