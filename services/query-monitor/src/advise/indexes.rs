//! Indexes that lead to many rows for nothing, or that cannot answer alone. Pure.

use super::finding::{Case, Finding, Severity};
use super::plan::Node;
use super::words::count;

/// Fewer rows than these are thrown away in a moment.
const REMOVED_MIN: f64 = 10_000.0;
/// So many are thrown away for each that is kept.
const REMOVED_FACTOR: f64 = 10.0;
/// Fewer looks into the table than these do not matter.
const FETCHES_MIN: f64 = 1_000.0;
/// An index that answers the rest alone does well.
const FETCHED_SHARE_MIN: f64 = 0.3;

pub(super) fn find(case: &Case<'_>) -> Vec<Finding> {
    let nodes = case.plan.nodes.iter();
    nodes
        .flat_map(|node| filtering(case, node).into_iter().chain(fetching(case, node)))
        .collect()
}

fn filtering(case: &Case<'_>, node: &Node) -> Option<Finding> {
    if !matches!(node.kind(), "Index Scan" | "Index Only Scan" | "Bitmap Heap Scan") {
        return None;
    }
    let (kept, removed) = (node.all_rows(), node.amount("Rows Removed by Filter") * node.loops());
    if removed < REMOVED_MIN || removed < REMOVED_FACTOR * kept {
        return None;
    }
    let text = format!(
        "{} found {} rows and threw away all but {} of them, because the filter is not part of the index",
        node.title(),
        count(kept + removed),
        count(kept)
    );
    let columns = case
        .facts
        .table(node)
        .map(|table| table.columns_in(&[node.word("Filter")]));
    let columns: Vec<_> = columns
        .unwrap_or_default()
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let of = if columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", columns.join(", "))
    };
    let hint =
        format!("an index that also has the filter's columns{of}, or a partial index with the filter as its condition");
    let finding = Finding::of("index-filter-rejects-most", Severity::Warning, node, text, hint);
    Some(finding.figures([("rows_removed", removed), ("rows_kept", kept)]))
}

/// PostgreSQL counts heap fetches of all loops together.
fn fetching(case: &Case<'_>, node: &Node) -> Option<Finding> {
    let fetches = node.amount("Heap Fetches");
    let rows = node.all_rows() + node.amount("Rows Removed by Filter") * node.loops();
    if node.kind() != "Index Only Scan" || fetches < FETCHES_MIN || fetches < FETCHED_SHARE_MIN * rows {
        return None;
    }
    let text = format!(
        "{} had to look into the table {} times for {} rows, because pages are not known to be visible to all",
        node.title(),
        count(fetches),
        count(rows)
    );
    let table = case
        .facts
        .table(node)
        .map_or_else(|| "the table".to_owned(), super::facts::Table::qualified);
    let hint = format!(
        "VACUUM {table} marks such pages; a table that changes much needs a smaller autovacuum_vacuum_scale_factor"
    );
    let finding = Finding::of("heap-fetches", Severity::Warning, node, text, hint);
    Some(finding.figures([("heap_fetches", fetches), ("rows", rows)]))
}
