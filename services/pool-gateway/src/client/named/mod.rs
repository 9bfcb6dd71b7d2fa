//! Calls of the catalogue: statements by their names, and sessions by their tokens.
//!
//! Nothing here runs a statement by a way of its own: a named statement is an [`Ask`](super::session::Ask) like any other,
//! so that whatever is done for those (budgets, time limits, cancelling, events, replicas, answers from memory) is done for
//! it too. Only what must be of one moment is read together ([`cut`]). No value of a parameter leaves by an error.

mod asking;
mod calling;
mod checking;
mod cut;
mod judging;
mod listing;
mod resolving;

pub(crate) use checking::start;
