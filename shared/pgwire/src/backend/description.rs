//! What columns a reply has, and what parameters a statement takes.

use crate::reader::Reader;
use crate::{Format, WireError};

/// The columns of the rows that follow.
#[derive(Debug, Clone, Copy)]
pub struct RowDescription<'a> {
    count: u16,
    fields: Reader<'a>,
}

impl<'a> RowDescription<'a> {
    /// A reply without columns.
    pub const EMPTY: RowDescription<'static> = RowDescription {
        count: 0,
        fields: Reader::new("RowDescription", &[]),
    };

    /// Reads the body of a RowDescription frame.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("RowDescription", body);
        let count = reader.u16()?;
        let fields = reader;
        for _ in 0..count {
            Field::read(&mut reader)?;
        }
        reader.end().map(|()| Self { count, fields })
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is no column at all, which PostgreSQL allows.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The columns from left to right.
    pub const fn fields(&self) -> Fields<'a> {
        Fields {
            left: self.count,
            reader: self.fields,
        }
    }
}

/// One column of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name, in the session's encoding.
    pub name: &'a [u8],
    /// The table it comes from; 0 for an expression.
    pub table_oid: u32,
    /// Its number in that table; 0 for an expression.
    pub column_number: i16,
    /// Its type.
    pub type_oid: u32,
    /// The type's size, negative where it varies.
    pub type_bytes: i16,
    /// The type's modifier, such as the length of a `varchar(n)`; -1 without one.
    pub type_modifier: i32,
    /// How its values are written.
    pub format: Format,
}

impl<'a> Field<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(Self {
            name: reader.text()?,
            table_oid: reader.u32()?,
            column_number: reader.i16()?,
            type_oid: reader.u32()?,
            type_bytes: reader.i16()?,
            type_modifier: reader.i32()?,
            format: read_format(reader)?,
        })
    }
}

fn read_format(reader: &mut Reader<'_>) -> Result<Format, WireError> {
    let code = reader.u16()?;
    Format::from_code(code).ok_or_else(|| reader.malformed("a format is neither text nor binary"))
}

/// The columns of a reply from left to right.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    left: u16,
    reader: Reader<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.left = self.left.checked_sub(1)?;
        Field::read(&mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// The types of a statement's parameters.
#[derive(Debug, Clone, Copy)]
pub struct ParameterDescription<'a> {
    oids: &'a [u8],
}

impl<'a> ParameterDescription<'a> {
    /// Reads the body of a ParameterDescription frame.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("ParameterDescription", body);
        let count = usize::from(reader.u16()?);
        let oids = reader.bytes(count * 4)?;
        reader.end().map(|()| Self { oids })
    }

    /// The type of each parameter.
    pub fn type_oids(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.oids.as_chunks::<4>().0.iter().map(|oid| u32::from_be_bytes(*oid))
    }
}
