//! One attempt: a notification goes to its channel, and an answer comes back.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use weir_model::Clock;

use super::channel::{Channel, Target};
use super::http::HttpTarget;
use super::payload::{self, Told};
use super::retry::Outcome;
use super::settings::Kind;
use crate::alert::notice::NoticeState;

/// Longest answer of a receiver that is kept, in characters.
const ANSWER_CHARACTERS_MAX: usize = 300;

/// What a receiver said, or why it could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// What became of the notification.
    pub outcome: Outcome,
    /// HTTP's status or SMTP's code. 0: there was none.
    pub status: u32,
    /// Its words, or ours. Bounded, of one line, without secrets.
    pub text: String,
}

impl Said {
    /// There was no answer.
    pub(crate) const fn failed(outcome: Outcome, text: String) -> Self {
        Self {
            outcome,
            status: 0,
            text,
        }
    }

    /// The answer in one line.
    pub(crate) fn line(&self) -> String {
        match self.status {
            0 => self.text.clone(),
            status => format!("{status} {}", self.text).trim_end().to_owned(),
        }
    }
}

/// Sends a notification.
pub(crate) async fn send(channel: &Channel, told: &Told<'_>, clock: &Clock) -> Said {
    let said = match &channel.target {
        Target::Http(http) => {
            let (headers, body) = request(channel, http, told, clock.unix_ms());
            http.post(headers, body, channel.timeout, clock.unix_ms()).await
        }
        Target::Mail(mail) => {
            let message = mail.message(told.batch.id, told.group, payload::mail(told), clock.now());
            mail.send(message, channel.timeout).await
        }
    };
    let clean: String = channel
        .mask(&said.text)
        .chars()
        .map(|found| if found.is_control() { ' ' } else { found })
        .collect();
    Said {
        text: clean.trim().chars().take(ANSWER_CHARACTERS_MAX).collect(),
        ..said
    }
}

/// What is posted. The id is the same for every attempt, so that a receiver can recognise a repetition.
fn request(channel: &Channel, http: &HttpTarget, told: &Told<'_>, now_unix_ms: i64) -> (HeaderMap, Vec<u8>) {
    // A key has one state: what fires now counts, not what ended before.
    let firing = told
        .batch
        .notices
        .iter()
        .find(|notice| notice.state == NoticeState::Firing);
    let body = match (channel.kind, firing.or(told.batch.notices.first())) {
        (Kind::Slack, _) => payload::message(told),
        (Kind::Pagerduty, Some(notice)) => {
            let key = http.routing_key.as_ref().map_or("", |key| key.expose());
            payload::event(told, notice, key)
        }
        (Kind::Alertmanager, _) => {
            let until = payload::still_holds_until_ms(now_unix_ms, channel.policy.repeat_ms);
            payload::alerts(told, until)
        }
        _ => payload::notification(told),
    };
    let body = body.to_string().into_bytes();
    let mut headers = HeaderMap::new();
    let id = told.batch.id.to_string();
    let mut add = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    add("idempotency-key", &id);
    if channel.kind == Kind::Webhook {
        add("ce-id", &id);
        add("ce-specversion", "1.0");
        add("ce-type", "weir.alert.notification");
        add("ce-source", "weir/query-monitor");
        if let Some(secret) = &http.signing {
            add(
                "weir-signature",
                &payload::signature(secret.expose(), now_unix_ms.div_euclid(1_000), &body),
            );
        }
    }
    (headers, body)
}
