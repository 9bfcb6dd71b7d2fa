//! Alertmanager's API v2: alerts by their labels. Pure.
//!
//! The labels make an alert what it is; Alertmanager groups, repeats and silences by them. It forgets one that it is not
//! told of again, so each telling says until when it holds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Told, words};
use crate::alert::deliver::retry::rfc3339;
use crate::alert::notice::{Notice, NoticeState};

/// An alert holds for this many repetitions: three may be missed.
const REPETITIONS: i64 = 4;

/// Until when Alertmanager takes for granted what it is told now.
pub(crate) const fn still_holds_until_ms(now_unix_ms: i64, repeat_ms: i64) -> i64 {
    now_unix_ms.saturating_add(repeat_ms.saturating_mul(REPETITIONS))
}

/// The body of `POST /api/v2/alerts`.
pub(crate) fn alerts(told: &Told<'_>, until_unix_ms: i64) -> Value {
    told.batch
        .notices
        .iter()
        .map(|notice| alert(told, notice, until_unix_ms))
        .collect()
}

fn alert(told: &Told<'_>, notice: &Notice, until_unix_ms: i64) -> Value {
    let ends_ms = match notice.state {
        NoticeState::Firing => until_unix_ms,
        NoticeState::Resolved => notice.resolved_unix_ms.max(notice.since_unix_ms),
    };
    let links = told.links.of_notice(notice);
    let generator = if links.query.is_empty() {
        links.alert.clone()
    } else {
        links.query.clone()
    };
    json!({
        "labels": labels(notice),
        "annotations": annotations(notice, &links),
        "startsAt": rfc3339(notice.since_unix_ms),
        "endsAt": rfc3339(ends_ms),
        "generatorURL": generator,
    })
}

/// The alert's own labels, and those that every alert of Weir has; the latter win.
fn labels(notice: &Notice) -> BTreeMap<String, String> {
    let own = notice
        .labels
        .iter()
        .take(50)
        .map(|(name, value)| (label_name(name), words::line(value, 500)));
    let fixed = [
        ("alertname", &notice.rule),
        ("severity", &notice.severity),
        ("project", &notice.project),
    ];
    let fixed = fixed
        .into_iter()
        .map(|(name, value)| (name.to_owned(), words::line(value, 500)));
    let statement = (!notice.fingerprint.is_empty()).then(|| ("fingerprint".to_owned(), notice.fingerprint.clone()));
    own.chain(fixed)
        .chain(statement)
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn annotations(notice: &Notice, links: &crate::alert::deliver::links::NoticeLinks) -> BTreeMap<String, String> {
    let runbook = if links.runbook.is_empty() {
        &notice.runbook
    } else {
        &links.runbook
    };
    let traces = if links.traces.is_empty() {
        &notice.traces
    } else {
        &links.traces
    };
    let all = [
        ("summary", words::line(&notice.summary, 1_000)),
        ("value", words::figure(notice.value)),
        ("threshold", words::figure(notice.threshold)),
        ("runbook_url", words::line(runbook, 500)),
        ("query_url", links.query.clone()),
        ("alert_url", links.alert.clone()),
        ("traces", words::line(&traces.join(" "), 1_000)),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// A name that Alertmanager takes: letters, digits and `_`, no digit first.
fn label_name(name: &str) -> String {
    let fits = |found: char| {
        if found.is_ascii_alphanumeric() || found == '_' {
            found
        } else {
            '_'
        }
    };
    let name: String = name.chars().take(100).map(fits).collect();
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}
