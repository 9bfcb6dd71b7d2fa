//! Facts in: what gateways tell of statements, and what others read off the things that Weir looks after.

mod board;
pub(crate) mod events;
pub(crate) mod gateways;
pub(crate) mod work;

pub(crate) use board::Board;
pub(crate) use events::{Knowledge, Shared};
