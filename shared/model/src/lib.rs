//! Words that every room shares: ids, the clock, secrets, error classes, sketches of latencies.
//!
//! Floor 0: nothing here performs I/O or starts a task. The one reading of the
//! machine's time in the whole workspace is [`Clock::system`].

mod clock;
mod error;
mod id;
mod secret;
mod size;
mod sketch;
mod trace;

pub use clock::Clock;
pub use error::{Coded, ErrorClass};
pub use id::{Fingerprint, InvalidId, Project, Upstream};
pub use secret::Secret;
pub use size::size_in_words;
pub use sketch::{Sketch, varint};
pub use trace::{TRACEPARENT_BYTES, is_traceparent};
