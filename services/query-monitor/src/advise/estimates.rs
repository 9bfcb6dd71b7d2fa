//! Estimates that are wrong, each told where it begins. Pure.
//!
//! A wrong estimate is carried upward by every node above; telling it again at each of them would hide where it comes
//! from.

use super::facts::Table;
use super::finding::{Case, Finding, Severity};
use super::plan::Node;
use super::words::{count, list};

/// Estimates within this factor are good.
const FACTOR_MIN: f64 = 10.0;
/// Those beyond this one lead to wrong plans more often than not.
const FACTOR_GRAVE: f64 = 100.0;
/// Fewer rows than these do not matter.
const ROWS_MIN: f64 = 1_000.0;

/// How far an estimate is from what came.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gap {
    factor: f64,
    too_few: bool,
}

pub(super) fn find(case: &Case<'_>) -> Vec<Finding> {
    let gaps: Vec<Option<Gap>> = case.plan.nodes.iter().map(|node| gap(case, node)).collect();
    let of = |node: &Node| gaps.get(node.id).copied().flatten();
    let nodes = case.plan.nodes.iter().filter_map(|node| Some((node, of(node)?)));
    let begins = |node: &Node, gap: Gap| !case.plan.children(node).any(|child| carries(case, &of, child, gap));
    nodes
        .filter(|(node, gap)| begins(node, *gap))
        .map(|(node, gap)| finding(case, node, gap))
        .collect()
}

/// Whether a node is wrong in the same way, or hands on what is.
fn carries(case: &Case<'_>, of: &impl Fn(&Node) -> Option<Gap>, node: &Node, gap: Gap) -> bool {
    let mut waiting = vec![node];
    while let Some(node) = waiting.pop() {
        if of(node).is_some_and(|found| found.too_few == gap.too_few) {
            return true;
        }
        if hands_on(node) {
            waiting.extend(case.plan.children(node));
        }
    }
    false
}

/// Nodes that return what they get, or of which PostgreSQL does not tell true numbers of rows.
fn hands_on(node: &Node) -> bool {
    matches!(
        node.kind(),
        "Hash"
            | "Sort"
            | "Incremental Sort"
            | "Materialize"
            | "Memoize"
            | "Gather"
            | "Gather Merge"
            | "Limit"
            | "Append"
            | "Merge Append"
            | "Result"
            | "ModifyTable"
            | "LockRows"
            | "BitmapAnd"
            | "BitmapOr"
            | "Subquery Scan"
    )
}

fn gap(case: &Case<'_>, node: &Node) -> Option<Gap> {
    let actual = node.actual_rows()?;
    let estimated = node.estimated_rows();
    let too_few = actual > estimated;
    let factor = actual.max(estimated) / actual.min(estimated).max(1.0);
    let rows = (actual - estimated).abs() * node.loops();
    let counts = factor >= FACTOR_MIN && rows >= ROWS_MIN && !hands_on(node);
    let excused = if too_few {
        is_read_again(case, node)
    } else {
        case.measures.stops_early(node)
    };
    (counts && !excused).then_some(Gap { factor, too_few })
}

/// The inner side of a merge join goes back for rows that are equal, and counts them each time.
fn is_read_again(case: &Case<'_>, node: &Node) -> bool {
    node.role() == "Inner"
        && case
            .plan
            .parent(node)
            .is_some_and(|parent| parent.kind() == "Merge Join")
}

fn finding(case: &Case<'_>, node: &Node, gap: Gap) -> Finding {
    let (estimated, actual) = (node.estimated_rows(), node.actual_rows().unwrap_or_default());
    let each = if node.loops() > 1.0 { " in each loop" } else { "" };
    let text = format!(
        "{} returned {} rows{each} where {} were expected: {} times too {}",
        node.title(),
        count(actual),
        count(estimated),
        count(gap.factor),
        if gap.too_few { "few" } else { "many" },
    );
    let severity = if gap.factor >= FACTOR_GRAVE {
        Severity::Warning
    } else {
        Severity::Info
    };
    Finding::of("rows-misestimated", severity, node, text, hint(case, node)).figures([
        ("estimated_rows", estimated),
        ("actual_rows", actual),
        ("loops", node.loops()),
        ("factor", gap.factor),
    ])
}

fn hint(case: &Case<'_>, node: &Node) -> String {
    match (node.kind(), case.facts.table(node)) {
        (_, Some(table)) => of_table(node, table),
        ("Aggregate" | "Group" | "Unique" | "SetOp", _) => {
            "the number of groups was misjudged; CREATE STATISTICS (ndistinct) on the columns that are grouped together, \
             or on the expression, tells it"
                .to_owned()
        }
        ("Function Scan" | "Table Function Scan" | "ProjectSet", _) => {
            "the planner takes a fixed number of rows for a function; ALTER FUNCTION … ROWS tells it a better one".to_owned()
        }
        (kind, _) if kind.ends_with("Join") || kind == "Nested Loop" => {
            "the columns that are joined do not go together as the planner assumes; look at their statistics \
             (n_distinct, most common values), and raise their target with ALTER TABLE … SET STATISTICS"
                .to_owned()
        }
        _ => "look at the statistics of the tables below; ANALYZE renews them".to_owned(),
    }
}

fn of_table(node: &Node, table: &Table) -> String {
    let conditions: Vec<&str> = node.conditions().collect();
    let columns: Vec<String> = table
        .columns_in(&conditions)
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let name = table.qualified();
    match columns.as_slice() {
        [] => format!("ANALYZE {name} renews its statistics"),
        [column] => format!(
            "ANALYZE {name}; if that does not help, ALTER TABLE {name} ALTER COLUMN {column} SET STATISTICS 1000 and ANALYZE \
             again"
        ),
        columns => format!(
            "ANALYZE {name}; if that does not help, the conditions on {} may depend on each other, which CREATE STATISTICS \
             (dependencies, mcv) ON {} FROM {name} tells the planner",
            list(columns),
            columns.join(", ")
        ),
    }
}
