//! What is told of jobs and of security, as far as it is counted. Pure.

use weir_bus::Message;
use weir_events::catalogue::{JOB_FAILED, JOB_REQUESTED, JOB_SUCCEEDED, SECURITY_VIOLATION};
use weir_events::{DecodeError, catalogue, decode};
use weir_model::Project;
use weir_proto::events::v1::{JobFailed, JobRequested, JobSucceeded, SecurityViolation, ViolationAction};

/// Longest text of a name.
const NAME_CHARACTERS_MAX: usize = 100;
/// Longest text of a sentence.
const SENTENCE_CHARACTERS_MAX: usize = 500;
/// A broken rule that is heard of later than this is history.
const VIOLATION_LATE_MS_MAX: i64 = 3_600_000;

/// Something that changes what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// A job that will only say what it would do.
    DryRun { job_id: String },
    /// A job is done.
    Succeeded(Ending),
    /// A job failed for good, with an error of this name.
    Failed { ending: Ending, slug: String },
    /// A rule was broken.
    Violated(Violation),
}

/// The end of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) job_id: String,
    pub(crate) project: Project,
    pub(crate) operation: String,
    pub(crate) ended_unix_ms: i64,
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) event_id: String,
    pub(crate) project: Project,
    pub(crate) rule: String,
    pub(crate) action: &'static str,
    /// How often since the last event of it.
    pub(crate) count: i64,
    pub(crate) summary: String,
    pub(crate) traceparent: String,
}

impl Told {
    /// What it is, for a metric.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::DryRun { .. } => "dry_run",
            Self::Succeeded(_) => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Violated(_) => "violation",
        }
    }
}

/// Reads a message that came in now. None: it changes nothing of what is known.
pub(super) fn told(message: &Message, now_unix_ms: i64) -> Result<Option<Told>, DecodeError> {
    let (subject, payload) = (&message.subject, &message.payload);
    match catalogue::kind_of(subject) {
        Some(kind) if *kind == JOB_REQUESTED => {
            let job = decode::<JobRequested>(subject, payload)?.1;
            let job_id = name(&job.job_id);
            Ok(job.dry_run.then_some(Told::DryRun { job_id }))
        }
        Some(kind) if *kind == JOB_SUCCEEDED => {
            let (project, job) = decode::<JobSucceeded>(subject, payload)?;
            let ending = ending(project, &job.job_id, &job.operation, job.ended_unix_ms, now_unix_ms);
            Ok((!says_dry_run(&job.effect_json)).then_some(Told::Succeeded(ending)))
        }
        Some(kind) if *kind == JOB_FAILED => {
            let (project, job) = decode::<JobFailed>(subject, payload)?;
            let ending = ending(project, &job.job_id, &job.operation, job.ended_unix_ms, now_unix_ms);
            let slug = name(&job.slug);
            // Another attempt may follow; and a job that somebody stopped has not failed.
            let counts = job.r#final && !job.cancelled;
            Ok(counts.then_some(Told::Failed { ending, slug }))
        }
        Some(kind) if *kind == SECURITY_VIOLATION => {
            let (project, violation) = decode::<SecurityViolation>(subject, payload)?;
            Ok(violated(message, project, &violation, now_unix_ms).map(Told::Violated))
        }
        _ => Ok(None),
    }
}

/// A worker whose clock is fast does not end a job in the future, and one that does not say when ended it now.
fn ending(project: Project, job_id: &str, operation: &str, ended_unix_ms: i64, now_unix_ms: i64) -> Ending {
    let ended_unix_ms = if ended_unix_ms > 0 {
        ended_unix_ms.min(now_unix_ms)
    } else {
        now_unix_ms
    };
    Ending {
        job_id: name(job_id),
        project,
        operation: name(operation),
        ended_unix_ms,
    }
}

/// Whether the effect says that there was none. What cannot be read says nothing.
fn says_dry_run(effect_json: &str) -> bool {
    let effect: serde_json::Value = serde_json::from_str(effect_json).unwrap_or_default();
    effect.get("dry_run").and_then(serde_json::Value::as_bool) == Some(true)
}

fn violated(message: &Message, project: Project, violation: &SecurityViolation, now_unix_ms: i64) -> Option<Violation> {
    let late_ms = now_unix_ms.saturating_sub(violation.at_unix_ms);
    if late_ms > VIOLATION_LATE_MS_MAX {
        return None;
    }
    let action = match violation.action() {
        ViolationAction::Blocked => "blocked",
        ViolationAction::Reported => "reported",
        ViolationAction::Unspecified => "unspecified",
    };
    let event_id = match message.header("ce-id") {
        Some(id) => name(id),
        // Whoever told it did not follow the house; it is known by what it says.
        None => name(&format!(
            "{}:{project}:{}:{}:{}",
            violation.at_unix_ms, violation.client, violation.fingerprint, violation.rule
        )),
    };
    Some(Violation {
        event_id,
        project,
        rule: name(&violation.rule),
        action,
        count: i64::from(violation.count.max(1)),
        summary: text(&violation.summary, SENTENCE_CHARACTERS_MAX),
        traceparent: name(&violation.traceparent),
    })
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
    use weir_events::{Event, gateway, jobs};
    use weir_model::Clock;

    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn clock() -> Clock {
        Clock::manual(std::time::UNIX_EPOCH + std::time::Duration::from_millis(NOW.unsigned_abs()))
    }

    fn read(event: &Event) -> Option<Told> {
        let message = Message::new(event.subject.to_string(), event.payload.clone()).with_header("ce-id", "e-1");
        told(&message, NOW).unwrap()
    }

    fn shop() -> Project {
        Project::parse("shop").unwrap()
    }

    fn failed(r#final: bool, cancelled: bool) -> Option<Told> {
        let job = JobFailed {
            job_id: "j".to_owned(),
            operation: "backup".to_owned(),
            slug: "backup-repository".to_owned(),
            r#final,
            cancelled,
            ended_unix_ms: NOW - 5,
            ..JobFailed::default()
        };
        read(&jobs::failed("backup", &shop(), &job, &clock()))
    }

    #[test]
    fn a_job_has_failed_when_no_attempt_follows_and_nobody_stopped_it() {
        let ending = Ending {
            job_id: "j".to_owned(),
            project: shop(),
            operation: "backup".to_owned(),
            ended_unix_ms: NOW - 5,
        };
        let slug = "backup-repository".to_owned();
        assert_eq!(failed(true, false), Some(Told::Failed { ending, slug }));
        assert_eq!(
            [failed(false, false), failed(true, true), failed(false, true)],
            [None, None, None]
        );
    }

    #[test]
    fn a_success_that_changed_nothing_is_none_and_none_is_in_the_future() {
        let succeeded = |effect_json: &str, ended_unix_ms| {
            let job = JobSucceeded {
                operation: "backup".to_owned(),
                effect_json: effect_json.to_owned(),
                ended_unix_ms,
                ..JobSucceeded::default()
            };
            match read(&jobs::succeeded("backup", &shop(), &job, &clock())) {
                Some(Told::Succeeded(ending)) => Some(ending.ended_unix_ms),
                other => {
                    assert_eq!(other, None);
                    None
                }
            }
        };
        assert_eq!(succeeded("{\"dry_run\":true,\"planned\":[]}", NOW), None);
        assert_eq!(succeeded("{\"dry_run\":false}", NOW - 7), Some(NOW - 7));
        assert_eq!(succeeded("no json", NOW + 60_000), Some(NOW));
        assert_eq!(succeeded("", 0), Some(NOW));
    }

    #[test]
    fn only_requests_of_dry_runs_are_of_interest() {
        let requested = |dry_run| {
            let job = JobRequested {
                job_id: "j".to_owned(),
                dry_run,
                ..JobRequested::default()
            };
            read(&jobs::requested(&shop(), &job, &clock()))
        };
        let job_id = "j".to_owned();
        assert_eq!(
            (requested(true), requested(false)),
            (Some(Told::DryRun { job_id }), None)
        );
    }

    #[test]
    fn a_broken_rule_counts_unless_it_is_history_and_holds_nothing_that_postgresql_refuses() {
        let violation = |late_ms: i64| SecurityViolation {
            rule: "stacked\0statements".to_owned(),
            action: ViolationAction::Blocked.into(),
            summary: "x".repeat(10_000),
            at_unix_ms: NOW - late_ms,
            ..SecurityViolation::default()
        };
        let told = |late_ms| read(&gateway::security_violation(&shop(), &violation(late_ms), &clock()));
        let Some(Told::Violated(found)) = told(1_000) else {
            panic!("it does not count")
        };
        assert_eq!(
            (
                found.event_id.as_str(),
                found.rule.as_str(),
                found.action,
                found.summary.len()
            ),
            ("e-1", "stacked\u{fffd}statements", "blocked", SENTENCE_CHARACTERS_MAX)
        );
        // The gateway's clock may be fast.
        assert!(told(-60_000).is_some() && told(VIOLATION_LATE_MS_MAX + 1).is_none());
    }
}
