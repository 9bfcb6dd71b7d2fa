//! What a series of figures does in the long run: where its level changed, where it is going, when it runs out. Pure.
//!
//! Nothing here guesses: a change is told only where it is beyond the noise and large enough to matter; a forecast has
//! an interval that is wide where the data is poor; and where the data says nothing, that is the answer.

mod change;
mod drift;
mod forecast;
mod runs_out;
mod series;
mod words;

pub(crate) use change::{Change, ChangeOptions, changes};
pub(crate) use forecast::{Forecast, TooLittleData, forecast};
pub(crate) use runs_out::{RunsOut, runs_out};
pub(crate) use series::{Point, median};
pub(crate) use words::{Unit, sentence};

#[cfg(test)]
mod tests;
