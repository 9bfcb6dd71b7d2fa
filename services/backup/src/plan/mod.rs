//! Decisions, from facts alone.

pub(crate) mod history;
pub(crate) mod restore;
//! What is decided without waiting: what retention keeps, what nothing needs. Pure.

pub(crate) mod garbage;
pub(crate) mod retention;
