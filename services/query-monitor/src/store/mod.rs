//! SQL on the monitor's own tables, and nothing else.

mod alerts;
mod work;

pub(crate) use alerts::{AlertRow, count_by_state, forget_resolved, list_alerts, resolve_quiet, sight};
pub(crate) use work::{
    EndingsRow, ViolationsRow, endings, forget_work, note_dry_run, note_failure, note_success, note_violation,
    violations,
};
