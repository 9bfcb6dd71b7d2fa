//! Room in the pages of a table whose rows are updated, so that they can stay where they are. Pure.

use super::advice::{Activation, Advice, Confidence, Impact, Object, Proposal};
use super::facts::{Facts, Table};
use super::report::Report;
use super::words::{MB, count, percent};

/// Fewer updates say nothing.
const UPDATES_MIN: f64 = 10_000.0;
const HOT_SHARE: f64 = 0.5;
/// So many updates must have had to look for another page.
const NEW_PAGE_SHARE: f64 = 0.3;
const SIZE_MIN: f64 = 8.0 * MB;
const LEAST: f64 = 70.0;
const OPTION: &str = "fillfactor";

pub(super) fn find(facts: &Facts, table: &Table, report: &mut Report) {
    // Updates of a table without a column outside of its indexes can never stay in the page.
    if table.is_parent || table.size_bytes < SIZE_MIN || !table.has_plain_columns {
        return;
    }
    if !facts.indexes.iter().any(|index| index.table == table.name) {
        return;
    }
    let object = Object::table(&facts.database, &table.name);
    let counted = facts.counted_under(&object, OPTION, &table.counters);
    let (updates, hot) = (counted.get("upd"), counted.get("hot"));
    if updates < UPDATES_MIN || hot >= updates * HOT_SHARE {
        return;
    }
    let newpage = counted.values.get("newpage").copied();
    if newpage.is_some_and(|newpage| newpage < updates * NEW_PAGE_SHARE) {
        return;
    }
    let own = table.options.get(OPTION).map(String::as_str);
    if facts.is_option_by_hand(&object, OPTION, own) {
        return report.leave_option(&object, OPTION, format!("{} was set by hand", own.unwrap_or_default()));
    }
    let now = own.and_then(|value| value.parse().ok()).unwrap_or(100.0);
    if now <= LEAST {
        return report.leave_option(&object, OPTION, "more room than 30 % is not worth its space");
    }
    let proposed = (now - 10.0).max(LEAST);
    report.add(advice(object, own, proposed, updates, hot, newpage));
}

fn advice(object: Object, own: Option<&str>, proposed: f64, updates: f64, hot: f64, newpage: Option<f64>) -> Advice {
    // Which columns are updated, PostgreSQL does not tell; how many rows moved to another page, from 16 on.
    let (moved, confidence) = match newpage {
        Some(newpage) => (
            format!(
                ", {} moved to another page for want of room",
                percent(newpage / updates)
            ),
            Confidence::Measured,
        ),
        None => (String::new(), Confidence::Guessed),
    };
    let reason = format!(
        "of {} updates {} left the indexes alone{moved}; pages filled to {proposed} % have room for new versions of their rows, where the updated columns are in no index. It holds for pages filled from then on",
        count(updates),
        percent(hot / updates)
    );
    let proposal = Proposal {
        option: OPTION.to_owned(),
        current: own.map(str::to_owned),
        proposed: Some(format!("{proposed:.0}")),
        activation: Activation::Immediate,
    };
    let summary = format!("set {OPTION} of {object} to {proposed:.0}");
    Advice::note("table-fillfactor", object, Impact::Medium, confidence, summary, reason).proposing(proposal)
}
