//! Advice on a real server: given where something is wrong and only there, carried out, and taken back.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod changes;
mod server;
mod stage;
mod structure;
mod tables;
