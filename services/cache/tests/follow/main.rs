//! How the log of a real PostgreSQL is followed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says its figures"
)]

mod definitions;
mod faults;
mod harness;
mod writes;
