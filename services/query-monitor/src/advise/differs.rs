//! What is different in a statement's plan from the one before. Pure.

use std::collections::BTreeMap;

use super::finding::{Finding, Severity};
use super::plan::{Node, Plan};
use super::words::count;

/// Differences that are told one by one.
const TOLD_MAX: usize = 5;

/// The finding that a plan is another one than the one before.
pub(crate) fn changed(before: &Plan, now: &Plan) -> Finding {
    let (old, new) = (ways(before), ways(now));
    let gone = |key: &&String| !new.contains_key(*key);
    let mut differences: Vec<String> = new
        .iter()
        .filter(|(key, way)| old.get(*key) != Some(way))
        .map(|(key, way)| match old.get(key) {
            Some(was) => format!("{key}: {was} became {way}"),
            None => format!("{key}: {way} is new"),
        })
        .chain(old.keys().filter(gone).map(|key| format!("{key} is gone")))
        .collect();
    if differences.is_empty() {
        differences.push("the same steps in another order".to_owned());
    }
    let more = differences.len().saturating_sub(TOLD_MAX);
    differences.truncate(TOLD_MAX);
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    let text = format!(
        "the plan changed: {}{more}; its cost was {} and is {}",
        differences.join("; "),
        count(before.total_cost()),
        count(now.total_cost())
    );
    let hint = "if the statement became slower with it, look at what changed at that time: statistics, an index, a setting, \
                the size of a table";
    Finding::whole("plan-changed", Severity::Warning, text, hint.to_owned())
        .figures([("cost_before", before.total_cost()), ("cost_now", now.total_cost())])
}

/// By which way each table is reached, and which joins there are.
fn ways(plan: &Plan) -> BTreeMap<String, String> {
    let mut ways = BTreeMap::new();
    for node in &plan.nodes {
        if !node.relation().is_empty() && node.kind() != "ModifyTable" {
            let alias = node.word("Alias");
            let name = if alias.is_empty() { node.relation() } else { alias };
            add(
                &mut ways,
                format!("{} ({name})", node.qualified_relation()),
                way(plan, node),
            );
        } else if is_join(node) {
            add(&mut ways, "joins".to_owned(), node.title());
        }
    }
    ways
}

fn add(ways: &mut BTreeMap<String, String>, key: String, way: String) {
    let known = ways.entry(key).or_default();
    if !known.is_empty() {
        known.push_str(" + ");
    }
    known.push_str(&way);
}

fn is_join(node: &Node) -> bool {
    matches!(node.kind(), "Nested Loop" | "Hash Join" | "Merge Join")
}

fn way(plan: &Plan, node: &Node) -> String {
    let index = plan
        .below(node)
        .map(|below| below.word("Index Name"))
        .find(|index| !index.is_empty());
    let parallel = if node.flag("Parallel Aware") { "Parallel " } else { "" };
    match index {
        Some(index) => format!("{parallel}{} using {index}", node.kind()),
        None => format!("{parallel}{}", node.kind()),
    }
}
