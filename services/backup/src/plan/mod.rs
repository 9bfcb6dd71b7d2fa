//! Decisions, from facts alone: what to restore from, what retention keeps, what nothing needs. Pure.

pub(crate) mod garbage;
pub(crate) mod history;
pub(crate) mod restore;
pub(crate) mod retention;
