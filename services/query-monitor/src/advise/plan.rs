//! A plan as a list of nodes, parents before children. Pure.
//!
//! A list and no tree of boxes: a plan can be hundreds of levels deep, and nothing that walks over it may need a stack
//! as deep as the plan.

use serde_json::Value;

use super::facts::quoted;

/// One statement's plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    /// Every node; the first is the root, and each stands before its children.
    pub(crate) nodes: Vec<Node>,
    /// Milliseconds spent planning; none where that was not measured.
    pub(crate) planning_ms: Option<f64>,
    /// Milliseconds spent executing; none where it was not executed.
    pub(crate) execution_ms: Option<f64>,
    /// Milliseconds spent compiling expressions.
    pub(crate) jit_ms: Option<f64>,
    /// Functions that were, or would be, compiled.
    pub(crate) jit_functions: f64,
    /// Triggers that fired.
    pub(crate) triggers: Vec<Trigger>,
    /// Settings of the planner that are not the default.
    pub(crate) settings: Vec<(String, String)>,
}

/// All firings of one trigger on one table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trigger {
    /// Its name; for a foreign key, that of the constraint.
    pub(crate) name: String,
    /// Whether a constraint's.
    pub(crate) of_constraint: bool,
    /// The table.
    pub(crate) relation: String,
    /// Milliseconds in all.
    pub(crate) time_ms: f64,
    /// How often.
    pub(crate) calls: f64,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Its place in the list.
    pub(crate) id: usize,
    /// The node that asks it for rows; none for the root.
    pub(crate) parent: Option<usize>,
    /// How many nodes are above it.
    pub(crate) depth: usize,
    /// The nodes that it asks, in the plan's order.
    pub(crate) children: Vec<usize>,
    /// Everything that PostgreSQL says of it, in its order.
    pub(crate) properties: Vec<(String, Value)>,
}

impl Plan {
    /// A node by its place.
    pub(crate) fn node(&self, id: usize) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The node that asks this one.
    pub(crate) fn parent(&self, node: &Node) -> Option<&Node> {
        self.node(node.parent?)
    }

    /// The nodes that this one asks.
    pub(crate) fn children<'p>(&'p self, node: &'p Node) -> impl Iterator<Item = &'p Node> {
        node.children.iter().filter_map(|id| self.node(*id))
    }

    /// The child in a role: `Outer`, `Inner`, …
    pub(crate) fn child(&self, node: &Node, role: &str) -> Option<&Node> {
        node.children
            .iter()
            .filter_map(|id| self.node(*id))
            .find(|child| child.role() == role)
    }

    /// A node and everything below it.
    pub(crate) fn below<'p>(&'p self, top: &'p Node) -> impl Iterator<Item = &'p Node> {
        let inside = move |node: &&Node| node.id == top.id || node.depth > top.depth;
        self.nodes.get(top.id..).unwrap_or_default().iter().take_while(inside)
    }

    /// Whether it was executed.
    pub(crate) const fn was_executed(&self) -> bool {
        self.execution_ms.is_some()
    }

    /// What the planner thought it would cost.
    pub(crate) fn total_cost(&self) -> f64 {
        self.nodes.first().map_or(0.0, Node::total_cost)
    }
}

impl Node {
    /// A property as it came.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.properties
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value)
    }

    /// A property that is a number.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.get(key)?.as_f64().filter(|number| number.is_finite())
    }

    /// The same, or nothing at all.
    pub(crate) fn amount(&self, key: &str) -> f64 {
        self.number(key).unwrap_or_default()
    }

    /// A property that is a text; empty without.
    pub(crate) fn word(&self, key: &str) -> &str {
        self.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A property that is set.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// What it does: `Seq Scan`, `Hash Join`, …
    pub(crate) fn kind(&self) -> &str {
        self.word("Node Type")
    }

    /// What it is to its parent: `Outer`, `Inner`, `Member`, `InitPlan`, `SubPlan`, `Subquery`.
    pub(crate) fn role(&self) -> &str {
        self.word("Parent Relationship")
    }

    /// The table that it reads or changes; empty where there is none.
    pub(crate) fn relation(&self) -> &str {
        self.word("Relation Name")
    }

    /// Rows that the planner expected of each loop.
    pub(crate) fn estimated_rows(&self) -> f64 {
        self.amount("Plan Rows")
    }

    /// Bytes of a row, as the planner expected.
    pub(crate) fn width(&self) -> f64 {
        self.amount("Plan Width")
    }

    /// What the planner thought one loop would cost.
    pub(crate) fn total_cost(&self) -> f64 {
        self.amount("Total Cost")
    }

    /// Rows of the average loop; none where it was not executed.
    pub(crate) fn actual_rows(&self) -> Option<f64> {
        self.number("Actual Rows").filter(|_| self.loops() > 0.0)
    }

    /// How often it was run, by all workers together; 0 where it was not.
    pub(crate) fn loops(&self) -> f64 {
        self.amount("Actual Loops")
    }

    /// Rows of all loops.
    pub(crate) fn all_rows(&self) -> f64 {
        self.actual_rows().unwrap_or_default() * self.loops()
    }

    /// Whether it is a table expression's plan, which is run by the scans of that expression.
    pub(crate) fn is_table_expression(&self) -> bool {
        self.role() == "InitPlan" && self.word("Subplan Name").starts_with("CTE ")
    }

    /// Whether it collects the rows of workers.
    pub(crate) fn gathers(&self) -> bool {
        matches!(self.kind(), "Gather" | "Gather Merge")
    }

    /// The conditions that it applies to the rows of its own table.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &str> {
        let of_rows = ["Index Cond", "Recheck Cond", "Filter", "TID Cond"];
        of_rows
            .into_iter()
            .map(|key| self.word(key))
            .filter(|text| !text.is_empty())
    }

    /// Its table with its schema, where both are told.
    pub(crate) fn qualified_relation(&self) -> String {
        self.in_schema(self.relation())
    }

    fn in_schema(&self, name: &str) -> String {
        match self.word("Schema") {
            "" => quoted(name),
            schema => format!("{}.{}", quoted(schema), quoted(name)),
        }
    }

    /// What a person calls it: `Seq Scan on public.orders o`.
    pub(crate) fn title(&self) -> String {
        let mut title = self.label();
        match self.word("Index Name") {
            "" => {}
            index if self.kind() == "Bitmap Index Scan" => return format!("{title} on {}", quoted(index)),
            index => title = format!("{title} using {}", quoted(index)),
        }
        let target = ["Function Name", "CTE Name", "Table Function Name", "Tuplestore Name"];
        let target = target.iter().map(|key| self.word(key)).find(|name| !name.is_empty());
        let alias = self.word("Alias");
        let on = match (self.relation(), target) {
            ("", None) if alias.is_empty() => return title,
            ("", None) => return format!("{title} on {}", quoted(alias)),
            ("", Some(name)) => self.in_schema(name),
            _ => self.qualified_relation(),
        };
        let is_known = alias.is_empty() || alias == self.relation() || target == Some(alias);
        if is_known {
            format!("{title} on {on}")
        } else {
            format!("{title} on {on} {}", quoted(alias))
        }
    }

    /// The node's type as PostgreSQL writes it in a text plan.
    fn label(&self) -> String {
        let kind = match (self.kind(), self.word("Strategy")) {
            ("ModifyTable", _) => self.word("Operation"),
            ("Aggregate", "Hashed") => "HashAggregate",
            ("Aggregate", "Sorted") => "GroupAggregate",
            ("Aggregate", "Mixed") => "MixedAggregate",
            ("SetOp", "Hashed") => "HashSetOp",
            (kind, _) => kind,
        };
        let parallel = if self.flag("Parallel Aware") { "Parallel " } else { "" };
        let partial = match self.word("Partial Mode") {
            "Partial" => "Partial ",
            "Finalize" => "Finalize ",
            _ => "",
        };
        let backward = match self.word("Scan Direction") {
            "Backward" => " Backward",
            _ => "",
        };
        let join = match (kind, self.word("Join Type")) {
            (_, "" | "Inner") => return format!("{parallel}{partial}{kind}{backward}"),
            ("Nested Loop", join) => format!("Nested Loop {join} Join"),
            (kind, join) => format!("{} {join} Join", kind.trim_end_matches(" Join")),
        };
        format!("{parallel}{join}")
    }
}
