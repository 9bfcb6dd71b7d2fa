//! What cached results depend on, as numbers that every part of Weir computes alike.
//!
//! Whoever reads the log raises tags to the position of the commit that touched them; whoever keeps results compares
//! the tags of a result with the position up to which it had seen everything. Both sides compute the same number from
//! the same facts, so that nothing but numbers is told. Two facts with the same number cost a miss, never a wrong answer.
//!
//! Floor 0: no I/O, no clock, no tasks.

mod buckets;
mod canonical;
mod tag;

pub use buckets::{BUCKETS, Buckets};
pub use canonical::{Canonical, Family};
pub use tag::Tag;
