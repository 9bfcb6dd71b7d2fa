//! Weir's settings against each other. Pure.

use super::super::check::{Check, Subject};
use super::super::facts::{Facts, Look, Wanted};
use super::span;

pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    let wanted = &facts.wanted;
    let mut checks = valid(&facts.refused);
    checks.extend(addresses(&wanted.looks));
    checks.push(timeouts(wanted));
    checks.push(security(wanted));
    checks
}

fn valid(refused: &[String]) -> Vec<Check> {
    let subject = Subject("settings.valid", "");
    if refused.is_empty() {
        return vec![subject.good("a start would accept every setting")];
    }
    let mend = "correct the setting; weir config check shows what is in force and from where, docs/reference/settings.md what it may be";
    refused.iter().map(|line| subject.problem(line, mend)).collect()
}

fn addresses(looks: &[Look]) -> Vec<Check> {
    let subject = |look: &Look| Subject("settings.addresses", look.setting).0;
    let wrong = looks.iter().filter(|look| !agrees(&look.says, &look.listens));
    let wrong: Vec<Check> = wrong
        .map(|look| {
            let found = format!("it says {}, and {} listens on {}", look.says, look.of, look.listens);
            let mend = format!(
                "set {} = \"http://{}\", if that service is the one meant",
                look.setting, look.listens
            );
            Subject(subject(look), look.setting).note(found, mend)
        })
        .collect();
    if wrong.is_empty() {
        return vec![Subject("settings.addresses", "").good("services look for each other where they listen")];
    }
    wrong
}

/// A host by its name may be any; the port tells.
fn agrees(says: &str, listens: &str) -> bool {
    let port = |text: &str| text.trim_end_matches('/').rsplit(':').next().map(str::to_owned);
    port(says) == port(listens)
}

fn timeouts(wanted: &Wanted) -> Check {
    let subject = Subject("settings.timeouts", "");
    let statement = wanted.statement_timeout;
    if !statement.is_zero() && wanted.slow_query_threshold >= statement {
        let found = format!(
            "a statement counts as slow after {} and is cancelled after {}: no slow statement ever ends well",
            span(wanted.slow_query_threshold),
            span(statement)
        );
        return subject.warning(
            found,
            "set monitor.slow_query_threshold below gateway.statement_timeout",
        );
    }
    let idle = wanted.idle_in_transaction_timeout;
    if idle.is_zero() {
        let found = "a client that idles in a transaction keeps its connection for ever";
        return subject.warning(found, "set gateway.idle_in_transaction_timeout, such as 5m");
    }
    if wanted.acquire_timeout.is_zero() {
        return subject.problem(
            "nobody can wait for a connection",
            "set gateway.acquire_timeout, such as 60s",
        );
    }
    subject.good(format!(
        "slow after {}, cancelled after {}, idle in a transaction for at most {}",
        span(wanted.slow_query_threshold),
        span(statement),
        span(idle)
    ))
}

fn security(wanted: &Wanted) -> Check {
    let subject = Subject("settings.security", "");
    if wanted.open_doors.is_empty() {
        return subject.good("no door that speaks in clear is open to other machines");
    }
    let found = format!("open to other machines, in clear: {}", wanted.open_doors.join(", "));
    let mend = "listen on 127.0.0.1, or keep the ports inside a network of your own; for the PostgreSQL door set gateway.tls_certificate and gateway.tls_key";
    if wanted.is_development {
        let found = format!("{found}; and in the development profile callers need no proof of who they are");
        return subject.warning(found, format!("set profile = \"production\"; {mend}"));
    }
    subject.note(found, mend)
}
