//! How often autovacuum comes to a large table: by how much of it changes, not by its size. Pure.
//!
//! A share of a table that is right for a thousand rows is weeks of changes in one of a hundred million. The share is
//! chosen so that autovacuum comes after half an hour to a day of changes.

use std::collections::BTreeMap;

use super::advice::{Activation, Advice, Confidence, Impact, Object, Proposal};
use super::autovacuum::{Thresholds, thresholds};
use super::counters::Counters;
use super::facts::{Facts, Table};
use super::report::Report;
use super::words::{count, hours, share, share_text};

/// In a smaller table any share is a few rows.
const ROWS_MIN: f64 = 1e6;
/// Fewer dead rows a day than these are not worth a vacuum of their own.
const DEAD_DAILY_MIN: f64 = 10_000.0;
/// Hours of changes: the least, what is aimed at, and the most that is left alone.
const SOONEST: f64 = 0.5;
const AIM: f64 = 6.0;
const LATEST: f64 = 36.0;
const SCALE_MIN: f64 = 0.001;

/// A table, or its TOAST table, under one of its options.
struct Part<'a> {
    object: &'a Object,
    option: String,
    own: Option<&'a str>,
    rows: f64,
    limits: Thresholds,
    counters: Counters,
}

pub(super) fn find(facts: &Facts, table: &Table, report: &mut Report) {
    if table.is_parent {
        return;
    }
    let object = Object::table(&facts.database, &table.name);
    if table.rows >= ROWS_MIN {
        vacuum(
            facts,
            &part(facts, table, &object, "autovacuum_vacuum_scale_factor"),
            "table-vacuum-scale-factor",
            report,
        );
        insert(
            facts,
            &part(facts, table, &object, "autovacuum_vacuum_insert_scale_factor"),
            report,
        );
        analyze(
            facts,
            &part(facts, table, &object, "autovacuum_analyze_scale_factor"),
            report,
        );
    }
    if let Some(part) = toast(facts, table, &object).filter(|part| part.rows >= ROWS_MIN) {
        vacuum(facts, &part, "toast-vacuum-scale-factor", report);
    }
}

fn part<'a>(facts: &Facts, table: &'a Table, object: &'a Object, option: &str) -> Part<'a> {
    Part {
        object,
        option: option.to_owned(),
        own: table.options.get(option).map(String::as_str),
        rows: table.rows,
        limits: thresholds(facts, &table.options, table.rows, false),
        counters: facts.counted_under(object, option, &table.counters),
    }
}

/// What a TOAST table has no option for, it has from its table.
fn toast<'a>(facts: &Facts, table: &'a Table, object: &'a Object) -> Option<Part<'a>> {
    let toast = table.toast.as_ref()?;
    let mut options: BTreeMap<String, String> = table.options.clone();
    options.extend(toast.options.clone());
    let (name, rows) = ("autovacuum_vacuum_scale_factor", toast.counters.get("live"));
    let option = format!("toast.{name}");
    Some(Part {
        object,
        own: toast.options.get(name).map(String::as_str),
        rows,
        limits: thresholds(facts, &options, rows, true),
        counters: facts.counted_under(object, &option, &toast.counters),
        option,
    })
}

impl Part<'_> {
    /// Rows that died an hour; none where they were not counted for long enough.
    fn hourly(&self, names: &[&str], report: &mut Report) -> Option<f64> {
        let Some(hours) = self.counters.hours() else {
            report.leave("tables", "changes of some tables were counted for less than an hour");
            return None;
        };
        Some(names.iter().map(|name| self.counters.get(name)).sum::<f64>() / hours)
    }

    fn advice(&self, kind: &'static str, scale: f64, impact: Impact, reason: String) -> Advice {
        let proposed = share_text(scale);
        let summary = format!("set {} of {} to {proposed}", self.option, self.object);
        let proposal = Proposal {
            option: self.option.clone(),
            current: self.own.map(str::to_owned),
            proposed: Some(proposed),
            activation: Activation::Immediate,
        };
        Advice::note(kind, self.object.clone(), impact, Confidence::Measured, summary, reason).proposing(proposal)
    }

    /// True where an operator set it, which is said.
    fn is_left(&self, facts: &Facts, report: &mut Report) -> bool {
        let by_hand = facts.is_option_by_hand(self.object, &self.option, self.own);
        if by_hand {
            let value = self.own.unwrap_or_default();
            report.leave_option(self.object, &self.option, format!("{value} was set by hand"));
        }
        by_hand
    }
}

fn vacuum(facts: &Facts, part: &Part<'_>, kind: &'static str, report: &mut Report) {
    let Some(hourly) = part.hourly(&["upd", "del"], report) else {
        return;
    };
    let (limits, rows) = (&part.limits, part.rows);
    let (due, dead) = (limits.vacuum / hourly.max(0.001), part.counters.get("dead"));
    if hourly * 24.0 < DEAD_DAILY_MIN || (SOONEST..=LATEST).contains(&due) {
        return;
    }
    // Weeks without a vacuum and a table half dead: whoever set that did not mean it.
    let is_harmful = due > 7.0 * 24.0 && dead > rows * 0.4;
    if !is_harmful && part.is_left(facts, report) {
        return;
    }
    let aim = if due > LATEST { AIM } else { 2.0 };
    let wanted = (hourly * aim - limits.vacuum_base).max(10_000.0);
    let scale = share(wanted / rows).clamp(SCALE_MIN, 0.2);
    let is_better = if due > LATEST {
        scale < limits.vacuum_scale
    } else {
        scale > limits.vacuum_scale
    };
    if !is_better {
        return;
    }
    let reason = format!(
        "{} rows of {} die an hour, and autovacuum waits for {}: that is once in {}; with {} it comes once in {}",
        count(hourly),
        count(rows),
        count(limits.vacuum),
        hours(due),
        share_text(scale),
        hours((limits.vacuum_base + scale * rows) / hourly)
    );
    let impact = if due > LATEST { Impact::High } else { Impact::Low };
    report.add(part.advice(kind, scale, impact, reason));
}

/// Pages of a table that only grows are never marked as visible to all, nor frozen, until autovacuum comes.
fn insert(facts: &Facts, part: &Part<'_>, report: &mut Report) {
    let Some(hourly) = part.hourly(&["ins"], report) else {
        return;
    };
    let (inserted, others) = (
        part.counters.get("ins"),
        part.counters.get("upd") + part.counters.get("del"),
    );
    let (limits, rows) = (&part.limits, part.rows);
    let due = limits.insert / hourly.max(0.001);
    let grows = inserted > 0.0 && inserted >= (inserted + others) * 0.95;
    if !grows || limits.insert_scale <= 0.05 || due <= LATEST || hourly * 24.0 < DEAD_DAILY_MIN {
        return;
    }
    if part.is_left(facts, report) {
        return;
    }
    let scale = share(hourly * 24.0 / rows).clamp(SCALE_MIN, 0.05);
    let reason = format!(
        "{} rows are added an hour to {} and hardly any changed: autovacuum waits for {}, which is {}; until then index-only scans look into the table, and freezing piles up",
        count(hourly),
        count(rows),
        count(limits.insert),
        hours(due)
    );
    report.add(part.advice("table-insert-scale-factor", scale, Impact::Medium, reason));
}

fn analyze(facts: &Facts, part: &Part<'_>, report: &mut Report) {
    let Some(hourly) = part.hourly(&["ins", "upd", "del"], report) else {
        return;
    };
    let (limits, rows) = (&part.limits, part.rows);
    let due = limits.analyze / hourly.max(0.001);
    if due <= 2.0 * LATEST || hourly * 24.0 < 5.0 * DEAD_DAILY_MIN {
        return;
    }
    let scale = share(hourly * 24.0 / rows).max(SCALE_MIN);
    if scale >= limits.analyze_scale || part.is_left(facts, report) {
        return;
    }
    let reason = format!(
        "{} rows of {} change an hour, and its statistics are taken anew after {}: that is once in {}",
        count(hourly),
        count(rows),
        count(limits.analyze),
        hours(due)
    );
    report.add(part.advice("table-analyze-scale-factor", scale, Impact::Medium, reason));
}
