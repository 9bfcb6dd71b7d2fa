//! Backups over the protocol beside real servers: what is restored of them is what was there.
//!
//! The servers are of the version that the kit finds, the newest package unless `WEIR_TEST_PG_BIN` names another.

mod ground;
mod load;
mod standby;
mod summaries;
mod trouble;
