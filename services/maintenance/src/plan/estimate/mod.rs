//! How much room rows would need if their relation were written anew: what VACUUM FULL and REINDEX do, in arithmetic.
//! Pure.

mod btree;
mod census;
mod draw;
mod figure;
mod heap;
mod index;
mod row;
mod screen;
mod table;
mod tuple;

pub(crate) use btree::{Leaf, LeafShape, Run};
pub(crate) use census::{HeapCount, LeafCount, index_from_census, table_from_census};
pub(crate) use draw::draw;
pub(crate) use heap::HeapShape;
pub(crate) use index::{IndexSample, Stat, index_from_sample};
pub(crate) use row::columns;
pub(crate) use screen::{IndexFacts, TableStatistics, screen_index, screen_table};
pub(crate) use table::{Chosen, Page, TableSample, chunks, survival, table_from_sample};
pub(crate) use tuple::{Attribute, Field, Rewritten, rewritten};

/// What PostgreSQL aligns rows and index entries to.
pub(crate) const MAX_ALIGN: u32 = 8;
/// What points to a row from the head of its page.
pub(crate) const POINTER: u32 = 4;
/// The head of every page.
pub(crate) const PAGE_HEAD: u32 = 24;

/// The next multiple.
pub(crate) const fn align(length: u32, to: u32) -> u32 {
    length.next_multiple_of(to)
}

/// Bytes as a whole number; what is below nothing is nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a relation can have"
)]
pub(crate) fn whole(bytes: f64) -> u64 {
    bytes.round().clamp(0.0, 1e18) as u64
}
