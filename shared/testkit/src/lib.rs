//! Real PostgreSQL, NATS and Redis for tests, started on demand and always stopped.
//!
//! Every server runs under a small shell that reads a pipe held by the test process ([`supervisor`]), so it ends with
//! that process however that ends. Nothing here ships: other crates take it as a dev-dependency only.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate serves tests only, and a test fails by panicking"
)]

mod blocking;
mod eventually;
mod http;
#[cfg(test)]
mod leftovers;
mod nats;
mod place;
mod port;
mod postgres;
mod process;
mod redis;
mod server;
mod supervisor;
mod world;

pub use eventually::{Observed, eventually};
pub use http::http_get;
pub use nats::Nats;
pub use port::free_port;
pub use postgres::{Database, Postgres, PostgresOptions};
pub use process::Process;
pub use redis::{Redis, RedisCluster, RedisSentinel};
pub use world::{Plan, Said, World, binary_path};
