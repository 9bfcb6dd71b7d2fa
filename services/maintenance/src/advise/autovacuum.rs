//! When autovacuum comes to a table, and tables to which it never does. Pure.

use std::collections::BTreeMap;

use super::advice::{Activation, Advice, Confidence, Impact, Object, Proposal};
use super::facts::{Facts, Table};
use super::report::Report;
use super::words::count;

/// How many rows have to change before autovacuum comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Thresholds {
    pub(super) vacuum: f64,
    pub(super) vacuum_base: f64,
    pub(super) vacuum_scale: f64,
    pub(super) insert: f64,
    pub(super) insert_scale: f64,
    pub(super) analyze: f64,
    pub(super) analyze_scale: f64,
}

/// From the options of a table, or else from the server's settings. A TOAST table is never analysed.
pub(super) fn thresholds(facts: &Facts, options: &BTreeMap<String, String>, rows: f64, is_toast: bool) -> Thresholds {
    let value = |name: &str| {
        let own = options.get(name).and_then(|value| value.parse().ok());
        own.unwrap_or_else(|| facts.number(name))
    };
    let vacuum_base = value("autovacuum_vacuum_threshold");
    let vacuum_scale = value("autovacuum_vacuum_scale_factor");
    let insert_scale = value("autovacuum_vacuum_insert_scale_factor");
    let analyze_scale = value("autovacuum_analyze_scale_factor");
    let cap = match value("autovacuum_vacuum_max_threshold") {
        cap if facts.version >= 180_000 && cap >= 0.0 => cap,
        _ => f64::MAX,
    };
    let analyze = value("autovacuum_analyze_threshold") + analyze_scale * rows;
    Thresholds {
        vacuum: (vacuum_base + vacuum_scale * rows).min(cap),
        vacuum_base,
        vacuum_scale,
        insert: value("autovacuum_vacuum_insert_threshold") + insert_scale * rows,
        insert_scale,
        analyze: if is_toast { f64::MAX } else { analyze },
        analyze_scale,
    }
}

/// Whether the text of a boolean option says no.
fn is_no(value: &str) -> bool {
    ["false", "off", "no", "0", "f", "n", "of", "fa"].contains(&value.to_ascii_lowercase().as_str())
}

/// Tables that autovacuum passes by. That an operator said so does not make it harmless.
pub(super) fn find(facts: &Facts, table: &Table, report: &mut Report) {
    let object = Object::table(&facts.database, &table.name);
    let option = "autovacuum_enabled";
    if table.options.get(option).is_some_and(|value| is_no(value)) {
        report.add(enable(
            "table-autovacuum-off",
            &object,
            option,
            table.options.get(option),
            table.counters.get("dead"),
        ));
    }
    let Some(toast) = &table.toast else { return };
    if toast.options.get(option).is_some_and(|value| is_no(value)) {
        let dead = toast.counters.get("dead");
        let option_of_toast = format!("toast.{option}");
        report.add(enable(
            "toast-autovacuum-off",
            &object,
            &option_of_toast,
            toast.options.get(option),
            dead,
        ));
    }
}

fn enable(kind: &'static str, object: &Object, option: &str, current: Option<&String>, dead: f64) -> Advice {
    let reason = format!(
        "{option} is off for it: its {} dead rows stay until somebody vacuums it, its statistics grow old, and it is only frozen when the server is about to run out of transaction numbers",
        count(dead)
    );
    let proposal = Proposal {
        option: option.to_owned(),
        current: current.cloned(),
        proposed: None,
        activation: Activation::Immediate,
    };
    let summary = format!("let autovacuum look after {object} again");
    Advice::note(
        kind,
        object.clone(),
        Impact::Danger,
        Confidence::Measured,
        summary,
        reason,
    )
    .proposing(proposal)
}
