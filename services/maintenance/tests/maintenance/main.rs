//! Maintenance as it runs: jobs are requested on the bus, what is done to a real database is told and seen.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod analyze;
mod rounds;
mod stage;
mod upkeep;
