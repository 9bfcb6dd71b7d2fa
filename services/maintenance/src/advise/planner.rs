//! What the planner takes for granted. Pure.

use super::advice::{Advice, Confidence, Impact};
use super::facts::{Facts, Storage};
use super::report::Report;
use super::words::{count, percent};

pub(super) fn find(facts: &Facts, report: &mut Report) {
    match facts.machine.storage {
        Some(Storage::Ssd) => solid(facts, report),
        Some(Storage::Hdd) => {}
        None => {
            for setting in ["random_page_cost", "effective_io_concurrency"] {
                report.leave(
                    setting,
                    "what the server's files lie on is not known; set maintenance.server_storage to ssd or hdd",
                );
            }
        }
    }
    jit(facts, report);
    statistics_target(facts, report);
}

fn solid(facts: &Facts, report: &mut Report) {
    if let Some(setting) = facts
        .open("random_page_cost", report)
        .filter(|setting| setting.number() > 2.0)
    {
        if facts.is_by_hand(setting) {
            report.leave(
                "random_page_cost",
                format!("{} was set by hand; for an SSD 1.1 is usual", setting.shown),
            );
        } else {
            let reason = format!(
                "random_page_cost is {}, which is right for disks that turn; on an SSD a random page costs little more than the next one, and the planner shuns indexes for nothing",
                setting.shown
            );
            let kind = "random-page-cost";
            report.add(Advice::setting(
                kind,
                setting,
                "1.1".to_owned(),
                Impact::High,
                Confidence::Derived,
                reason,
            ));
        }
    }
    concurrency(facts, report);
}

fn concurrency(facts: &Facts, report: &mut Report) {
    // From PostgreSQL 18 on the number is that of real requests, and its default is right.
    let (enough, proposed) = if facts.version >= 180_000 {
        (16.0, "16")
    } else {
        (32.0, "200")
    };
    let Some(setting) = facts.open("effective_io_concurrency", report) else {
        return;
    };
    // A system that cannot read ahead accepts zero only.
    let cannot = setting.max.is_some_and(|max| max < enough);
    if setting.number() >= enough || cannot {
        return;
    }
    if facts.is_by_hand(setting) {
        return report.leave("effective_io_concurrency", format!("{} was set by hand", setting.shown));
    }
    let reason = format!(
        "a bitmap scan asks for {} pages ahead, and an SSD serves many requests at once",
        setting.shown
    );
    let kind = "effective-io-concurrency";
    report.add(Advice::setting(
        kind,
        setting,
        proposed.to_owned(),
        Impact::Low,
        Confidence::Derived,
        reason,
    ));
}

fn jit(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("jit", report).filter(|setting| setting.is("on")) else {
        return;
    };
    let Some(jit) = facts.jit else {
        return report.leave(
            "jit",
            "how long statements are compiled is not known: pg_stat_statements is not in this database",
        );
    };
    let share = jit.compiling_ms / jit.running_ms.max(1.0);
    if share < 0.1 || jit.compiling_ms < 10_000.0 {
        return;
    }
    let reason = format!(
        "{} of the time of all statements ({} of {} s) went into compiling them, which short statements do not earn back",
        percent(share),
        count(jit.compiling_ms / 1000.0),
        count(jit.running_ms / 1000.0)
    );
    report.add(Advice::setting(
        "jit",
        setting,
        "off".to_owned(),
        Impact::Medium,
        Confidence::Measured,
        reason,
    ));
}

fn statistics_target(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("default_statistics_target", report) else {
        return;
    };
    let (proposed, what) = match setting.number() {
        number if number < 100.0 => ("100", "so few values of each column are known that rows are misjudged"),
        number if number > 1_000.0 => (
            "1000",
            "planning every statement reads that many values, and ANALYZE samples 300 rows for each",
        ),
        _ => return,
    };
    let reason = format!("default_statistics_target is {}: {what}", setting.shown);
    let kind = "default-statistics-target";
    report.add(Advice::setting(
        kind,
        setting,
        proposed.to_owned(),
        Impact::Low,
        Confidence::Derived,
        reason,
    ));
}
