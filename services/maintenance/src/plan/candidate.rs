//! One line of a plan: what would be done to what, what it would give and cost, and the verdict. Pure.

use std::time::Duration;

use super::{Bloat, Kind, Subject, TableFacts};

/// Whether work may wait for its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// The server is about to refuse work: it may not.
    Emergency,
    /// It may.
    Ordinary,
}

/// What a piece of work is expected to give and to cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Expected {
    /// Bytes that come back, at least.
    pub reclaim_low: u64,
    /// Bytes that come back, most probably.
    pub reclaim_likely: u64,
    /// Bytes that come back, at most.
    pub reclaim_high: u64,
    /// Bytes that statements need not read any more, in a day.
    pub saved_reads_per_day: u64,
    /// Bytes that are read and written for it.
    pub cost_bytes: u64,
    /// Bytes that lie beside what is there while it is done.
    pub needs_bytes: u64,
    /// How long it takes.
    pub takes: Duration,
}

impl Expected {
    /// What the removal of waste gives.
    pub(crate) fn of_waste(bloat: &Bloat, touched_bytes_per_day: f64) -> Self {
        let share = bloat.low as f64 / bloat.size.max(1) as f64;
        Self {
            reclaim_low: bloat.low,
            reclaim_likely: bloat.likely,
            reclaim_high: bloat.high,
            saved_reads_per_day: super::facts::whole(share * touched_bytes_per_day * READ_SHARE),
            ..Self::default()
        }
    }

    /// Bytes gained in a week, for sure, for each byte read or written.
    pub(crate) fn score(&self) -> f64 {
        let gain = self.reclaim_low as f64 + 7.0 * self.saved_reads_per_day as f64;
        gain / self.cost_bytes.max(1) as f64
    }
}

/// Of what statements touch, most is in the server's memory: so much of it counts as read.
const READ_SHARE: f64 = 0.1;

/// One line of a plan: done or left, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// What would be done.
    pub kind: Kind,
    /// To what.
    pub subject: Subject,
    /// The number of that relation in the catalogue.
    pub oid: u32,
    /// Whether it is to be done.
    pub selected: bool,
    /// Whether it may wait.
    pub urgency: Urgency,
    /// Why, or why not, in words for people.
    pub reason: String,
    /// What it gives and costs.
    pub expected: Expected,
    /// What was measured of the table.
    pub facts: Option<TableFacts>,
}

impl Candidate {
    /// A line with nothing measured.
    pub(crate) fn bare(kind: Kind, subject: Subject, selected: bool, reason: String) -> Self {
        Self {
            kind,
            subject,
            oid: 0,
            selected,
            urgency: Urgency::Ordinary,
            reason,
            expected: Expected::default(),
            facts: None,
        }
    }

    /// A line about a table.
    pub(crate) fn of_table(kind: Kind, facts: TableFacts, selected: bool, reason: String) -> Self {
        Self {
            oid: facts.oid,
            facts: Some(facts.clone()),
            ..Self::bare(kind, Subject::table(facts.table), selected, reason)
        }
    }

    /// Leaves it after all, for this reason.
    pub(crate) fn leave(&mut self, reason: String) {
        self.selected = false;
        self.reason = reason;
    }
}
