//! SQL on the monitor's own tables, and nothing else.

mod alerts;
pub(crate) mod notices;

pub(crate) use alerts::{AlertRow, count_by_state, forget_resolved, list_alerts, resolve_quiet, sight};
pub(crate) use notices::enqueue_notice;
