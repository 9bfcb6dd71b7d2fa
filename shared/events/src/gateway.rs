//! What the gateway tells.

use bytes::Bytes;
use weir_model::{Clock, Project};
use weir_proto::events::v1::{CacheCounted, PoolState, QueryBatch, SecurityViolation};

use crate::catalogue::{CACHE_COUNTED, POOL_STATE, QUERY_EXECUTED, SECURITY_VIOLATION};
use crate::{Event, SubjectPattern};

const SOURCE: &str = "pool-gateway";

/// Statements of one project that ended.
pub fn query_executed(project: &Project, batch: &QueryBatch, clock: &Clock) -> Event {
    Event::new(project, SOURCE, batch, clock)
}

/// The same, for a batch that was encoded piece by piece.
pub fn query_executed_encoded(project: &Project, payload: Bytes, clock: &Clock) -> Event {
    Event::encoded::<QueryBatch>(project, SOURCE, payload, clock)
}

/// A pool is nearly used up, or no longer is; or what pools and servers are like.
pub fn pool_state(project: &Project, state: &PoolState, clock: &Clock) -> Event {
    Event::new(project, SOURCE, state, clock)
}

/// A rule was broken.
pub fn security_violation(project: &Project, violation: &SecurityViolation, clock: &Clock) -> Event {
    Event::new(project, SOURCE, violation, clock)
}

/// What the cache of a gateway did.
pub fn cache_counted(project: &Project, counted: &CacheCounted, clock: &Clock) -> Event {
    Event::new(project, SOURCE, counted, clock)
}

/// What caches did for every project.
pub fn every_cache_counted() -> SubjectPattern {
    SubjectPattern::of_every_project(CACHE_COUNTED.suffix)
}

/// The pools of every project.
pub fn every_pool_state() -> SubjectPattern {
    SubjectPattern::of_every_project(POOL_STATE.suffix)
}

/// Statements of every project.
pub fn every_query_executed() -> SubjectPattern {
    SubjectPattern::of_every_project(QUERY_EXECUTED.suffix)
}

/// Broken rules of every project.
pub fn every_security_violation() -> SubjectPattern {
    SubjectPattern::of_every_project(SECURITY_VIOLATION.suffix)
}
