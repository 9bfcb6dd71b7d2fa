//! What the monitor tells.

use weir_model::{Clock, Project};
use weir_proto::events::v1::{AlertFiring, AlertResolved, StatisticsCounted};

use crate::catalogue::STATISTICS_COUNTED;
use crate::{Event, SubjectPattern};

const SOURCE: &str = "query-monitor";

/// An alert began.
pub fn alert_firing(project: &Project, alert: &AlertFiring, clock: &Clock) -> Event {
    Event::new(project, SOURCE, alert, clock)
}

/// An alert ended.
pub fn alert_resolved(project: &Project, alert: &AlertResolved, clock: &Clock) -> Event {
    Event::new(project, SOURCE, alert, clock)
}

/// What was counted, for the other monitors.
pub fn statistics_counted(project: &Project, counted: &StatisticsCounted, clock: &Clock) -> Event {
    Event::new(project, SOURCE, counted, clock)
}

/// What monitors counted for every project.
pub fn every_statistics_counted() -> SubjectPattern {
    SubjectPattern::of_every_project(STATISTICS_COUNTED.suffix)
}
