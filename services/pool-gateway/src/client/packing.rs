//! Rows as the bytes of a message, written from where the server put them. Pure.
//!
//! What becomes of a value is said in `decode.rs`; for the common kinds it is written here without making it first,
//! because the rows of a stream would otherwise cost several allocations each.

use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};
use weir_upstream::DataRow;

use super::decode::{Reading, float};
use super::types::Family;

/// `values` in `Row`.
const VALUE: u8 = key(1, LENGTH_DELIMITED);
/// The fields of `Value`.
const NULL: u8 = key(1, LENGTH_DELIMITED);
const BOOL: u8 = key(2, VARINT);
const INT64: u8 = key(3, VARINT);
const DOUBLE: u8 = key(4, SIXTY_FOUR_BITS);
const TEXT: u8 = key(5, LENGTH_DELIMITED);
const NUMERIC: u8 = key(7, LENGTH_DELIMITED);
const JSON: u8 = key(8, LENGTH_DELIMITED);

const VARINT: u8 = 0;
const SIXTY_FOUR_BITS: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;

/// Any number of so many digits fits 64 bits.
const SAFE_DIGITS: usize = 18;

/// What a field of a message begins with; numbers up to 15 fit a byte.
const fn key(number: u8, wire_type: u8) -> u8 {
    number << 3 | wire_type
}

/// Writes a row as the bytes of its message behind what is in `out`.
pub(super) fn pack(readings: &[Reading], row: DataRow<'_>, out: &mut Vec<u8>) {
    for (reading, field) in readings.iter().zip(row.values()) {
        put(reading, field, out);
    }
}

fn put(reading: &Reading, field: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(bytes) = field else {
        return out.extend_from_slice(&[VALUE, 2, NULL, 0]);
    };
    if reading.family == Family::Integer
        && let Some(number) = whole_number(bytes)
    {
        return put_integer(number.cast_unsigned(), out);
    }
    if reading.element.is_none()
        && let Ok(text) = std::str::from_utf8(bytes)
        && put_scalar(reading.family, text, out)
    {
        return;
    }
    let value = reading.value(field);
    out.push(VALUE);
    encode_varint(value.encoded_len() as u64, out);
    // A vector grows as far as it has to.
    value.encode_raw(out);
}

/// Writes a value of one of the common kinds. False: it is none.
fn put_scalar(family: Family, text: &str, out: &mut Vec<u8>) -> bool {
    match family {
        Family::Bool => out.extend_from_slice(&[VALUE, 2, BOOL, u8::from(text == "t")]),
        Family::Float => match float(text) {
            Some(number) => {
                out.extend_from_slice(&[VALUE, 9, DOUBLE]);
                out.extend_from_slice(&number.to_le_bytes());
            }
            None => return false,
        },
        Family::Text => put_text(TEXT, text, out),
        Family::Numeric => put_text(NUMERIC, text, out),
        Family::Json => put_text(JSON, text, out),
        Family::Integer | Family::Bytes | Family::Typed => return false,
    }
    true
}

/// A number of so few digits that it fits whatever they are.
fn whole_number(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > SAFE_DIGITS {
        return None;
    }
    let mut number = 0_i64;
    for byte in digits {
        let digit = char::from(*byte).to_digit(10)?;
        number = number * 10 + i64::from(digit);
    }
    Some(if is_negative { -number } else { number })
}

fn put_integer(number: u64, out: &mut Vec<u8>) {
    out.push(VALUE);
    put_number(1 + encoded_len_varint(number) as u64, out);
    out.push(INT64);
    put_number(number, out);
}

fn put_text(key: u8, text: &str, out: &mut Vec<u8>) {
    let bytes = text.len() as u64;
    out.push(VALUE);
    put_number(1 + encoded_len_varint(bytes) as u64 + bytes, out);
    out.push(key);
    put_number(bytes, out);
    out.extend_from_slice(text.as_bytes());
}

/// A number as protocol buffers write it; most lengths and many values are short.
fn put_number(number: u64, out: &mut Vec<u8>) {
    match u8::try_from(number) {
        Ok(short @ 0..0x80) => out.push(short),
        _ => encode_varint(number, out),
    }
}

#[cfg(test)]
mod tests {
    use weir_proto::gateway::v1::Row;

    use super::*;

    /// A row as the server sends it.
    fn sent(fields: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = u16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
        for field in fields {
            match field {
                Some(bytes) => {
                    body.extend_from_slice(&i32::try_from(bytes.len()).unwrap().to_be_bytes());
                    body.extend_from_slice(bytes);
                }
                None => body.extend_from_slice(&(-1_i32).to_be_bytes()),
            }
        }
        body
    }

    #[test]
    fn what_is_written_is_what_the_values_would_be() {
        let long = "x".repeat(20_000);
        let texts: [&[u8]; 28] = [
            b"",
            b"t",
            b"f",
            b"0",
            b"-1",
            b"42",
            b"9223372036854775807",
            b"-9223372036854775808",
            b"-",
            b"999999999999999999",
            b"-999999999999999999",
            b"1234567890123456789",
            b"9223372036854775808",
            b"1.5",
            b"NaN",
            b"-Infinity",
            b"1e400",
            b"abc",
            b"\xc3\xbc",
            b"\xff\x00",
            b"\\x00ff",
            b"\\xzz",
            b"{}",
            b"{1,NULL,3}",
            b"{{a,b},{c,d}}",
            b"[0:1]={1,2}",
            b"2026-01-01",
            long.as_bytes(),
        ];
        let oids = [
            16, 17, 20, 23, 25, 114, 700, 701, 1007, 1009, 1184, 1700, 2950, 3802, 70_000,
        ];
        for oid in oids {
            for text in texts {
                let fields = [Some(text), None, Some(text)];
                let readings = [oid, oid, 25].map(Reading::of);
                let body = sent(&fields);
                let mut packed = Vec::new();
                pack(&readings, DataRow::parse(&body).unwrap(), &mut packed);
                let values = readings.iter().zip(fields).map(|(reading, field)| reading.value(field));
                let expected = Row {
                    values: values.collect(),
                };
                assert_eq!(packed, expected.encode_to_vec(), "type {oid}: {text:?}");
            }
        }
    }
}
