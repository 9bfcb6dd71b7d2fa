//! What callers give in paths and queries, beyond plain texts: moments, shapes of statements, repeated words.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use weir_model::Fingerprint;

use super::problem::Problem;

/// The latest moment that is meant by anybody: the end of the year 9999.
pub(crate) const LATEST_UNIX_MS: i64 = 253_402_300_799_999;

/// A moment in milliseconds since 1970, from then on and before the year 10000.
pub(crate) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let given = i64::deserialize(deserializer)?;
    if (0..=LATEST_UNIX_MS).contains(&given) {
        return Ok(given);
    }
    Err(D::Error::custom(format!(
        "{given} is no moment in milliseconds since 1970"
    )))
}

/// The same where it need not be said.
pub(crate) fn moment_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Given(#[serde(deserialize_with = "moment")] i64);
    Ok(Option::<Given>::deserialize(deserializer)?.map(|given| given.0))
}

/// One shape of statement, as a path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape(Fingerprint);

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Shape {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parsed = text.parse().ok().filter(|_| is_hex);
        parsed
            .map(Self)
            .ok_or_else(|| "a fingerprint is 16 hexadecimal digits".to_owned())
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Every word of a parameter that may be repeated, or hold several with commas between them.
pub(crate) fn words<'p>(pairs: &'p [(String, String)], name: &str) -> Vec<&'p str> {
    all(pairs, name)
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Every value of a parameter that may be repeated.
pub(crate) fn all<'p>(pairs: &'p [(String, String)], name: &str) -> impl Iterator<Item = &'p str> {
    pairs
        .iter()
        .filter(move |(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// The value of a parameter that may not be repeated.
pub(crate) fn one<'p>(pairs: &'p [(String, String)], name: &str) -> Result<Option<&'p str>, Problem> {
    let mut values = all(pairs, name);
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => Err(Problem::strange(format!("{name}: it is there twice"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_sixteen_digits_and_nothing_else() {
        assert_eq!(
            Shape::parse("00FF00ff00FF00ff").unwrap().to_string(),
            "00ff00ff00ff00ff"
        );
        for wrong in [
            "",
            "00ff",
            "+0ff00ff00ff00ff",
            "00ff00ff00ff00fg",
            "00ff00ff00ff00ff0",
            "é0ff00ff00ff00f",
        ] {
            assert!(Shape::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_may_be_repeated_or_separated() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let pairs = [
            pair("state", "firing, pending"),
            pair("x", "y"),
            pair("state", "resolved,"),
        ];
        assert_eq!(words(&pairs, "state"), ["firing", "pending", "resolved"]);
        assert!(one(&pairs, "state").is_err());
        assert_eq!(one(&pairs, "x").unwrap(), Some("y"));
        assert_eq!(one(&pairs, "z").unwrap(), None);
    }

    #[test]
    fn a_moment_is_within_what_clocks_tell() {
        #[derive(Deserialize)]
        struct Given(#[serde(deserialize_with = "moment")] i64);
        let read = |text: &str| serde_json::from_str::<Given>(text).map(|given| given.0);
        assert_eq!(read("0").unwrap(), 0);
        assert_eq!(read("253402300799999").unwrap(), LATEST_UNIX_MS);
        for wrong in ["-1", "253402300800000", "9223372036854775807", "1e30"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
