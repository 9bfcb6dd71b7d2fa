//! The start of a COPY.

use crate::reader::Reader;
use crate::{Format, WireError};

/// How the data of a COPY is written.
#[derive(Debug, Clone, Copy)]
pub struct CopyResponse<'a> {
    format: Format,
    columns: &'a [u8],
}

impl<'a> CopyResponse<'a> {
    /// Reads the body of a CopyInResponse, CopyOutResponse or CopyBothResponse; `frame` is its name for errors.
    pub fn parse(frame: &'static str, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(frame, body);
        let unknown = reader.malformed("a format is neither text nor binary");
        let format = Format::from_code(u16::from(reader.u8()?)).ok_or(unknown)?;
        let count = usize::from(reader.u16()?);
        let columns = reader.bytes(count * 2)?;
        reader.end()?;
        let codes_fit = codes(columns).all(|code| Format::from_code(code).is_some());
        if codes_fit {
            Ok(Self { format, columns })
        } else {
            Err(unknown)
        }
    }

    /// The form of the data as a whole.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The form of each column.
    pub fn columns(&self) -> impl Iterator<Item = Format> + use<'a> {
        codes(self.columns).filter_map(Format::from_code)
    }
}

fn codes(columns: &[u8]) -> impl Iterator<Item = u16> + use<'_> {
    columns.as_chunks::<2>().0.iter().map(|code| u16::from_be_bytes(*code))
}
