//! What the tests and benchmarks of the whole house share: a raw client of the PostgreSQL protocol, the peers that
//! Weir is compared with, and figures of a running process. Tests live beside it: `tidy/`, `e2e/`, `stress/`, `bench/`.
#![expect(
    clippy::expect_used,
    reason = "this crate serves tests only, and a test fails by panicking"
)]

pub mod facts;
pub mod peers;
pub mod wire;
