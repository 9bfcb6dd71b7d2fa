//! Alerts that nobody wants to be told of for a while. Pure.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::alert::Alert;
use super::rules::Pattern;

/// Most things that a silence looks at.
const MATCHERS_MAX: usize = 16;

/// What is not to be told, from when until when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Silence {
    pub id: Uuid,
    /// By `rule`, `project`, `severity`, `fingerprint` or a label: what it has to look like. All of them have to fit.
    pub matchers: BTreeMap<String, Pattern>,
    pub starts_unix_ms: i64,
    pub ends_unix_ms: i64,
}

/// Reads what a silence looks at; the error is a sentence. One without matchers would silence everything.
pub(crate) fn matchers(texts: &BTreeMap<String, String>) -> Result<BTreeMap<String, Pattern>, String> {
    if texts.is_empty() || texts.len() > MATCHERS_MAX {
        return Err(format!("1 to {MATCHERS_MAX} say what is to be silent"));
    }
    let parse = |(name, text): (&String, &String)| Ok((name.clone(), Pattern::parse(text)?));
    texts.iter().map(parse).collect()
}

impl Silence {
    /// Whether it counts now.
    pub(crate) const fn is_on(&self, now: i64) -> bool {
        self.starts_unix_ms <= now && now < self.ends_unix_ms
    }

    /// Whether it is about an alert.
    pub(crate) fn is_about(&self, alert: &Alert) -> bool {
        self.matchers
            .iter()
            .all(|(name, pattern)| word(alert, name).is_some_and(|word| pattern.matches(&word)))
    }
}

fn word(alert: &Alert, name: &str) -> Option<String> {
    match name {
        "rule" => Some(alert.rule.to_string()),
        "project" => Some(alert.project.to_string()),
        "severity" => Some(alert.severity.as_str().to_owned()),
        "fingerprint" => alert.fingerprint.map(|print| print.to_string()),
        label => alert.labels.get(label).cloned(),
    }
}

/// The silences, and when which of them count is another question than before.
#[derive(Debug, Default)]
pub(crate) struct Silences {
    all: Vec<Silence>,
    version: u64,
    next_change: Option<i64>,
}

impl Silences {
    /// Takes the place of those before.
    pub(crate) fn set(&mut self, all: Vec<Silence>, now: i64) {
        if self.all != all {
            self.all = all;
            self.turn(now);
        }
    }

    /// A number that changes whenever an alert may have become silent or not.
    pub(crate) fn version(&mut self, now: i64) -> u64 {
        if self.next_change.is_some_and(|at| at <= now) {
            self.turn(now);
        }
        self.version
    }

    fn turn(&mut self, now: i64) {
        self.version += 1;
        let moments = self.all.iter().flat_map(|one| [one.starts_unix_ms, one.ends_unix_ms]);
        self.next_change = moments.filter(|at| *at > now).min();
    }

    /// Which of them silences an alert: the one that does so for longest.
    pub(crate) fn of(&self, alert: &Alert, now: i64) -> Option<Uuid> {
        let on = self.all.iter().filter(|one| one.is_on(now) && one.is_about(alert));
        on.max_by_key(|one| one.ends_unix_ms).map(|one| one.id)
    }
}
