//! Plans that no server sent, or that another version did.

mod hostile;
mod judging;
mod pacing;
mod reading;

use serde_json::{Value, json};

use super::{Facts, Finding, Measures, Plan, judge, read};

/// A plan of PostgreSQL 18 with workers, a table expression that is read twice, sorts in three processes and bitmaps
/// that lost their rows.
const OF_18: &str = include_str!("tests/postgresql-18.json");

/// A node that was run once, as expected.
fn node(kind: &str, estimated: f64, actual: f64) -> Value {
    json!({
        "Node Type": kind, "Startup Cost": 0.0, "Total Cost": 100.0, "Plan Rows": estimated, "Plan Width": 8,
        "Actual Startup Time": 0.1, "Actual Total Time": 10.0, "Actual Rows": actual, "Actual Loops": 1,
    })
}

/// The same with further properties, which win.
fn but(mut node: Value, further: Value) -> Value {
    if let (Value::Object(node), Value::Object(further)) = (&mut node, further) {
        node.extend(further);
    }
    node
}

/// The same above others, the first of them outer, the second inner.
fn over(top: Value, below: Vec<Value>) -> Value {
    let roles = ["Outer", "Inner", "Member"];
    let below: Vec<Value> = below
        .into_iter()
        .zip(roles)
        .map(|(node, role)| {
            if node.get("Parent Relationship").is_some() {
                node
            } else {
                but(node, json!({"Parent Relationship": role}))
            }
        })
        .collect();
    but(top, json!({ "Plans": below }))
}

fn plan_of(root: Value) -> Plan {
    let whole = json!([{ "Plan": root, "Planning Time": 1.0, "Execution Time": 100.0, "Triggers": [] }]);
    read(&whole.to_string()).unwrap()
}

fn findings(root: Value) -> Vec<Finding> {
    let plan = plan_of(root);
    judge(&plan, &Measures::of(&plan), &Facts::default())
}

fn slugs(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.slug).collect()
}
