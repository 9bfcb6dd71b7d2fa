//! JSON values as parameters of a statement. Pure.
//!
//! A number or a text has no type of its own: it becomes whatever stands in its place, as a quoted constant would.

use serde_json::Value as Json;
use weir_proto::common::v1::value::Kind;
use weir_proto::common::v1::{Null, Value};

/// A value for a parameter.
pub(super) fn value(given: Json) -> Value {
    let kind = match given {
        Json::Null => Kind::Null(Null {}),
        Json::Bool(value) => Kind::Bool(value),
        Json::Number(number) => number
            .as_i64()
            .map_or_else(|| Kind::Text(number.to_string()), Kind::Int64),
        Json::String(text) => Kind::Text(text),
        Json::Array(elements) => Kind::Text(array(&elements)),
        object @ Json::Object(_) => Kind::Json(object.to_string()),
    };
    Value { kind: Some(kind) }
}

/// A list as PostgreSQL writes arrays.
fn array(elements: &[Json]) -> String {
    let elements: Vec<String> = elements.iter().map(element).collect();
    format!("{{{}}}", elements.join(","))
}

fn element(element: &Json) -> String {
    match element {
        Json::Null => "NULL".to_owned(),
        Json::Bool(_) | Json::Number(_) => element.to_string(),
        Json::String(text) => quoted(text),
        Json::Array(elements) => array(elements),
        Json::Object(_) => quoted(&element.to_string()),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_what_a_quoted_constant_would_be() {
        let kind = |given: Json| value(given).kind.unwrap();
        assert_eq!(kind(json!(null)), Kind::Null(Null {}));
        assert_eq!(kind(json!(true)), Kind::Bool(true));
        assert_eq!(kind(json!(-7)), Kind::Int64(-7));
        let text = |text: &str| Kind::Text(text.to_owned());
        assert_eq!(kind(json!(u64::MAX)), text("18446744073709551615"));
        assert_eq!(kind(json!(1.5)), text("1.5"));
        assert_eq!(kind(json!("it's")), text("it's"));
        assert_eq!(
            kind(json!([1, null, "a\"b\\c", [true], { "k": 1 }])),
            text(r#"{1,NULL,"a\"b\\c",{true},"{\"k\":1}"}"#)
        );
        assert_eq!(kind(json!({ "k": [1] })), Kind::Json(r#"{"k":[1]}"#.to_owned()));
    }
}
