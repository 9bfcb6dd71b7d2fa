//! Decisions, from facts alone.

pub(crate) mod history;
pub(crate) mod restore;
