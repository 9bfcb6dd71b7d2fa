//! The extended protocol: a statement is parsed, bound, described and executed step by step.

use bytes::{BufMut, BytesMut};

use crate::Format;
use crate::write::{WriteError, put_count, put_frame, put_text, put_value};

/// Parses a statement under a name; the empty name is the unnamed statement. A type 0, or one that is left out, is
/// for the server to infer.
pub fn parse(
    out: &mut BytesMut,
    name: &str,
    sql: &str,
    type_oids: impl ExactSizeIterator<Item = u32>,
) -> Result<(), WriteError> {
    put_frame(out, b'P', |body| {
        put_text(body, "name of a statement", name.as_bytes())?;
        put_text(body, "statement", sql.as_bytes())?;
        put_count(body, "parameters", type_oids.len())?;
        type_oids.for_each(|oid| body.put_u32(oid));
        Ok(())
    })
}

/// A parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindValue<'a> {
    /// How it is written.
    pub format: Format,
    /// The value; `None` is NULL.
    pub bytes: Option<&'a [u8]>,
}

/// What a Bind binds to what.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bind<'a> {
    /// The portal to make; empty is the unnamed one.
    pub portal: &'a str,
    /// The statement to bind; empty is the unnamed one.
    pub statement: &'a str,
    /// How each column of the reply shall be written; one for all, or none for text.
    pub result_formats: &'a [Format],
}

/// Binds values to a parsed statement.
pub fn bind<'v, I>(out: &mut BytesMut, what: &Bind<'_>, values: I) -> Result<(), WriteError>
where
    I: ExactSizeIterator<Item = BindValue<'v>> + Clone,
{
    put_frame(out, b'B', |body| {
        put_text(body, "name of a portal", what.portal.as_bytes())?;
        put_text(body, "name of a statement", what.statement.as_bytes())?;
        put_value_formats(body, values.clone())?;
        put_count(body, "parameters", values.len())?;
        for value in values {
            put_value(body, value.bytes)?;
        }
        put_count(body, "result formats", what.result_formats.len())?;
        what.result_formats
            .iter()
            .for_each(|format| body.put_u16(format.code()));
        Ok(())
    })
}

/// None where all are text, as the protocol allows and as is most common.
fn put_value_formats<'v>(
    out: &mut BytesMut,
    values: impl ExactSizeIterator<Item = BindValue<'v>> + Clone,
) -> Result<(), WriteError> {
    if values.clone().all(|value| value.format == Format::Text) {
        return put_count(out, "parameters", 0);
    }
    put_count(out, "parameters", values.len())?;
    values.for_each(|value| out.put_u16(value.format.code()));
    Ok(())
}

/// What a Describe or Close is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A parsed statement, by its name.
    Statement(&'a str),
    /// A bound portal, by its name.
    Portal(&'a str),
}

/// Asks for the columns, and of a statement also for its parameters.
pub fn describe(out: &mut BytesMut, subject: Subject<'_>) -> Result<(), WriteError> {
    put_subject(out, b'D', subject)
}

/// Forgets a statement or portal.
pub fn close(out: &mut BytesMut, subject: Subject<'_>) -> Result<(), WriteError> {
    put_subject(out, b'C', subject)
}

fn put_subject(out: &mut BytesMut, tag: u8, subject: Subject<'_>) -> Result<(), WriteError> {
    let (kind, part, name) = match subject {
        Subject::Statement(name) => (b'S', "name of a statement", name),
        Subject::Portal(name) => (b'P', "name of a portal", name),
    };
    put_frame(out, tag, |body| {
        body.put_u8(kind);
        put_text(body, part, name.as_bytes())
    })
}

/// Runs a portal up to `rows_max` rows; 0 means all.
pub fn execute(out: &mut BytesMut, portal: &str, rows_max: u32) -> Result<(), WriteError> {
    put_frame(out, b'E', |body| {
        put_text(body, "name of a portal", portal.as_bytes())?;
        body.put_u32(rows_max);
        Ok(())
    })
}
