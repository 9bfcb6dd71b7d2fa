//! PostgreSQL's text form to typed values. Pure.

use weir_proto::common::v1::value::Kind;
use weir_proto::common::v1::{Array, Null, TypedText, Value};

use super::types::{self, Family, Type};

/// How the values of one column are read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(super) family: Family,
    name: String,
    /// What its arrays are made of, where it has arrays.
    pub(super) element: Option<&'static Type>,
}

impl Reading {
    /// As the type of the column says.
    pub(crate) fn of(type_oid: u32) -> Self {
        Self {
            family: types::by_oid(type_oid).map_or(Family::Typed, |kind| kind.family),
            name: types::name_of(type_oid),
            element: types::element_of(type_oid),
        }
    }

    /// The value of one field. What cannot be read as its type stays text.
    pub(crate) fn value(&self, field: Option<&[u8]>) -> Value {
        let Some(bytes) = field else { return null() };
        // A database without an encoding may hold anything; bytes lose nothing.
        let Ok(text) = std::str::from_utf8(bytes) else {
            return value(Kind::Bytes(bytes.to_vec().into()));
        };
        if let Some(element) = self.element
            && let Some(array) = decode_array(element.family, element.name, text)
        {
            return array;
        }
        scalar(self.family, &self.name, text)
    }
}

const fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

pub(crate) const fn null() -> Value {
    value(Kind::Null(Null {}))
}

fn scalar(family: Family, type_name: &str, text: &str) -> Value {
    let typed = || {
        Kind::Typed(TypedText {
            type_name: type_name.to_owned(),
            text: text.to_owned(),
        })
    };
    value(match family {
        Family::Bool => Kind::Bool(text == "t"),
        Family::Integer => text.parse().map_or_else(|_| typed(), Kind::Int64),
        Family::Float => float(text).map_or_else(typed, Kind::Double),
        Family::Numeric => Kind::Numeric(text.to_owned()),
        Family::Text => Kind::Text(text.to_owned()),
        Family::Bytes => hex(text).map_or_else(typed, |bytes| Kind::Bytes(bytes.into())),
        Family::Json => Kind::Json(text.to_owned()),
        Family::Typed => typed(),
    })
}

pub(super) fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok(),
    }
}

/// `\x` and pairs of hexadecimal digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}

/// An array in braces; `None` for one with other lower bounds than 1, or that cannot be read.
fn decode_array(family: Family, type_name: &str, text: &str) -> Option<Value> {
    let mut reader = ArrayReader {
        rest: text,
        family,
        type_name,
    };
    let array = reader.array()?;
    reader.rest.is_empty().then_some(array)
}

/// Deeper than PostgreSQL's own limit of six dimensions is not an array of ours.
const DEPTH_MAX: usize = 6;

struct ArrayReader<'a> {
    rest: &'a str,
    family: Family,
    type_name: &'a str,
}

impl ArrayReader<'_> {
    fn array(&mut self) -> Option<Value> {
        self.dimension(0)
    }

    fn take(&mut self, wanted: char) -> bool {
        let stripped = self.rest.strip_prefix(wanted);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    fn dimension(&mut self, depth: usize) -> Option<Value> {
        if depth >= DEPTH_MAX || !self.take('{') {
            return None;
        }
        let mut elements = Vec::new();
        while !self.take('}') {
            if !elements.is_empty() && !self.take(',') {
                return None;
            }
            let element = if self.rest.starts_with('{') {
                self.dimension(depth + 1)?
            } else {
                self.element()?
            };
            elements.push(element);
        }
        Some(value(Kind::Array(Array { elements })))
    }

    fn element(&mut self) -> Option<Value> {
        if self.take('"') {
            let text = self.quoted()?;
            return Some(scalar(self.family, self.type_name, &text));
        }
        let end = self.rest.find([',', '}'])?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        if text.is_empty() {
            return None;
        }
        Some(if text == "NULL" {
            null()
        } else {
            scalar(self.family, self.type_name, text)
        })
    }

    /// The inside of a quoted element; a backslash takes the next character as it is.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(text);
                }
                '\\' => text.push(characters.next()?.1),
                other => text.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(oid: u32, text: &str) -> Kind {
        Reading::of(oid).value(Some(text.as_bytes())).kind.unwrap()
    }

    #[test]
    fn each_family_becomes_its_kind() {
        assert_eq!(Reading::of(23).value(None), null());
        assert_eq!(
            Reading::of(25).value(Some(b"a\xff")),
            value(Kind::Bytes(b"a\xff".to_vec().into()))
        );
        assert_eq!(decoded(16, "t"), Kind::Bool(true));
        assert_eq!(decoded(20, "-9223372036854775808"), Kind::Int64(i64::MIN));
        assert_eq!(decoded(701, "-Infinity"), Kind::Double(f64::NEG_INFINITY));
        assert_eq!(decoded(1700, "0.10"), Kind::Numeric("0.10".to_owned()));
        assert_eq!(decoded(17, "\\x00ff"), Kind::Bytes(vec![0, 255].into()));
        assert_eq!(decoded(3802, "{}"), Kind::Json("{}".to_owned()));
        let uuid = TypedText {
            type_name: "uuid".to_owned(),
            text: "a".to_owned(),
        };
        assert_eq!(decoded(2950, "a"), Kind::Typed(uuid));
        let unknown = TypedText {
            type_name: "70000".to_owned(),
            text: "happy".to_owned(),
        };
        assert_eq!(decoded(70_000, "happy"), Kind::Typed(unknown));
    }

    #[test]
    fn arrays_keep_nulls_quotes_and_dimensions() {
        let int = |number| value(Kind::Int64(number));
        let array = |elements: Vec<Value>| Kind::Array(Array { elements });
        assert_eq!(decoded(1007, "{}"), array(vec![]));
        assert_eq!(decoded(1007, "{1,NULL,3}"), array(vec![int(1), null(), int(3)]));
        let rows = [vec![int(1), int(2)], vec![int(3), int(4)]].map(|row| value(array(row)));
        assert_eq!(decoded(1007, "{{1,2},{3,4}}"), array(rows.to_vec()));
        let text = |text: &str| value(Kind::Text(text.to_owned()));
        let expected = array(vec![text("a,b"), text("say \"hi\" \\ now"), text("NULL"), text("ü")]);
        assert_eq!(decoded(1009, r#"{"a,b","say \"hi\" \\ now","NULL",ü}"#), expected);
    }

    #[test]
    fn what_is_no_plain_array_stays_text() {
        for text in ["[0:1]={1,2}", "{1,2", "{1,,2}", "1", "{\"a", &"{".repeat(100)] {
            assert!(matches!(decoded(1007, text), Kind::Typed(_)), "{text}");
        }
    }
}
