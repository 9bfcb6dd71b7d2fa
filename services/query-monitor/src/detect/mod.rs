//! Statistics and events to findings. Pure: it decides, others act.

mod outcomes;
mod reading;
mod slow;
pub(crate) mod trend;

pub(crate) use outcomes::{Outcomes, ProjectOutcomes, WINDOWS};
pub(crate) use reading::{Labels, Metric, Reading, Sheet, metric};
pub(crate) use slow::{Sighting, SlowKey, SlowQueries};
