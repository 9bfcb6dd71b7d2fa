//! What the stream of broken rules tells, as it is written down. Pure.

use serde::Serialize;
use weir_bus::Message;
use weir_events::{DecodeError, decode};
use weir_model::Project;
use weir_proto::common::v1::Severity;
use weir_proto::events::v1::{Door, SecurityViolation, ViolationAction};

/// Longest text of a name.
const NAME_CHARACTERS_MAX: usize = 200;
/// Longest text of a sentence.
const SENTENCE_CHARACTERS_MAX: usize = 1_000;
/// Most rules of one statement.
const RULES_MAX: usize = 50;
/// No statement is more suspicious.
const SCORE_MAX: u32 = 1_000_000;

/// A rule that was broken, before it is a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    pub(crate) event_id: String,
    pub(crate) at_unix_ms: i64,
    pub(crate) project: String,
    pub(crate) rule: String,
    pub(crate) action: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) upstream: String,
    pub(crate) database: String,
    pub(crate) username: String,
    pub(crate) application: String,
    pub(crate) client: String,
    pub(crate) door: &'static str,
    pub(crate) fingerprint: String,
    pub(crate) summary: String,
    pub(crate) traceparent: String,
    pub(crate) count: u32,
    pub(crate) score: u32,
    pub(crate) rules: Vec<String>,
}

/// Reads a message that came in now.
pub(super) fn told(message: &Message, now_unix_ms: i64) -> Result<Violation, DecodeError> {
    let (project, told) = decode::<SecurityViolation>(&message.subject, &message.payload)?;
    Ok(Violation {
        event_id: event_id(message, &project, &told),
        // A gateway whose clock is fast tells of nothing in the future, and one that does not say when means now.
        at_unix_ms: match told.at_unix_ms {
            at if at > 0 => at.min(now_unix_ms),
            _ => now_unix_ms,
        },
        project: project.to_string(),
        rule: name(&told.rule),
        action: action(told.action()),
        severity: severity(told.severity()),
        upstream: name(&told.upstream),
        database: name(&told.database),
        username: name(&told.user),
        application: name(&told.application),
        client: name(&told.client),
        door: door(told.door()),
        fingerprint: name(&told.fingerprint),
        summary: text(&told.summary, SENTENCE_CHARACTERS_MAX),
        traceparent: name(&told.traceparent),
        count: told.count.max(1),
        score: told.score.min(SCORE_MAX),
        rules: told.rules.iter().take(RULES_MAX).map(|rule| name(rule)).collect(),
    })
}

/// Whoever told it without an id did not follow the house; it is known by what it says.
fn event_id(message: &Message, project: &Project, told: &SecurityViolation) -> String {
    message.header("ce-id").map_or_else(
        || {
            name(&format!(
                "{}:{project}:{}:{}:{}",
                told.at_unix_ms, told.client, told.fingerprint, told.rule
            ))
        },
        name,
    )
}

const fn action(action: ViolationAction) -> &'static str {
    match action {
        ViolationAction::Unspecified => "unspecified",
        ViolationAction::Reported => "reported",
        ViolationAction::Blocked => "blocked",
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Unspecified => "unspecified",
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

const fn door(door: Door) -> &'static str {
    match door {
        Door::Unspecified => "unspecified",
        Door::Grpc => "grpc",
        Door::Wire => "wire",
    }
}

fn name(name: &str) -> String {
    text(name, NAME_CHARACTERS_MAX)
}

/// A text that PostgreSQL takes: one that it refuses would keep every other waiting.
fn text(text: &str, characters_max: usize) -> String {
    let head: String = text.chars().take(characters_max).collect();
    head.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use weir_events::gateway;
    use weir_model::Clock;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn read(violation: &SecurityViolation, id: Option<&str>) -> Violation {
        let project = Project::parse("shop").unwrap();
        let event = gateway::security_violation(&project, violation, &Clock::system());
        let message = Message::new(event.subject.to_string(), event.payload);
        let message = match id {
            Some(id) => message.with_header("ce-id", id),
            None => message,
        };
        told(&message, NOW).unwrap()
    }

    #[test]
    fn what_is_told_is_written_in_words_that_postgresql_takes() {
        let violation = SecurityViolation {
            project: "another".to_owned(),
            rule: "stacked\0statements".to_owned(),
            action: ViolationAction::Blocked.into(),
            severity: Severity::Critical.into(),
            door: Door::Wire.into(),
            user: "u".repeat(10_000),
            summary: "é".repeat(10_000),
            at_unix_ms: NOW - 5,
            score: u32::MAX,
            rules: vec!["a\0".to_owned()],
            ..SecurityViolation::default()
        };
        let row = read(&violation, Some("e-1"));
        // The subject says whose it is: consumers are let in by it.
        assert_eq!((row.event_id.as_str(), row.project.as_str()), ("e-1", "shop"));
        assert_eq!(
            (row.rule.as_str(), row.action, row.severity, row.door),
            ("stacked\u{fffd}statements", "blocked", "critical", "wire")
        );
        assert_eq!((row.username.len(), row.summary.chars().count()), (200, 1_000));
        assert_eq!((row.at_unix_ms, row.count, row.score), (NOW - 5, 1, SCORE_MAX));
        assert_eq!(row.rules, ["a\u{fffd}"]);
    }

    #[test]
    fn nothing_happened_in_the_future_and_what_has_no_id_is_known_by_what_it_says() {
        let at = |at_unix_ms| {
            let violation = SecurityViolation {
                at_unix_ms,
                client: "192.0.2.7".to_owned(),
                ..SecurityViolation::default()
            };
            read(&violation, None)
        };
        assert_eq!((at(NOW + 60_000).at_unix_ms, at(0).at_unix_ms), (NOW, NOW));
        assert_eq!(at(NOW - 1).event_id, at(NOW - 1).event_id);
        assert_ne!(at(NOW - 1).event_id, at(NOW - 2).event_id);
    }

    #[test]
    fn what_is_no_violation_is_refused() {
        let strange = Message::new("weir.shop.security.violation", vec![0xff]);
        assert!(told(&strange, NOW).is_err());
        assert!(told(&Message::new("weir.shop.alert.firing", Vec::new()), NOW).is_err());
    }
}
