//! The services: whether they are there, well, and of one version. Pure.

use super::super::check::{Check, Subject};
use super::super::facts::{Facts, Report, Service};
use super::clock;

/// Files that a gateway opens beside those of its clients.
const DESCRIPTORS_BESIDE: u64 = 256;
/// What any service needs.
const DESCRIPTORS_MIN: u64 = 1_024;

pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    facts.services.iter().flat_map(|service| one(service, facts)).collect()
}

fn one(service: &Service, facts: &Facts) -> Vec<Check> {
    let mut checks = vec![serves(service)];
    match &service.report {
        Err(reason) => checks.push(silent(service, reason)),
        Ok(report) => {
            checks.push(ready(service, report));
            checks.push(version(service, report));
            if let Some(gap) = report.clock {
                checks.push(clock(Subject("service.clock", service.name), gap, "its clock"));
            }
            checks.extend(descriptors(service, report, facts));
        }
    }
    checks
}

fn serves(service: &Service) -> Check {
    let subject = Subject("service.grpc", service.name);
    match &service.serves {
        Ok(()) => subject.good(format!("answers at {}", service.grpc)),
        Err(reason) => {
            let found = format!("does not answer at {}: {reason}", service.grpc);
            subject.problem(
                found,
                format!(
                    "start it ({}, or weir up for all), or correct its grpc_listen",
                    service.name
                ),
            )
        }
    }
}

fn silent(service: &Service, reason: &str) -> Check {
    let subject = Subject("service.ready", service.name);
    if service.serves.is_err() {
        return subject.skipped("the service does not answer at all");
    }
    let found = format!("says nothing of itself at {}: {reason}", service.ops);
    subject.problem(
        found,
        "correct its ops_listen; without that door neither health checks nor metrics work",
    )
}

fn ready(service: &Service, report: &Report) -> Check {
    let subject = Subject("service.ready", service.name);
    let words = |missing: &super::super::facts::Missing| format!("{}: {}", missing.name, missing.reason);
    let away: Vec<String> = report.away.iter().map(words).collect();
    let away = away.join("; ");
    if report.ready {
        return match away.as_str() {
            "" => subject.good("ready"),
            _ => subject.warning(
                format!("works without something: {away}"),
                "mend what it misses; other checks say how",
            ),
        };
    }
    let found = if away.is_empty() {
        "not ready: it starts or stops".to_owned()
    } else {
        format!("not ready: {away}")
    };
    subject.problem(found, "mend what it waits for; its log says more")
}

fn version(service: &Service, report: &Report) -> Check {
    let subject = Subject("service.version", service.name);
    let own = env!("CARGO_PKG_VERSION");
    match report.version.as_deref() {
        Some(told) if told == own => subject.good(told),
        Some(told) => subject.warning(
            format!("the service is of version {told}, this command of {own}"),
            "install one version everywhere and restart the service",
        ),
        None => subject.warning(
            format!("the service is older than this command ({own}) and does not tell its version"),
            "install one version everywhere and restart the service",
        ),
    }
}

fn descriptors(service: &Service, report: &Report, facts: &Facts) -> Option<Check> {
    let subject = Subject("service.descriptors", service.name);
    let max = report.descriptors_max?;
    let is_gateway = service.name == "pool-gateway";
    let wanted = &facts.wanted;
    let needed = if is_gateway {
        wanted.clients_max + wanted.pool_max + DESCRIPTORS_BESIDE
    } else {
        DESCRIPTORS_MIN
    };
    let found = format!("may open {max} files, and may need {needed}");
    let mend = format!("start it with ulimit -n {needed} or LimitNOFILE={needed}");
    let check = match (max >= needed, is_gateway) {
        (true, _) => subject.good(found),
        (false, true) => subject.warning(
            format!("{found} for gateway.clients_max = {}", wanted.clients_max),
            mend + ", or lower gateway.clients_max",
        ),
        (false, false) => subject.warning(found, mend),
    };
    Some(check)
}
