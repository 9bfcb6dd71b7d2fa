//! What the cache tells.

use weir_model::{Clock, Project};
use weir_proto::events::v1::CacheInvalidated;

use crate::Event;

/// Commits made cached results invalid.
pub fn invalidated(project: &Project, invalidated: &CacheInvalidated, clock: &Clock) -> Event {
    Event::new(project, "cache", invalidated, clock)
}
