//! What is known of one setting before and after its value is found.

use std::fmt;

use crate::sources::Profile;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in default.
    Default,
    /// The default of the active profile.
    Profile,
    /// The settings file.
    File,
    /// An environment variable, by name.
    Environment(String),
    /// Somebody set it while the process ran; the next reload forgets it.
    Operator,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Profile => f.write_str("profile"),
            Self::File => f.write_str("file"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Operator => f.write_str("set while running"),
        }
    }
}

/// A setting's value when nobody gives one, written as a user would write it.
#[derive(Debug, Clone)]
pub enum DefaultValue {
    /// No value; only optional settings may have none.
    Unset,
    /// The same everywhere.
    Text(&'static str),
    /// Depends on the profile: development, staging, production.
    ByProfile([&'static str; 3]),
    /// Worked out from the machine; the words say how.
    Computed(&'static str, fn() -> String),
}

impl From<&'static str> for DefaultValue {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl From<[&'static str; 3]> for DefaultValue {
    fn from(texts: [&'static str; 3]) -> Self {
        Self::ByProfile(texts)
    }
}

/// No default: the setting is optional.
pub const fn unset() -> DefaultValue {
    DefaultValue::Unset
}

/// A default that depends on the machine. `words` go into the reference, `value` works it out.
pub const fn computed(words: &'static str, value: fn() -> String) -> DefaultValue {
    DefaultValue::Computed(words, value)
}

impl DefaultValue {
    /// The text of the default under a profile, and whether the profile decided it.
    pub(crate) fn resolve(&self, profile: Profile) -> Option<(String, Origin)> {
        match self {
            Self::Unset => None,
            Self::Text(text) => Some(((*text).to_owned(), Origin::Default)),
            Self::ByProfile(texts) => Some((profile.choose(texts).to_owned(), Origin::Profile)),
            Self::Computed(_, value) => Some((value(), Origin::Default)),
        }
    }
}

/// An established name that is also understood, with the unit that its bare numbers have.
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    /// The environment variable.
    pub name: &'static str,
    /// Appended to the value before it is read: `ms`, `s`, or nothing.
    pub unit: &'static str,
}

/// One setting as its section declares it.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name within the section.
    pub key: &'static str,
    /// Its doc comment.
    pub doc: String,
    /// What a value looks like.
    pub kind: String,
    /// Its value when nobody gives one.
    pub default: DefaultValue,
    /// Established names that set it too.
    pub aliases: Vec<Alias>,
}

/// One setting with the value in force. Secrets are already masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The setting, as `section.key`.
    pub key: String,
    /// The value in force, or nothing for an optional setting without one.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}
