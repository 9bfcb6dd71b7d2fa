//! Alerts that fire or are about to. Pure.

use weir_proto::common::v1::Severity;
use weir_proto::monitor::v1::{Alert, AlertState};

use super::super::state::State;
use super::super::table::{Cell, Column, Row, Table, figures, rest, words};
use super::super::units::{seconds_since, span};
use crate::text::clean;

const COLUMNS: &[Column] = &[
    words("SEVERITY", 9, 0),
    figures("SINCE", 0),
    words("STATE", 12, 1),
    words("RULE", 28, 2),
    rest("SUMMARY", 24),
];

pub(in super::super) fn table(state: &State) -> Table {
    let row = |alert| row(alert, state.now_ms);
    Table {
        columns: COLUMNS,
        rows: state.known.alerts.iter().map(row).collect(),
    }
}

pub(in super::super) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Unspecified => "-",
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

const fn standing(alert: &Alert) -> &'static str {
    if !alert.silenced_by.is_empty() {
        return "silenced";
    }
    if !alert.inhibited_by.is_empty() {
        return "inhibited";
    }
    if !alert.acknowledged_by.is_empty() {
        return "looked after";
    }
    if alert.flapping { "flapping" } else { "firing" }
}

fn row(alert: &Alert, now_ms: i64) -> Row {
    let state = if alert.state() == AlertState::Pending {
        "pending"
    } else {
        standing(alert)
    };
    let labels = alert.labels.iter().map(|(name, value)| format!("{name}={value}"));
    let labels = labels.collect::<Vec<_>>().join(" ");
    Row {
        id: alert.id.clone(),
        cells: vec![
            // The graver, the greater.
            Cell {
                number: Some(f64::from(alert.severity)),
                ..Cell::word(severity(alert.severity()))
            },
            Cell::figure(seconds_since(alert.since_unix_ms, now_ms), span),
            Cell::word(state),
            Cell::text(&alert.rule),
            Cell::text(&alert.summary),
        ],
        details: vec![
            ("id", clean(&alert.id)),
            ("value", format!("{} (bound {})", alert.value, alert.threshold)),
            ("labels", clean(&labels)),
            ("fingerprint", clean(&alert.fingerprint)),
            (
                "looked after by",
                clean(&format!("{} {}", alert.acknowledged_by, alert.acknowledged_note)),
            ),
            ("what to do", clean(&alert.runbook)),
        ],
        is_fixed: false,
    }
}
