//! Nested loops whose inner side is run too often. Pure.

use super::finding::{Case, Finding, Severity};
use super::plan::Node;
use super::words::{count, duration};

const SLUG: &str = "nested-loop-repeats";
/// Fewer repetitions than these are what a nested loop is for.
const LOOPS_MIN: f64 = 100.0;
/// A side that takes less than this part of the time, or of the cost, is not what is slow.
const SHARE_MIN: f64 = 0.5;
/// An execution shorter than this is not slow.
const EXECUTION_MS_MIN: f64 = 10.0;
/// The outer side was taken for this much smaller than it is.
const UNDERESTIMATED_FACTOR: f64 = 10.0;
/// Rows that an inner side without an index touches in all loops.
const TOUCHED_MIN: f64 = 1_000_000.0;

pub(super) fn find(case: &Case<'_>) -> Vec<Finding> {
    let joins = case.plan.nodes.iter().filter(|node| node.kind() == "Nested Loop");
    joins
        .filter_map(|join| {
            let (outer, inner) = (case.plan.child(join, "Outer")?, case.plan.child(join, "Inner")?);
            if case.plan.was_executed() {
                measured(case, join, outer, inner)
            } else {
                expected(case, join, outer, inner)
            }
        })
        .collect()
}

fn measured(case: &Case<'_>, join: &Node, outer: &Node, inner: &Node) -> Option<Finding> {
    let (loops, ms) = (inner.loops(), case.measures.inclusive_ms(inner));
    let long = case.plan.execution_ms? >= EXECUTION_MS_MIN;
    // Comparing each row with all of the other side is the join's own work, not its inner side's.
    let whole_ms = ms + case.measures.exclusive_ms(join);
    let weighs = case.share(whole_ms).is_none_or(|share| share >= SHARE_MIN);
    if loops < LOOPS_MIN || !long || !weighs {
        return None;
    }
    let expected = outer.estimated_rows() * outer.loops();
    let underestimated = loops >= UNDERESTIMATED_FACTOR * expected.max(1.0);
    let touched = rows_touched(case, inner) * loops;
    if !underestimated && touched < TOUCHED_MIN {
        return None;
    }
    let (why, hint) = reason(underestimated, expected);
    let text = format!(
        "{} ran its inner side, {}, {} times, which with the comparisons took {}{why}",
        join.title(),
        inner.title(),
        count(loops),
        duration(whole_ms)
    );
    let finding = Finding::of(SLUG, Severity::Warning, join, text, hint);
    Some(finding.figures([
        ("loops", loops),
        ("expected_loops", expected),
        ("inner_ms", whole_ms),
        ("rows_touched", touched),
    ]))
}

fn reason(underestimated: bool, expected: f64) -> (String, String) {
    if underestimated {
        let why = format!("; it was expected to run {} times", count(expected));
        let hint = "the outer side returns more rows than expected: what is said of its estimate comes first, for with a \
                    right one the planner would choose a hash join";
        (why, hint.to_owned())
    } else {
        let hint = "an index on the inner side's join columns makes each loop short; where the condition is an equality, a \
                    hash join would read that side once";
        (", and no index narrows it".to_owned(), hint.to_owned())
    }
}

/// Rows that one loop of a side reads without the help of an index.
fn rows_touched(case: &Case<'_>, side: &Node) -> f64 {
    let reads_all = |node: &Node| {
        matches!(
            node.kind(),
            "Seq Scan" | "Materialize" | "CTE Scan" | "Function Scan" | "Values Scan" | "WorkTable Scan"
        )
    };
    let rows = |node: &Node| node.actual_rows().unwrap_or_default() + node.amount("Rows Removed by Filter");
    let every_time = |node: &&Node| node.loops() >= side.loops();
    let nodes = case.plan.below(side).filter(every_time);
    nodes.filter(|node| reads_all(node)).map(rows).fold(0.0, f64::max)
}

/// Without an execution: a whole table read for every row of the outer side, and most of the cost spent on that.
fn expected(case: &Case<'_>, join: &Node, outer: &Node, inner: &Node) -> Option<Finding> {
    let loops = outer.estimated_rows();
    let cost = inner.total_cost() * loops;
    let rows = case.facts.table(inner)?.rows;
    let blows_up = inner.kind() == "Seq Scan" && loops >= LOOPS_MIN && loops * rows >= TOUCHED_MIN;
    if !blows_up || cost < SHARE_MIN * case.plan.total_cost() {
        return None;
    }
    let text = format!(
        "{} is expected to run its inner side, {}, {} times, each time reading {} rows",
        join.title(),
        inner.title(),
        count(loops),
        count(rows)
    );
    let (_, hint) = reason(false, loops);
    let finding = Finding::of(SLUG, Severity::Info, join, text, hint);
    Some(finding.figures([("loops", loops), ("rows_touched", loops * rows)]))
}
