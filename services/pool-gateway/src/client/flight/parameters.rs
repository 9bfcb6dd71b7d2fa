//! Arrow's values to PostgreSQL's text, as parameters. Pure.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};

use super::super::encode::quote;
use super::handle::{Bound, BoundRow};
use crate::error::Error;

/// PostgreSQL's number of `uuid`, which other sixteen bytes are not.
const UUID: u32 = 2950;

/// Each row of a batch as the parameters of one run, for parameters of these types.
pub(crate) fn rows(batch: &RecordBatch, types: &[u32]) -> Result<Vec<BoundRow>, Error> {
    let mut rows = vec![BoundRow::default(); batch.num_rows()];
    let types = types.iter().copied().chain(std::iter::repeat(0));
    for (position, (column, type_oid)) in batch.columns().iter().zip(types).enumerate() {
        let is_uuid = type_oid == UUID;
        for (index, row) in rows.iter_mut().enumerate() {
            let text = text(column.as_ref(), index, is_uuid).map_err(|reason| Error::Parameter {
                position: position + 1,
                reason,
            })?;
            row.values.push(Bound::from(text.map(String::into_bytes)));
        }
    }
    Ok(rows)
}

/// A moment without its zone, which is always UTC in Arrow, and the sign of that.
macro_rules! utc {
    ($column:expr, $index:expr, $kind:ty) => {{
        let naive = $column
            .as_primitive::<$kind>()
            .slice($index, 1)
            .with_timezone_opt(None::<Arc<str>>);
        format!("{}Z", formatted(&naive, 0)?)
    }};
}

fn text(column: &dyn Array, index: usize, is_uuid: bool) -> Result<Option<String>, String> {
    if column.is_null(index) {
        return Ok(None);
    }
    if let Some(infinity) = infinity(column, index) {
        return Ok(Some(infinity.to_owned()));
    }
    let text = match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(index).to_owned(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(index).to_owned(),
        DataType::Utf8View => column.as_string_view().value(index).to_owned(),
        DataType::Binary => bytes(column.as_binary::<i32>().value(index), is_uuid),
        DataType::LargeBinary => bytes(column.as_binary::<i64>().value(index), is_uuid),
        DataType::BinaryView => bytes(column.as_binary_view().value(index), is_uuid),
        DataType::FixedSizeBinary(_) => bytes(column.as_fixed_size_binary().value(index), is_uuid),
        DataType::Timestamp(TimeUnit::Second, Some(_)) => utc!(column, index, TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => utc!(column, index, TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => utc!(column, index, TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, Some(_)) => utc!(column, index, TimestampNanosecondType),
        DataType::List(_) => list(column.as_list::<i32>().value(index).as_ref())?,
        DataType::LargeList(_) => list(column.as_list::<i64>().value(index).as_ref())?,
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => {
            return Err(format!("{} has no form that PostgreSQL takes", column.data_type()));
        }
        _ => formatted(column, index)?,
    };
    if text.contains('\0') {
        return Err("PostgreSQL's text cannot hold a zero byte; send it as bytes".to_owned());
    }
    Ok(Some(text))
}

/// The first and the last moment there are, which is how infinities come out of here.
fn infinity(column: &dyn Array, index: usize) -> Option<&'static str> {
    let (is_first, is_last) = match column.data_type() {
        DataType::Date32 => {
            let day = column.as_primitive::<Date32Type>().value(index);
            (day == i32::MIN, day == i32::MAX)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let moment = column.as_primitive::<TimestampMicrosecondType>().value(index);
            (moment == i64::MIN, moment == i64::MAX)
        }
        _ => (false, false),
    };
    match (is_first, is_last) {
        (true, _) => Some("-infinity"),
        (_, true) => Some("infinity"),
        _ => None,
    }
}

fn formatted(column: &dyn Array, index: usize) -> Result<String, String> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options).map_err(|error| error.to_string())?;
    let text = formatter.value(index).try_to_string();
    text.map_err(|error| error.to_string())
}

fn bytes(bytes: &[u8], is_uuid: bool) -> String {
    let mut text = String::from(if is_uuid { "" } else { "\\x" });
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Every element stands in quotes, so that no text needs a second look.
fn list(elements: &dyn Array) -> Result<String, String> {
    let mut out = String::from("{");
    for index in 0..elements.len() {
        if index > 0 {
            out.push(',');
        }
        match (text(elements, index, false)?, elements.data_type()) {
            (None, _) => out.push_str("NULL"),
            (Some(nested), DataType::List(_) | DataType::LargeList(_)) => out.push_str(&nested),
            (Some(text), _) => quote(&text, &mut out),
        }
    }
    out.push('}');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array,
        Int32Array, ListArray, StringArray, TimestampMicrosecondArray,
    };

    use super::*;

    fn only(column: ArrayRef, type_oid: u32) -> String {
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let row = rows(&batch, &[type_oid]).unwrap().remove(0).values.remove(0);
        String::from_utf8(row.into_text().unwrap()).unwrap()
    }

    #[test]
    fn every_kind_has_the_text_that_postgresql_reads() {
        let at = TimestampMicrosecondArray::from(vec![1_709_251_199_123_456]);
        let lists = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([Some(vec![Some(1), None])]);
        for (column, text) in [
            (Arc::new(BooleanArray::from(vec![true])) as ArrayRef, "true"),
            (Arc::new(Int32Array::from(vec![-7])), "-7"),
            (Arc::new(Float64Array::from(vec![0.5])), "0.5"),
            (Arc::new(StringArray::from(vec!["it's"])), "it's"),
            (Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..]])), "\\x00ff"),
            (Arc::new(Date32Array::from(vec![0])), "1970-01-01"),
            (Arc::new(Date32Array::from(vec![i32::MAX])), "infinity"),
            (Arc::new(at.clone()), "2024-02-29T23:59:59.123456"),
            (
                Arc::new(at.with_timezone("Europe/Berlin")),
                "2024-02-29T23:59:59.123456Z",
            ),
            (
                Arc::new(
                    Decimal128Array::from(vec![-150])
                        .with_precision_and_scale(10, 2)
                        .unwrap(),
                ),
                "-1.50",
            ),
            (Arc::new(lists), "{\"1\",NULL}"),
        ] {
            assert_eq!(only(column, 0), text);
        }
        let id = FixedSizeBinaryArray::try_from_iter([[7_u8; 16]].into_iter()).unwrap();
        assert_eq!(only(Arc::new(id.clone()), UUID), "07".repeat(16));
        assert_eq!(only(Arc::new(id), 17), format!("\\x{}", "07".repeat(16)));
    }

    #[test]
    fn what_postgresql_cannot_take_is_refused_in_words() {
        let batch = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec!["a\0b"])) as ArrayRef)]).unwrap();
        assert!(rows(&batch, &[]).unwrap_err().to_string().contains("$1"));
    }
}
