//! A plan as PostgreSQL writes it for people. Pure.
//!
//! Written from the tree and not asked for a second time: an EXPLAIN ANALYZE that is run again has other figures, and
//! does the statement's work again. Lists of output columns are left out.

use std::fmt::Write as _;

use serde_json::Value;

use super::plan::{Node, Plan};

/// Properties that are told in the node's own line, or in a line of their own making, or not at all.
const OTHERWISE: [&str; 53] = [
    "Node Type",
    "Parent Relationship",
    "Subplan Name",
    "Parallel Aware",
    "Async Capable",
    "Operation",
    "Strategy",
    "Partial Mode",
    "Join Type",
    "Schema",
    "Relation Name",
    "Alias",
    "Index Name",
    "Function Name",
    "CTE Name",
    "Table Function Name",
    "Tuplestore Name",
    "Scan Direction",
    "Startup Cost",
    "Total Cost",
    "Plan Rows",
    "Plan Width",
    "Actual Startup Time",
    "Actual Total Time",
    "Actual Rows",
    "Actual Loops",
    "Output",
    "Workers",
    "Single Copy",
    "Disabled",
    "Sort Method",
    "Sort Space Used",
    "Sort Space Type",
    "Hash Buckets",
    "Original Hash Buckets",
    "Hash Batches",
    "Original Hash Batches",
    "Peak Memory Usage",
    "HashAgg Batches",
    "Planned Partitions",
    "Disk Usage",
    "Exact Heap Blocks",
    "Lossy Heap Blocks",
    "Full-sort Groups",
    "Pre-sorted Groups",
    "Command",
    "Custom Plan Provider",
    "Storage",
    "Maximum Storage",
    "Cache Hits",
    "Cache Misses",
    "Cache Evictions",
    "Cache Overflows",
];
/// Blocks of each kind, in the order of the text.
const BLOCKS: [&str; 4] = ["Hit", "Read", "Dirtied", "Written"];

/// The whole plan.
pub(crate) fn text(plan: &Plan) -> String {
    let mut text = String::new();
    let mut indents: Vec<usize> = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let above = node
            .parent
            .and_then(|parent| indents.get(parent))
            .copied()
            .unwrap_or_default();
        indents.push(write_node(&mut text, node, above, plan.was_executed()));
    }
    if !plan.settings.is_empty() {
        let settings = plan.settings.iter().map(|(name, value)| format!("{name} = '{value}'"));
        line(
            &mut text,
            0,
            &format!("Settings: {}", settings.collect::<Vec<_>>().join(", ")),
        );
    }
    for (name, ms) in [
        ("Planning Time", plan.planning_ms),
        ("Execution Time", plan.execution_ms),
    ] {
        if name == "Execution Time" {
            write_whole(&mut text, plan);
        }
        if let Some(ms) = ms {
            line(&mut text, 0, &format!("{name}: {ms:.3} ms"));
        }
    }
    text.trim_end().to_owned()
}

fn write_whole(text: &mut String, plan: &Plan) {
    for trigger in &plan.triggers {
        let what = if trigger.of_constraint {
            "Trigger for constraint"
        } else {
            "Trigger"
        };
        let (name, time, calls) = (&trigger.name, trigger.time_ms, trigger.calls);
        line(text, 0, &format!("{what} {name}: time={time:.3} calls={calls}"));
    }
    if plan.jit_functions > 0.0 {
        let total = plan.jit_ms.map(|ms| format!(", {ms:.3} ms in all")).unwrap_or_default();
        line(text, 0, &format!("JIT: {} functions{total}", plan.jit_functions));
    }
}

fn line(text: &mut String, indent: usize, what: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:indent$}{what}", "");
}

/// Writes a node behind so many spaces, and says behind how many its own lines and its children stand.
fn write_node(text: &mut String, node: &Node, above: usize, executed: bool) -> usize {
    let subplan = node.word("Subplan Name");
    let arrow = if subplan.is_empty() { above } else { above + 2 };
    if !subplan.is_empty() {
        line(text, above, subplan);
    }
    let (lead, below) = if node.parent.is_none() {
        ("", 2)
    } else {
        ("->  ", arrow + 6)
    };
    line(
        text,
        arrow,
        &format!("{lead}{}{}", node.title(), figures(node, executed)),
    );
    let lines = [
        sort(node),
        hash(node),
        aggregate(node),
        memoized(node),
        storage(node),
        heap(node),
        buffers(node),
    ];
    let told = node.properties.iter().filter_map(|(key, value)| property(key, value));
    for property in told.chain(lines.into_iter().flatten()) {
        line(text, below, &property);
    }
    below
}

fn figures(node: &Node, executed: bool) -> String {
    let (first, total) = (node.amount("Startup Cost"), node.total_cost());
    let (rows, width) = (node.estimated_rows(), node.width());
    let estimated = format!("  (cost={first:.2}..{total:.2} rows={rows} width={width})");
    if !executed {
        return estimated;
    }
    let Some(rows) = node.actual_rows() else {
        return format!("{estimated} (never executed)");
    };
    let loops = node.loops();
    let times = node.number("Actual Startup Time").zip(node.number("Actual Total Time"));
    let times = times
        .map(|(first, total)| format!("time={first:.3}..{total:.3} "))
        .unwrap_or_default();
    format!("{estimated} (actual {times}rows={rows} loops={loops})")
}

fn property(key: &str, value: &Value) -> Option<String> {
    let blocks = key.ends_with(" Blocks") || key.ends_with(" Time");
    if OTHERWISE.contains(&key) || blocks {
        return None;
    }
    let written = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if key.contains(" Removed") && number.as_f64() == Some(0.0) => return None,
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.then(|| "true".to_owned())?,
        Value::Array(list) => list.iter().map(plain).collect::<Option<Vec<_>>>()?.join(", "),
        Value::Null | Value::Object(_) => return None,
    };
    Some(format!("{key}: {written}"))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn sort(node: &Node) -> Option<String> {
    let method = node.get("Sort Method")?.as_str()?;
    let (space, used) = (node.word("Sort Space Type"), node.amount("Sort Space Used"));
    Some(format!("Sort Method: {method}  {space}: {used}kB"))
}

fn hash(node: &Node) -> Option<String> {
    let number = |key: &str| node.number(key);
    let (buckets, batches) = (number("Hash Buckets")?, number("Hash Batches")?);
    let original = |key: &str, now: f64| {
        let was = number(key).filter(|was| (was - now).abs() > 0.5);
        was.map(|was| format!(" (originally {was})")).unwrap_or_default()
    };
    Some(format!(
        "Buckets: {buckets}{}  Batches: {batches}{}  Memory Usage: {}kB",
        original("Original Hash Buckets", buckets),
        original("Original Hash Batches", batches),
        node.amount("Peak Memory Usage")
    ))
}

fn aggregate(node: &Node) -> Option<String> {
    let batches = node.number("HashAgg Batches")?;
    let disk = node.number("Disk Usage").filter(|disk| *disk > 0.0);
    let disk = disk.map(|disk| format!("  Disk Usage: {disk}kB")).unwrap_or_default();
    let memory = node.amount("Peak Memory Usage");
    Some(format!("Batches: {batches}  Memory Usage: {memory}kB{disk}"))
}

fn memoized(node: &Node) -> Option<String> {
    let misses = node.number("Cache Misses").filter(|misses| *misses > 0.0)?;
    let [hits, evictions, overflows] =
        ["Hits", "Evictions", "Overflows"].map(|what| node.amount(&format!("Cache {what}")));
    let memory = node.amount("Peak Memory Usage");
    Some(format!(
        "Hits: {hits}  Misses: {misses}  Evictions: {evictions}  Overflows: {overflows}  Memory Usage: {memory}kB"
    ))
}

fn storage(node: &Node) -> Option<String> {
    let (kind, most) = (node.get("Storage")?.as_str()?, node.number("Maximum Storage")?);
    Some(format!("Storage: {kind}  Maximum Storage: {most}kB"))
}

/// `name=value` of what is there, behind a heading.
fn pairs(heading: &str, pairs: impl Iterator<Item = (String, f64)>) -> Option<String> {
    let there: Vec<String> = pairs
        .filter(|(_, value)| *value > 0.0)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    (!there.is_empty()).then(|| format!("{heading}{}", there.join(" ")))
}

fn heap(node: &Node) -> Option<String> {
    let blocks = ["Exact", "Lossy"].map(|kind| (kind.to_lowercase(), node.amount(&format!("{kind} Heap Blocks"))));
    pairs("Heap Blocks: ", blocks.into_iter())
}

fn buffers(node: &Node) -> Option<String> {
    let of = |place: &str| {
        let blocks = BLOCKS.map(|kind| (kind.to_lowercase(), node.amount(&format!("{place} {kind} Blocks"))));
        pairs(&format!("{} ", place.to_lowercase()), blocks.into_iter())
    };
    let places: Vec<String> = ["Shared", "Local", "Temp"].into_iter().filter_map(of).collect();
    (!places.is_empty()).then(|| format!("Buffers: {}", places.join(", ")))
}
