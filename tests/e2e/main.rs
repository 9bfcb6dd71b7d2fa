//! The whole stack from outside: real binaries, real servers, what a user would see.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test runs its own load, and the length of a soak is its caller's choice"
)]

mod ask;
mod backup_journey;
mod bad_settings;
mod bench;
mod cache_rules;
mod configuration;
mod console;
mod console_monitor;
mod console_state;
mod console_work;
mod doors;
mod hostile_texts;
mod job_journey;
mod nats_away;
mod query_journey;
mod reload;
mod security;
mod stopping;
mod terminal;
mod top;
mod waiting;
