//! Indexes that another index makes superfluous. Pure.
//!
//! A unique index keeps rows apart and is never redundant; one that a constraint, a foreign key or replication needs stays.

use super::advice::{Advice, Confidence, Impact, Object, ident};
use super::facts::{Facts, Index};
use super::report::{Report, Territory};
use super::words::{MB, count, list, size};
use crate::plan::TableName;

pub(super) fn find(facts: &Facts, territory: &Territory<'_>, report: &mut Report) {
    let mine = facts.indexes.iter().filter(|index| (territory.is_mine)(&index.table));
    let mut sorted: Vec<&Index> = mine.filter(|index| is_whole(index)).collect();
    sorted.sort_by(|a, b| (&a.table, &a.name).cmp(&(&b.table, &b.name)));
    for indexes in sorted.chunk_by(|a, b| a.table == b.table) {
        let dropped = duplicates(facts, indexes, report);
        let kept: Vec<&Index> = indexes
            .iter()
            .filter(|index| !dropped.contains(&index.name))
            .copied()
            .collect();
        redundant(facts, &kept, report);
    }
}

/// One that serves, and is nobody's part.
fn is_whole(index: &Index) -> bool {
    index.is_valid && !index.is_being_built && !index.is_attached && !index.is_exclusion
}

fn is_pinned(index: &Index) -> bool {
    index.is_primary || index.is_referenced || index.is_replica_identity
}

fn is_same(a: &Index, b: &Index) -> bool {
    a.method == b.method
        && a.keys == b.keys
        && a.includes == b.includes
        && a.predicate == b.predicate
        && a.is_unique == b.is_unique
        && a.nulls_not_distinct == b.nulls_not_distinct
        && a.is_parent == b.is_parent
}

/// The less an index may be missed, the earlier it comes.
fn worth(index: &Index) -> (bool, bool, bool, bool, bool, u64, i64) {
    (
        !index.is_primary,
        !index.is_referenced,
        !index.is_replica_identity,
        index.constraint.is_empty(),
        !index.is_clustered,
        u64::MAX - index.scans.max(0.0) as u64,
        index.oid,
    )
}

/// Names of those that can go.
fn duplicates(facts: &Facts, indexes: &[&Index], report: &mut Report) -> Vec<String> {
    let mut by_worth = indexes.to_vec();
    by_worth.sort_by_key(|index| worth(index));
    let mut dropped = Vec::new();
    for (at, index) in by_worth.iter().enumerate() {
        let better = by_worth
            .iter()
            .take(at)
            .find(|better| is_same(better, index) && !dropped.contains(&better.name));
        if let Some(better) = better.filter(|_| !is_pinned(index)) {
            report.add(duplicate(facts, index, better));
            dropped.push(index.name.clone());
        }
    }
    dropped
}

fn duplicate(facts: &Facts, index: &Index, better: &Index) -> Advice {
    let reason = format!(
        "it has the same columns, classes, order and condition as {} and takes {}; every write maintains both ({} scans of it, {} of the other)",
        ident(&better.name),
        size(index.size_bytes),
        count(index.scans),
        count(better.scans)
    );
    let summary = format!("drop {}, a duplicate of {}", ident(&index.name), ident(&better.name));
    note(facts, "duplicate-index", index, Confidence::Measured, summary, reason)
}

fn redundant(facts: &Facts, indexes: &[&Index], report: &mut Report) {
    for index in indexes {
        if index.is_unique || !index.constraint.is_empty() || is_pinned(index) || index.is_clustered {
            continue;
        }
        let longer = indexes.iter().filter(|other| covers(other, index));
        let Some(longer) = longer.min_by(|a, b| a.size_bytes.total_cmp(&b.size_bytes).then(a.oid.cmp(&b.oid))) else {
            continue;
        };
        let columns: Vec<String> = longer.keys.iter().map(|column| column.text.clone()).collect();
        let reason = format!(
            "{} begins with the same columns ({}) and serves what it serves; it takes {}, the other {}",
            ident(&longer.name),
            list(&columns),
            size(index.size_bytes),
            size(longer.size_bytes)
        );
        let wide = longer.size_bytes > index.size_bytes * 3.0;
        let confidence = if wide {
            Confidence::Derived
        } else {
            Confidence::Measured
        };
        let summary = format!("drop {}, which {} covers", ident(&index.name), ident(&longer.name));
        report.add(note(facts, "redundant-index", index, confidence, summary, reason));
    }
}

/// Whether one index can do everything that a plain one does.
fn covers(other: &Index, index: &Index) -> bool {
    let both_trees = other.method == "btree" && index.method == "btree";
    let alike = other.predicate == index.predicate && other.is_parent == index.is_parent && other.name != index.name;
    let begins = other.keys.get(..index.keys.len()) == Some(&index.keys);
    let carries = |column: &String| other.includes.contains(column) || other.keys.iter().any(|key| key.text == *column);
    let more = other.keys.len() > index.keys.len() || other.is_unique || other.includes.len() > index.includes.len();
    both_trees && alike && begins && index.includes.iter().all(carries) && more
}

fn note(
    facts: &Facts,
    kind: &'static str,
    index: &Index,
    confidence: Confidence,
    summary: String,
    reason: String,
) -> Advice {
    let object = Object::part_of(&facts.database, &index.table, &index.name);
    let impact = if index.size_bytes >= 100.0 * MB {
        Impact::High
    } else {
        Impact::Medium
    };
    Advice::note(kind, object, impact, confidence, summary, reason).running(drop_statement(index))
}

/// What a person can run to be rid of an index.
pub(super) fn drop_statement(index: &Index) -> String {
    if !index.constraint.is_empty() {
        return format!(
            "alter table {} drop constraint {}",
            index.table.quoted(),
            ident(&index.constraint)
        );
    }
    let name = TableName {
        schema: index.table.schema.clone(),
        name: index.name.clone(),
    };
    // An index over partitions cannot be dropped beside others' work.
    let beside = if index.is_parent { "" } else { "concurrently " };
    format!("drop index {beside}{}", name.quoted())
}
