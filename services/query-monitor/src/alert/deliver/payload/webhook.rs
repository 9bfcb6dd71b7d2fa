//! Weir's own JSON. Pure. Its fields are a contract: they are described in the guide, and are only ever added to.

use serde_json::{Value, json};

use super::{Told, words};
use crate::alert::notice::Notice;

/// The body of a webhook.
pub(crate) fn notification(told: &Told<'_>) -> Value {
    let notices = &told.batch.notices;
    let firing = told.batch.firing();
    json!({
        "version": 1,
        "id": told.batch.id,
        "channel": told.channel,
        "group": told.group,
        "status": if firing > 0 { "firing" } else { "resolved" },
        "severity": words::worst(notices),
        "title": words::title(told),
        "repeat": told.batch.repeat,
        "firing": firing,
        "resolved": notices.len().saturating_sub(firing),
        "more": told.batch.more,
        "alerts": notices.iter().map(|notice| alert(told, notice)).collect::<Vec<_>>(),
    })
}

fn alert(told: &Told<'_>, notice: &Notice) -> Value {
    let links = told.links.of_notice(notice);
    json!({
        "id": notice.alert_id,
        "key": notice.key,
        "status": words::state(notice),
        "rule": notice.rule,
        "severity": notice.severity,
        "project": notice.project,
        "labels": notice.labels,
        "summary": notice.summary,
        "value": notice.value,
        "threshold": notice.threshold,
        "since_unix_ms": notice.since_unix_ms,
        "resolved_unix_ms": notice.resolved_unix_ms,
        "fingerprint": notice.fingerprint,
        "runbook": notice.runbook,
        "traces": notice.traces,
        "links": { "alert": links.alert, "query": links.query, "runbook": links.runbook, "traces": links.traces },
    })
}

/// `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>" in hexadecimal digits>`: the time keeps an old notification from
/// passing for a new one.
pub(crate) fn signature(secret: &str, seconds: i64, body: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = ring::hmac::Context::with_key(&key);
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    let digits: String = context
        .sign()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={seconds},v1={digits}")
}
