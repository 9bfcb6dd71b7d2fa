//! SQL on the monitor's own tables, and nothing else.

mod alerts;
mod lines;
mod partitions;
mod rollup;
mod statistics;

pub(crate) use alerts::{AlertRow, count_by_state, forget_resolved, list_alerts, resolve_quiet, sight};
pub(crate) use lines::{
    Wanted, Written, begin_snapshot, read_batches, read_part, read_shapes, read_spans, read_wholes, search_shapes,
};
pub(crate) use partitions::drop_before;
pub(crate) use rollup::make_next;
pub(crate) use statistics::{Batch, Row, read_intake, write_batch};

/// Longest text of a name. Names are part of an index, which has a bound of its own.
const TEXT_CHARACTERS_MAX: usize = 500;

/// A text that PostgreSQL takes: one name that it refuses would keep everything else waiting.
fn storable(text: &str) -> String {
    let head: String = text.chars().take(TEXT_CHARACTERS_MAX).collect();
    head.replace('\0', "\u{fffd}")
}
