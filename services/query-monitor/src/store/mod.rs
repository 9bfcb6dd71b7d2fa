//! SQL on the monitor's own tables, and nothing else.

mod alerts;
mod rules;

pub(crate) use alerts::{
    AlertRow, acknowledge, count_by_state, end_others, forget_resolved, list_alerts, open_alerts, remove_alerts,
    told_already, turns, write_alerts,
};
pub(crate) use rules::{
    SilenceRow, count_silences, expire_silence, forget_silences, newest_term, put_rule, put_silence, remove_rule,
    revise, revision, rules, silences,
};
