//! Decisions, from facts alone.

pub(crate) mod restore;
