//! PostgreSQL's binary values, appended to Arrow's columns where they come. Pure.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, FixedSizeBinaryBuilder,
    Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder, IntervalMonthDayNanoBuilder,
    StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder, UInt32Builder,
};
use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{IntervalMonthDayNano, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::kinds::Kind;

/// PostgreSQL counts from 2000-01-01, Arrow from 1970-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// What a value is that its column cannot hold.
pub(crate) type Misfit = &'static str;

const MALFORMED: Misfit = "a value of another form than its type has";

/// A column that grows.
#[derive(Debug)]
pub(crate) enum Growing {
    Bool(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Oid(UInt32Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Decimal(Decimal128Builder, i32),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    Uuid(FixedSizeBinaryBuilder),
    List(Box<Lists>),
}

/// Arrays of one dimension.
#[derive(Debug)]
pub(crate) struct Lists {
    kind: Kind,
    elements: Growing,
    count: usize,
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

macro_rules! append {
    ($builder:expr, $value:expr, $read:expr) => {
        match $value {
            Some(bytes) => $builder.append_value($read(bytes)?),
            None => $builder.append_null(),
        }
    };
}

impl Growing {
    /// An empty column of a kind.
    pub(crate) fn new(kind: &Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Int16 => Self::Int16(Int16Builder::new()),
            Kind::Int32 => Self::Int32(Int32Builder::new()),
            Kind::Int64 => Self::Int64(Int64Builder::new()),
            Kind::Oid => Self::Oid(UInt32Builder::new()),
            Kind::Float32 => Self::Float32(Float32Builder::new()),
            Kind::Float64 => Self::Float64(Float64Builder::new()),
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Bytes => Self::Bytes(BinaryBuilder::new()),
            Kind::Decimal { precision, scale } => Self::Decimal(
                Decimal128Builder::new().with_data_type(DataType::Decimal128(*precision, *scale)),
                i32::from(*scale),
            ),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Time => Self::Time(Time64MicrosecondBuilder::new()),
            Kind::Timestamp { .. } => {
                Self::Timestamp(TimestampMicrosecondBuilder::new().with_data_type(kind.data_type()))
            }
            Kind::Interval => Self::Interval(IntervalMonthDayNanoBuilder::new()),
            Kind::Uuid => Self::Uuid(FixedSizeBinaryBuilder::new(16)),
            Kind::List(element) => Self::List(Box::new(Lists {
                kind: Kind::clone(element),
                elements: Self::new(element),
                count: 0,
                ends: vec![0],
                nulls: NullBufferBuilder::new(0),
            })),
        }
    }

    /// Appends a value in its type's binary form; text as it is.
    pub(crate) fn append(&mut self, value: Option<&[u8]>) -> Result<(), Misfit> {
        match self {
            Self::Bool(builder) => append!(builder, value, |bytes| fixed::<1>(bytes).map(|[flag]| flag != 0)),
            Self::Int16(builder) => append!(builder, value, |bytes| fixed(bytes).map(i16::from_be_bytes)),
            Self::Int32(builder) => append!(builder, value, |bytes| fixed(bytes).map(i32::from_be_bytes)),
            Self::Int64(builder) => append!(builder, value, |bytes| fixed(bytes).map(i64::from_be_bytes)),
            Self::Oid(builder) => append!(builder, value, |bytes| fixed(bytes).map(u32::from_be_bytes)),
            Self::Float32(builder) => append!(builder, value, |bytes| fixed(bytes).map(f32::from_be_bytes)),
            Self::Float64(builder) => append!(builder, value, |bytes| fixed(bytes).map(f64::from_be_bytes)),
            Self::Text(builder) => append!(builder, value, text),
            Self::Bytes(builder) => append!(builder, value, Ok::<_, Misfit>),
            Self::Decimal(builder, scale) => append!(builder, value, |bytes| decimal(bytes, *scale)),
            Self::Date(builder) => append!(builder, value, date),
            Self::Time(builder) => append!(builder, value, |bytes| fixed(bytes).map(i64::from_be_bytes)),
            Self::Timestamp(builder) => append!(builder, value, timestamp),
            Self::Interval(builder) => append!(builder, value, interval),
            Self::Uuid(builder) => match value {
                Some(bytes) => builder.append_value(fixed::<16>(bytes)?).map_err(|_| MALFORMED)?,
                None => builder.append_null(),
            },
            Self::List(lists) => lists.append(value)?,
        }
        Ok(())
    }

    /// What has grown, as a column; then it is empty again.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(builder) => ArrayBuilder::finish(builder),
            Self::Int16(builder) => ArrayBuilder::finish(builder),
            Self::Int32(builder) => ArrayBuilder::finish(builder),
            Self::Int64(builder) => ArrayBuilder::finish(builder),
            Self::Oid(builder) => ArrayBuilder::finish(builder),
            Self::Float32(builder) => ArrayBuilder::finish(builder),
            Self::Float64(builder) => ArrayBuilder::finish(builder),
            Self::Text(builder) => ArrayBuilder::finish(builder),
            Self::Bytes(builder) => ArrayBuilder::finish(builder),
            Self::Decimal(builder, _) => ArrayBuilder::finish(builder),
            Self::Date(builder) => ArrayBuilder::finish(builder),
            Self::Time(builder) => ArrayBuilder::finish(builder),
            Self::Timestamp(builder) => ArrayBuilder::finish(builder),
            Self::Interval(builder) => ArrayBuilder::finish(builder),
            Self::Uuid(builder) => ArrayBuilder::finish(builder),
            Self::List(lists) => lists.finish(),
        }
    }
}

impl Lists {
    /// Dimensions, flags, type of the elements; for each dimension its length and lower bound; the elements.
    fn append(&mut self, value: Option<&[u8]>) -> Result<(), Misfit> {
        let Some(bytes) = value else {
            self.nulls.append_null();
            self.ends.push(self.end()?);
            return Ok(());
        };
        let (dimensions, rest) = int32(bytes)?;
        let rest = rest.get(8..).ok_or(MALFORMED)?;
        match dimensions {
            0 => {}
            1 => self.elements(rest)?,
            _ => return Err("an array of more than one dimension"),
        }
        self.nulls.append_non_null();
        self.ends.push(self.end()?);
        Ok(())
    }

    fn elements(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        let (count, rest) = int32(bytes)?;
        let mut rest = rest.get(4..).ok_or(MALFORMED)?;
        for _ in 0..count {
            let (length, after) = int32(rest)?;
            let (element, after) = match usize::try_from(length) {
                Ok(length) => after
                    .split_at_checked(length)
                    .map(|(element, after)| (Some(element), after)),
                Err(_) => Some((None, after)),
            }
            .ok_or(MALFORMED)?;
            self.elements.append(element)?;
            self.count += 1;
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(MALFORMED) }
    }

    fn end(&self) -> Result<i32, Misfit> {
        i32::try_from(self.count).map_err(|_| "more elements than one batch takes")
    }

    fn finish(&mut self) -> ArrayRef {
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        self.count = 0;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let field = Arc::new(Kind::element(&self.kind));
        Arc::new(ListArray::new(
            field,
            offsets,
            self.elements.finish(),
            self.nulls.finish(),
        ))
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Misfit> {
    bytes.try_into().map_err(|_| MALFORMED)
}

fn int32(bytes: &[u8]) -> Result<(i32, &[u8]), Misfit> {
    let (number, rest) = bytes.split_first_chunk().ok_or(MALFORMED)?;
    Ok((i32::from_be_bytes(*number), rest))
}

fn int16(bytes: &[u8]) -> Result<(i16, &[u8]), Misfit> {
    let (number, rest) = bytes.split_first_chunk().ok_or(MALFORMED)?;
    Ok((i16::from_be_bytes(*number), rest))
}

fn text(bytes: &[u8]) -> Result<&str, Misfit> {
    std::str::from_utf8(bytes).map_err(|_| "bytes that are no UTF-8")
}

/// The infinities are the first and the last day there are.
fn date(bytes: &[u8]) -> Result<i32, Misfit> {
    let days = i32::from_be_bytes(fixed(bytes)?);
    Ok(match days {
        i32::MIN | i32::MAX => days,
        _ => days.saturating_add(EPOCH_DAYS),
    })
}

fn timestamp(bytes: &[u8]) -> Result<i64, Misfit> {
    let microseconds = i64::from_be_bytes(fixed(bytes)?);
    Ok(match microseconds {
        i64::MIN | i64::MAX => microseconds,
        _ => microseconds.saturating_add(EPOCH_MICROSECONDS),
    })
}

fn interval(bytes: &[u8]) -> Result<IntervalMonthDayNano, Misfit> {
    let (microseconds, rest) = bytes.split_first_chunk().ok_or(MALFORMED)?;
    let (days, months) = int32(rest)?;
    let months = i32::from_be_bytes(fixed(months)?);
    let nanoseconds = i64::from_be_bytes(*microseconds).checked_mul(1_000);
    let nanoseconds = nanoseconds.ok_or("an interval of more nanoseconds than 64 bits hold")?;
    Ok(IntervalMonthDayNano::new(months, days, nanoseconds))
}

/// Groups of four decimal digits, with the weight of the first one.
fn decimal(bytes: &[u8], scale: i32) -> Result<i128, Misfit> {
    let (count, rest) = int16(bytes)?;
    let (weight, rest) = int16(rest)?;
    let (sign, rest) = int16(rest)?;
    let (_, mut rest) = int16(rest)?;
    let is_negative = match sign.cast_unsigned() {
        0x0000 => false,
        0x4000 => true,
        _ => return Err("NaN or an infinity"),
    };
    let too_wide = "more digits than its type announced";
    let (mut number, mut group_weight) = (0_i128, i32::from(weight));
    for _ in 0..count {
        let (group, after) = int16(rest)?;
        rest = after;
        // How many digits of this group stand before the end of the scale.
        let digits = (scale + group_weight * 4 + 4).clamp(0, 4);
        let (shift, cut) = (
            10_i128.pow(digits.cast_unsigned()),
            10_i16.pow((4 - digits).cast_unsigned()),
        );
        if group % cut != 0 {
            return Err(too_wide);
        }
        let shifted = number.checked_mul(shift);
        number = shifted
            .and_then(|number| number.checked_add(i128::from(group / cut)))
            .ok_or(too_wide)?;
        group_weight -= 1;
    }
    // Groups of zeros at the end are left out.
    let missing = scale + (group_weight + 1) * 4;
    if number != 0 && missing > 0 {
        let factor = 10_i128.checked_pow(missing.cast_unsigned());
        number = factor.and_then(|factor| number.checked_mul(factor)).ok_or(too_wide)?;
    }
    Ok(if is_negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(weight: i16, sign: u16, groups: &[i16]) -> Vec<u8> {
        let count = i16::try_from(groups.len()).unwrap();
        let head = [count, weight, sign.cast_signed(), 0];
        head.iter()
            .chain(groups)
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    #[test]
    fn decimals_are_read_digit_by_digit() {
        let read = |weight, sign, digits: &[i16], scale| decimal(&groups(weight, sign, digits), scale);
        assert_eq!(read(0, 0, &[], 2), Ok(0));
        assert_eq!(read(0, 0, &[1, 5000], 2), Ok(150));
        assert_eq!(read(0, 0x4000, &[1, 5000], 4), Ok(-15_000));
        assert_eq!(read(1, 0, &[12, 3456], 0), Ok(123_456));
        assert_eq!(read(2, 0, &[1], 0), Ok(100_000_000));
        assert_eq!(read(2, 0, &[1], 3), Ok(100_000_000_000));
        assert_eq!(read(-1, 0, &[1000], 1), Ok(1));
        assert_eq!(read(-2, 0, &[1], 8), Ok(1));
        assert_eq!(read(-1, 0, &[1234], 2), Err("more digits than its type announced"));
        assert_eq!(read(0, 0xC000, &[], 2), Err("NaN or an infinity"));
        let nines = [99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999];
        assert_eq!(read(8, 0, &nines, 4), Ok(10_i128.pow(38) - 1), "the widest there is");
        assert!(read(20, 0, &[1], 0).is_err());
    }

    #[test]
    fn whatever_comes_is_a_value_or_an_error() {
        let kinds = [
            Kind::Bool,
            Kind::Int16,
            Kind::Int32,
            Kind::Int64,
            Kind::Oid,
            Kind::Float32,
            Kind::Float64,
            Kind::Text,
            Kind::Bytes,
            Kind::Decimal {
                precision: 10,
                scale: 2,
            },
            Kind::Date,
            Kind::Time,
            Kind::Timestamp { is_utc: true },
            Kind::Interval,
            Kind::Uuid,
            Kind::List(Box::new(Kind::Int32)),
        ];
        for kind in kinds {
            for length in 0..40 {
                for filling in [0, 1, 0x7f, 0xff] {
                    // Only that it neither panics nor grows without bound counts here.
                    let _ = Growing::new(&kind).append(Some(&vec![filling; length]));
                }
            }
            let mut growing = Growing::new(&kind);
            growing.append(None).unwrap();
            let column = growing.finish();
            assert_eq!(
                (column.len(), column.null_count(), column.data_type()),
                (1, 1, &kind.data_type())
            );
        }
    }

    #[test]
    fn an_infinite_day_stays_one() {
        assert_eq!(date(&i32::MAX.to_be_bytes()), Ok(i32::MAX));
        assert_eq!(date(&0_i32.to_be_bytes()), Ok(EPOCH_DAYS));
        assert_eq!(timestamp(&i64::MIN.to_be_bytes()), Ok(i64::MIN));
        assert_eq!(timestamp(&(-EPOCH_MICROSECONDS).to_be_bytes()), Ok(0));
    }
}
