//! The cache held against PostgreSQL: a table of changes that caches overlook, and a checker that lets many write and many
//! read while everything breaks that can break, and knows of every answer how old it may be.
//!
//! The tests here are short. `just soak-cache` runs the checker for as long as one likes; what it can be asked stands in
//! `checker/options.rs`, and is given in the variable `WEIR_CACHE_PROOF`. `just soak-cache-faults` plants faults in the
//! gateway, one after the other, and fails unless the checker catches each.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a long run tells how it goes")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test runs its own load, and what it shall do is its caller's choice"
)]

mod answers;
mod checker;
mod planted;
mod rules;
