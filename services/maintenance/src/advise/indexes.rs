//! Indexes that serve nobody: invalid ones, and those that no statement uses. Pure.

use super::advice::{Advice, Confidence, Impact, Object, ident};
use super::duplicates::drop_statement;
use super::facts::{Facts, ForeignKey, Index};
use super::report::{Report, Territory};
use super::words::{MB, hours, size};

/// Smaller ones cost too little to speak of.
const UNUSED_SIZE_MIN: f64 = MB;

pub(super) fn find(facts: &Facts, territory: &Territory<'_>, report: &mut Report) {
    for index in facts.indexes.iter().filter(|index| (territory.is_mine)(&index.table)) {
        // A parent is invalid until all its partitions have theirs.
        if !index.is_valid && !index.is_being_built && !index.is_parent {
            report.add(invalid(facts, index));
        } else if is_idle(index, facts) {
            unused(facts, index, report);
        }
    }
}

fn object(facts: &Facts, index: &Index) -> Object {
    Object::part_of(&facts.database, &index.table, &index.name)
}

fn invalid(facts: &Facts, index: &Index) -> Advice {
    let leftover = index.name.contains("_ccnew") || index.name.contains("_ccold");
    let then = if leftover {
        "it is what a REINDEX CONCURRENTLY left behind; the next sweep of maintenance removes it"
    } else {
        "drop it, or build it again"
    };
    let reason = format!(
        "it is not valid, as a build of it failed: no statement uses it, and writes may maintain its {}; {then}",
        size(index.size_bytes)
    );
    let summary = format!("drop the invalid index {}", ident(&index.name));
    let kind = "invalid-index";
    Advice::note(
        kind,
        object(facts, index),
        Impact::High,
        Confidence::Measured,
        summary,
        reason,
    )
    .running(drop_statement(index))
}

/// Whether an index keeps no rows apart, is nobody's support, and was never scanned.
fn is_idle(index: &Index, facts: &Facts) -> bool {
    let needed = index.is_unique
        || index.is_primary
        || index.is_exclusion
        || index.is_replica_identity
        || index.is_referenced
        || index.is_clustered
        || index.is_attached
        || index.is_parent
        || !index.constraint.is_empty();
    let serves = index.is_valid && !index.is_being_built && index.size_bytes >= UNUSED_SIZE_MIN;
    serves && !needed && index.scans == 0.0 && !facts.foreign_keys.iter().any(|key| supports(index, key))
}

fn unused(facts: &Facts, index: &Index, report: &mut Report) {
    let object = object(facts, index);
    if report.has("duplicate-index", &object) || report.has("redundant-index", &object) {
        return;
    }
    let counters = facts.table(&index.table).map(|table| &table.counters);
    let counted = counters.and_then(super::counters::Counters::hours);
    let Some(counted) = counted.filter(|counted| *counted >= facts.unused_after_hours) else {
        return report.leave(
            "unused indexes",
            format!(
                "scans have been counted for less than {}",
                hours(facts.unused_after_hours)
            ),
        );
    };
    let (replicas, confidence) = match facts.replicas {
        0 => (String::new(), Confidence::Measured),
        1 => (
            "; whether the replica uses it is not known here".to_owned(),
            Confidence::Guessed,
        ),
        many => (
            format!("; whether the {many} replicas use it is not known here"),
            Confidence::Guessed,
        ),
    };
    let reason = format!(
        "no statement scanned it in {}, every write maintains it, and it takes {}{replicas}",
        hours(counted),
        size(index.size_bytes)
    );
    let impact = if index.size_bytes >= 100.0 * MB {
        Impact::Medium
    } else {
        Impact::Low
    };
    let summary = format!("drop the unused index {}", ident(&index.name));
    report
        .add(Advice::note("unused-index", object, impact, confidence, summary, reason).running(drop_statement(index)));
}

/// Whether an index finds the rows of a foreign key: its first columns are those of the key, in any order.
pub(super) fn supports(index: &Index, key: &ForeignKey) -> bool {
    let (Some(first), true) = (index.keys.get(..key.columns.len()), index.table == key.table) else {
        return false;
    };
    let has = |number: i64| first.iter().any(|column| column.number == number);
    let finds = matches!(index.method.as_str(), "btree" | "hash") && index.predicate.is_empty();
    finds && index.is_valid && key.columns.iter().all(|(_, number)| has(*number))
}
