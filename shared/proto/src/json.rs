//! How fields of messages are written as JSON where the derives do not know: enumerations as words, bytes as base64.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::common::v1::Value;
use crate::common::v1::value::Kind;

/// The word of an enumeration's number; of a number that a newer service sent, the word for nothing said.
pub(crate) fn word<E, S>(number: &i32, serializer: S) -> Result<S::Ok, S::Error>
where
    E: TryFrom<i32> + Default + Serialize,
    S: Serializer,
{
    known::<E>(*number).serialize(serializer)
}

/// The same for several.
pub(crate) fn words<E, S>(numbers: &[i32], serializer: S) -> Result<S::Ok, S::Error>
where
    E: TryFrom<i32> + Default + Serialize,
    S: Serializer,
{
    serializer.collect_seq(numbers.iter().map(|number| known::<E>(*number)))
}

pub(crate) fn base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}

/// The JSON that is most like it; numbers that JSON cannot hold are texts.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.kind {
            None | Some(Kind::Null(_)) => serializer.serialize_unit(),
            Some(Kind::Bool(value)) => serializer.serialize_bool(*value),
            Some(Kind::Int64(value)) => serializer.serialize_i64(*value),
            Some(Kind::Double(value)) if value.is_finite() => serializer.serialize_f64(*value),
            Some(Kind::Double(value)) => serializer.collect_str(value),
            Some(Kind::Text(text) | Kind::Numeric(text) | Kind::Json(text)) => serializer.serialize_str(text),
            Some(Kind::Typed(typed)) => serializer.serialize_str(&typed.text),
            Some(Kind::Bytes(bytes)) => base64(bytes, serializer),
            Some(Kind::Array(array)) => serializer.collect_seq(&array.elements),
        }
    }
}

fn known<E: TryFrom<i32> + Default>(number: i32) -> E {
    E::try_from(number).unwrap_or_default()
}
