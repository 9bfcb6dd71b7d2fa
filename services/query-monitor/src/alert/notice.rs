//! What is told to the people behind a channel: one state of one alert. Rows carry it as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// One alert as a receiver is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// The alert: a UUID, the same for all its notices.
    pub alert_id: String,
    /// What makes it one alert however often it is found: a hash of rule, project and labels, in hexadecimal digits.
    pub key: String,
    /// Alerts with the same are told in one notification.
    pub group: String,
    /// Whether it fires or has been resolved.
    pub state: NoticeState,
    /// The rule, such as `slow-query`.
    pub rule: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// The project.
    pub project: String,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// One sentence for a person.
    pub summary: String,
    /// The figure.
    #[serde(deserialize_with = "figure")]
    pub value: f64,
    /// The bound that it crossed.
    #[serde(deserialize_with = "figure")]
    pub threshold: f64,
    /// Since when it holds, in milliseconds since 1970.
    pub since_unix_ms: i64,
    /// When it ceased. 0: it holds.
    pub resolved_unix_ms: i64,
    /// The statement: 16 hexadecimal digits. Empty: none.
    pub fingerprint: String,
    /// The page that says what to do.
    pub runbook: String,
    /// Traces (W3C trace ids) of late that show it, the latest first. May be empty.
    pub traces: Vec<String>,
}

/// Whether an alert still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NoticeState {
    /// It does.
    Firing,
    /// It does not any more.
    Resolved,
}

/// JSON has no word for what is not a number and writes `null`; such a notice must still be readable.
fn figure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Option::<f64>::deserialize(deserializer).map(|figure| figure.unwrap_or(f64::NAN))
}
