//! Pure. Rules as the protocol has them.

use std::time::Duration;

use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::policy::Subject as ApiSubject;

use super::rule::{InvalidRule, Level, Mode, Origin, Rule, Subject, invalid};
use super::written::project_of;

/// The rule that somebody wants put, or what is wrong with it.
pub(crate) fn from_api(policy: &api::Policy, id: String) -> Result<Rule, InvalidRule> {
    for (field, value) in [
        ("stale_while_revalidate_ms", u64::from(policy.stale_while_revalidate_ms)),
        ("shared_bytes_max", policy.shared_bytes_max),
    ] {
        if value > 0 {
            return Err(invalid(field, "no gateway can do that yet; leave it out"));
        }
    }
    let rule = Rule {
        id,
        project: project_of(&policy.project)?,
        subject: subject(policy.subject.as_ref())?,
        origin: Origin::Call,
        mode: mode(policy.mode)?,
        level: level(policy.consistency)?,
        bound: millis(policy.bound_ms),
        ttl: millis(policy.ttl_ms),
        empty_ttl: millis(policy.negative_ttl_ms),
        result_bytes_max: policy.result_bytes_max,
        memory_bytes_max: policy.memory_bytes_max,
        note: policy.note.clone(),
    };
    rule.checked()
}

/// The rule as callers see it.
pub(crate) fn to_api(rule: &Rule) -> api::Policy {
    api::Policy {
        id: rule.id.clone(),
        project: rule.project.to_string(),
        subject: Some(match &rule.subject {
            Subject::Shape(fingerprint) => ApiSubject::Fingerprint(fingerprint.to_string()),
            Subject::Relation(relation) => ApiSubject::Relation(relation.clone()),
            Subject::Project => ApiSubject::WholeProject(api::Everything {}),
        }),
        mode: api_mode(rule.mode).into(),
        consistency: api_level(rule.level).into(),
        bound_ms: to_millis(rule.bound),
        ttl_ms: to_millis(rule.ttl),
        result_bytes_max: rule.result_bytes_max,
        negative_ttl_ms: to_millis(rule.empty_ttl),
        memory_bytes_max: rule.memory_bytes_max,
        stale_while_revalidate_ms: 0,
        shared_bytes_max: 0,
        note: rule.note.clone(),
        origin: match rule.origin {
            Origin::File => api::PolicyOrigin::File.into(),
            Origin::Call => api::PolicyOrigin::Call.into(),
        },
    }
}

fn subject(subject: Option<&ApiSubject>) -> Result<Subject, InvalidRule> {
    match subject {
        Some(ApiSubject::Fingerprint(digits)) => Subject::shape(digits),
        Some(ApiSubject::Relation(relation)) => Subject::relation(relation),
        Some(ApiSubject::WholeProject(_)) => Ok(Subject::Project),
        None => Err(invalid(
            "subject",
            "say what it applies to: a shape, a table or the whole project",
        )),
    }
}

fn mode(number: i32) -> Result<Mode, InvalidRule> {
    match api::CacheMode::try_from(number) {
        Ok(api::CacheMode::Unspecified | api::CacheMode::Auto) => Ok(Mode::Auto),
        Ok(api::CacheMode::Always) => Ok(Mode::Always),
        Ok(api::CacheMode::Never) => Ok(Mode::Never),
        Ok(api::CacheMode::DryRun) => Ok(Mode::DryRun),
        Err(_) => Err(invalid("mode", format!("there is no mode {number}"))),
    }
}

fn level(number: i32) -> Result<Level, InvalidRule> {
    match api::Consistency::try_from(number) {
        Ok(api::Consistency::Unspecified) => Ok(Level::Default),
        Ok(api::Consistency::Strict) => Ok(Level::Strict),
        Ok(api::Consistency::Session) => Ok(Level::Session),
        Ok(api::Consistency::Bounded) => Ok(Level::Bounded),
        Ok(api::Consistency::Ttl) => Ok(Level::Ttl),
        Err(_) => Err(invalid("consistency", format!("there is no level {number}"))),
    }
}

const fn api_mode(mode: Mode) -> api::CacheMode {
    match mode {
        Mode::Never => api::CacheMode::Never,
        Mode::DryRun => api::CacheMode::DryRun,
        Mode::Auto => api::CacheMode::Auto,
        Mode::Always => api::CacheMode::Always,
    }
}

const fn api_level(level: Level) -> api::Consistency {
    match level {
        Level::Strict => api::Consistency::Strict,
        Level::Session => api::Consistency::Session,
        Level::Default => api::Consistency::Unspecified,
        Level::Bounded => api::Consistency::Bounded,
        Level::Ttl => api::Consistency::Ttl,
    }
}

fn millis(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

fn to_millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
