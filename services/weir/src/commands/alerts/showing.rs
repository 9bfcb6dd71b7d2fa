//! Alerts and what belongs to them, as people and programs read it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use weir_proto::common::v1::Severity;
use weir_proto::monitor::v1 as api;

use crate::terminal::{Failure, Listing, moment, say, say_json, shortened};

/// As much of an id is enough to name it.
const ID_SHOWN: usize = 13;

pub(super) fn alerts(alerts: &[api::Alert], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({ "alerts": alerts.iter().map(alert_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(&["ID", "SINCE", "SEVERITY", "STATE", "RULE", "SUMMARY"], "no alerts");
    for alert in alerts {
        listing.row([
            alert.id.chars().take(ID_SHOWN).collect(),
            moment(alert.since_unix_ms),
            severity(alert.severity()).to_owned(),
            word(alert),
            alert.rule.clone(),
            alert.summary.clone(),
        ]);
    }
    listing.say()
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Unspecified => "-",
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// How an alert stands, with who looks after it or why nobody is told.
pub(in crate::commands) fn word(alert: &api::Alert) -> String {
    let more = [
        (!alert.acknowledged_by.is_empty()).then(|| format!("{} looks after it", alert.acknowledged_by)),
        (!alert.silenced_by.is_empty()).then(|| "silenced".to_owned()),
        alert.flapping.then(|| "flapping".to_owned()),
    ];
    let more: Vec<String> = more.into_iter().flatten().collect();
    let state = match alert.state() {
        api::AlertState::Resolved => return format!("resolved {}", moment(alert.resolved_unix_ms)),
        state => state_word(state),
    };
    if more.is_empty() {
        state.to_owned()
    } else {
        format!("{state}, {}", more.join(", "))
    }
}

const fn state_word(state: api::AlertState) -> &'static str {
    match state {
        api::AlertState::Firing => "firing",
        api::AlertState::Pending => "pending",
        api::AlertState::Resolved => "resolved",
        api::AlertState::Unspecified => "-",
    }
}

pub(in crate::commands) fn alert_json(alert: &api::Alert) -> Json {
    json!({
        "id": alert.id,
        "rule": alert.rule,
        "severity": severity(alert.severity()),
        "state": state_word(alert.state()),
        "project": alert.project,
        "summary": alert.summary,
        "value": alert.value,
        "threshold": alert.threshold,
        "since_unix_ms": alert.since_unix_ms,
        "resolved_unix_ms": alert.resolved_unix_ms,
        "fingerprint": alert.fingerprint,
        "labels": alert.labels,
        "runbook": alert.runbook,
        "flapping": alert.flapping,
        "silenced_by": alert.silenced_by,
        "inhibited_by": alert.inhibited_by,
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_note": alert.acknowledged_note,
        "acknowledged_unix_ms": alert.acknowledged_unix_ms,
        "traces": alert.traces,
    })
}

fn fits<'a>(matchers: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let sorted: BTreeMap<&String, &String> = matchers.into_iter().collect();
    let words = sorted.iter().map(|(name, pattern)| format!("{name}={pattern}"));
    words.collect::<Vec<_>>().join(" ")
}

pub(super) fn silences(silences: &[api::Silence], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({ "silences": silences.iter().map(silence_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(&["ID", "FROM", "UNTIL", "FITS", "BY", "COMMENT"], "no silences");
    for silence in silences {
        listing.row([
            silence.id.clone(),
            moment(silence.starts_unix_ms),
            moment(silence.ends_unix_ms),
            fits(&silence.matchers),
            silence.author.clone(),
            silence.comment.clone(),
        ]);
    }
    listing.say()
}

fn silence_json(silence: &api::Silence) -> Json {
    json!({
        "id": silence.id,
        "matchers": silence.matchers,
        "starts_unix_ms": silence.starts_unix_ms,
        "ends_unix_ms": silence.ends_unix_ms,
        "author": silence.author,
        "comment": silence.comment,
    })
}

pub(super) fn rules(rules: &[api::AlertRule], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({ "rules": rules.iter().map(rule_json).collect::<Vec<_>>() }));
    }
    let headings = [
        "RULE", "PROJECT", "FIGURE", "INFO", "WARNING", "CRITICAL", "FOR", "FROM",
    ];
    let mut listing = Listing::new(&headings, "no rules");
    let bound = |bound: Option<f64>| bound.map_or_else(|| "-".to_owned(), |bound| bound.to_string());
    for rule in rules {
        let off = if rule.enabled == Some(false) { " (off)" } else { "" };
        let sign = if rule.direction() == api::RuleDirection::Below {
            "below "
        } else {
            ""
        };
        listing.row([
            format!("{}{off}", rule.name),
            if rule.project.is_empty() {
                "all".to_owned()
            } else {
                rule.project.clone()
            },
            format!("{sign}{}", rule.metric.clone().unwrap_or_default()),
            bound(rule.info),
            bound(rule.warning),
            bound(rule.critical),
            rule.for_ms
                .map_or_else(|| "-".to_owned(), |ms| format!("{} s", ms / 1_000)),
            rule.origin.clone(),
        ]);
    }
    listing.say()
}

fn rule_json(rule: &api::AlertRule) -> Json {
    let direction = if rule.direction() == api::RuleDirection::Below {
        "below"
    } else {
        "above"
    };
    json!({
        "name": rule.name,
        "project": rule.project,
        "enabled": rule.enabled,
        "metric": rule.metric,
        "labels": rule.labels,
        "direction": direction,
        "info": rule.info,
        "info_clear": rule.info_clear,
        "warning": rule.warning,
        "warning_clear": rule.warning_clear,
        "critical": rule.critical,
        "critical_clear": rule.critical_clear,
        "for_ms": rule.for_ms,
        "keep_firing_for_ms": rule.keep_firing_for_ms,
        "summary": rule.summary,
        "runbook": rule.runbook,
        "inhibits": rule.inhibits,
        "window_ms": rule.window_ms,
        "origin": rule.origin,
    })
}

pub(super) fn channels(channels: &[api::AlertChannel], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({ "channels": channels.iter().map(channel_json).collect::<Vec<_>>() }));
    }
    let headings = [
        "CHANNEL", "KIND", "PLACE", "OF", "WAITING", "ACCEPTED", "REFUSED", "BECAUSE",
    ];
    let mut listing = Listing::new(&headings, "no channel is set: add one to monitor.channels");
    for channel in channels {
        let only: Vec<&str> = [&channel.severities, &channel.projects, &channel.rules]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        listing.row([
            channel.name.clone(),
            channel.kind.clone(),
            channel.place.clone(),
            if only.is_empty() {
                "all".to_owned()
            } else {
                only.join(", ")
            },
            channel.pending.to_string(),
            moment(channel.last_success_unix_ms),
            moment(channel.last_error_unix_ms),
            shortened(&channel.last_error, 60),
        ]);
    }
    listing.say()
}

fn channel_json(channel: &api::AlertChannel) -> Json {
    json!({
        "name": channel.name,
        "kind": channel.kind,
        "place": channel.place,
        "severities": channel.severities,
        "projects": channel.projects,
        "rules": channel.rules,
        "send_resolved": channel.send_resolved,
        "pending": channel.pending,
        "retries": channel.retries,
        "last_success_unix_ms": channel.last_success_unix_ms,
        "last_error_unix_ms": channel.last_error_unix_ms,
        "last_error": channel.last_error,
    })
}

pub(super) fn test(name: &str, told: &api::TestChannelResponse, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({
            "channel": name, "accepted": told.accepted, "status": told.status,
            "answer": told.answer, "took_ms": told.took_ms,
        }));
    }
    let verdict = if told.accepted { "accepted" } else { "not accepted" };
    say(&format!(
        "{verdict} after {} ms, status {}: {}",
        told.took_ms, told.status, told.answer
    ))
}
