//! Facts about a server, its databases and its tables to advice, with the reason in numbers. Pure.
//!
//! A rule looks at the facts and says what would be better, or nothing. A value that is right gives no advice, one that an
//! operator set by hand is left unless it does harm, and what a rule would have to know and does not is said, too. What
//! a single statement needs, the query monitor says of its plan; that is not repeated here.

mod advice;
mod autovacuum;
mod change;
mod counters;
mod duplicates;
mod facts;
mod fillfactor;
mod foreign_keys;
mod indexes;
mod keys;
mod memory;
mod planner;
mod report;
mod safety;
mod sequences;
mod setting;
mod tables;
mod wal;
mod words;
mod workers;

pub(crate) use advice::{Activation, Advice, Confidence, Impact, Object, Proposal, Scope, literal};
pub(crate) use change::{Seen, State, settle};
pub(crate) use counters::Counters;
pub(crate) use facts::{
    Column, Facts, ForeignKey, Index, Jit, KnownChange, Machine, Peak, Sequence, SequenceSample, Storage, Table, Toast,
};
pub(crate) use report::{Report, Territory};
pub(crate) use sequences::used;
pub(crate) use setting::{NAMES, Setting};

/// Everything that is to be said, the weightiest first; what was left without advice, with the reason, beside it.
pub(crate) fn advise(facts: &Facts, territory: &Territory<'_>) -> Report {
    let mut report = Report::default();
    if territory.server {
        for find in [memory::find, wal::find, planner::find, workers::find, safety::find] {
            find(facts, &mut report);
        }
    }
    let tables: Vec<&Table> = facts
        .tables
        .iter()
        .filter(|table| (territory.is_mine)(&table.name))
        .collect();
    for table in tables {
        autovacuum::find(facts, table, &mut report);
        tables::find(facts, table, &mut report);
        fillfactor::find(facts, table, &mut report);
        keys::find(facts, table, &mut report);
    }
    duplicates::find(facts, territory, &mut report);
    indexes::find(facts, territory, &mut report);
    foreign_keys::find(facts, territory, &mut report);
    sequences::find(facts, territory, &mut report);
    report.sort();
    report
}

#[cfg(test)]
mod tests;
