//! The log, and the checkpoints that keep it short. Pure.

use super::advice::{Advice, Confidence, Impact};
use super::counters::Counters;
use super::facts::Facts;
use super::report::Report;
use super::words::{GB, MB, count, hours, memory, percent, power_of_two, size};

/// Fewer checkpoints say nothing of their rule.
const CHECKPOINTS_MIN: f64 = 10.0;
/// So many of them may come early.
const REQUESTED_SHARE: f64 = 0.2;
const MAX_WAL_SIZE_MAX: f64 = 64.0 * GB;
/// A log that grows more slowly is not worth a word.
const WAL_HOURLY: f64 = GB;
const PAGE_BYTES: f64 = 8192.0;

pub(super) fn find(facts: &Facts, report: &mut Report) {
    max_wal_size(facts, report);
    min_wal_size(facts, report);
    checkpoint_timeout(facts, report);
    checkpoint_completion_target(facts, report);
    wal_buffers(facts, report);
    wal_compression(facts, report);
}

fn wal_hourly(workload: &Counters) -> f64 {
    workload.hourly("wal_bytes").unwrap_or_default()
}

/// The share of the log that is whole pages, before they are compressed.
fn images_share(workload: &Counters) -> f64 {
    let bytes = workload.get("wal_bytes");
    if bytes <= 0.0 {
        return 0.0;
    }
    (workload.get("wal_page_images") * PAGE_BYTES / bytes).min(1.0)
}

fn max_wal_size(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("max_wal_size", report) else {
        return;
    };
    let workload = facts.workload_under("max_wal_size");
    let (timed, requested) = (workload.get("checkpoints_timed"), workload.get("checkpoints_requested"));
    let all = timed + requested;
    let Some(counted) = workload.hours() else {
        return report.leave("max_wal_size", "checkpoints were counted for less than an hour");
    };
    if all < CHECKPOINTS_MIN || requested < all * REQUESTED_SHARE {
        return;
    }
    let timeout = facts
        .setting("checkpoint_timeout")
        .map_or(300_000.0, super::setting::Setting::ms);
    let spread = facts.number("checkpoint_completion_target");
    let between = wal_hourly(&workload) * timeout / 3_600_000.0;
    // A checkpoint begins so early that the log stays below the limit to its end; a busy hour may need twice as much.
    let target = power_of_two(between * (1.0 + spread) * 2.0)
        .max(power_of_two(setting.bytes() * 2.0))
        .min(MAX_WAL_SIZE_MAX);
    if target <= setting.bytes() {
        return;
    }
    let reason = format!(
        "{} of {} checkpoints in {} came early, because the log had reached max_wal_size ({}); it grows by {} an hour",
        count(requested),
        count(all),
        hours(counted),
        setting.shown,
        size(wal_hourly(&workload))
    );
    let advice = Advice::setting(
        "max-wal-size",
        setting,
        memory(target),
        Impact::High,
        Confidence::Measured,
        reason,
    );
    report.add(advice);
}

fn min_wal_size(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("min_wal_size", report) else {
        return;
    };
    let Some(most) = facts.setting("max_wal_size").map(super::setting::Setting::bytes) else {
        return;
    };
    let hourly = wal_hourly(&facts.workload);
    let few = facts.is_by_hand(setting) || most < 4.0 * GB || setting.bytes() * 8.0 > most || hourly < WAL_HOURLY;
    if few {
        return;
    }
    let target = (most / 4.0).min(hourly).max(MB * 512.0);
    let reason = format!(
        "the log grows by {} an hour, and only {} of files are kept for use again: the rest is removed and made anew after each checkpoint",
        size(hourly),
        setting.shown
    );
    report.add(Advice::setting(
        "min-wal-size",
        setting,
        memory(target),
        Impact::Low,
        Confidence::Measured,
        reason,
    ));
}

fn checkpoint_timeout(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("checkpoint_timeout", report) else {
        return;
    };
    let workload = facts.workload_under("checkpoint_timeout");
    let images = images_share(&workload);
    let least = if facts.is_by_hand(setting) {
        120_000.0
    } else {
        300_000.0
    };
    if setting.ms() > least || images < 0.4 || wal_hourly(&workload) < WAL_HOURLY {
        return;
    }
    let reason = format!(
        "{} of the log ({} an hour) are whole pages, which are written at the first change after each checkpoint; with one in {} there are many",
        percent(images),
        size(wal_hourly(&workload)),
        setting.shown
    );
    let advice = Advice::setting(
        "checkpoint-timeout",
        setting,
        "15min".to_owned(),
        Impact::Medium,
        Confidence::Measured,
        reason,
    );
    report.add(advice);
}

fn checkpoint_completion_target(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("checkpoint_completion_target", report) else {
        return;
    };
    let low = if facts.is_by_hand(setting) { 0.7 } else { 0.9 };
    if setting.number() >= low {
        return;
    }
    let reason = format!(
        "a checkpoint writes its pages in {} of the time to the next one; the more it is spread, the less reads and commits wait for it",
        percent(setting.number())
    );
    let kind = "checkpoint-completion-target";
    report.add(Advice::setting(
        kind,
        setting,
        "0.9".to_owned(),
        Impact::Low,
        Confidence::Derived,
        reason,
    ));
}

fn wal_buffers(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("wal_buffers", report) else {
        return;
    };
    let workload = facts.workload_under("wal_buffers");
    let (full, records) = (workload.get("wal_buffers_full"), workload.get("wal_records"));
    let often = workload
        .hourly("wal_buffers_full")
        .is_some_and(|hourly| hourly >= 1_000.0);
    if !often || full < records * 0.001 || setting.bytes() >= 64.0 * MB {
        return;
    }
    let target = if setting.bytes() < 16.0 * MB { "16MB" } else { "64MB" };
    let reason = format!(
        "{} times a session had to write the log itself, because wal_buffers ({}) were full",
        count(full),
        setting.shown
    );
    let advice = Advice::setting(
        "wal-buffers",
        setting,
        target.to_owned(),
        Impact::Medium,
        Confidence::Measured,
        reason,
    );
    report.add(advice);
}

fn wal_compression(facts: &Facts, report: &mut Report) {
    let Some(setting) = facts.open("wal_compression", report) else {
        return;
    };
    let (images, hourly) = (images_share(&facts.workload), wal_hourly(&facts.workload));
    if !setting.is("off") || facts.is_by_hand(setting) || images < 0.3 || hourly < WAL_HOURLY {
        return;
    }
    let has_lz4 = setting.words.iter().any(|word| word == "lz4");
    let method = if has_lz4 { "lz4" } else { "pglz" };
    let reason = format!(
        "{} of the log ({} an hour) are whole pages, which {method} makes a half to a fifth of their size",
        percent(images),
        size(hourly)
    );
    let advice = Advice::setting(
        "wal-compression",
        setting,
        method.to_owned(),
        Impact::Medium,
        Confidence::Measured,
        reason,
    );
    report.add(advice);
}
