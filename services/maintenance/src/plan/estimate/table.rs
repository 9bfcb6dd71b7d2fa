//! A table's waste from pages of it and of its TOAST, chosen by chance. Pure.

use super::figure::{Figure, MORE_AT_HALF_PERCENT, student, total, variance};
use super::heap::{HeapShape, pages_needed};
use super::whole;
use crate::plan::{Bloat, Method};

/// What packing and the reading of rows can be off by, in shares of the size.
const MODEL: f64 = 0.003;

/// A page that was looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Page {
    /// The lengths of its rows that somebody may still see, in their order.
    pub rows: Vec<u32>,
    /// What entries of indexes can lead to: rows, and pointers whose rows are gone or elsewhere on the page.
    pub roots: u32,
    /// Rows that are older than the youngest column.
    pub older: u32,
}

/// Pages of one relation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableSample {
    /// What its pages are like.
    pub shape: HeapShape,
    /// All pages that it has.
    pub blocks: u32,
    /// Those that were looked at, in their order.
    pub pages: Vec<Page>,
    /// By how much its rows change in length when they are formed anew.
    pub stretch: f64,
    /// The share of them that is kept at all.
    pub kept: f64,
}

/// An estimate, and how many pages should be looked at to make it better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Chosen {
    /// The estimate.
    pub bloat: Bloat,
    /// Pages to be looked at, of the table and of its TOAST; nothing where what was seen is enough.
    pub wanted: [Option<u32>; 2],
}

impl TableSample {
    fn is_whole(&self) -> bool {
        self.pages.len() as u64 >= u64::from(self.blocks)
    }

    fn bytes(&self) -> f64 {
        f64::from(self.blocks) * f64::from(self.shape.block)
    }

    /// What it needs, in bytes.
    fn need(&self) -> Figure {
        let rows = self.pages.iter().map(|page| page.rows.as_slice());
        let costs = pages_needed(rows, self.stretch, self.shape);
        let mut pages = total(&costs, f64::from(self.blocks), 1.0).times(self.kept);
        if self.is_whole() {
            // What the arithmetic of shares leaves behind the comma is no page.
            pages.likely = (pages.likely - 1e-6).ceil().max(0.0);
        }
        // Nothing is known of what is kept and what is not beyond some rows of some pages.
        pages.half += (1.0 - self.kept) * self.kept * pages.likely * 0.2;
        pages.times(f64::from(self.shape.block))
    }

    /// Pages that bring half an interval down to what it should be.
    fn wanted(&self, half: f64, aim: f64) -> Option<u32> {
        if self.is_whole() || half <= aim {
            return None;
        }
        let factor = (half / aim).powi(2) * 1.2;
        let pages = self.pages.len() as f64 * factor.min(1e3);
        Some(u32::try_from(whole(pages)).unwrap_or(u32::MAX))
    }
}

/// The waste of a table with its TOAST.
pub(crate) fn table_from_sample(heap: &TableSample, toast: Option<&TableSample>) -> Chosen {
    let size = heap.bytes() + toast.map_or(0.0, TableSample::bytes);
    let (of_heap, of_toast) = (heap.need(), toast.map(TableSample::need).unwrap_or_default());
    let need = of_heap.plus(of_toast);
    let is_whole = heap.is_whole() && toast.is_none_or(TableSample::is_whole);
    let bloat = bloat(size, need, size * MODEL, if is_whole { Method::Census } else { Method::Sample });
    let aim = size * aim(bloat, need.half / size.max(1.0)) / 100.0;
    // Two parts share what may be unknown.
    let aim = if toast.is_some() { aim / std::f64::consts::SQRT_2 } else { aim };
    let wanted = [
        heap.wanted(of_heap.half, aim),
        toast.and_then(|toast| toast.wanted(of_toast.half, aim)),
    ];
    Chosen { bloat, wanted }
}

/// How far half an interval should reach, in per cent: less, where the decision hangs on it.
pub(crate) fn aim(bloat: Bloat, half: f64) -> f64 {
    let from_threshold = (bloat.likely_percent() - 30.0).abs();
    if from_threshold < half * 100.0 + 0.5 {
        MORE_AT_HALF_PERCENT / 2.0
    } else {
        MORE_AT_HALF_PERCENT
    }
}

/// What is left of a size beside what is needed.
pub(crate) fn bloat(size: f64, need: Figure, doubt: f64, method: Method) -> Bloat {
    let waste = |need: f64| whole((size - need).clamp(0.0, size));
    Bloat {
        size: whole(size),
        low: waste(need.likely + need.half + doubt),
        likely: waste(need.likely),
        high: waste(need.likely - need.half - doubt),
        method,
    }
}

/// The share of what entries of indexes lead to that an index built anew would still have: 1 after a VACUUM.
pub(crate) fn survival(pages: &[Page]) -> Figure {
    let live = |page: &Page| page.rows.len() as f64;
    let roots: f64 = pages.iter().map(|page| f64::from(page.roots)).sum();
    if roots <= 0.0 {
        return Figure { likely: 1.0, half: 0.0 };
    }
    let share = (pages.iter().map(live).sum::<f64>() / roots).min(1.0);
    let off: Vec<f64> = pages.iter().map(|page| live(page) - share * f64::from(page.roots)).collect();
    let error = (variance(&off) * off.len() as f64).sqrt() / roots;
    Figure {
        likely: share,
        half: student(off.len() as f64 - 1.0) * error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(blocks: u32, pages: Vec<Vec<u32>>) -> TableSample {
        let page = |rows: Vec<u32>| Page {
            roots: u32::try_from(rows.len()).unwrap(),
            rows,
            older: 0,
        };
        TableSample {
            shape: HeapShape {
                block: 8192,
                fillfactor: 100,
            },
            blocks,
            pages: pages.into_iter().map(page).collect(),
            stretch: 1.0,
            kept: 1.0,
        }
    }

    #[test]
    fn a_table_that_was_read_whole_is_known() {
        let half_empty = sample(10, vec![vec![64; 60]; 10]);
        let bloat = table_from_sample(&half_empty, None).bloat;
        assert_eq!((bloat.size, bloat.likely, bloat.method), (81_920, 40_960, Method::Census));
        assert!(bloat.high - bloat.low < 600, "{bloat:?}");
        let one_row = sample(1, vec![vec![64]]);
        assert_eq!(table_from_sample(&one_row, None).bloat.likely, 0);
        let nothing = sample(3, vec![vec![]; 3]);
        assert_eq!(table_from_sample(&nothing, None).bloat.likely, 24_576);
        let no_pages = sample(0, vec![]);
        assert_eq!(table_from_sample(&no_pages, None).bloat.size, 0);
    }

    #[test]
    fn more_is_asked_for_where_little_is_known() {
        let even = sample(100_000, vec![vec![64; 60]; 300]);
        assert_eq!(table_from_sample(&even, None).wanted, [None, None]);
        let uneven = (0..300).map(|page| vec![64; if page % 2 == 0 { 120 } else { 0 }]).collect();
        let [Some(wanted), None] = table_from_sample(&sample(100_000, uneven), None).wanted else {
            panic!("not enough was enough");
        };
        assert!(wanted > 1_000, "{wanted}");
    }

    #[test]
    fn toast_counts_with_its_own_pages() {
        let heap = sample(100, vec![vec![64; 120]; 100]);
        let toast = sample(300, vec![vec![2032; 2]; 300]);
        let bloat = table_from_sample(&heap, Some(&toast)).bloat;
        assert_eq!((bloat.size, bloat.likely), (400 * 8192, 150 * 8192));
        let gone = TableSample { kept: 0.0, ..toast };
        assert_eq!(table_from_sample(&heap, Some(&gone)).bloat.likely, 300 * 8192);
    }

    #[test]
    fn dead_rows_show_in_what_entries_lead_to() {
        let vacuumed = sample(4, vec![vec![64; 60]; 4]).pages;
        assert_eq!(survival(&vacuumed), Figure { likely: 1.0, half: 0.0 });
        let dead: Vec<Page> = vacuumed.into_iter().map(|page| Page { roots: 120, ..page }).collect();
        assert!((survival(&dead).likely - 0.5).abs() < 1e-9);
        assert!((survival(&[]).likely - 1.0).abs() < 1e-9);
    }
}
