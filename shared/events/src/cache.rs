//! What the cache tells.

use weir_model::{Clock, Project};
use weir_proto::events::v1::CacheInvalidated;

use crate::catalogue::CACHE_INVALIDATED;
use crate::{Event, SubjectPattern};

/// Commits made cached results invalid.
pub fn invalidated(project: &Project, invalidated: &CacheInvalidated, clock: &Clock) -> Event {
    Event::new(project, "cache", invalidated, clock)
}

/// What became invalid in every project.
pub fn every_invalidated() -> SubjectPattern {
    SubjectPattern::of_every_project(CACHE_INVALIDATED.suffix)
}
