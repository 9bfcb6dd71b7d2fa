//! The fields of an error or a notice.

use std::borrow::Cow;

use crate::WireError;
use crate::reader::Reader;

/// The codes of the fields.
pub mod field {
    /// Severity in the server's language.
    pub const SEVERITY: u8 = b'S';
    /// Severity in English, from PostgreSQL 9.6 on.
    pub const SEVERITY_PLAIN: u8 = b'V';
    /// SQLSTATE.
    pub const SQLSTATE: u8 = b'C';
    /// The message.
    pub const MESSAGE: u8 = b'M';
    /// More about it.
    pub const DETAIL: u8 = b'D';
    /// What to do.
    pub const HINT: u8 = b'H';
    /// Where in the statement, in characters from 1.
    pub const POSITION: u8 = b'P';
    /// Where in the server's own statement.
    pub const INTERNAL_POSITION: u8 = b'p';
    /// The server's own statement.
    pub const INTERNAL_QUERY: u8 = b'q';
    /// The call stack of procedural languages.
    pub const WHERE: u8 = b'W';
    /// Schema.
    pub const SCHEMA: u8 = b's';
    /// Table.
    pub const TABLE: u8 = b't';
    /// Column.
    pub const COLUMN: u8 = b'c';
    /// Data type.
    pub const DATA_TYPE: u8 = b'd';
    /// Constraint.
    pub const CONSTRAINT: u8 = b'n';
    /// File in PostgreSQL's source.
    pub const FILE: u8 = b'F';
    /// Line in that file.
    pub const LINE: u8 = b'L';
    /// Function in that file.
    pub const ROUTINE: u8 = b'R';
}

/// The fields of an ErrorResponse or NoticeResponse.
#[derive(Debug, Clone, Copy)]
pub struct ErrorFields<'a>(Reader<'a>);

impl<'a> ErrorFields<'a> {
    /// Reads the body; `frame` is the frame's name for errors.
    pub fn parse(frame: &'static str, body: &'a [u8]) -> Result<Self, WireError> {
        let fields = Reader::new(frame, body);
        let mut walk = fields;
        while walk.u8()? != 0 {
            walk.text()?;
        }
        walk.end().map(|()| Self(fields))
    }

    /// Each field with its code, in the server's order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut reader = self.0;
        std::iter::from_fn(move || {
            let code = reader.u8().ok().filter(|code| *code != 0)?;
            reader.text().ok().map(|text| (code, text))
        })
    }

    /// The field with this code, as it lies in the buffer.
    pub fn get(&self, code: u8) -> Option<&'a [u8]> {
        self.iter().find_map(|(found, text)| (found == code).then_some(text))
    }

    /// The field with this code as text; what is not UTF-8 is replaced.
    pub fn text(&self, code: u8) -> Option<Cow<'a, str>> {
        self.get(code).map(String::from_utf8_lossy)
    }

    /// The severity in English: `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, …
    pub fn severity(&self) -> Option<Cow<'a, str>> {
        self.text(field::SEVERITY_PLAIN).or_else(|| self.text(field::SEVERITY))
    }

    /// The SQLSTATE: five characters.
    pub fn sqlstate(&self) -> Option<Cow<'a, str>> {
        self.text(field::SQLSTATE)
    }

    /// The message.
    pub fn message(&self) -> Option<Cow<'a, str>> {
        self.text(field::MESSAGE)
    }

    /// The function in PostgreSQL's source that raised it: the same in every language of the server, unlike the
    /// message.
    pub fn routine(&self) -> Option<Cow<'a, str>> {
        self.text(field::ROUTINE)
    }
}
