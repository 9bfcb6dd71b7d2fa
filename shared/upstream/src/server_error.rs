//! An error or a notice in the server's own words.

use std::fmt;

use weir_model::{Coded, ErrorClass};
use weir_pgwire::backend::{ErrorFields, field};

use crate::sqlstate;

/// What the server says about a statement that failed; a notice has the same form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `PANIC`; of a notice `WARNING`, `NOTICE`, `INFO`, `LOG`, `DEBUG`.
    pub severity: String,
    /// Five characters.
    pub sqlstate: String,
    /// The message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<u32>,
    /// Where in `internal_query`.
    pub internal_position: Option<u32>,
    /// The statement that the server made itself, in a function for example.
    pub internal_query: Option<String>,
    /// The call stack of procedural languages: the field `where`.
    pub context: Option<String>,
    /// Schema of the object concerned.
    pub schema: Option<String>,
    /// Table concerned.
    pub table: Option<String>,
    /// Column concerned.
    pub column: Option<String>,
    /// Data type concerned.
    pub data_type: Option<String>,
    /// Constraint concerned.
    pub constraint: Option<String>,
    /// File in PostgreSQL's source.
    pub file: Option<String>,
    /// Line in that file.
    pub line: Option<u32>,
    /// Function in that file.
    pub routine: Option<String>,
}

impl ServerError {
    /// Copies the fields, each up to `field_bytes_max`: a server may put a whole table into one.
    pub(crate) fn read(fields: &ErrorFields<'_>, field_bytes_max: usize) -> Self {
        let mut error = Self::default();
        for (code, value) in fields.iter() {
            error.set(code, cut(value, field_bytes_max));
        }
        if let Some(severity) = fields.severity() {
            error.severity = severity.into_owned();
        }
        error
    }

    fn set(&mut self, code: u8, text: String) {
        match code {
            field::SQLSTATE => self.sqlstate = text,
            field::MESSAGE => self.message = text,
            field::POSITION => self.position = text.parse().ok(),
            field::INTERNAL_POSITION => self.internal_position = text.parse().ok(),
            field::LINE => self.line = text.parse().ok(),
            _ => {
                if let Some(place) = self.optional(code) {
                    *place = Some(text);
                }
            }
        }
    }

    const fn optional(&mut self, code: u8) -> Option<&mut Option<String>> {
        Some(match code {
            field::DETAIL => &mut self.detail,
            field::HINT => &mut self.hint,
            field::INTERNAL_QUERY => &mut self.internal_query,
            field::WHERE => &mut self.context,
            field::SCHEMA => &mut self.schema,
            field::TABLE => &mut self.table,
            field::COLUMN => &mut self.column,
            field::DATA_TYPE => &mut self.data_type,
            field::CONSTRAINT => &mut self.constraint,
            field::FILE => &mut self.file,
            field::ROUTINE => &mut self.routine,
            _ => return None,
        })
    }

    /// Whether the server ended the session with it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }
}

fn cut(value: &[u8], bytes_max: usize) -> String {
    match value.get(..bytes_max) {
        Some(head) if head.len() < value.len() => format!("{}…", String::from_utf8_lossy(head)),
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}

impl fmt::Display for ServerError {
    /// One line, whatever the message holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.replace(char::is_control, " ");
        write!(
            f,
            "{message} (SQLSTATE {})",
            self.sqlstate.replace(char::is_control, " ")
        )
    }
}

impl std::error::Error for ServerError {}

impl Coded for ServerError {
    fn class(&self) -> ErrorClass {
        sqlstate::class(&self.sqlstate)
    }

    fn slug(&self) -> &'static str {
        sqlstate::slug(self.class())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> ServerError {
        ServerError::read(&ErrorFields::parse("ErrorResponse", body).unwrap(), 10)
    }

    #[test]
    fn the_plain_severity_wins() {
        let error = read(b"SFEHLER\0VERROR\0C22012\0Mdivision by zero\0P8\0\0");
        assert_eq!((error.severity.as_str(), error.position), ("ERROR", Some(8)));
        assert_eq!(error.to_string(), "division b… (SQLSTATE 22012)");
    }

    #[test]
    fn a_message_stays_on_one_line() {
        assert_eq!(read(b"C00000\0Ma\nb\tc\0\0").to_string(), "a b c (SQLSTATE 00000)");
    }
}
