//! The gateway as its callers see it: started in process, before a real PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod again;
mod batch;
mod cluster;
mod endings;
mod events;
mod firewall;
mod flight;
mod gateway;
mod handover;
mod named;
mod names;
mod once;
mod prepare;
mod queue;
mod session;
mod stream;
mod transaction;
mod upkeep;
mod values;
mod wire;
