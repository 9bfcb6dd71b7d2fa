//! What the monitor tells.

use weir_model::{Clock, Project};
use weir_proto::events::v1::{AlertFiring, AlertResolved};

use crate::Event;

const SOURCE: &str = "query-monitor";

/// An alert began.
pub fn alert_firing(project: &Project, alert: &AlertFiring, clock: &Clock) -> Event {
    Event::new(project, SOURCE, alert, clock)
}

/// An alert ended.
pub fn alert_resolved(project: &Project, alert: &AlertResolved, clock: &Clock) -> Event {
    Event::new(project, SOURCE, alert, clock)
}
