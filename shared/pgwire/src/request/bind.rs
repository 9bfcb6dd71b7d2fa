//! Values for a statement: the names they start with, which is all that a forwarder needs, or the whole.

use std::ffi::CStr;

use crate::reader::Reader;
use crate::values::Values;
use crate::{Format, WireError};

const FRAME: &str = "Bind";
/// How long the two names may be: PostgreSQL tells them apart by their first 63 bytes, and who waits for their end
/// must not wait for ever.
const NAMES_BYTES_MAX: usize = 1 << 16;

/// The beginning of a Bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindHead<'a> {
    /// The portal it makes; empty is the unnamed one.
    pub portal: &'a [u8],
    /// The statement it binds; empty is the unnamed one.
    pub statement: &'a [u8],
    /// The length of both names with the zero bytes that end them: where formats and values begin.
    pub bytes: usize,
}

impl<'a> BindHead<'a> {
    /// Reads the beginning of the body of a Bind frame; `None` while the names have not arrived whole. Names of more
    /// than 64 KiB are an error, so a caller need not keep more than that.
    pub fn read(partial_body: &'a [u8]) -> Result<Option<Self>, WireError> {
        let looked_at = partial_body.get(..NAMES_BYTES_MAX).unwrap_or(partial_body);
        let head = Self::find(looked_at);
        if head.is_none() && looked_at.len() == NAMES_BYTES_MAX {
            return Err(WireError::Malformed {
                frame: FRAME,
                reason: "its names are longer than 65536 bytes",
            });
        }
        Ok(head)
    }

    fn find(bytes: &'a [u8]) -> Option<Self> {
        let portal = CStr::from_bytes_until_nul(bytes).ok()?.to_bytes();
        let rest = bytes.get(portal.len() + 1..)?;
        let statement = CStr::from_bytes_until_nul(rest).ok()?.to_bytes();
        Some(Self {
            portal,
            statement,
            bytes: portal.len() + statement.len() + 2,
        })
    }
}

/// A whole Bind.
#[derive(Debug, Clone)]
pub struct Bind<'a> {
    /// The portal it makes; empty is the unnamed one.
    pub portal: &'a [u8],
    /// The statement it binds; empty is the unnamed one.
    pub statement: &'a [u8],
    formats: &'a [u8],
    count: u16,
    values: Values<'a>,
    result_formats: &'a [u8],
}

impl<'a> Bind<'a> {
    /// Reads the body of a Bind frame.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(FRAME, body);
        let (portal, statement) = (reader.text()?, reader.text()?);
        let formats = read_formats(&mut reader)?;
        let count = reader.u16()?;
        if formats.len() > 2 && formats.len() != usize::from(count) * 2 {
            return Err(reader.malformed("it has more than one format, but not one for each value"));
        }
        let values = reader.values(count)?;
        let result_formats = read_formats(&mut reader)?;
        reader.end().map(|()| Self {
            portal,
            statement,
            formats,
            count,
            values,
            result_formats,
        })
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The formats of the values as they were sent: none for text, one for all, or one for each.
    pub fn formats(&self) -> impl ExactSizeIterator<Item = Format> + use<'a> {
        formats(self.formats)
    }

    /// The format of the value with this number, counted from 0.
    pub fn format(&self, number: usize) -> Format {
        let mut sent = self.formats();
        let number = if sent.len() == 1 { 0 } else { number };
        sent.nth(number).unwrap_or_default()
    }

    /// The values in the order of the statement's parameters; `None` is NULL.
    pub fn values(&self) -> Values<'a> {
        self.values.clone()
    }

    /// How each column of the reply shall be written: none for text, one for all, or one for each.
    pub fn result_formats(&self) -> impl ExactSizeIterator<Item = Format> + use<'a> {
        formats(self.result_formats)
    }
}

/// A count and so many codes of formats.
fn read_formats<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
    let count = usize::from(reader.u16()?);
    let codes = reader.bytes(count * 2)?;
    let known = codes.as_chunks::<2>().0.iter().all(|code| format(*code).is_some());
    known
        .then_some(codes)
        .ok_or_else(|| reader.malformed("a format is neither text nor binary"))
}

const fn format(code: [u8; 2]) -> Option<Format> {
    Format::from_code(u16::from_be_bytes(code))
}

fn formats(codes: &[u8]) -> impl ExactSizeIterator<Item = Format> + use<'_> {
    // Other codes were refused when the frame was read.
    codes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|code| format(*code).unwrap_or_default())
}
