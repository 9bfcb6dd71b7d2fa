//! When a schedule runs. Pure: it is told the time and answers with a decision.

mod due;
mod timetable;

pub(crate) use due::{Decision, Facts, Misfire, decide};
pub(crate) use timetable::{InvalidTimetable, Timetable};
