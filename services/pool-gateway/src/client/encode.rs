//! Typed values to PostgreSQL's text form, as parameters. Pure.

use std::fmt::Write as _;

use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;

/// Deeper arrays than PostgreSQL can hold are refused before they are built.
const DEPTH_MAX: usize = 6;

/// A parameter's text; `None` is NULL. The error says what is wrong with it.
pub(crate) fn encode(value: Option<&Value>) -> Result<Option<Vec<u8>>, String> {
    let Some(kind) = value.and_then(|value| value.kind.as_ref()) else {
        return Ok(None);
    };
    if matches!(kind, Kind::Null(_)) {
        return Ok(None);
    }
    let mut text = String::new();
    write_kind(kind, 0, &mut text)?;
    if text.contains('\0') {
        return Err("PostgreSQL's text cannot hold a zero byte; send it as bytes".to_owned());
    }
    Ok(Some(text.into_bytes()))
}

fn write_kind(kind: &Kind, depth: usize, out: &mut String) -> Result<(), String> {
    match kind {
        Kind::Null(_) => out.push_str("NULL"),
        Kind::Bool(flag) => out.push(if *flag { 't' } else { 'f' }),
        Kind::Int64(number) => out.push_str(&number.to_string()),
        Kind::Double(number) => out.push_str(&float(*number)),
        Kind::Text(text) | Kind::Numeric(text) | Kind::Json(text) => out.push_str(text),
        Kind::Typed(typed) => out.push_str(&typed.text),
        Kind::Bytes(bytes) => {
            out.push_str("\\x");
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(out, "{byte:02x}");
            }
        }
        Kind::Array(array) => write_array(&array.elements, depth, out)?,
    }
    Ok(())
}

fn float(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => number.to_string(),
    }
}

fn write_array(elements: &[Value], depth: usize, out: &mut String) -> Result<(), String> {
    if depth >= DEPTH_MAX {
        return Err(format!("an array has at most {DEPTH_MAX} dimensions"));
    }
    out.push('{');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match &element.kind {
            None | Some(Kind::Null(_)) => out.push_str("NULL"),
            Some(kind @ Kind::Array(_)) => write_kind(kind, depth + 1, out)?,
            Some(kind) => write_quoted(kind, out)?,
        }
    }
    out.push('}');
    Ok(())
}

/// Every element stands in quotes, so that no text needs a second look.
fn write_quoted(kind: &Kind, out: &mut String) -> Result<(), String> {
    let mut text = String::new();
    write_kind(kind, 0, &mut text)?;
    quote(&text, out);
    Ok(())
}

/// Writes an element of an array in quotes.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use weir_proto::common::v1::{Array, Null};

    use super::*;

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    fn encoded(kind: Kind) -> String {
        String::from_utf8(encode(Some(&value(kind))).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn each_kind_has_its_text() {
        assert_eq!(encode(None), Ok(None));
        assert_eq!(encode(Some(&value(Kind::Null(Null {})))), Ok(None));
        assert_eq!(encoded(Kind::Bool(false)), "f");
        assert_eq!(encoded(Kind::Int64(i64::MIN)), "-9223372036854775808");
        assert_eq!(encoded(Kind::Double(f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(encoded(Kind::Double(0.1)), "0.1");
        assert_eq!(encoded(Kind::Bytes(vec![0, 255].into())), "\\x00ff");
        let elements = vec![value(Kind::Text("a\"b\\,".to_owned())), Value { kind: None }];
        assert_eq!(encoded(Kind::Array(Array { elements })), r#"{"a\"b\\,",NULL}"#);
    }

    #[test]
    fn what_postgresql_cannot_hold_is_refused_in_words() {
        assert!(
            encode(Some(&value(Kind::Text("a\0b".to_owned()))))
                .unwrap_err()
                .contains("zero byte")
        );
        let mut nested = value(Kind::Int64(1));
        for _ in 0..10 {
            nested = value(Kind::Array(Array { elements: vec![nested] }));
        }
        assert!(encode(Some(&nested)).unwrap_err().contains("dimensions"));
    }
}
