//! What databases say of a statement. Pure.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use weir_upstream::Column;

/// Databases of which it is noted. There are no more pools than that, unless somebody sets them up.
const DATABASES_MAX: usize = 64;

/// What one database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has prepared the statement.
    Prepared { parameters: Vec<u32>, columns: Vec<Column> },
    /// It refuses it, or answers with other columns than it should.
    Broken(String),
    /// It was not reached.
    Unreached(String),
}

/// The same, and since when that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) standing: Standing,
    pub(crate) checked: Instant,
    pub(crate) checked_unix_ms: i64,
}

/// What each database says.
#[derive(Debug, Default)]
pub(crate) struct Standings(Mutex<BTreeMap<String, Check>>);

impl Standings {
    /// What this database said last.
    pub(crate) fn of(&self, database: &str) -> Option<Check> {
        self.with(|all| all.get(database).cloned())
    }

    /// Whether this database has prepared the statement.
    pub(crate) fn is_prepared(&self, database: &str) -> bool {
        let is_prepared = |check: &Check| matches!(check.standing, Standing::Prepared { .. });
        self.with(|all| all.get(database).is_some_and(is_prepared))
    }

    /// Notes what a database says, and returns what it said before.
    pub(crate) fn note(&self, database: &str, check: Check) -> Option<Check> {
        self.with(|all| {
            if all.len() >= DATABASES_MAX && !all.contains_key(database) {
                return None;
            }
            all.insert(database.to_owned(), check)
        })
    }

    /// Every database that was asked.
    pub(crate) fn all(&self) -> Vec<(String, Check)> {
        self.with(|all| all.iter().map(|(name, check)| (name.clone(), check.clone())).collect())
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Check>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_has_a_bound_and_the_last_word_counts() {
        let standings = Standings::default();
        let now = Instant::now();
        let check = |reason: &str| Check {
            standing: Standing::Broken(reason.to_owned()),
            checked: now,
            checked_unix_ms: 1,
        };
        for number in 0..1_000 {
            standings.note(&number.to_string(), check("first"));
        }
        assert_eq!(standings.all().len(), DATABASES_MAX);
        assert_eq!(standings.note("1", check("second")), Some(check("first")));
        assert_eq!(standings.of("1"), Some(check("second")));
        assert!(!standings.is_prepared("1") && !standings.is_prepared("nowhere"));
    }
}
