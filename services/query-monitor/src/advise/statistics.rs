//! Tables that the planner knows too little of, or knows as they once were. Pure.

use std::collections::BTreeSet;

use super::facts::Table;
use super::finding::{Case, Finding, Severity};
use super::plan::Node;
use super::words::{count, list};

/// Fewer changed rows than these do not change a plan.
const CHANGED_MIN: f64 = 1_000.0;
/// The part of a table that may change before its statistics are old. Autovacuum analyses at a tenth.
const CHANGED_SHARE: f64 = 0.3;

pub(super) fn find(case: &Case<'_>) -> Vec<Finding> {
    let (mut tables, mut columns) = (BTreeSet::new(), BTreeSet::new());
    let mut findings = Vec::new();
    for node in &case.plan.nodes {
        let Some(table) = case.facts.table(node) else { continue };
        if tables.insert((&table.schema, &table.name)) {
            findings.extend(never_analyzed(node, table).or_else(|| outdated(node, table)));
        }
        let unknown = unknown_columns(node, table).into_iter();
        let fresh = unknown.filter(|column| columns.insert((&table.schema, &table.name, *column)));
        findings.extend(unknown_finding(node, table, fresh.map(str::to_owned).collect()));
    }
    findings
}

/// An empty table has nothing to be known of it.
const fn is_unknown(table: &Table) -> bool {
    table.rows < 0.0 && table.pages > 0.0
}

fn never_analyzed(node: &Node, table: &Table) -> Option<Finding> {
    if !is_unknown(table) {
        return None;
    }
    let name = table.qualified();
    let text = format!("{name} was never analysed: what the planner expects of it is a guess");
    let hint = format!("ANALYZE {name}");
    let finding = Finding::of("statistics-missing", Severity::Warning, node, text, hint);
    Some(finding.figures([("pages", table.pages)]))
}

/// Rows that a session inserted just before its ANALYZE are counted behind it, as if they were new. They would need
/// pages of their own.
fn counted_late(table: &Table) -> bool {
    let grown = table.pages - table.known_pages;
    table.rewritten_rows == 0.0 && grown < CHANGED_SHARE / 2.0 * table.known_pages.max(1.0)
}

fn outdated(node: &Node, table: &Table) -> Option<Finding> {
    let rows = table.rows.max(table.live_rows);
    if table.changed_rows < CHANGED_MIN || table.changed_rows < CHANGED_SHARE * rows || counted_late(table) {
        return None;
    }
    let name = table.qualified();
    let text = format!(
        "{} rows of {name} changed since it was last analysed, and it has about {}",
        count(table.changed_rows),
        count(rows)
    );
    let hint = format!("ANALYZE {name}; a smaller autovacuum_analyze_scale_factor does it sooner by itself");
    let finding = Finding::of("statistics-outdated", Severity::Warning, node, text, hint);
    Some(finding.figures([("rows_changed", table.changed_rows), ("rows", rows)]))
}

/// Columns in a condition of which there are no statistics, although the table has some.
fn unknown_columns<'t>(node: &Node, table: &'t Table) -> Vec<&'t str> {
    if table.rows <= 0.0 {
        return Vec::new();
    }
    let conditions: Vec<&str> = node.conditions().collect();
    let columns = table.columns_in(&conditions).into_iter();
    let unknown = columns.filter(|column| column.has_statistics == Some(false));
    unknown.map(|column| column.name.as_str()).collect()
}

fn unknown_finding(node: &Node, table: &Table, columns: Vec<String>) -> Option<Finding> {
    if columns.is_empty() {
        return None;
    }
    let name = table.qualified();
    let text = format!(
        "there are no statistics of {} of {name}, which {} filters by",
        list(&columns),
        node.title()
    );
    let hint = format!("ANALYZE {name}; a column whose statistics target is 0 is left out of it");
    let finding = Finding::of("statistics-missing", Severity::Warning, node, text, hint);
    Some(finding.figures([("columns", columns.len() as f64)]))
}
