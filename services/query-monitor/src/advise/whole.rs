//! What concerns the execution as a whole: compilation, triggers, workers. Pure.

use super::finding::{Case, Finding, Severity};
use super::plan::{Node, Trigger};
use super::words::{count, duration};

/// The part of an execution that compiling may take.
const JIT_SHARE_MAX: f64 = 0.4;
/// The part that triggers may take.
const TRIGGER_SHARE_MAX: f64 = 0.3;
/// Shorter times than these are not worth a word.
const MS_MIN: f64 = 10.0;

pub(super) fn find(case: &Case<'_>) -> Vec<Finding> {
    let workers = case.plan.nodes.iter().filter_map(workers);
    compilation(case)
        .into_iter()
        .chain(triggers(case))
        .chain(workers)
        .collect()
}

fn compilation(case: &Case<'_>) -> Option<Finding> {
    let (ms, whole) = (case.plan.jit_ms?, case.plan.execution_ms?);
    if ms < MS_MIN || ms < JIT_SHARE_MAX * whole {
        return None;
    }
    let text = format!(
        "compiling {} functions took {} of the {} that the execution took",
        count(case.plan.jit_functions),
        duration(ms),
        duration(whole)
    );
    let hint = "jit = off for this statement, or a higher jit_above_cost; an estimate that is far too high makes the planner \
                compile what is not worth it";
    let finding = Finding::whole("jit-dominates", Severity::Warning, text, hint.to_owned());
    Some(finding.figures([("jit_ms", ms), ("execution_ms", whole)]))
}

fn triggers(case: &Case<'_>) -> Vec<Finding> {
    let Some(whole) = case.plan.execution_ms else {
        return Vec::new();
    };
    let slow = |trigger: &&Trigger| trigger.time_ms >= MS_MIN && trigger.time_ms >= TRIGGER_SHARE_MAX * whole;
    let finding = |trigger: &Trigger| {
        let what = if trigger.of_constraint {
            "the constraint"
        } else {
            "the trigger"
        };
        let on = match trigger.relation.as_str() {
            "" => String::new(),
            relation => format!(" on {relation}"),
        };
        let text = format!(
            "{what} {}{on} took {} in {} calls, of {} in all",
            trigger.name,
            duration(trigger.time_ms),
            count(trigger.calls),
            duration(whole)
        );
        let hint = if trigger.of_constraint {
            "an index on the columns that refer to the changed table makes each check short"
        } else {
            "look at what the trigger does for every row; one for each statement may do"
        };
        Finding::whole("triggers-dominate", Severity::Warning, text, hint.to_owned()).figures([
            ("trigger_ms", trigger.time_ms),
            ("calls", trigger.calls),
            ("execution_ms", whole),
        ])
    };
    case.plan.triggers.iter().filter(slow).map(finding).collect()
}

fn workers(node: &Node) -> Option<Finding> {
    let (planned, launched) = (node.number("Workers Planned")?, node.number("Workers Launched")?);
    if launched >= planned || node.loops() == 0.0 {
        return None;
    }
    let text = format!(
        "{} was planned with {} workers and had {}",
        node.title(),
        count(planned),
        count(launched)
    );
    let hint = "all workers of the server were taken: max_parallel_workers and max_worker_processes bound them";
    let finding = Finding::of("workers-missing", Severity::Warning, node, text, hint.to_owned());
    Some(finding.figures([("planned", planned), ("launched", launched)]))
}
