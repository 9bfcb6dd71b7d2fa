//! Kinds of values: how each is read from text and shown again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use weir_model::{Project, Secret};

/// A kind of value that a setting can have.
pub trait Setting: Sized {
    /// What a value looks like, as the end of "this is not …".
    fn kind() -> String;
    /// Reads a value; the error completes the sentence "`text` …".
    fn read(text: &str) -> Result<Self, String>;
    /// The value as `weir config check` prints it. Secrets print as stars.
    fn show(&self) -> String;
    /// Reads a value from the file. The default goes through the value's text.
    fn read_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Self::read(text),
            toml::Value::Integer(number) => Self::read(&number.to_string()),
            toml::Value::Float(number) => Self::read(&number.to_string()),
            toml::Value::Boolean(flag) => Self::read(&flag.to_string()),
            _ => Err(format!("{} is expected", Self::kind())),
        }
    }
    /// The value when neither file nor environment nor default give one.
    fn absent() -> Option<Self> {
        None
    }
    /// Whether two values may show alike and still differ, as secrets do.
    fn hides() -> bool {
        false
    }
}

fn not(text: &str, kind: &str) -> String {
    format!("{text:?} is not {kind}")
}

macro_rules! setting_from_str {
    ($($kind:ty => $words:literal),* $(,)?) => {$(
        impl Setting for $kind {
            fn kind() -> String { $words.to_owned() }
            fn read(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| not(text, $words))
            }
            fn show(&self) -> String { self.to_string() }
        }
    )*};
}

setting_from_str! {
    bool => "true or false",
    u16 => "a whole number up to 65535",
    u32 => "a whole number",
    u64 => "a whole number",
    usize => "a whole number",
    f64 => "a number",
    SocketAddr => "an address such as 127.0.0.1:7001",
}

impl Setting for String {
    fn kind() -> String {
        "text".to_owned()
    }
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl Setting for PathBuf {
    fn kind() -> String {
        "a path".to_owned()
    }
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Err(not(text, "a path"))
        } else {
            Ok(Self::from(text))
        }
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for Project {
    fn kind() -> String {
        "a project name (a-z, 0-9, - and _)".to_owned()
    }
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Secret {
    fn kind() -> String {
        "a secret".to_owned()
    }
    fn read(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }
    fn show(&self) -> String {
        self.to_string()
    }
    fn hides() -> bool {
        true
    }
}

impl<T: Setting> Setting for Option<T> {
    fn kind() -> String {
        T::kind()
    }
    fn read(text: &str) -> Result<Self, String> {
        T::read(text).map(Some)
    }
    fn read_toml(value: &toml::Value) -> Result<Self, String> {
        T::read_toml(value).map(Some)
    }
    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
    fn hides() -> bool {
        T::hides()
    }
}

/// Units of a duration, the largest first, in milliseconds.
const UNITS_MS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const DURATION: &str = "a duration such as 500ms, 30s, 5m, 2h or 7d";

impl Setting for Duration {
    fn kind() -> String {
        DURATION.to_owned()
    }
    fn read(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = trimmed.split_at(digits);
        let factor = UNITS_MS
            .iter()
            .find(|(name, _)| *name == unit.trim())
            .map(|(_, factor)| *factor);
        let millis = number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor));
        millis.map(Self::from_millis).ok_or_else(|| not(text, DURATION))
    }
    fn show(&self) -> String {
        let millis = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let fits = UNITS_MS
            .iter()
            .find(|(_, factor)| millis >= *factor && millis.is_multiple_of(*factor));
        fits.map_or_else(
            || format!("{millis}ms"),
            |(name, factor)| format!("{}{name}", millis / factor),
        )
    }
}

/// Declares an enum whose values are words, such as `pretty` or `json`.
#[macro_export]
macro_rules! choice {
    ($(#[$attr:meta])* $vis:vis enum $name:ident { $($(#[doc = $doc:literal])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$attr])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name { $($(#[doc = $doc])* $variant),* }

        impl $crate::Setting for $name {
            fn kind() -> String {
                format!("one of {}", [$($word),*].join(", "))
            }
            fn read(text: &str) -> Result<Self, String> {
                match text.trim() {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("{text:?} is not {}", <Self as $crate::Setting>::kind())),
                }
            }
            fn show(&self) -> String {
                match self { $(Self::$variant => $word.to_owned()),* }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit_and_shown_in_the_largest_that_fits() {
        for (text, millis, shown) in [
            ("500ms", 500, "500ms"),
            ("30s", 30_000, "30s"),
            ("90 s", 90_000, "90s"),
            ("5m", 300_000, "5m"),
            ("48h", 172_800_000, "2d"),
            ("0s", 0, "0ms"),
        ] {
            let duration = Duration::read(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(duration.show(), shown);
        }
        for bad in ["", "30", "s", "-1s", "1.5s", "1w", "99999999999999999999d"] {
            assert!(Duration::read(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn an_optional_setting_may_be_absent_and_a_plain_one_may_not() {
        assert_eq!(Option::<u32>::absent(), Some(None));
        assert_eq!(u32::absent(), None);
    }
}
