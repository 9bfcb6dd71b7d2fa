//! The gateway as its callers see it: started in process, before a real PostgreSQL.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod endings;
mod events;
mod gateway;
mod queue;
mod session;
mod stream;
mod upkeep;
mod values;
