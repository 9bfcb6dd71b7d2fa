//! A list of tables, such as `[[scheduler.schedules]]`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::setting::Setting;

/// A setting whose value is a list of tables of one shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tables<T>(pub Vec<T>);

/// The text form needs a key to be TOML; this one never leaves the module.
#[derive(serde::Deserialize, Serialize)]
struct Wrapped<T> {
    list: Vec<T>,
}

impl<T: DeserializeOwned + Serialize + Clone> Setting for Tables<T> {
    fn kind() -> String {
        "a list of tables".to_owned()
    }
    fn read(text: &str) -> Result<Self, String> {
        let wrapped: Result<Wrapped<T>, _> = toml::from_str(&format!("list = {text}"));
        wrapped
            .map(|wrapped| Self(wrapped.list))
            .map_err(|error| one_line(error.message()))
    }
    fn read_toml(value: &toml::Value) -> Result<Self, String> {
        let list: Result<Vec<T>, _> = value.clone().try_into();
        list.map(Self)
            .map_err(|error: toml::de::Error| one_line(error.message()))
    }
    fn show(&self) -> String {
        let shown = toml::Value::try_from(Wrapped { list: self.0.clone() });
        shown
            .ok()
            .and_then(|value| value.get("list").map(toml::Value::to_string))
            .unwrap_or_default()
    }
    fn hides() -> bool {
        // A table may hold a secret, which its own type masks.
        true
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
