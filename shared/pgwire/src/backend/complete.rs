//! What a statement did.

use crate::WireError;
use crate::reader::Reader;

/// The tag of a finished statement, such as `UPDATE 3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandComplete<'a> {
    tag: &'a [u8],
}

impl<'a> CommandComplete<'a> {
    /// Reads the body of a CommandComplete frame.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("CommandComplete", body);
        let tag = reader.text()?;
        reader.end().map(|()| Self { tag })
    }

    /// The tag as sent, without its end.
    pub const fn tag(&self) -> &'a [u8] {
        self.tag
    }

    /// How many rows it returned or changed, where the command counts them. `INSERT 0 5` says 5.
    pub fn rows(&self) -> Option<u64> {
        command_tag_rows(self.tag)
    }
}

/// How many rows the command with this tag returned or changed, where the command counts them. `INSERT 0 5` says 5.
pub fn command_tag_rows(tag: &[u8]) -> Option<u64> {
    let last = tag.rsplit(|byte| *byte == b' ').next()?;
    // `str::parse` would take a sign.
    let digits = last.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(last).ok().filter(|_| digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_rows_where_it_is_a_number() {
        for (body, rows) in [
            ("INSERT 0 5\0", Some(5)),
            ("SELECT 0\0", Some(0)),
            ("COPY 18446744073709551615\0", Some(u64::MAX)),
            ("COPY 18446744073709551616\0", None),
            ("CREATE TABLE\0", None),
            ("SELECT +1\0", None),
            ("SELECT \0", None),
            ("\0", None),
        ] {
            let complete = CommandComplete::parse(body.as_bytes()).unwrap();
            assert_eq!(complete.rows(), rows, "{body}");
            assert_eq!(command_tag_rows(complete.tag()), rows, "{body}");
        }
    }

    #[test]
    fn a_tag_has_exactly_one_end() {
        assert!(CommandComplete::parse(b"SELECT 1").is_err());
        assert!(CommandComplete::parse(b"SELECT 1\0x").is_err());
    }
}
