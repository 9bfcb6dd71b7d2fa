//! An event of PagerDuty's Events API v2: one alert, under its key. Pure.

use serde_json::{Map, Value, json};

use super::{Told, words};
use crate::alert::deliver::retry::rfc3339;
use crate::alert::notice::{Notice, NoticeState};

/// What PagerDuty takes of a summary.
const SUMMARY_CHARACTERS_MAX: usize = 1_024;
/// What it takes of a key.
const KEY_CHARACTERS_MAX: usize = 255;

/// The event that tells of an alert. The key opens and closes the incident, and makes a repetition harmless.
pub(crate) fn event(told: &Told<'_>, notice: &Notice, routing_key: &str) -> Value {
    let key = words::line(&notice.key, KEY_CHARACTERS_MAX);
    if notice.state == NoticeState::Resolved {
        return json!({ "routing_key": routing_key, "event_action": "resolve", "dedup_key": key });
    }
    let links = told.links.of_notice(notice);
    let named = words::named(&links);
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "client": "Weir",
        "links": named.iter().map(|(name, link)| json!({ "href": link, "text": name })).collect::<Vec<_>>(),
        "payload": {
            "summary": summary(notice),
            "source": source(notice),
            "severity": severity(&notice.severity),
            "timestamp": rfc3339(notice.since_unix_ms),
            "component": words::line(&notice.project, 255),
            "group": words::line(&notice.group, 255),
            "class": words::line(&notice.rule, 255),
            "custom_details": details(notice),
        },
    });
    if let (Some(event), false) = (event.as_object_mut(), links.alert.is_empty()) {
        event.insert("client_url".to_owned(), Value::String(links.alert));
    }
    event
}

/// It must not be empty.
fn summary(notice: &Notice) -> String {
    let summary = words::line(&notice.summary, SUMMARY_CHARACTERS_MAX);
    if summary.is_empty() {
        words::line(&notice.rule, SUMMARY_CHARACTERS_MAX)
    } else {
        summary
    }
}

/// What is affected: the server where one is named, otherwise the database or the project.
fn source(notice: &Notice) -> String {
    let named = ["upstream", "database"]
        .iter()
        .find_map(|name| notice.labels.get(*name));
    words::line(named.unwrap_or(&notice.project), 255)
}

/// PagerDuty knows critical, error, warning and info.
fn severity(word: &str) -> &str {
    match word {
        "critical" | "warning" => word,
        _ => "info",
    }
}

fn details(notice: &Notice) -> Map<String, Value> {
    let facts = words::facts(notice)
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)));
    let traces = notice
        .traces
        .iter()
        .take(5)
        .map(|trace| Value::String(words::line(trace, 64)))
        .collect();
    facts.chain([("traces".to_owned(), Value::Array(traces))]).collect()
}
