//! Sequences that come to their end, or to the end of the column that they fill. Pure.

use super::advice::{Advice, Confidence, Impact, Object, ident};
use super::facts::{Facts, Sequence};
use super::report::{Report, Territory};
use super::words::{count, hours, percent};

const USED_MIN: f64 = 0.5;
/// One that ends within half a year is told of earlier.
const ETA_HOURS: f64 = 180.0 * 24.0;
const USED_MIN_SOON: f64 = 0.1;

pub(super) fn find(facts: &Facts, territory: &Territory<'_>, report: &mut Report) {
    for sequence in &facts.sequences {
        let owner = sequence.column.as_ref().map_or(&sequence.name, |(table, ..)| table);
        if (territory.is_mine)(owner) {
            report.advice.extend(advice(facts, sequence));
        }
    }
}

fn bounds(of_type: &str) -> (f64, f64) {
    match of_type {
        "smallint" => (-32_768.0, 32_767.0),
        "integer" => (-2_147_483_648.0, 2_147_483_647.0),
        _ => (i64::MIN as f64, i64::MAX as f64),
    }
}

/// The share of its values that is used; none where it has not begun, or starts again.
pub(crate) fn used(sequence: &Sequence) -> Option<f64> {
    let last = sequence.last_value?;
    let (low, high) = sequence
        .column
        .as_ref()
        .map_or(bounds("bigint"), |(_, _, column)| bounds(column));
    let (least, most) = (sequence.min.max(low), sequence.max.min(high));
    // Where the column ends before the sequence, starting again does not help.
    let column_ends = if sequence.increment < 0.0 {
        least > sequence.min
    } else {
        most < sequence.max
    };
    if sequence.cycles && !column_ends {
        return None;
    }
    let (from, to) = if sequence.increment < 0.0 {
        (most, least)
    } else {
        (least, most)
    };
    Some(((last - from) / (to - from)).clamp(0.0, 1.0))
}

/// Hours until it ends, at the rate since the earliest sample.
fn eta(facts: &Facts, sequence: &Sequence, used: f64) -> Option<f64> {
    let earlier = sequence.earlier?;
    let passed = facts.now_unix_ms.saturating_sub(earlier.at_unix_ms) as f64 / 3_600_000.0;
    let rate = (used - earlier.used) / passed;
    (passed >= 1.0 && rate > 0.0).then(|| (1.0 - used) / rate)
}

fn advice(facts: &Facts, sequence: &Sequence) -> Option<Advice> {
    let used = used(sequence)?;
    let eta = eta(facts, sequence, used);
    let soon = eta.is_some_and(|eta| eta <= ETA_HOURS) && used >= USED_MIN_SOON;
    if used < USED_MIN && !soon {
        return None;
    }
    let impact = match used {
        used if used >= 0.9 || eta.is_some_and(|eta| eta <= 30.0 * 24.0) => Impact::Danger,
        used if used >= 0.75 || soon => Impact::High,
        _ => Impact::Medium,
    };
    let (fills, statement) = remedy(sequence);
    let ends = eta.map_or_else(String::new, |eta| format!("; at its rate it ends in {}", hours(eta)));
    let reason = format!(
        "it stands at {}, {} of what it can give{fills}{ends}; after the last value every INSERT fails",
        sequence.last_value.map_or_else(String::new, |last| if last < 0.0 {
            format!("{last:.0}")
        } else {
            count(last)
        }),
        percent(used)
    );
    let object = Object::sequence(&facts.database, &sequence.name);
    let summary = format!("make room before the sequence {object} ends");
    let confidence = if eta.is_some() {
        Confidence::Measured
    } else {
        Confidence::Derived
    };
    Some(Advice::note("sequence-exhaustion", object, impact, confidence, summary, reason).running(statement))
}

/// What bounds it, and what lifts that.
fn remedy(sequence: &Sequence) -> (String, String) {
    let widen = format!("alter sequence {} as bigint", sequence.name.quoted());
    match &sequence.column {
        Some((table, column, of_type)) if of_type != "bigint" => {
            let fills = format!(
                " to the {of_type} column {table}.{}; changing its type writes the whole table again while nobody can use it, so a large table better gets a new column that is filled bit by bit",
                ident(column)
            );
            let column = format!(
                "alter table {} alter column {} type bigint",
                table.quoted(),
                ident(column)
            );
            let both = if sequence.of_type == "bigint" {
                column
            } else {
                format!("{widen}; {column}")
            };
            (fills, both)
        }
        _ if sequence.of_type != "bigint" => (format!(" as a sequence of type {}", sequence.of_type), widen),
        _ => (
            String::new(),
            format!("alter sequence {} no maxvalue no minvalue", sequence.name.quoted()),
        ),
    }
}
