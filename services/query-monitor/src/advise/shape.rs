//! The shape of a plan: what it does to which tables, by which index, in which order; without costs, rows and values.
//! Pure.

use super::plan::{Node, Plan};

/// What belongs to the shape of a node.
const PARTS: [&str; 13] = [
    "Node Type",
    "Parent Relationship",
    "Operation",
    "Strategy",
    "Partial Mode",
    "Join Type",
    "Schema",
    "Relation Name",
    "Index Name",
    "Function Name",
    "CTE Name",
    "Subplan Name",
    "Scan Direction",
];

/// A number for the shape: the same for the same plan on any server and in any version of Weir.
///
/// The depth of each node stands with it, so that a list of them says which is below which.
pub(crate) fn shape(plan: &Plan) -> u64 {
    let lines: Vec<String> = plan.nodes.iter().map(line).collect();
    weir_sql::text_hash(&lines.join("\n"))
}

fn line(node: &Node) -> String {
    let parts: Vec<&str> = PARTS.iter().map(|part| node.word(part)).collect();
    format!("{}\t{}\t{}", node.depth, node.flag("Parallel Aware"), parts.join("\t"))
}
