//! Weir with its cache, for the tests and the benchmark of it: what has to run, a session that keeps whole answers, what
//! the gateway counts, a go-between that loses, swaps and delays what passes, and the battery of wrong answers.

mod answer;
mod asker;
pub mod battery;
mod counts;
mod ghost;
mod middle;
mod nats;
mod stage;

pub use answer::Answer;
pub use asker::{Asker, Way};
pub use counts::Counts;
pub use ghost::Ghost;
pub use middle::{Knobs, Middle, Speaks};
pub use stage::{Plan, Stage, postgres_settings};

/// The text with which a statement says how fresh its answer has to be.
pub fn at_level(level: &str, sql: &str) -> String {
    format!("{sql} /* weir:cache={level} */")
}
