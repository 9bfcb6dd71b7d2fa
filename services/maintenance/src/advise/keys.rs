//! Tables whose rows cannot be told apart, and tables that a crash empties. Pure.

use super::advice::{Advice, Confidence, Impact, Object, ident};
use super::facts::{Facts, Index, Table};
use super::report::Report;
use super::words::count;

pub(super) fn find(facts: &Facts, table: &Table, report: &mut Report) {
    // Of partitions the parent speaks.
    if table.is_partition {
        return;
    }
    let object = Object::table(&facts.database, &table.name);
    if !table.has_primary_key {
        report.add(primary_key(facts, table, &object));
    }
    if table.is_unlogged {
        let summary = format!("{object} is not in the log");
        let reason = format!(
            "a crash of the server empties it ({} rows now), replicas do not have it, and no backup of the log brings it back; right for what can be made again",
            count(table.rows)
        );
        let note = Advice::note(
            "unlogged-table",
            object,
            Impact::Low,
            Confidence::Measured,
            summary,
            reason,
        );
        report.add(note.running(format!("alter table {} set logged", table.name.quoted())));
    }
}

fn primary_key(facts: &Facts, table: &Table, object: &Object) -> Advice {
    let identified = match table.replica_identity.as_str() {
        "f" => true,
        "i" => facts
            .indexes
            .iter()
            .any(|index| index.table == table.name && index.is_replica_identity),
        _ => false,
    };
    let breaks = table.is_published && !identified;
    let reason = if breaks {
        "it has no primary key and no replica identity, and it is published: UPDATE and DELETE of it fail".to_owned()
    } else if identified {
        format!(
            "it has no primary key ({} rows): nothing keeps rows from being there twice",
            count(table.rows)
        )
    } else {
        format!(
            "it has no primary key ({} rows): nothing keeps rows from being there twice, and it cannot be replicated logically as it is",
            count(table.rows)
        )
    };
    let impact = if breaks { Impact::Danger } else { Impact::Medium };
    let usable = facts
        .indexes
        .iter()
        .find(|index| index.table == table.name && can_be_key(index));
    let statement = usable.map(|index| {
        format!(
            "alter table {} add primary key using index {}",
            table.name.quoted(),
            ident(&index.name)
        )
    });
    let note = Advice::note(
        "no-primary-key",
        object.clone(),
        impact,
        Confidence::Measured,
        format!("give {object} a primary key"),
        reason,
    );
    note.running(statement.unwrap_or_default())
}

/// A unique index over whole columns that belongs to no constraint can become the primary key without being built again.
fn can_be_key(index: &Index) -> bool {
    let whole = index.predicate.is_empty() && index.keys.iter().all(|column| column.number > 0);
    let free = index.constraint.is_empty() && !index.is_parent && !index.is_attached;
    index.is_unique && index.is_valid && index.method == "btree" && whole && free && index.includes.is_empty()
}
