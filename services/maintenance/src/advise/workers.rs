//! Whether autovacuum as a whole keeps up. Pure.

use super::advice::{Advice, Confidence, Impact};
use super::autovacuum::thresholds;
use super::facts::{Facts, Storage, Table};
use super::report::Report;
use super::words::{count, list};

pub(super) fn find(facts: &Facts, report: &mut Report) {
    if !facts.setting("autovacuum").is_some_and(|setting| setting.is("on")) {
        return;
    }
    naptime(facts, report);
    cost_delay(facts, report);
    let overdue = overdue(facts);
    let workers = facts.number("autovacuum_max_workers").max(1.0);
    if (overdue.len() as f64) < workers {
        return;
    }
    if !cost_limit(facts, &overdue, report) && overdue.len() as f64 >= workers * 2.0 {
        max_workers(facts, &overdue, report);
    }
}

/// Tables that should have been vacuumed long ago: dead rows are twice what autovacuum waits for, and many.
fn overdue(facts: &Facts) -> Vec<&Table> {
    let is_overdue = |table: &&Table| {
        let dead = table.counters.get("dead");
        let off = table
            .options
            .get("autovacuum_enabled")
            .is_some_and(|value| value != "true" && value != "on");
        !off && dead >= 10_000.0 && dead >= 2.0 * thresholds(facts, &table.options, table.rows, false).vacuum
    };
    facts.tables.iter().filter(is_overdue).collect()
}

fn named(tables: &[&Table]) -> String {
    let mut names: Vec<String> = tables.iter().take(3).map(|table| table.name.to_string()).collect();
    if tables.len() > 3 {
        names.push(format!("{} more", tables.len() - 3));
    }
    list(&names)
}

/// True where advice is given or stands in the way of more.
fn cost_limit(facts: &Facts, overdue: &[&Table], report: &mut Report) -> bool {
    let Some(setting) = facts.open("autovacuum_vacuum_cost_limit", report) else {
        return true;
    };
    let limit = if setting.number() < 0.0 {
        facts.number("vacuum_cost_limit")
    } else {
        setting.number()
    };
    let enough = if facts.machine.storage == Some(Storage::Hdd) {
        400.0
    } else {
        1_000.0
    };
    if limit >= enough {
        return false;
    }
    let reason = format!(
        "{} tables have twice as many dead rows as autovacuum waits for ({}), and all its workers together may do work worth {} points before they pause",
        overdue.len(),
        named(overdue),
        count(limit)
    );
    let kind = "autovacuum-cost-limit";
    report.add(Advice::setting(
        kind,
        setting,
        format!("{enough:.0}"),
        Impact::High,
        Confidence::Measured,
        reason,
    ));
    true
}

fn max_workers(facts: &Facts, overdue: &[&Table], report: &mut Report) {
    let Some(setting) = facts.open("autovacuum_max_workers", report) else {
        return;
    };
    let Some(cores) = facts.machine.cores else {
        return report.leave(
            "autovacuum_max_workers",
            "the cores of the server's machine are not known; set maintenance.server_cores",
        );
    };
    // From PostgreSQL 18 on there are slots, and more workers than those need a restart.
    let slots = facts
        .setting("autovacuum_worker_slots")
        .map_or(f64::MAX, super::setting::Setting::number);
    let target = (setting.number() * 2.0).min((cores / 2.0).floor()).min(slots);
    if target <= setting.number() {
        return report.leave(
            "autovacuum_max_workers",
            format!(
                "{} tables wait for a vacuum, but {} cores leave no room for more than {} workers",
                overdue.len(),
                count(cores),
                setting.shown
            ),
        );
    }
    let reason = format!(
        "{} tables have twice as many dead rows as autovacuum waits for ({}), and there are {} workers for them on {} cores",
        overdue.len(),
        named(overdue),
        setting.shown,
        count(cores)
    );
    let kind = "autovacuum-max-workers";
    report.add(Advice::setting(
        kind,
        setting,
        format!("{target:.0}"),
        Impact::Medium,
        Confidence::Measured,
        reason,
    ));
}

fn naptime(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("autovacuum_naptime", report) else {
        return;
    };
    if setting.ms() <= 300_000.0 {
        return;
    }
    let reason = format!(
        "autovacuum looks at each database once in {}; dead rows pile up until then",
        setting.shown
    );
    let kind = "autovacuum-naptime";
    report.add(Advice::setting(
        kind,
        setting,
        "1min".to_owned(),
        Impact::Medium,
        Confidence::Derived,
        reason,
    ));
}

fn cost_delay(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("autovacuum_vacuum_cost_delay", report) else {
        return;
    };
    if setting.ms() < 20.0 {
        return;
    }
    let reason = format!(
        "autovacuum pauses {} after each round of work; that was the default for old disks and is 2 ms since PostgreSQL 12",
        setting.shown
    );
    let kind = "autovacuum-cost-delay";
    report.add(Advice::setting(
        kind,
        setting,
        "2ms".to_owned(),
        Impact::Medium,
        Confidence::Derived,
        reason,
    ));
}
