//! The scheduler as it runs: schedules are put over gRPC or in the settings, a worker hears what is requested and reports.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod clocks;
mod learning;
mod projects;
mod runs;
mod schedules;
mod stage;
mod windows;
