//! Pure. A rule as it is written: in the settings file, and in the same form in the store.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_config::Setting;
use weir_model::Project;

use super::rule::{InvalidRule, Level, Mode, Origin, Rule, Subject, invalid};

/// A rule of the settings file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRule {
    /// For which project. Empty: for the project `default`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// Which shape it is about: 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// Which table it is about, as `schema.name`. Without either it is about the whole project.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub table: String,
    /// `auto`, `always`, `never` or `dry-run`. Empty: `auto`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// `strict`, `session`, `bounded` or `ttl`. Empty: as the gateway's settings say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub consistency: String,
    /// For `bounded`: how old at most.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bound: String,
    /// How long a result lives at most.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ttl: String,
    /// How long an empty result lives at most.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub empty_ttl: String,
    /// Larger results are not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub result_bytes_max: u64,
    /// What the project may hold in a gateway's memory.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub memory_bytes_max: u64,
    /// Why it is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

const MODES: [(&str, Mode); 4] = [
    ("auto", Mode::Auto),
    ("always", Mode::Always),
    ("never", Mode::Never),
    ("dry-run", Mode::DryRun),
];

const LEVELS: [(&str, Level); 4] = [
    ("strict", Level::Strict),
    ("session", Level::Session),
    ("bounded", Level::Bounded),
    ("ttl", Level::Ttl),
];

impl WrittenRule {
    /// The rule, or what is wrong with it.
    pub(crate) fn read(&self, origin: Origin, id: String) -> Result<Rule, InvalidRule> {
        let rule = Rule {
            id,
            project: project_of(&self.project)?,
            subject: self.subject()?,
            origin,
            mode: word("mode", &self.mode, &MODES, Mode::Auto)?,
            level: word("consistency", &self.consistency, &LEVELS, Level::Default)?,
            bound: time("bound", &self.bound)?,
            ttl: time("ttl", &self.ttl)?,
            empty_ttl: time("empty_ttl", &self.empty_ttl)?,
            result_bytes_max: self.result_bytes_max,
            memory_bytes_max: self.memory_bytes_max,
            note: self.note.clone(),
        };
        rule.checked()
    }

    /// The rule of the file, under an id that stays the same as long as it is about the same.
    pub(crate) fn read_from_file(&self) -> Result<Rule, InvalidRule> {
        let mut rule = self.read(Origin::File, String::new())?;
        rule.id = format!("file/{}/{}", rule.project, rule.subject);
        Ok(rule)
    }

    /// The same rule, written.
    pub(crate) fn of(rule: &Rule) -> Self {
        let text = |time: Duration| if time.is_zero() { String::new() } else { time.show() };
        let (fingerprint, table) = match &rule.subject {
            Subject::Shape(fingerprint) => (fingerprint.to_string(), String::new()),
            Subject::Relation(table) => (String::new(), table.clone()),
            Subject::Project => <(String, String)>::default(),
        };
        Self {
            project: rule.project.to_string(),
            fingerprint,
            table,
            mode: name_of(&MODES, rule.mode),
            consistency: name_of(&LEVELS, rule.level),
            bound: text(rule.bound),
            ttl: text(rule.ttl),
            empty_ttl: text(rule.empty_ttl),
            result_bytes_max: rule.result_bytes_max,
            memory_bytes_max: rule.memory_bytes_max,
            note: rule.note.clone(),
        }
    }

    fn subject(&self) -> Result<Subject, InvalidRule> {
        match (self.fingerprint.as_str(), self.table.as_str()) {
            ("", "") => Ok(Subject::Project),
            (digits, "") => Subject::shape(digits),
            ("", table) => Subject::relation(table),
            _ => Err(invalid(
                "fingerprint",
                "a rule is about a shape or about a table, not both",
            )),
        }
    }
}

/// The project of that name; the default one where there is none.
pub(crate) fn project_of(name: &str) -> Result<Project, InvalidRule> {
    if name.is_empty() {
        return Ok(Project::default());
    }
    Project::parse(name).map_err(|error| invalid("project", error.to_string()))
}

fn word<T: Copy>(field: &'static str, text: &str, words: &[(&str, T)], default: T) -> Result<T, InvalidRule> {
    if text.is_empty() {
        return Ok(default);
    }
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let shown: String = text.chars().take(32).collect();
        invalid(field, format!("{shown:?} is none of {}", words.join(", ")))
    })
}

fn name_of<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> String {
    let found = words.iter().find(|(_, known)| *known == value);
    found.map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}

fn time(field: &'static str, text: &str) -> Result<Duration, InvalidRule> {
    if text.is_empty() {
        return Ok(Duration::ZERO);
    }
    Duration::read(text).map_err(|reason| invalid(field, reason))
}
