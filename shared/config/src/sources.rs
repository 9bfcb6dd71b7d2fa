//! Where values come from, and which of them wins.
//!
//! `WEIR_<SECTION>__<KEY>` beats an established name, which beats the file, which beats the default. What was set while
//! the process ran beats them all, until the next reload.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::SECTIONS;
use crate::error::Error;
use crate::field::{Alias, Effective, Field, Origin};
use crate::redacted_url::masked;
use crate::section::Section;
use crate::setting::Setting;

crate::choice! {
    /// A named set of defaults for logging, time-outs and limits.
    pub enum Profile {
        /// One person, one machine: readable logs, no tokens on loopback.
        Development = "development",
        /// Like production, with more to see.
        Staging = "staging",
        /// Refuses what is only safe on one's own machine.
        Production = "production",
    }
}

impl Profile {
    pub(crate) const fn choose(self, texts: &[&'static str; 3]) -> &'static str {
        let [development, staging, production] = *texts;
        match self {
            Self::Development => development,
            Self::Staging => staging,
            Self::Production => production,
        }
    }
}

const PREFIX: &str = "WEIR_";
const PROFILE_VARIABLE: &str = "WEIR_PROFILE";
/// Beyond so many edits a name is another.
const EDITS_MAX: usize = 3;
const FILE_VARIABLE: &str = "WEIR_CONFIG";

/// The settings file and the environment, read once. Sections are read from it.
#[derive(Debug, Clone)]
pub struct Sources {
    path: Option<PathBuf>,
    file: toml::Table,
    environment: BTreeMap<String, String>,
    /// What was set while the process ran, by `section.key`.
    set: BTreeMap<String, String>,
    profile: Profile,
    profile_origin: Origin,
}

impl Sources {
    /// Reads the file named by `path`, or by `WEIR_CONFIG`, and the environment of this process.
    pub fn from_process(path: Option<PathBuf>) -> Result<Self, Error> {
        Self::load(path, process_environment())
    }

    /// Reads a file, if one is named, and takes an environment. Names of sections are checked here, once.
    pub fn load(path: Option<PathBuf>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        // A variable that is set to nothing is how container files say "not set".
        let environment: BTreeMap<_, _> = environment.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let path = path.or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
        let mut file = path.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let (profile, profile_origin) = profile(&mut file, &environment)?;
        let sources = Self {
            path,
            file,
            environment,
            set: BTreeMap::new(),
            profile,
            profile_origin,
        };
        sources.check_section_names()?;
        Ok(sources)
    }

    /// Reads the same file again, with the environment of the start. The old value stays valid on an error.
    pub fn reload(&self) -> Result<Self, Error> {
        Self::load(self.path.clone(), self.environment.clone())
    }

    /// The same with one setting changed; it beats all others, and is forgotten by [`Sources::reload`].
    #[must_use]
    pub fn with(&self, section: &str, key: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.set.insert(format!("{section}.{key}"), value.to_owned());
        changed
    }

    /// The active profile.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The active profile and where it was chosen, for listings.
    pub fn effective_profile(&self) -> Effective {
        let value = Some(self.profile.show());
        Effective {
            key: "profile".to_owned(),
            value,
            origin: self.profile_origin.clone(),
        }
    }

    /// A variable of the environment that a setting names, such as the one that holds a token.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// The settings file in use, if any.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Reads one section.
    pub fn section<S: Section>(&self) -> Result<S, Error> {
        S::read(self)
    }

    /// One value of a section that is another's, read as its owner reads it but for defaults and established names. Its
    /// other keys are for the owner to check.
    pub fn of_another<T: Setting>(&self, section: &'static str, key: &'static str) -> Result<T, Error> {
        let reader = Reader {
            sources: self,
            section,
            fields: Vec::new(),
        };
        Ok(reader.value(key)?.0)
    }

    #[doc(hidden)]
    pub fn reader<S: Section>(&self) -> Result<Reader<'_>, Error> {
        let reader = Reader {
            sources: self,
            section: S::NAME,
            fields: S::fields(),
        };
        reader.check_keys()?;
        Ok(reader)
    }

    fn check_section_names(&self) -> Result<(), Error> {
        for (name, value) in &self.file {
            let known = SECTIONS.contains(&name.as_str());
            if !known || !value.is_table() {
                let hint = if known {
                    " is a section, not a value".to_owned()
                } else {
                    hint(name, SECTIONS)
                };
                return Err(Error::Unknown {
                    key: name.clone(),
                    origin: Origin::File,
                    hint,
                });
            }
        }
        for name in self.environment.keys() {
            let Some((section, _)) = override_parts(name) else {
                continue;
            };
            if !SECTIONS.contains(&section.as_str()) {
                let hint = hint(&section, SECTIONS);
                return Err(Error::Unknown {
                    key: section,
                    origin: Origin::Environment(name.clone()),
                    hint,
                });
            }
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one reader of the process environment")]
fn process_environment() -> Vec<(String, String)> {
    let printable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(printable).collect()
}

fn read_file(path: &Path) -> Result<toml::Table, Error> {
    let unreadable = |error: std::io::Error| Error::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Error::Syntax {
            path: path.to_owned(),
            line,
            reason: error.message().replace('\n', " "),
        }
    })
}

fn profile(file: &mut toml::Table, environment: &BTreeMap<String, String>) -> Result<(Profile, Origin), Error> {
    let in_file = file.remove("profile");
    let (result, origin) = match (environment.get(PROFILE_VARIABLE), in_file) {
        (Some(text), _) => (Profile::read(text), Origin::Environment(PROFILE_VARIABLE.to_owned())),
        (None, Some(value)) => (Profile::read_toml(&value), Origin::File),
        (None, None) => (Ok(Profile::Development), Origin::Default),
    };
    match result {
        Ok(profile) => Ok((profile, origin)),
        Err(reason) => Err(Error::invalid("profile", origin, reason)),
    }
}

/// The section and key that an environment variable overrides, if it has the shape of an override.
fn override_parts(name: &str) -> Option<(String, String)> {
    let (section, key) = name.strip_prefix(PREFIX)?.split_once("__")?;
    Some((section.to_ascii_lowercase(), key.to_ascii_lowercase()))
}

/// The end of an "unknown" sentence: the known name that is nearest, if one is near.
fn hint(name: &str, known: &[&str]) -> String {
    let near = nearest(name, known);
    near.map(|candidate| format!("; did you mean {candidate}?"))
        .unwrap_or_default()
}

/// Of the known names the one that somebody meant who wrote this; none where none is near.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .min();
    near.filter(|(edits, _)| *edits <= EDITS_MAX)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, one row at a time.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        let mut next = vec![previous];
        for (to, above) in right.iter().zip(row.iter().skip(1)) {
            let cost = (diagonal + usize::from(from != *to)).min(previous + 1).min(above + 1);
            diagonal = *above;
            previous = cost;
            next.push(cost);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Finds the values of one section.
#[doc(hidden)]
pub struct Reader<'a> {
    sources: &'a Sources,
    section: &'static str,
    fields: Vec<Field>,
}

/// A value before it is read: text from the environment or a default, or a value of the file.
enum Raw<'a> {
    Text(String),
    Toml(&'a toml::Value),
}

impl std::fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) | Self::Toml(toml::Value::String(text)) => f.write_str(text),
            Self::Toml(value) => write!(f, "{value}"),
        }
    }
}

impl Reader<'_> {
    fn table(&self) -> Option<&toml::Table> {
        self.sources.file.get(self.section).and_then(toml::Value::as_table)
    }

    fn check_keys(&self) -> Result<(), Error> {
        let known: Vec<&str> = self.fields.iter().map(|field| field.key).collect();
        let in_file = self.table().into_iter().flat_map(|table| table.keys());
        let in_file = in_file.map(|key| (key.clone(), Origin::File));
        let in_environment = self.sources.environment.keys().filter_map(|name| {
            let (section, key) = override_parts(name)?;
            (section == self.section).then(|| (key, Origin::Environment(name.clone())))
        });
        for (key, origin) in in_file.chain(in_environment) {
            if !known.contains(&key.as_str()) {
                let hint = hint(&key, &known);
                return Err(Error::Unknown {
                    key: format!("{}.{key}", self.section),
                    origin,
                    hint,
                });
            }
        }
        Ok(())
    }

    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.section)
    }

    /// The value of a key, and where it came from.
    pub fn value<T: Setting>(&self, key: &str) -> Result<(T, Origin), Error> {
        let Some((raw, origin)) = self.raw::<T>(key)? else {
            let missing = || Error::invalid(self.name(key), Origin::Default, "a value is needed");
            return T::absent().map(|value| (value, Origin::Default)).ok_or_else(missing);
        };
        let value = match raw {
            Raw::Text(text) => T::read(&text),
            Raw::Toml(value) => T::read_toml(value),
        };
        match value {
            Ok(value) => Ok((value, origin)),
            Err(reason) => Err(Error::invalid(self.name(key), origin, reason)),
        }
    }

    /// The value of a key as it is listed.
    pub fn effective<T: Setting>(&self, key: &str) -> Result<Effective, Error> {
        let (value, origin) = self.value::<T>(key)?;
        let shown = masked(&value.show());
        Ok(Effective {
            key: self.name(key),
            value: (!shown.is_empty()).then_some(shown),
            origin,
        })
    }

    /// Whether another reader finds another value under this key.
    pub fn differs<T: Setting>(&self, other: &Self, key: &str) -> Result<bool, Error> {
        let (own, others) = (self.value::<T>(key)?.0.show(), other.value::<T>(key)?.0.show());
        if own != others {
            return Ok(true);
        }
        let text = |raw: Option<(Raw<'_>, Origin)>| raw.map(|(raw, _)| raw.to_string());
        Ok(T::hides() && text(self.raw::<T>(key)?) != text(other.raw::<T>(key)?))
    }

    fn raw<T: Setting>(&self, key: &str) -> Result<Option<(Raw<'_>, Origin)>, Error> {
        if let Some(text) = self.sources.set.get(&self.name(key)) {
            return Ok(Some((Raw::Text(text.clone()), Origin::Operator)));
        }
        let variable = format!("{PREFIX}{}__{}", self.section, key).to_ascii_uppercase();
        if let Some(text) = self.sources.environment.get(&variable) {
            return Ok(Some((Raw::Text(text.clone()), Origin::Environment(variable))));
        }
        let field = self.fields.iter().find(|field| field.key == key);
        if let Some(found) = field.map(|field| self.alias::<T>(field)).transpose()?.flatten() {
            return Ok(Some(found));
        }
        if let Some(value) = self.table().and_then(|table| table.get(key)) {
            return Ok(Some((Raw::Toml(value), Origin::File)));
        }
        let default = field.and_then(|field| field.default.resolve(self.sources.profile));
        Ok(default.map(|(text, origin)| (Raw::Text(text), origin)))
    }

    /// The established name that is set. Two of them for one setting must agree.
    fn alias<T: Setting>(&self, field: &Field) -> Result<Option<(Raw<'_>, Origin)>, Error> {
        let set = |alias: &Alias| {
            let text = self.sources.environment.get(alias.name)?;
            // A bare number takes the unit that the name has always had; "30s" is taken as it is.
            let bare = !alias.unit.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            Some((
                alias.name,
                if bare {
                    format!("{text}{}", alias.unit)
                } else {
                    text.clone()
                },
            ))
        };
        let found: Vec<(&str, String)> = field.aliases.iter().filter_map(set).collect();
        let Some((first, text)) = found.first() else {
            return Ok(None);
        };
        let meanings: BTreeSet<String> = found
            .iter()
            .filter_map(|(_, text)| Some(T::read(text).ok()?.show()))
            .collect();
        if let (Some((second, _)), true) = (found.get(1), meanings.len() > 1) {
            let (first, second) = ((*first).to_owned(), (*second).to_owned());
            return Err(Error::Contradiction {
                key: self.name(field.key),
                first,
                second,
            });
        }
        Ok(Some((
            Raw::Text(text.clone()),
            Origin::Environment((*first).to_owned()),
        )))
    }
}
