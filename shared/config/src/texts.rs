//! A list of texts, such as `gateway.rules`.

use crate::setting::Setting;

/// A setting whose value is a list of texts. In the environment, and wherever else it is one text, it is written as a
/// TOML list, or as one entry a line; `;` ends an entry too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(pub Vec<String>);

impl Setting for Texts {
    fn kind() -> String {
        "a list of texts".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('[') {
            let table: Result<toml::Table, _> = format!("list = {text}").parse();
            return match table.as_ref().map(|table| table.get("list")) {
                Ok(Some(list)) => Self::read_toml(list),
                _ => Err(format!("{text:?} is not {}", Self::kind())),
            };
        }
        let entries = text.split(['\n', ';']).map(str::trim);
        Ok(Self(
            entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect(),
        ))
    }

    fn read_toml(value: &toml::Value) -> Result<Self, String> {
        let expected = || format!("{} is expected", Self::kind());
        match value {
            toml::Value::String(text) => Self::read(text),
            toml::Value::Array(entries) => {
                let texts = entries.iter().map(|entry| entry.as_str().map(str::to_owned));
                texts.collect::<Option<_>>().map(Self).ok_or_else(expected)
            }
            _ => Err(expected()),
        }
    }

    fn show(&self) -> String {
        let entries = self.0.iter().cloned().map(toml::Value::String).collect();
        toml::Value::Array(entries).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        Texts::read(text).unwrap().0
    }

    #[test]
    fn a_list_is_read_in_each_of_its_forms_and_shown_as_it_is_read() {
        let wanted = ["a : b", "c \"d\" : e"];
        assert_eq!(read("a : b\n  c \"d\" : e\n\n"), wanted);
        assert_eq!(read("a : b; c \"d\" : e;"), wanted);
        assert_eq!(read("['a : b', 'c \"d\" : e']"), wanted);
        let shown = Texts(wanted.map(str::to_owned).to_vec()).show();
        assert_eq!(read(&shown), wanted);
        assert!(read("[]").is_empty() && read("").is_empty());
        assert!(Texts::read("[1]").is_err() && Texts::read("['a'").is_err());
    }
}
