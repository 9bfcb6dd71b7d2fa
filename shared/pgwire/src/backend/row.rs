//! One row, as it lies in the buffer.

use crate::WireError;
use crate::values::Values;

const FRAME: &str = "DataRow";

/// The values of one row. Nothing is copied: they lie where the socket put them.
#[derive(Debug, Clone, Copy)]
pub struct DataRow<'a> {
    count: u16,
    values: &'a [u8],
}

impl<'a> DataRow<'a> {
    /// Reads the body of a DataRow frame.
    #[inline]
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let row = Self::parsed_before(body);
        let mut values = row.values();
        let whole = values.by_ref().count() == row.len() && body.len() >= 2;
        match (whole, values.rest().is_empty()) {
            (true, true) => Ok(row),
            (true, false) => Err(WireError::Malformed {
                frame: FRAME,
                reason: "bytes are left over",
            }),
            (false, _) => Err(WireError::Malformed {
                frame: FRAME,
                reason: "it ends too early",
            }),
        }
    }

    /// The row in a body that [`DataRow::parse`] has accepted already, without the second look. Of any other body it
    /// gives the values up to where its form ends.
    #[inline]
    pub fn parsed_before(body: &'a [u8]) -> Self {
        let (count, values) = body.split_first_chunk::<2>().unwrap_or((&[0, 0], &[]));
        Self {
            count: u16::from_be_bytes(*count),
            values,
        }
    }

    /// How many values there are.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is no value at all, which PostgreSQL allows.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values from left to right; `None` is NULL.
    #[inline]
    pub const fn values(&self) -> Values<'a> {
        Values::new(self.count, self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_empty() {
        let body = b"\0\x03\xff\xff\xff\xff\0\0\0\0\0\0\0\x02ab";
        let row = DataRow::parse(body).unwrap();
        let values: Vec<_> = row.values().collect();
        assert_eq!(values, [None, Some(&b""[..]), Some(&b"ab"[..])]);
    }

    #[test]
    fn values_lie_in_the_buffer() {
        let body = b"\0\x01\0\0\0\x02ab";
        let value = DataRow::parse(body).unwrap().values().next().unwrap().unwrap();
        assert_eq!(value.as_ptr(), body[6..].as_ptr());
    }

    #[test]
    fn a_row_that_lies_is_refused() {
        for body in [
            &b""[..],
            b"\0",
            b"\0\x01",
            b"\0\x01\0\0\0",
            b"\0\x01\0\0\0\x03ab",
            b"\0\x01\x7f\xff\xff\xffab",
            b"\0\x01\xff\xff\xff\xfeab",
            b"\0\x01\xff\xff\xff\xfe",
            b"\xff\xff\xff\xff\xff\xff",
            b"\0\0x",
            b"\0\x01\0\0\0\x01ab",
        ] {
            assert!(DataRow::parse(body).is_err(), "{body:?} was accepted");
        }
        assert!(DataRow::parse(b"\0\0").unwrap().is_empty());
    }
}
