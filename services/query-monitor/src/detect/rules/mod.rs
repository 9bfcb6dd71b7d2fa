//! What is wrong, and from when on: rules as data. Pure.
//!
//! A rule looks at one metric. Those that come with Weir are data like those that an operator writes (`builtin.toml`);
//! [`RuleBook`] lays the layers on top of each other and is what readings are judged by.

mod book;
mod level;
mod patch;
mod pattern;
mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Labels, Metric};

pub(crate) use book::{Layers, Origin, RuleBook, check};
pub(crate) use level::{Direction, Levels, Severity};
pub(crate) use patch::RulePatch;
pub(crate) use pattern::Pattern;
pub(crate) use summary::{Facts, render};

/// The rule that tells of one slow statement; its bound is a setting of its own.
pub(crate) const SLOW_QUERY: &str = "slow-query";

/// One rule as it holds for some project.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    /// Its name, which is also what its alerts are called.
    pub name: Arc<str>,
    /// Whether it is judged at all.
    pub enabled: bool,
    /// Which figure.
    pub metric: Metric,
    /// What the labels of a reading have to look like.
    pub labels: BTreeMap<String, Pattern>,
    /// On which side of its bounds things are bad.
    pub direction: Direction,
    /// The bounds.
    pub levels: Levels,
    /// How long the condition has to hold before anybody is told.
    pub hold: Duration,
    /// How long an alert goes on after its condition has ceased.
    pub keep: Duration,
    /// For how long its figure remembers: so long after its end an alert that inhibits this one still explains it.
    pub window: Duration,
    /// The sentence, with names of facts in braces.
    pub summary: String,
    /// The page that says what to do.
    pub runbook: String,
    /// Rules whose alerts about the same thing nobody needs to be told of meanwhile.
    pub inhibits: Vec<Pattern>,
}

impl Rule {
    /// Whether it is about what has these labels.
    pub(crate) fn is_about(&self, labels: &Labels) -> bool {
        let fits = |(name, pattern): (&String, &Pattern)| {
            labels.get(name.as_str()).is_some_and(|label| pattern.matches(label))
        };
        self.labels.iter().all(fits)
    }

    /// Whether its alerts keep those of another rule from being told.
    pub(crate) fn inhibits(&self, other: &str) -> bool {
        self.inhibits.iter().any(|pattern| pattern.matches(other))
    }
}
