//! The nodes of a plan as an indented tree. Pure.

use serde_json::{Value as Json, json};
use weir_proto::monitor::v1::{PlanBuffers, PlanNode};

use crate::terminal::milliseconds;

/// Deeper plans are not indented further.
const DEPTH_MAX: usize = 30;

/// Two lines a node: what it does with its figures, and its conditions.
pub(super) fn lines(nodes: &[PlanNode]) -> Vec<String> {
    let mut depths: Vec<usize> = Vec::with_capacity(nodes.len());
    let mut lines = Vec::new();
    for node in nodes {
        let above = node
            .parent
            .and_then(|parent| depths.get(usize::try_from(parent).ok()?).copied());
        let depth = above.map_or(0, |above| above + 1);
        depths.push(depth);
        let indent = "  ".repeat(depth.min(DEPTH_MAX));
        let arrow = if depth == 0 { "" } else { "→ " };
        lines.push(format!(
            "{indent}{arrow}{} [{}]  {}",
            what(node),
            node.id,
            figures(node)
        ));
        let conditions = node.conditions.iter();
        lines.extend(conditions.map(|condition| format!("{indent}     {condition}")));
    }
    lines
}

fn what(node: &PlanNode) -> String {
    let mut words = vec![node.node_type.clone()];
    if !node.join_type.is_empty() && node.join_type != "Inner" {
        words.push(node.join_type.to_lowercase());
    }
    if !node.index.is_empty() {
        words.push(format!("by {}", node.index));
    }
    if !node.relation.is_empty() {
        let schema = if node.schema.is_empty() {
            String::new()
        } else {
            format!("{}.", node.schema)
        };
        words.push(format!("on {schema}{}", node.relation));
        if !node.alias.is_empty() && node.alias != node.relation {
            words.push(node.alias.clone());
        }
    }
    let role = match node.role.as_str() {
        "InitPlan" | "SubPlan" | "Subquery" => format!("{}: ", node.role.to_lowercase()),
        _ => String::new(),
    };
    format!("{role}{}", words.join(" "))
}

fn figures(node: &PlanNode) -> String {
    let mut parts = match node.actual_rows {
        None => vec![
            format!("rows {:.0}", node.estimated_rows),
            format!("cost {:.0}", node.total_cost),
        ],
        Some(rows) => vec![format!("rows {rows:.0} (expected {:.0})", node.estimated_rows)],
    };
    if node.actual_rows.is_some() && node.loops != 1.0 {
        parts.push(format!("{:.0} loops", node.loops));
    }
    if let Some(ms) = node.inclusive_ms {
        let own = node
            .exclusive_ms
            .map(|own| format!(", {} of its own", milliseconds(own)));
        parts.push(format!("{}{}", milliseconds(ms), own.unwrap_or_default()));
    }
    if node.rows_removed > 0.0 {
        parts.push(format!("threw away {:.0}", node.rows_removed));
    }
    parts.extend(node.buffers.as_ref().and_then(blocks));
    parts.join("; ")
}

/// Blocks from outside of memory, which cost time.
fn blocks(buffers: &PlanBuffers) -> Option<String> {
    let temporary = buffers.temp_read + buffers.temp_written;
    let read = (buffers.shared_read > 0.0).then(|| format!("{:.0} blocks read", buffers.shared_read));
    let spilled = (temporary > 0.0).then(|| format!("{temporary:.0} temporary"));
    let parts: Vec<String> = [read, spilled].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub(super) fn as_json(node: &PlanNode) -> Json {
    let buffers = node.buffers.unwrap_or_default();
    json!({
        "id": node.id,
        "parent": node.parent,
        "node_type": node.node_type,
        "role": node.role,
        "join_type": node.join_type,
        "schema": node.schema,
        "relation": node.relation,
        "alias": node.alias,
        "index": node.index,
        "conditions": node.conditions,
        "startup_cost": node.startup_cost,
        "total_cost": node.total_cost,
        "estimated_rows": node.estimated_rows,
        "actual_rows": node.actual_rows,
        "loops": node.loops,
        "inclusive_ms": node.inclusive_ms,
        "exclusive_ms": node.exclusive_ms,
        "rows_removed": node.rows_removed,
        "shared_hit_blocks": buffers.shared_hit,
        "shared_read_blocks": buffers.shared_read,
        "temp_read_blocks": buffers.temp_read,
        "temp_written_blocks": buffers.temp_written,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u32, parent: Option<u32>, node_type: &str) -> PlanNode {
        PlanNode {
            id,
            parent,
            node_type: node_type.to_owned(),
            estimated_rows: 10.0,
            loops: 1.0,
            ..PlanNode::default()
        }
    }

    #[test]
    fn nodes_stand_below_those_that_ask_them() {
        let mut scan = node(1, Some(0), "Index Scan");
        (scan.index, scan.relation, scan.alias) = ("orders_pkey".to_owned(), "orders".to_owned(), "o".to_owned());
        scan.conditions = vec!["Index Cond: (id = 1)".to_owned()];
        (scan.actual_rows, scan.inclusive_ms, scan.loops) = (Some(3.0), Some(1.5), 4.0);
        scan.buffers = Some(PlanBuffers {
            shared_read: 7.0,
            ..PlanBuffers::default()
        });
        let mut sub = node(2, Some(1), "Result");
        sub.role = "InitPlan".to_owned();
        assert_eq!(
            lines(&[node(0, None, "Limit"), scan, sub]),
            [
                "Limit [0]  rows 10; cost 0",
                "  → Index Scan by orders_pkey on orders o [1]  rows 3 (expected 10); 4 loops; 1.5 ms; 7 blocks read",
                "       Index Cond: (id = 1)",
                "    → initplan: Result [2]  rows 10; cost 0",
            ]
        );
    }
}
