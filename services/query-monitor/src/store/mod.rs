//! SQL on the monitor's own tables, and nothing else.

mod alerts;
mod changes;
mod series;

pub(crate) use alerts::{AlertRow, count_by_state, forget_resolved, list_alerts, resolve_quiet, sight};
pub(crate) use changes::{ChangeRow, forget_changes, list_changes, note_change};
pub(crate) use series::{
    SeriesKey, begin_series, every_series, find_series, forget_series, last_of_series, read_series, record, roll_up,
};
