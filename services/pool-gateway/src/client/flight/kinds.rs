//! Which Arrow type a column of PostgreSQL becomes, and in which format it is asked for. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use weir_upstream::{Column, Format};

use super::super::types;

/// The widest `numeric` that 128 bits hold.
const DECIMAL_PRECISION_MAX: i32 = 38;
/// What PostgreSQL adds to the modifier of a type that has one.
const MODIFIER_BASE: i32 = 4;

/// What the values of a column become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int16,
    Int32,
    Int64,
    /// An object's number.
    Oid,
    Float32,
    Float64,
    /// Text, and everything that has no type of its own here, as PostgreSQL writes it.
    Text,
    Bytes,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Date,
    Time,
    /// Without or with a time zone.
    Timestamp {
        is_utc: bool,
    },
    Interval,
    Uuid,
    /// An array of one dimension.
    List(Box<Self>),
}

impl Kind {
    /// The kind of a type with its modifier.
    pub(crate) fn of(type_oid: u32, modifier: i32) -> Self {
        match types::element_of(type_oid) {
            Some(element) => Self::list(element.oid, modifier),
            None => Self::scalar(type_oid, modifier),
        }
    }

    /// An array of what has no binary form here comes as text altogether.
    fn list(element_oid: u32, modifier: i32) -> Self {
        match Self::scalar(element_oid, modifier) {
            Self::Text if !is_text(element_oid) => Self::Text,
            element => Self::List(Box::new(element)),
        }
    }

    fn scalar(type_oid: u32, modifier: i32) -> Self {
        match type_oid {
            16 => Self::Bool,
            17 => Self::Bytes,
            20 => Self::Int64,
            21 => Self::Int16,
            23 => Self::Int32,
            26 => Self::Oid,
            700 => Self::Float32,
            701 => Self::Float64,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp { is_utc: false },
            1184 => Self::Timestamp { is_utc: true },
            1186 => Self::Interval,
            1700 => Self::decimal(modifier),
            2950 => Self::Uuid,
            _ => Self::Text,
        }
    }

    /// Without precision and scale a `numeric` may be of any length: text.
    fn decimal(modifier: i32) -> Self {
        let Some(modifier) = modifier.checked_sub(MODIFIER_BASE).filter(|modifier| *modifier >= 0) else {
            return Self::Text;
        };
        let precision = modifier >> 16 & 0xffff;
        // Eleven bits with a sign.
        let scale = ((modifier & 0x7ff) ^ 0x400) - 0x400;
        match (u8::try_from(precision), i8::try_from(scale)) {
            (Ok(precision), Ok(scale))
                if (0..=precision.cast_signed()).contains(&scale) && i32::from(precision) <= DECIMAL_PRECISION_MAX =>
            {
                Self::Decimal { precision, scale }
            }
            _ => Self::Text,
        }
    }

    /// How PostgreSQL is to write it.
    pub(crate) const fn format(&self) -> Format {
        match self {
            Self::Text => Format::Text,
            _ => Format::Binary,
        }
    }

    /// Its Arrow type.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Oid => DataType::UInt32,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp { is_utc } => DataType::Timestamp(TimeUnit::Microsecond, is_utc.then(|| "UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Uuid => DataType::FixedSizeBinary(16),
            Self::List(element) => DataType::List(Arc::new(Self::element(element))),
        }
    }

    /// The field of a list's elements.
    pub(crate) fn element(kind: &Self) -> Field {
        Field::new("item", kind.data_type(), true)
    }
}

/// Types whose binary form is their text.
const fn is_text(type_oid: u32) -> bool {
    matches!(type_oid, 18 | 19 | 25 | 114 | 1042 | 1043)
}

/// A column as Arrow has it, with PostgreSQL's name of its type.
pub(crate) fn field(name: &str, type_oid: u32, modifier: i32, nullable: bool) -> Field {
    let field = Field::new(name, Kind::of(type_oid, modifier).data_type(), nullable);
    let metadata = HashMap::from([("ARROW:FLIGHT:SQL:TYPE_NAME".to_owned(), types::name_of(type_oid))]);
    field.with_metadata(metadata)
}

/// The columns of a prepared statement.
pub(crate) fn schema(columns: &[Column]) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| field(&column.name, column.type_oid, column.type_modifier, true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The parameters of a prepared statement.
pub(crate) fn parameters(type_oids: &[u32]) -> Schema {
    let fields: Vec<Field> = type_oids
        .iter()
        .enumerate()
        .map(|(index, oid)| field(&format!("${}", index + 1), *oid, -1, true))
        .collect();
    Schema::new(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_that_fits_is_a_decimal() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + MODIFIER_BASE;
        let decimal = |precision, scale| Kind::Decimal { precision, scale };
        assert_eq!(Kind::of(1700, modifier(10, 2)), decimal(10, 2));
        assert_eq!(Kind::of(1700, modifier(38, 38)), decimal(38, 38));
        for (precision, scale) in [(39, 2), (10, -2), (3, 5), (1_000, 0)] {
            assert_eq!(
                Kind::of(1700, modifier(precision, scale)),
                Kind::Text,
                "{precision} {scale}"
            );
        }
        assert_eq!(Kind::of(1700, -1), Kind::Text);
        assert_eq!(Kind::of(1231, modifier(5, 1)), Kind::List(Box::new(decimal(5, 1))));
    }

    #[test]
    fn what_has_no_type_of_its_own_is_text() {
        for oid in [25, 1043, 114, 3802, 869, 3904, 99_999, 3807, 1041] {
            assert_eq!(
                (Kind::of(oid, -1), Kind::of(oid, -1).format()),
                (Kind::Text, Format::Text),
                "{oid}"
            );
        }
        assert_eq!(Kind::of(1009, -1), Kind::List(Box::new(Kind::Text)));
        assert_eq!(Kind::of(1009, -1).format(), Format::Binary);
    }
}
