//! Foreign keys whose rows no index finds. Pure.

use super::advice::{Advice, Confidence, Impact, Object, ident};
use super::facts::{Facts, ForeignKey};
use super::indexes::supports;
use super::report::{Report, Territory};
use super::words::{count, list};

/// In a smaller table a scan is as quick.
const ROWS_MIN: f64 = 1_000.0;

pub(super) fn find(facts: &Facts, territory: &Territory<'_>, report: &mut Report) {
    for key in facts.foreign_keys.iter().filter(|key| (territory.is_mine)(&key.table)) {
        let Some(table) = facts.table(&key.table) else { continue };
        let supported = facts.indexes.iter().any(|index| supports(index, key));
        if !supported && (table.rows >= ROWS_MIN || table.is_parent) {
            report.add(advice(facts, key, table.rows, table.is_parent));
        }
    }
}

fn advice(facts: &Facts, key: &ForeignKey, rows: f64, is_parent: bool) -> Advice {
    let columns: Vec<String> = key.columns.iter().map(|(name, _)| ident(name)).collect();
    let changed = facts
        .table(&key.referenced)
        .map_or(0.0, |table| table.counters.get("del") + table.counters.get("upd"));
    let reason = format!(
        "each DELETE in {}, and each UPDATE of its key, reads all {} rows of {} to see whether one points there; {} rows of it were updated or deleted so far",
        key.referenced,
        count(rows),
        key.table,
        count(changed)
    );
    let impact = if changed > 0.0 { Impact::High } else { Impact::Low };
    let beside = if is_parent { "" } else { "concurrently " };
    let object = Object::part_of(&facts.database, &key.table, &key.name);
    let summary = format!(
        "index {} of {}, the columns of foreign key {}",
        list(&columns),
        key.table,
        ident(&key.name)
    );
    let statement = format!(
        "create index {beside}on {} ({})",
        key.table.quoted(),
        columns.join(", ")
    );
    Advice::note(
        "foreign-key-without-index",
        object,
        impact,
        Confidence::Measured,
        summary,
        reason,
    )
    .running(statement)
}
