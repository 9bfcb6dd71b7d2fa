//! What a statement returns: its columns, its rows and its end.

use bytes::{BufMut, BytesMut};

use crate::Format;
use crate::backend::tag;
use crate::write::{WriteError, put_frame, put_items, put_text, put_value};

/// One column of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name.
    pub name: &'a str,
    /// The table it comes from; 0 for an expression.
    pub table_oid: u32,
    /// Its number in that table; 0 for an expression.
    pub attribute: i16,
    /// Its type.
    pub type_oid: u32,
    /// The type's size, negative where it varies.
    pub type_size: i16,
    /// The type's modifier, such as the length of a `varchar(n)`; -1 without one.
    pub type_modifier: i32,
    /// How its values are written.
    pub format: Format,
}

/// The columns of the rows that follow.
pub fn row_description<'a>(
    out: &mut BytesMut,
    columns: impl IntoIterator<Item = Column<'a>>,
) -> Result<(), WriteError> {
    put_frame(out, tag::ROW_DESCRIPTION, |body| {
        put_items(body, "columns", columns, |body, column| {
            put_text(body, "name of a column", column.name.as_bytes())?;
            body.put_u32(column.table_oid);
            body.put_i16(column.attribute);
            body.put_u32(column.type_oid);
            body.put_i16(column.type_size);
            body.put_i32(column.type_modifier);
            body.put_u16(column.format.code());
            Ok(())
        })
    })
}

/// One row; `None` is NULL.
pub fn data_row<'a>(out: &mut BytesMut, values: impl IntoIterator<Item = Option<&'a [u8]>>) -> Result<(), WriteError> {
    put_frame(out, tag::DATA_ROW, |body| put_items(body, "columns", values, put_value))
}

/// The types of a statement's parameters.
pub fn parameter_description(out: &mut BytesMut, oids: impl IntoIterator<Item = u32>) -> Result<(), WriteError> {
    put_frame(out, tag::PARAMETER_DESCRIPTION, |body| {
        put_items(body, "parameters", oids, |body, oid| {
            body.put_u32(oid);
            Ok(())
        })
    })
}

/// A statement ended well; the tag says what it did, such as `UPDATE 3`.
pub fn command_complete(out: &mut BytesMut, tag: &str) -> Result<(), WriteError> {
    put_frame(out, tag::COMMAND_COMPLETE, |body| {
        put_text(body, "tag of a command", tag.as_bytes())
    })
}
