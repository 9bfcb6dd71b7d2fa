//! What is said, and what is left. Pure.

use super::advice::{Advice, Object};
use crate::plan::TableName;

/// Longer lists help nobody; what is cut off is counted.
const ADVICE_MAX: usize = 1_000;
const LEFT_MAX: usize = 1_000;

/// What is whose.
#[derive(Clone, Copy)]
pub(crate) struct Territory<'a> {
    /// Whether the server as a whole is.
    pub(crate) server: bool,
    /// Whether a table is.
    pub(crate) is_mine: &'a (dyn Fn(&TableName) -> bool + Sync),
}

/// Something that a rule looked at and left as it is, though it may not be right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Left {
    /// The setting, or the table with its option.
    pub(crate) what: String,
    /// Why it was left.
    pub(crate) reason: String,
}

/// Everything that is to be said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) advice: Vec<Advice>,
    pub(crate) left: Vec<Left>,
    /// Advice that was cut off.
    pub(crate) more: usize,
}

impl Report {
    pub(super) fn add(&mut self, advice: Advice) {
        self.advice.push(advice);
    }

    /// Of the server.
    pub(super) fn leave(&mut self, setting: &str, reason: impl Into<String>) {
        self.left.push(Left {
            what: setting.to_owned(),
            reason: reason.into(),
        });
    }

    /// Of a table.
    pub(super) fn leave_option(&mut self, object: &Object, option: &str, reason: impl Into<String>) {
        self.leave(&format!("{object} {option}"), reason);
    }

    pub(super) fn has(&self, kind: &str, object: &Object) -> bool {
        self.advice
            .iter()
            .any(|advice| advice.kind == kind && advice.object == *object)
    }

    pub(super) fn sort(&mut self) {
        self.advice.sort_by_cached_key(|advice| (advice.impact, advice.id()));
        self.more = self.advice.len().saturating_sub(ADVICE_MAX);
        self.advice.truncate(ADVICE_MAX);
        self.left
            .sort_by(|a, b| (&a.what, &a.reason).cmp(&(&b.what, &b.reason)));
        self.left.dedup();
        self.left.truncate(LEFT_MAX);
    }
}
