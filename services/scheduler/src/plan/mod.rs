//! When a schedule runs, and when windows are open. Pure: it is told the time and answers with a decision.

mod due;
mod hours;
mod quiet;
mod stamp;
mod timetable;
mod windows;

pub(crate) use due::{Decision, Facts, Misfire, decide};
pub(crate) use hours::{Hours, Weekdays};
pub(crate) use quiet::{Load, Quiet, quiet_hours};
pub(crate) use stamp::{Closed, Stamp, of_order, of_schedule};
pub(crate) use timetable::{InvalidTimetable, Timetable, zone_of};
pub(crate) use windows::{Opening, Window, opening};
