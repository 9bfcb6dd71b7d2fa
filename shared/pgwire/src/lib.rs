//! PostgreSQL protocol frames: read, write, never copy what is only forwarded.
//!
//! Floor 0: no I/O, no clock, no tasks. [`scan`] finds the frames in a buffer that a socket fills; what is only
//! forwarded is never looked into. A length is believed only as far as its bytes have arrived: no input makes this
//! crate panic, and none makes it allocate.
//!
//! Views borrow from the buffer that was read, writers append to the one that goes out. Both exist for both sides:
//!
//! | | read | written |
//! | --- | --- | --- |
//! | what a client sends | [`hello`] before the log-in, [`request`] from then on | [`frontend`]; [`request`] changes the names in one that was read |
//! | what a server sends | [`backend`] | [`reply`] |
//!
//! What both send while one replicates from the other is in [`replication`].

pub mod backend;
mod error;
mod format;
mod frame;
pub mod frontend;
pub mod hello;
mod reader;
pub mod replication;
pub mod reply;
pub mod request;
mod values;
mod write;

pub use error::WireError;
pub use format::Format;
pub use frame::{Frame, Header, Scan, scan};
pub use write::WriteError;

use std::ops::RangeInclusive;

/// How long a key for cancel requests may be: 4 bytes in protocol 3.0, up to 256 from 3.2 on.
const CANCEL_KEY_BYTES: RangeInclusive<usize> = 4..=256;
