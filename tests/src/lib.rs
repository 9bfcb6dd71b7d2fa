//! What the tests and benchmarks of the whole house share: a raw client of the PostgreSQL protocol, the peers that
//! Weir is compared with, Weir with its cache, and figures of a running process. Tests live beside it: `tidy/`, `e2e/`,
//! `stress/`, `cache/`, `bench/`.
#![expect(
    clippy::expect_used,
    reason = "this crate serves tests only, and a test fails by panicking"
)]

pub mod cached;
pub mod facts;
pub mod peers;
pub mod pgbench;
pub mod wire;
