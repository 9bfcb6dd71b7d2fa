//! What must not be off, and what ought to be on. Pure.

use super::advice::{Advice, Confidence, Impact};
use super::facts::Facts;
use super::report::Report;
use super::words::count;

/// Fewer connections cost too little to speak of.
const CONNECTIONS_MANY: f64 = 200.0;
/// A week has its busy hours.
const PEAK_HOURS_MIN: f64 = 7.0 * 24.0;

/// Switches that have to be on: name, kind, how bad it is, and what happens otherwise.
const SWITCHES: [(&str, &str, Impact, &str); 6] = [
    (
        "fsync",
        "fsync-off",
        Impact::Danger,
        "after a power cut or a crash of the system the cluster can be damaged beyond repair",
    ),
    (
        "full_page_writes",
        "full-page-writes-off",
        Impact::Danger,
        "a page that was half written when the system crashed cannot be repaired",
    ),
    (
        "synchronous_commit",
        "synchronous-commit-off",
        Impact::Danger,
        "a crash loses transactions whose commit was acknowledged; set it for the sessions that can bear that, not for the server",
    ),
    (
        "autovacuum",
        "autovacuum-off",
        Impact::Danger,
        "dead rows stay, statistics grow old, and the server stops taking writes when transaction numbers run out",
    ),
    (
        "track_counts",
        "track-counts-off",
        Impact::Danger,
        "autovacuum does not know which tables changed, and does not run",
    ),
    (
        "track_io_timing",
        "track-io-timing-off",
        Impact::Low,
        "how long statements wait for the disk is not counted; on today's systems that costs next to nothing",
    ),
];

pub(super) fn find(facts: &Facts, report: &mut Report) {
    for (name, kind, impact, otherwise) in SWITCHES {
        let Some(setting) = facts.open(name, report).filter(|setting| setting.is("off")) else {
            continue;
        };
        let reason = format!("{name} is off: {otherwise}");
        report.add(Advice::setting(
            kind,
            setting,
            "on".to_owned(),
            impact,
            Confidence::Measured,
            reason,
        ));
    }
    idle_in_transaction(facts, report);
    log_autovacuum(facts, report);
    max_connections(facts, report);
}

fn idle_in_transaction(facts: &Facts, report: &mut Report) {
    let name = "idle_in_transaction_session_timeout";
    let Some(setting) = facts.open(name, report).filter(|setting| setting.number() == 0.0) else {
        return;
    };
    let reason = format!(
        "{name} is 0: a session that began a transaction and does nothing keeps its locks, and keeps VACUUM from removing dead rows, for ever"
    );
    let kind = "idle-in-transaction-timeout";
    report.add(Advice::setting(
        kind,
        setting,
        "10min".to_owned(),
        Impact::Medium,
        Confidence::Derived,
        reason,
    ));
}

fn log_autovacuum(facts: &Facts, report: &mut Report) {
    let name = "log_autovacuum_min_duration";
    let Some(setting) = facts.open(name, report).filter(|setting| setting.number() < 0.0) else {
        return;
    };
    let reason = format!("{name} is -1: a vacuum that takes hours, or is cancelled each time, leaves no trace");
    let kind = "log-autovacuum";
    report.add(Advice::setting(
        kind,
        setting,
        "10min".to_owned(),
        Impact::Low,
        Confidence::Derived,
        reason,
    ));
}

fn max_connections(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("max_connections", report) else {
        return;
    };
    if setting.number() <= CONNECTIONS_MANY {
        return;
    }
    let Some(peak) = facts.peak.filter(|peak| peak.hours >= PEAK_HOURS_MIN) else {
        return report.leave("max_connections", "connections have been watched for less than a week");
    };
    let target = ((peak.connections * 2.0 + 20.0) / 50.0).ceil().max(2.0) * 50.0;
    if target * 2.0 > setting.number() {
        return;
    }
    let reason = format!(
        "of {} connections {} were used at most in {} days, and the pool stands in front; each possible one takes memory for locks, and each real one slows snapshots",
        setting.shown,
        count(peak.connections),
        count(peak.hours / 24.0)
    );
    let kind = "max-connections";
    report.add(Advice::setting(
        kind,
        setting,
        format!("{target:.0}"),
        Impact::Low,
        Confidence::Measured,
        reason,
    ));
}
