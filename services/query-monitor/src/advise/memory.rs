//! Work that does not fit into the memory it may have. Pure.

use serde_json::Value;

use super::facts::Facts;
use super::finding::{Case, Finding, Severity};
use super::plan::Node;
use super::words::{count, memory_setting, size};

/// A row in memory is larger than on disk: its header, and its place in the list.
const ROW_OVERHEAD_BYTES: f64 = 40.0;
/// What is written to disk is packed more tightly than what lies in memory.
const DISK_TO_MEMORY: f64 = 2.5;
/// An entry of a bitmap that knows each row of a page.
const BITMAP_BYTES_PER_PAGE: f64 = 72.0;
/// So much more than what is there must be expected before an estimate is worth a word.
const EXPECTED_FACTOR: f64 = 2.0;
/// Fewer blocks of temporary files, of 8 kB each, are not worth a word.
const TEMP_BLOCKS_MIN: f64 = 128.0;

pub(super) fn find(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for node in &case.plan.nodes {
        findings.extend(match node.kind() {
            "Sort" | "Incremental Sort" => sort(case, node),
            "Hash" => hash(case, node),
            "Aggregate" => aggregate(case, node),
            "Bitmap Heap Scan" => bitmap(case, node),
            _ => None,
        });
    }
    let told: Vec<usize> = findings.iter().filter_map(|finding: &Finding| finding.node).collect();
    let files = case.plan.nodes.iter().filter_map(|node| temporary(case, node, &told));
    findings.extend(files.collect::<Vec<_>>());
    findings
}

fn kb_of_rows(rows: f64, node: &Node) -> f64 {
    rows * (node.width() + ROW_OVERHEAD_BYTES) / 1024.0
}

fn limit(kb: Option<f64>) -> String {
    kb.map(|kb| format!(" (now {})", size(kb))).unwrap_or_default()
}

fn more_memory(what: &str, needed_kb: f64, facts: &Facts) -> String {
    format!(
        "work_mem of about {} would hold it{}; {what}",
        memory_setting(needed_kb),
        limit(facts.work_mem_kb)
    )
}

/// KiB of disk that a sort took in each process that did not find room.
fn sorted_on_disk(node: &Node) -> Vec<f64> {
    let workers = node.get("Workers").and_then(Value::as_array).into_iter().flatten();
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_f64);
    let worker = |worker: &Value| {
        let on_disk = worker.get("Sort Space Type").and_then(Value::as_str) == Some("Disk");
        number(worker, "Sort Space Used").filter(|_| on_disk)
    };
    let own = (node.word("Sort Space Type") == "Disk").then(|| node.amount("Sort Space Used"));
    let groups = ["Full-sort Groups", "Pre-sorted Groups"]
        .into_iter()
        .filter_map(|key| node.get(key));
    let of_groups = groups.filter_map(|group| number(group.get("Sort Space Disk")?, "Peak Sort Space Used"));
    own.into_iter()
        .chain(workers.filter_map(worker))
        .chain(of_groups)
        .collect()
}

fn sort(case: &Case<'_>, node: &Node) -> Option<Finding> {
    const SLUG: &str = "sort-spills";
    let advice = "an index in this order, or a LIMIT, spares the sort";
    if !case.plan.was_executed() {
        return expected(case, node, SLUG, case.facts.work_mem_kb, advice);
    }
    let disk = sorted_on_disk(node);
    let (most, all) = (disk.iter().copied().fold(0.0, f64::max), disk.iter().sum::<f64>());
    if most <= 0.0 {
        return None;
    }
    let needed = (most * DISK_TO_MEMORY).max(kb_of_rows(node.actual_rows().unwrap_or_default(), node));
    let in_processes = if disk.len() > 1 {
        format!(" in {} processes", disk.len())
    } else {
        String::new()
    };
    let text = format!(
        "{} did not fit into memory and took {} of disk{in_processes}",
        node.title(),
        size(all)
    );
    let hint = more_memory(advice, needed, case.facts);
    let finding = Finding::of(SLUG, Severity::Warning, node, text, hint);
    Some(finding.figures([("disk_kb", all), ("work_mem_needed_kb", needed)]))
}

fn hash(case: &Case<'_>, node: &Node) -> Option<Finding> {
    const SLUG: &str = "hash-spills";
    let advice = "hash_mem_multiplier gives it to hashes alone, and fewer columns or rows on this side need less";
    if !case.plan.was_executed() {
        return expected(case, node, SLUG, case.facts.hash_mem_kb(), advice);
    }
    let batches = node.amount("Hash Batches");
    if batches <= 1.0 {
        return None;
    }
    let needed = batches * node.amount("Peak Memory Usage");
    let grown = node.amount("Original Hash Batches");
    let grew = if grown > 0.0 && grown < batches {
        format!(", {} of them planned", count(grown))
    } else {
        String::new()
    };
    let text = format!(
        "{} did not fit into memory and was split into {} batches{grew}, all but one of them by way of disk",
        node.title(),
        count(batches)
    );
    let for_sorts = needed / case.facts.hash_mem_multiplier.unwrap_or(1.0);
    let hint = more_memory(advice, for_sorts, case.facts);
    let finding = Finding::of(SLUG, Severity::Warning, node, text, hint);
    Some(finding.figures([("batches", batches), ("memory_needed_kb", needed)]))
}

fn aggregate(case: &Case<'_>, node: &Node) -> Option<Finding> {
    let workers = node.get("Workers").and_then(Value::as_array).into_iter().flatten();
    let of_worker = |worker: &Value| worker.get("Disk Usage").and_then(Value::as_f64).unwrap_or_default();
    let disk = node.amount("Disk Usage") + workers.map(of_worker).sum::<f64>();
    if disk <= 0.0 {
        return None;
    }
    let peak = node.amount("Peak Memory Usage");
    let needed = peak + disk * DISK_TO_MEMORY;
    let text = format!(
        "{} did not fit into memory and took {} of disk",
        node.title(),
        size(disk)
    );
    let for_sorts = needed / case.facts.hash_mem_multiplier.unwrap_or(1.0);
    let advice =
        "hash_mem_multiplier gives it to hashes alone, and input in the order of the groups needs next to none";
    let hint = more_memory(advice, for_sorts, case.facts);
    let finding = Finding::of("aggregate-spills", Severity::Warning, node, text, hint);
    Some(finding.figures([("disk_kb", disk), ("memory_needed_kb", needed)]))
}

/// Without an execution there is only what the planner expects of the rows.
fn expected(case: &Case<'_>, node: &Node, slug: &'static str, room_kb: Option<f64>, advice: &str) -> Option<Finding> {
    let needed = kb_of_rows(node.estimated_rows(), node);
    let bounded = case.plan.parent(node).is_some_and(|parent| parent.kind() == "Limit");
    if needed < EXPECTED_FACTOR * room_kb? || bounded {
        return None;
    }
    let text = format!(
        "{} is expected to need {} of memory, more than it may have, and to spill to disk",
        node.title(),
        size(needed)
    );
    let hint = more_memory(advice, needed, case.facts);
    let finding = Finding::of(slug, Severity::Info, node, text, hint);
    Some(finding.figures([("memory_needed_kb", needed)]))
}

fn bitmap(case: &Case<'_>, node: &Node) -> Option<Finding> {
    let workers = node.get("Workers").and_then(Value::as_array).into_iter().flatten();
    let of_workers: f64 = workers
        .filter_map(|worker| worker.get("Lossy Heap Blocks").and_then(Value::as_f64))
        .sum();
    let (lossy, exact) = (
        node.amount("Lossy Heap Blocks") + of_workers,
        node.amount("Exact Heap Blocks"),
    );
    if lossy <= 0.0 {
        return None;
    }
    let rechecked = node.amount("Rows Removed by Index Recheck") * node.loops();
    let needed = (lossy + exact) * BITMAP_BYTES_PER_PAGE / 1024.0;
    let text = format!(
        "the bitmap of {} did not fit into memory: of {} pages it knew only that some row may match, and {} rows were \
         looked at for nothing",
        node.title(),
        count(lossy),
        count(rechecked)
    );
    let hint = more_memory("an index that finds fewer rows needs less", needed, case.facts);
    let finding = Finding::of("bitmap-lossy", Severity::Warning, node, text, hint);
    Some(finding.figures([
        ("lossy_blocks", lossy),
        ("exact_blocks", exact),
        ("rows_rechecked", rechecked),
    ]))
}

/// Temporary files that nothing else was said of: what is kept to be read again.
fn temporary(case: &Case<'_>, node: &Node, told: &[usize]) -> Option<Finding> {
    let blocks = case.measures.own_temp_blocks(node);
    // The batches of a hash join are its own files, and it is the hash that did not fit.
    let explained = told.contains(&node.id) || node.children.iter().any(|child| told.contains(child));
    if blocks < TEMP_BLOCKS_MIN || explained {
        return None;
    }
    let text = format!("{} used {} of temporary files", node.title(), size(blocks * 8.0));
    let advice = "a statement that keeps fewer rows to read them again needs none";
    let hint = more_memory(advice, blocks * 8.0 * DISK_TO_MEMORY / 2.0, case.facts);
    let finding = Finding::of("temporary-files", Severity::Warning, node, text, hint);
    Some(finding.figures([("temp_blocks", blocks)]))
}
