//! PostgreSQL protocol frames: read, write, never copy what is only forwarded.
//!
//! Floor 0: no I/O, no clock, no tasks. [`scan`] finds the frames in a buffer that a socket fills; what is only
//! forwarded is never looked into. The views in [`backend`] borrow from that buffer, the writers in [`frontend`]
//! append to the next one. A length is believed only as far as its bytes have arrived: no input makes this crate
//! panic, and none makes it allocate.

pub mod backend;
mod error;
mod format;
mod frame;
pub mod frontend;
mod reader;

pub use error::WireError;
pub use format::Format;
pub use frame::{Frame, Header, Scan, scan};
