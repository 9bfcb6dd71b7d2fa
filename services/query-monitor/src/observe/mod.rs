//! Facts in: what gateways tell of statements, and what others read off the things that Weir looks after.

mod board;
mod decode;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod gateways;
pub(crate) mod peers;
pub(crate) mod server;
pub(crate) mod statements;
pub(crate) mod trends;
pub(crate) mod work;

pub(crate) use board::Board;
pub(crate) use events::{Counter, Knowledge, Shared};
