//! An alert as its event and its notice say it. Translates, decides nothing.

use weir_events::{Event, monitor};
use weir_model::Clock;
use weir_proto::common::v1::Severity as Wire;
use weir_proto::events::v1::{AlertFiring, AlertResolved};

use super::{Notice, NoticeState};
use crate::detect::{Alert, Severity, Told};

/// What the bus is told.
pub(super) fn event(alert: &Alert, told: Told, clock: &Clock) -> Event {
    match told {
        Told::Firing => monitor::alert_firing(&alert.project, &firing(alert), clock),
        Told::Resolved => monitor::alert_resolved(&alert.project, &resolved(alert), clock),
    }
}

fn firing(alert: &Alert) -> AlertFiring {
    AlertFiring {
        id: alert.id.to_string(),
        rule: alert.rule.to_string(),
        severity: wire(alert.severity).into(),
        project: alert.project.to_string(),
        labels: alert.labels.clone(),
        summary: alert.summary.clone(),
        value: alert.value,
        threshold: alert.threshold,
        since_unix_ms: alert.since_unix_ms,
        fingerprint: fingerprint(alert),
        runbook: alert.runbook.clone(),
        traceparent: alert.traceparent.clone(),
    }
}

fn resolved(alert: &Alert) -> AlertResolved {
    AlertResolved {
        id: alert.id.to_string(),
        rule: alert.rule.to_string(),
        project: alert.project.to_string(),
        labels: alert.labels.clone(),
        since_unix_ms: alert.since_unix_ms,
        resolved_unix_ms: alert.resolved_unix_ms,
        fingerprint: fingerprint(alert),
    }
}

/// What channels are told.
pub(super) fn notice(alert: &Alert, told: Told) -> Notice {
    Notice {
        alert_id: alert.id.to_string(),
        key: alert.key.to_string(),
        // A storm of one rule over a thousand statements is one notification.
        group: format!("{}:{}", alert.rule, alert.project),
        state: match told {
            Told::Firing => NoticeState::Firing,
            Told::Resolved => NoticeState::Resolved,
        },
        rule: alert.rule.to_string(),
        severity: alert.severity.as_str().to_owned(),
        project: alert.project.to_string(),
        labels: alert.labels.clone(),
        summary: alert.summary.clone(),
        value: alert.value,
        threshold: alert.threshold,
        since_unix_ms: alert.since_unix_ms,
        resolved_unix_ms: alert.resolved_unix_ms,
        fingerprint: fingerprint(alert),
        runbook: alert.runbook.clone(),
        traces: alert.traces.clone(),
    }
}

fn fingerprint(alert: &Alert) -> String {
    alert.fingerprint.map(|print| print.to_string()).unwrap_or_default()
}

/// A severity as the protocol has it.
pub(super) const fn wire(severity: Severity) -> Wire {
    match severity {
        Severity::Info => Wire::Info,
        Severity::Warning => Wire::Warning,
        Severity::Critical => Wire::Critical,
    }
}
