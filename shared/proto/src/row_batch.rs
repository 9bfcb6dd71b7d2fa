//! The message with the rows of a stream, which need not be made of values before it is sent.
//!
//! Written by hand, because the generated form costs several allocations a row: whoever has rows in another form writes
//! them as bytes at once. Who receives the message gets rows like those of any other.

use bytes::{Buf, BufMut, Bytes};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, message, skip_field};

use crate::gateway::v1::Row;

/// `rows` in `RowBatch`.
const ROWS: u32 = 1;

/// Some rows of a streamed result.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowBatch {
    /// The rows in the order in which PostgreSQL sent them.
    pub rows: Vec<Row>,
    /// Rows behind those, as the bytes of the message; none in one that was received.
    written: Bytes,
}

impl RowBatch {
    /// Rows that are written already, by [`RowBatch::write`].
    pub const fn written(written: Bytes) -> Self {
        Self {
            rows: Vec::new(),
            written,
        }
    }

    /// Has a row written behind others, as the bytes of its message, and makes it a field of this one.
    pub fn write(out: &mut Vec<u8>, write_row: impl FnOnce(&mut Vec<u8>)) {
        encode_key(ROWS, WireType::LengthDelimited, out);
        // Most rows are short: room for a length of one byte.
        let length_at = out.len();
        out.push(0);
        let begins = out.len();
        write_row(out);
        let bytes = out.len() - begins;
        let more = encoded_len_varint(bytes as u64) - 1;
        if more > 0 {
            out.resize(out.len() + more, 0);
            out.copy_within(begins..begins + bytes, begins + more);
        }
        if let Some(mut length) = out.get_mut(length_at..=length_at + more) {
            encode_varint(bytes as u64, &mut length);
        }
    }

    /// How many bytes a row of so many takes.
    pub const fn written_len(row_bytes: usize) -> usize {
        size_of::<u8>() + encoded_len_varint(row_bytes as u64) + row_bytes
    }
}

impl prost::Message for RowBatch {
    fn encode_raw(&self, out: &mut impl BufMut) {
        message::encode_repeated(ROWS, &self.rows, out);
        out.put_slice(&self.written);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag == ROWS {
            message::merge_repeated(wire_type, &mut self.rows, from, context)
        } else {
            skip_field(wire_type, tag, from, context)
        }
    }

    fn encoded_len(&self) -> usize {
        message::encoded_len_repeated(ROWS, &self.rows) + self.written.len()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::common::v1::{Null, Value, value::Kind};

    fn row(text: &str) -> Row {
        let null = Value {
            kind: Some(Kind::Null(Null {})),
        };
        let text = Value {
            kind: Some(Kind::Text(text.to_owned())),
        };
        Row {
            values: vec![null, text],
        }
    }

    #[test]
    fn written_rows_are_received_like_others() {
        let rows = vec![
            row("a"),
            row(""),
            row(&"x".repeat(119)),
            row(&"x".repeat(120)),
            row(&"x".repeat(20_000)),
        ];
        let mut written = Vec::new();
        let mut expected = 0;
        for row in &rows {
            RowBatch::write(&mut written, |out| row.encode_raw(out));
            expected += RowBatch::written_len(row.encoded_len());
        }
        assert_eq!(written.len(), expected);
        let from_bytes = RowBatch::written(written.into()).encode_to_vec();
        let made = RowBatch {
            rows: rows.clone(),
            ..RowBatch::default()
        };
        assert_eq!(from_bytes, made.encode_to_vec());
        assert_eq!(from_bytes.len(), made.encoded_len());
        assert_eq!(RowBatch::decode(from_bytes.as_slice()).unwrap().rows, rows);
    }

    #[test]
    fn what_a_later_version_says_besides_is_skipped() {
        let mut bytes = RowBatch::default().encode_to_vec();
        encode_key(9, WireType::Varint, &mut bytes);
        bytes.push(1);
        RowBatch::write(&mut bytes, |out| row("a").encode_raw(out));
        assert_eq!(RowBatch::decode(bytes.as_slice()).unwrap().rows, [row("a")]);
        assert!(RowBatch::decode(&[0x0a, 0x05, 0x00][..]).is_err());
    }
}
