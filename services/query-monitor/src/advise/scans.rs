//! Tables that are read whole for a few of their rows. Pure.

use super::facts::Table;
use super::finding::{Case, Finding, Severity};
use super::plan::Node;
use super::words::{count, duration, list};

const SLUG: &str = "sequential-scan-filters";
/// Fewer rows than these are read in a moment, whatever is done with them.
const ROWS_MIN: f64 = 10_000.0;
/// A scan that keeps more than this part of what it reads is as good as an index.
const KEPT_MAX: f64 = 0.05;
/// Without an execution there is only the planner's word for it.
const EXPECTED_MAX: f64 = 0.01;
/// A scan that takes less than this part of the time is not what is slow.
const SHARE_MIN: f64 = 0.05;

pub(super) fn find(case: &Case<'_>) -> Vec<Finding> {
    let filtering = |node: &&Node| node.kind() == "Seq Scan" && !node.word("Filter").is_empty();
    let scans = case.plan.nodes.iter().filter(filtering);
    scans
        .filter_map(|node| {
            if case.plan.was_executed() {
                measured(case, node)
            } else {
                expected(case, node)
            }
        })
        .collect()
}

fn measured(case: &Case<'_>, node: &Node) -> Option<Finding> {
    let kept = node.all_rows();
    let read = kept + node.amount("Rows Removed by Filter") * node.loops();
    let of_one_table = read / scans_of(node);
    let ms = case.measures.exclusive_ms(node);
    let weighs = case.share(ms).is_none_or(|share| share >= SHARE_MIN);
    if of_one_table < ROWS_MIN || kept > read * KEPT_MAX || !weighs {
        return None;
    }
    let took = if ms > 0.0 {
        format!(", in {}", duration(ms))
    } else {
        String::new()
    };
    let text = format!(
        "{} read {} rows to keep {}{took}",
        node.title(),
        count(read),
        count(kept)
    );
    let finding = Finding::of(SLUG, Severity::Warning, node, text, hint(case, node));
    Some(finding.figures([("rows_read", read), ("rows_kept", kept), ("exclusive_ms", ms)]))
}

/// How often the whole table was read: workers share one scan, other loops each do their own.
fn scans_of(node: &Node) -> f64 {
    if node.flag("Parallel Aware") {
        1.0
    } else {
        node.loops().max(1.0)
    }
}

fn expected(case: &Case<'_>, node: &Node) -> Option<Finding> {
    let rows = case.facts.table(node)?.rows;
    let kept = node.estimated_rows();
    if rows < ROWS_MIN || kept > rows * EXPECTED_MAX || case.measures.stops_early(node) {
        return None;
    }
    let text = format!(
        "{} is expected to read {} rows to keep {}",
        node.title(),
        count(rows),
        count(kept)
    );
    let finding = Finding::of(SLUG, Severity::Info, node, text, hint(case, node));
    Some(finding.figures([("rows_read", rows), ("rows_kept", kept)]))
}

fn hint(case: &Case<'_>, node: &Node) -> String {
    case.facts
        .table(node)
        .map_or_else(general, |table| on_columns(node, table))
}

fn general() -> String {
    "an index on the columns of the filter would find these rows".to_owned()
}

fn on_columns(node: &Node, table: &Table) -> String {
    let columns = table.columns_in(&[node.word("Filter")]);
    let columns: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    if columns.is_empty() {
        return general();
    }
    format!(
        "an index of {} on {} would find these rows, if the filter's operators can use it",
        table.qualified(),
        list(&columns)
    )
}
