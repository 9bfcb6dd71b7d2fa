//! Words that every room shares: ids, the clock, secrets, error classes, sketches of latencies.
//!
//! Floor 0: nothing here performs I/O or starts a task. The one reading of the
//! machine's time in the whole workspace is [`Clock::system`].

mod clock;
mod error;
mod id;
mod secret;
mod sketch;
mod trace;
mod words;

pub use clock::Clock;
pub use error::{Coded, ErrorClass};
pub use id::{Fingerprint, InvalidId, Project, Upstream};
pub use secret::Secret;
pub use sketch::{Sketch, varint};
pub use trace::{TRACEPARENT_BYTES, is_traceparent};
pub use words::{count_in_words, size_in_words};
