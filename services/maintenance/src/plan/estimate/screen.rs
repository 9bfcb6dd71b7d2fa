//! Waste by what the catalogue and the planner's statistics say: cheap enough for every relation, and unsure. Pure.

use super::MAX_ALIGN;
use super::btree::{Leaf, LeafShape, Run, inner_pages, leaves_needed};
use super::heap::HeapShape;
use super::row::{Column, Width, key_width, row_width};
use super::whole;
use crate::plan::{Bloat, Method};

/// A chunk of TOAST with its pointer, as long as it can be: four fill a page.
const CHUNK_MAX: f64 = 2036.0;

/// What the catalogue knows of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableStatistics {
    /// What its pages are like.
    pub shape: HeapShape,
    /// Bytes of the table alone.
    pub heap: u64,
    /// Bytes of its TOAST.
    pub toast: u64,
    /// Rows; unknown where nothing ever counted them.
    pub live: Option<f64>,
    /// Chunks in its TOAST; unknown likewise.
    pub chunks: Option<f64>,
    /// Rows changed since the last ANALYZE.
    pub changed: f64,
    /// Its columns; nothing where they could not be read.
    pub columns: Option<Vec<Column>>,
}

/// What the catalogue knows of an index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IndexFacts {
    /// What its leaves will be like.
    pub shape: LeafShape,
    /// Bytes of it.
    pub size: u64,
    /// Whether it is a B-tree. Nothing is known of the others.
    pub is_btree: bool,
    /// Entries that it should have; unknown where nothing ever counted them.
    pub entries: Option<f64>,
    /// Rows of its table that changed since the last ANALYZE, as a share.
    pub changed: f64,
    /// The columns of its entries; nothing where they could not be read.
    pub columns: Option<Vec<Column>>,
}

/// From what is needed at least, probably and at most.
fn bloat(size: u64, need: [f64; 3]) -> Bloat {
    let waste = |need: f64| size.saturating_sub(whole(need));
    let [least, likely, most] = need;
    Bloat {
        size,
        low: waste(most),
        likely: waste(likely),
        high: waste(least),
        method: Method::Statistics,
    }
}

/// Of what nothing is known.
pub(crate) fn unknown(size: u64) -> Bloat {
    Bloat {
        size,
        low: 0,
        likely: 0,
        high: size,
        method: Method::Statistics,
    }
}

/// The waste of a table with its TOAST.
pub(crate) fn screen_table(facts: &TableStatistics) -> Bloat {
    let size = facts.heap + facts.toast;
    let heap = heap_need(facts);
    let toast = toast_need(facts);
    let (Some(heap), Some(toast)) = (heap, toast) else {
        return unknown(size);
    };
    let sum = |at: fn(&[f64; 3]) -> f64| at(&heap) + at(&toast);
    bloat(size, [sum(|need| need[0]), sum(|need| need[1]), sum(|need| need[2])])
}

fn heap_need(facts: &TableStatistics) -> Option<[f64; 3]> {
    if facts.heap == 0 {
        return Some([0.0; 3]);
    }
    let (live, width) = (facts.live?, row_width(facts.columns.as_ref()?)?);
    let pages = (live / rows_a_page(width, facts.shape) - 1e-9).ceil();
    let need = pages * f64::from(facts.shape.block);
    // What was changed may have become wider or narrower, and counts of rows drift.
    let stale = (facts.changed / live.max(1.0)).min(1.0);
    let doubt = facts.heap as f64 * 0.03 + f64::from(facts.shape.block);
    Some([
        need * (0.92 - 0.4 * stale) - doubt,
        need,
        need * (1.08 + 0.9 * stale) + doubt,
    ])
}

/// Rows that a page takes: whole ones, and of rows that vary the last one is half a row short on average.
pub(crate) fn rows_a_page(width: Width, shape: HeapShape) -> f64 {
    let room = f64::from(shape.room().saturating_sub(shape.reserve()));
    let rows = room / (width.bytes + f64::from(super::POINTER));
    let rows = if width.is_exact {
        (rows + 1e-9).floor()
    } else {
        rows - 0.5
    };
    rows.clamp(1.0, f64::from(shape.rows_max()))
}

/// Statistics count chunks, but not how long they are.
fn toast_need(facts: &TableStatistics) -> Option<[f64; 3]> {
    if facts.toast == 0 {
        return Some([0.0; 3]);
    }
    let most = (facts.chunks? / 4.0).ceil() * f64::from(facts.shape.block);
    let most = most.max(facts.chunks? * CHUNK_MAX);
    let stale = 0.1 * (facts.changed / facts.live.unwrap_or(0.0).max(1.0)).min(1.0);
    Some([most * (0.3 - stale), most * 0.92, most * (1.02 + 5.0 * stale)])
}

/// The waste of an index.
pub(crate) fn screen_index(facts: &IndexFacts) -> Bloat {
    if !facts.is_btree {
        return unknown(facts.size);
    }
    let Some((entries, columns)) = facts.entries.zip(facts.columns.as_ref()) else {
        return unknown(facts.size);
    };
    index_need(facts, entries, columns).map_or_else(|| unknown(facts.size), |need| bloat(facts.size, need))
}

fn index_need(facts: &IndexFacts, entries: f64, columns: &[Column]) -> Option<[f64; 3]> {
    let width = key_width(columns)?;
    let product: f64 = columns.iter().map(|column| column.values(entries)).product();
    let largest = columns.iter().map(|column| column.values(entries)).fold(1.0, f64::max);
    let nulls = columns.iter().map(|column| column.nulls).product::<f64>();
    // Columns may depend on each other, and samples see too few of the values that are rare.
    let need = |values: f64, factor: f64| build(facts.shape, entries, nulls, values.min(entries), width.bytes * factor);
    let doubt = if columns.iter().any(|column| column.length == -2) {
        0.5
    } else {
        0.1
    };
    let doubt = doubt + 0.3 * facts.changed.min(1.0);
    let slack = f64::from(facts.shape.block) * 2.0;
    Some([
        need(largest * 0.7, 1.0 - doubt / 2.0) * (1.0 - doubt) - slack,
        need(product, 1.0),
        need(product * 5.0, 1.0 + doubt / 2.0) * (1.0 + doubt) + slack,
    ])
}

/// Bytes of an index of so many entries and different values.
fn build(shape: LeafShape, entries: f64, nulls: f64, values: f64, width: f64) -> f64 {
    const KEYS: usize = 3_000;
    let key = u32::try_from(whole(width / f64::from(MAX_ALIGN))).unwrap_or(0).max(2) * MAX_ALIGN;
    let keyed = entries * (1.0 - nulls);
    let each = (keyed / values.max(1.0)).max(1.0);
    let leaves = |key: u32, entries: f64, each: f64| {
        if entries < 1.0 {
            return 0.0;
        }
        let runs = runs(key, each, entries, KEYS);
        let rows: f64 = runs.iter().map(|run| f64::from(run.rows)).sum();
        let leaf = Leaf {
            runs,
            ..Leaf::default()
        };
        leaves_needed(std::iter::once(&leaf), shape).iter().sum::<f64>() * entries / rows.max(1.0)
    };
    let leaves = (leaves(key, keyed, each) + leaves(16, entries * nulls, entries * nulls)).ceil();
    (leaves + inner_pages(leaves, width, shape) + 1.0) * f64::from(shape.block)
}

/// Some keys, of which each has so many rows on average.
fn runs(key: u32, each: f64, entries: f64, most: usize) -> Vec<Run> {
    let cap = entries.min(2e5);
    let mut runs = Vec::new();
    let (mut rows, mut given) = (0.0, 0.0);
    while runs.len() < most && given < cap {
        rows += each.min(cap);
        let now = u32::try_from(whole((rows - given).floor().max(1.0))).unwrap_or(1);
        given += f64::from(now);
        runs.push(Run { key, rows: now });
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::estimate::columns;

    fn table() -> TableStatistics {
        TableStatistics {
            shape: HeapShape {
                block: 8192,
                fillfactor: 100,
            },
            heap: 2 * 5_406 * 8192,
            toast: 0,
            live: Some(1_000_000.0),
            chunks: None,
            changed: 0.0,
            // 40 bytes: 185 rows a page, 5406 pages
            columns: columns("8,d,8,0,-1 4,i,4,0,-1"),
        }
    }

    #[test]
    fn a_table_with_twice_the_pages_that_its_rows_need_is_half_waste() {
        let bloat = screen_table(&table());
        assert!((bloat.likely_percent() - 50.0).abs() < 0.1, "{bloat:?}");
        assert!(bloat.low < bloat.likely && bloat.likely < bloat.high);
    }

    #[test]
    fn nothing_is_claimed_of_what_is_not_known() {
        let never = TableStatistics { live: None, ..table() };
        let unread = TableStatistics {
            columns: columns("-1,i,,,"),
            ..table()
        };
        let toast = TableStatistics { toast: 8192, ..table() };
        for facts in [never, unread, toast] {
            let bloat = screen_table(&facts);
            assert_eq!((bloat.low, bloat.likely, bloat.high), (0, 0, bloat.size));
        }
    }

    #[test]
    fn what_changed_since_is_a_doubt() {
        let stale = TableStatistics {
            changed: 1e6,
            ..table()
        };
        assert!(screen_table(&stale).low < screen_table(&table()).low);
    }

    #[test]
    fn an_empty_table_needs_nothing() {
        let empty = TableStatistics {
            heap: 0,
            live: Some(0.0),
            ..table()
        };
        assert_eq!(screen_table(&empty).size, 0);
    }

    fn index() -> IndexFacts {
        IndexFacts {
            shape: LeafShape {
                block: 8192,
                fillfactor: 90,
                merges: false,
            },
            size: 2_745 * 8192,
            is_btree: true,
            entries: Some(1_000_000.0),
            changed: 0.0,
            columns: columns("8,d,8,0,-1"),
        }
    }

    #[test]
    fn an_index_is_held_against_one_built_anew() {
        let healthy = screen_index(&index());
        assert!(healthy.likely_percent() < 0.5 && healthy.low == 0, "{healthy:?}");
        let large = screen_index(&IndexFacts {
            size: 2 * 2_745 * 8192,
            ..index()
        });
        assert!((large.likely_percent() - 50.0).abs() < 0.5, "{large:?}");
        assert!(large.low_percent() > 30.0, "{large:?}");
    }

    #[test]
    fn equal_values_are_put_together() {
        let mut few = IndexFacts {
            columns: columns("8,d,8,0,10"),
            ..index()
        };
        few.shape.merges = true;
        let bloat = screen_index(&few);
        assert!((bloat.likely_percent() - 69.0).abs() < 1.0, "{bloat:?}");
    }

    #[test]
    fn other_kinds_of_indexes_are_not_guessed_at() {
        let gin = screen_index(&IndexFacts {
            is_btree: false,
            ..index()
        });
        assert_eq!((gin.low, gin.likely, gin.high), (0, 0, gin.size));
    }

    #[test]
    fn an_enormous_index_is_screened_in_no_time() {
        let huge = IndexFacts {
            entries: Some(1e12),
            size: 1 << 50,
            columns: columns("8,d,8,0.5,3"),
            ..index()
        };
        assert!(screen_index(&huge).likely > 0);
    }
}
