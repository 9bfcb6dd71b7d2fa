//! Waste from what `pgstattuple` counts over a whole relation, where its pages themselves may not be seen. Pure.
//!
//! Its own percentages are not used: they take the room that fillfactor keeps for waste, and the ends of pages too.

use super::btree::{LeafShape, inner_pages};
use super::figure::Figure;
use super::heap::HeapShape;
use super::row::Width;
use super::screen::rows_a_page;
use super::table::bloat;
use super::{MAX_ALIGN, align, whole};
use crate::plan::{Bloat, Method};

/// What was counted in a table, or in its TOAST.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct HeapCount {
    /// What its pages are like.
    pub shape: HeapShape,
    /// Bytes of it.
    pub size: u64,
    /// Rows.
    pub rows: f64,
    /// Bytes of them.
    pub bytes: f64,
}

/// What was counted in an index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LeafCount {
    /// What its leaves will be like.
    pub shape: LeafShape,
    /// Bytes of it.
    pub size: u64,
    /// Leaves that hold something.
    pub leaves: f64,
    /// How full they are, in per cent.
    pub density: f64,
    /// The share of its entries that have a row.
    pub survival: f64,
}

impl HeapCount {
    fn need(self) -> Figure {
        let block = f64::from(self.shape.block);
        if self.rows < 1.0 {
            return Figure::default();
        }
        let mean = self.bytes / self.rows;
        let is_exact = mean.fract() < 1e-9;
        let aligned = if is_exact {
            f64::from(align(
                u32::try_from(whole(mean)).unwrap_or(u32::MAX - MAX_ALIGN),
                MAX_ALIGN,
            ))
        } else {
            mean + f64::from(MAX_ALIGN - 1) / 2.0
        };
        let width = Width {
            bytes: aligned,
            is_exact,
        };
        let likely = (self.rows / rows_a_page(width, self.shape)).ceil() * block;
        // The ends of pages are anything between nothing and a row.
        let ends = aligned / f64::from(self.shape.room());
        let half = if is_exact {
            likely * 0.01
        } else {
            likely * (0.03 + ends)
        };
        Figure { likely, half }
    }
}

/// The waste of a table with its TOAST.
pub(crate) fn table_from_census(heap: HeapCount, toast: Option<HeapCount>) -> Bloat {
    let size = (heap.size + toast.map_or(0, |toast| toast.size)) as f64;
    let need = heap.need().plus(toast.map(HeapCount::need).unwrap_or_default());
    bloat(size, need, size * 0.005, Method::Census)
}

/// The waste of an index.
pub(crate) fn index_from_census(count: LeafCount) -> Bloat {
    let (size, shape) = (count.size as f64, count.shape);
    let fill = f64::from(shape.fillfactor.clamp(10, 100));
    let leaves = count.leaves * count.density.clamp(0.0, 100.0) / fill;
    let need = |leaves: f64| (leaves.ceil() + inner_pages(leaves, 24.0, shape) + 1.0) * f64::from(shape.block);
    // How far equal keys will be put together anew is not counted.
    let (fewer, more) = if shape.merges { (0.5, 1.08) } else { (0.95, 1.03) };
    let dies = count.survival < 0.999;
    let dead = if dies { count.survival * 0.8 } else { 1.0 };
    let at = |need: f64| {
        bloat(
            size,
            Figure {
                likely: need,
                half: 0.0,
            },
            0.0,
            Method::Census,
        )
        .likely
    };
    Bloat {
        size: count.size,
        low: at(need(leaves * more) + size * 0.01),
        likely: at(need(leaves * count.survival)),
        high: at(need(leaves * fewer * dead) - size * 0.01),
        method: Method::Census,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heap(fillfactor: u32, size: u64, rows: f64, width: f64) -> HeapCount {
        HeapCount {
            shape: HeapShape {
                block: 8192,
                fillfactor,
            },
            size,
            rows,
            bytes: rows * width,
        }
    }

    #[test]
    fn room_that_fillfactor_keeps_is_no_waste() {
        // 61 bytes become 64: 83 a page at 70 %.
        let fresh = table_from_census(heap(70, 1000 * 8192, 83_000.0, 61.0), None);
        assert_eq!(fresh.likely, 0, "{fresh:?}");
        let half = table_from_census(heap(70, 2000 * 8192, 83_000.0, 61.0), None);
        assert!((half.likely_percent() - 50.0).abs() < 0.1, "{half:?}");
    }

    #[test]
    fn an_emptied_table_needs_nothing() {
        assert_eq!(table_from_census(heap(100, 81_920, 0.0, 0.0), None).likely, 81_920);
        assert_eq!(table_from_census(heap(100, 0, 0.0, 0.0), None).size, 0);
    }

    #[test]
    fn density_is_held_against_the_fillfactor() {
        let shape = LeafShape {
            block: 8192,
            fillfactor: 90,
            merges: false,
        };
        let count = LeafCount {
            shape,
            size: 1005 * 8192,
            leaves: 1000.0,
            density: 90.0,
            survival: 1.0,
        };
        let healthy = index_from_census(count);
        assert!(healthy.likely_percent() < 0.5, "{healthy:?}");
        let half = index_from_census(LeafCount { density: 45.0, ..count });
        assert!((half.likely_percent() - 50.0).abs() < 0.5, "{half:?}");
        let emptied = index_from_census(LeafCount { leaves: 100.0, ..count });
        assert!((emptied.likely_percent() - 90.0).abs() < 1.0, "{emptied:?}");
        let dead = index_from_census(LeafCount { survival: 0.5, ..count });
        assert!(dead.low_percent() < 1.0 && dead.high > dead.likely, "{dead:?}");
    }
}
