//! SQL on the monitor's own tables, and nothing else.

mod alerts;
mod changes;
mod lines;
pub(crate) mod notices;
mod partitions;
mod plans;
mod rollup;
mod rules;
mod series;
mod statistics;
mod work;

pub(crate) use changes::{ChangeRow, forget_changes, list_changes, note_change};
pub(crate) use lines::{
    Wanted, Written, begin_snapshot, heaviest, read_batches, read_part, read_shapes, read_spans, read_wholes,
    search_shapes, shapes_of_kind,
};
pub(crate) use notices::enqueue_notice;
pub(crate) use partitions::drop_before;
pub(crate) use plans::{NewPlan, PlanRow, PlansWanted, forget_plans, keep_plan, latest_plan, list_plans};
pub(crate) use rollup::make_next;
pub(crate) use series::{
    SeriesKey, begin_series, every_series, find_series, forget_series, last_of_series, read_series, record, roll_up,
};
pub(crate) use statistics::{Batch, Row, meet_gateways, read_intake, write_batch};
pub(crate) use work::{
    EndingsRow, ViolationsRow, endings, forget_work, note_dry_run, note_failure, note_success, note_violation,
    violations,
};

pub(crate) use alerts::{
    AlertRow, acknowledge, count_by_state, end_others, forget_resolved, list_alerts, open_alerts, remove_alerts,
    told_already, turns, write_alerts,
};
pub(crate) use rules::{
    SilenceRow, count_silences, expire_silence, forget_silences, newest_term, put_rule, put_silence, remove_rule,
    revise, revision, rules, silences,
};

/// Longest text of a name. Names are part of an index, which has a bound of its own.
const TEXT_CHARACTERS_MAX: usize = 500;

/// A text that PostgreSQL takes: one name that it refuses would keep everything else waiting.
fn storable(text: &str) -> String {
    let head: String = text.chars().take(TEXT_CHARACTERS_MAX).collect();
    head.replace('\0', "\u{fffd}")
}
