//! Times and blocks that are a node's own, and whether it was asked for all its rows. Pure.

use super::plan::{Node, Plan};

/// What is worked out for every node, in the plan's order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measures {
    /// Milliseconds of the node with everything below it, as the clock on the wall counts them; none without times.
    inclusive_ms: Vec<Option<f64>>,
    exclusive_ms: Vec<f64>,
    own_temp_blocks: Vec<f64>,
    stops_early: Vec<bool>,
}

impl Measures {
    /// Works them out.
    pub(crate) fn of(plan: &Plan) -> Self {
        let participants = participants(plan);
        let inclusive_ms: Vec<Option<f64>> = plan
            .nodes
            .iter()
            .zip(&participants)
            .map(|(node, participants)| inclusive(node, *participants))
            .collect();
        let time = |node: &Node| inclusive_ms.get(node.id).copied().flatten().unwrap_or_default();
        let temp = |node: &Node| node.amount("Temp Read Blocks") + node.amount("Temp Written Blocks");
        Self {
            exclusive_ms: own_part(plan, time),
            own_temp_blocks: own_part(plan, temp),
            stops_early: stops_early(plan),
            inclusive_ms,
        }
    }

    /// Milliseconds with everything below; 0 where no time was taken.
    pub(crate) fn inclusive_ms(&self, node: &Node) -> f64 {
        self.measured_ms(node).unwrap_or_default()
    }

    /// The same, none where no time was taken.
    pub(crate) fn measured_ms(&self, node: &Node) -> Option<f64> {
        self.inclusive_ms.get(node.id).copied().flatten()
    }

    /// Milliseconds without what is below.
    pub(crate) fn exclusive_ms(&self, node: &Node) -> f64 {
        self.exclusive_ms.get(node.id).copied().unwrap_or_default()
    }

    /// Blocks of temporary files that it read and wrote itself.
    pub(crate) fn own_temp_blocks(&self, node: &Node) -> f64 {
        self.own_temp_blocks.get(node.id).copied().unwrap_or_default()
    }

    /// Whether it may have been stopped, or is expected to be, before its last row.
    pub(crate) fn stops_early(&self, node: &Node) -> bool {
        self.stops_early.get(node.id).copied().unwrap_or_default()
    }
}

/// How many processes ran each node at the same time: below a Gather, its workers and the leader.
fn participants(plan: &Plan) -> Vec<f64> {
    let mut all: Vec<f64> = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let parent = plan.parent(node);
        let above = parent.and_then(|parent| all.get(parent.id)).copied().unwrap_or(1.0);
        let gathered = parent.filter(|parent| parent.gathers() && node.role() == "Outer");
        all.push(gathered.map_or(above, |gather| {
            node.loops().min(gather.amount("Workers Launched") + 1.0).max(1.0)
        }));
    }
    all
}

/// PostgreSQL tells the average of all loops, of whichever process.
fn inclusive(node: &Node, participants: f64) -> Option<f64> {
    Some(node.number("Actual Total Time")? * node.loops() / participants)
}

/// What is left of a value that counts all nodes below, too.
///
/// A table expression hangs on one node and is run by the scans of it, so that its part is in both. What the nodes below
/// have together beyond the one above is that part; it is taken off the scans, the largest first.
fn own_part(plan: &Plan, value: impl Fn(&Node) -> f64) -> Vec<f64> {
    let mut own = Vec::with_capacity(plan.nodes.len());
    let mut twice: Vec<(&Node, f64)> = Vec::new();
    for node in &plan.nodes {
        let below: f64 = plan.children(node).map(&value).sum();
        own.push((value(node) - below).max(0.0));
        let mut excess = (below - value(node)).max(0.0);
        for expression in plan.children(node).filter(|child| child.is_table_expression()) {
            let part = value(expression).min(excess);
            excess -= part;
            twice.push((expression, part));
        }
    }
    for (expression, part) in twice {
        take_off_scans(plan, &mut own, expression, part);
    }
    own
}

fn take_off_scans(plan: &Plan, own: &mut [f64], expression: &Node, mut part: f64) {
    let name = expression.word("Subplan Name").trim_start_matches("CTE ");
    let scans = plan.nodes.iter().filter(|node| node.word("CTE Name") == name);
    let mut scans: Vec<usize> = scans.map(|node| node.id).collect();
    let of = |own: &[f64], id: usize| own.get(id).copied().unwrap_or_default();
    scans.sort_by(|one, other| of(own, *other).total_cmp(&of(own, *one)));
    for id in scans {
        let taken = part.min(of(own, id));
        part -= taken;
        if let Some(left) = own.get_mut(id) {
            *left -= taken;
        }
    }
}

fn stops_early(plan: &Plan) -> Vec<bool> {
    let mut all: Vec<bool> = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let parent = plan.parent(node);
        let above = parent
            .and_then(|parent| all.get(parent.id))
            .copied()
            .unwrap_or_default();
        all.push(parent.is_some_and(|parent| is_stopped(plan, parent, node, above)));
    }
    all
}

/// Whether a node may be left before its end by the one that asks it.
fn is_stopped(plan: &Plan, parent: &Node, node: &Node, above: bool) -> bool {
    if matches!(node.role(), "InitPlan" | "SubPlan") {
        return true;
    }
    match parent.kind() {
        "Limit" | "Merge Join" => true,
        "Sort" | "Hash" | "ModifyTable" | "Bitmap Heap Scan" | "BitmapAnd" | "BitmapOr" => false,
        "Aggregate" => above && parent.word("Strategy") == "Sorted",
        "Nested Loop" if node.role() == "Inner" => above || looks_for_one(parent),
        // Nothing to find: the other side is not read at all.
        "Hash Join" if node.role() == "Outer" => {
            above
                || plan
                    .child(parent, "Inner")
                    .is_some_and(|hash| hash.actual_rows() == Some(0.0))
        }
        _ => above,
    }
}

fn looks_for_one(join: &Node) -> bool {
    join.flag("Inner Unique") || matches!(join.word("Join Type"), "Semi" | "Anti")
}
