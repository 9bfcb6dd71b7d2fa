//! SQL on the monitor's own tables, and nothing else.

mod alerts;

pub(crate) use alerts::{AlertRow, count_by_state, forget_resolved, list_alerts, resolve_quiet, sight};
