//! Frames that a client sends, as views that borrow from the buffer they arrived in, and the same frames under other
//! names.
//!
//! A view is made only of a body that follows its form from the first byte to the last. [`BindHead`] alone is content
//! with a beginning: who forwards a Bind need not wait for its values. Texts are bytes: their encoding is the session's
//! business.

mod bind;
mod login;
mod rewrite;
pub mod tag;

pub use bind::{Bind, BindHead};
pub use login::{SaslInitial, password};
pub use rewrite::{put_bind_head, put_close_statement, put_describe_statement, put_parse};

use crate::WireError;
use crate::reader::Reader;
pub use crate::values::Values;

/// Whether a client may send frames with this tag.
pub const fn is_client_tag(tag: u8) -> bool {
    matches!(
        tag,
        tag::BIND
            | tag::CLOSE
            | tag::COPY_DATA
            | tag::COPY_DONE
            | tag::COPY_FAIL
            | tag::DESCRIBE
            | tag::EXECUTE
            | tag::FLUSH
            | tag::FUNCTION_CALL
            | tag::PARSE
            | tag::PASSWORD
            | tag::QUERY
            | tag::SYNC
            | tag::TERMINATE
    )
}

/// The text of a Query, without the zero byte that ends it.
pub fn query(body: &[u8]) -> Result<&[u8], WireError> {
    only_text("Query", body)
}

/// A body that is one text and nothing else.
fn only_text<'a>(frame: &'static str, body: &'a [u8]) -> Result<&'a [u8], WireError> {
    let mut reader = Reader::new(frame, body);
    let text = reader.text()?;
    reader.end().map(|()| text)
}

/// A statement to parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The name it gets; empty is the unnamed statement.
    pub name: &'a [u8],
    /// Its text.
    pub sql: &'a [u8],
    /// The types of its first parameters as they lie in the frame, 4 bytes each; 0 is for the server to infer.
    pub types: &'a [u8],
}

impl<'a> Parse<'a> {
    /// Reads the body of a Parse frame.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("Parse", body);
        let (name, sql) = (reader.text()?, reader.text()?);
        let count = usize::from(reader.u16()?);
        let types = reader.bytes(count * 4)?;
        reader.end().map(|()| Self { name, sql, types })
    }
}

/// What a Describe or Close is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A parsed statement, by its name.
    Statement(&'a [u8]),
    /// A bound portal, by its name.
    Portal(&'a [u8]),
}

impl<'a> Target<'a> {
    /// Reads the body of a Describe or Close frame: both have the same form.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("Describe or Close", body);
        let kind = reader.u8()?;
        let name = reader.text()?;
        reader.end()?;
        match kind {
            b'S' => Ok(Self::Statement(name)),
            b'P' => Ok(Self::Portal(name)),
            _ => Err(reader.malformed("it is about neither a statement nor a portal")),
        }
    }
}

/// A portal to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal; empty is the unnamed one.
    pub portal: &'a [u8],
    /// How many rows at most; 0 means all. What a client sends below 0 means all to PostgreSQL too, and is 0 here.
    pub rows_max: u32,
}

impl<'a> Execute<'a> {
    /// Reads the body of an Execute frame.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("Execute", body);
        let portal = reader.text()?;
        let rows_max = u32::try_from(reader.i32()?).unwrap_or(0);
        reader.end().map(|()| Self { portal, rows_max })
    }
}
