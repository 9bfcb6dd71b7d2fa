//! Statistics and events to findings. Pure: it decides, others act.

mod slow;

pub(crate) use slow::{Sighting, SlowKey, SlowQueries};
