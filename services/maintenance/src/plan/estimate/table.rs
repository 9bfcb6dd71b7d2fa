//! A table's waste from pages of it and of its TOAST, chosen by chance. Pure.

use super::figure::{Figure, MORE_AT_HALF_PERCENT, student, total, variance};
use super::heap::{HeapShape, pages_needed};
use super::whole;
use crate::plan::{Bloat, Method};

/// What the ends of pages can be off by, in shares of a row.
const ENDS: f64 = 0.12;
/// A value of more chunks fills its pages like one of so many.
const CHUNKS_MAX: u32 = 400;
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
    /// Chunks of TOAST: which of its value each is, and its length.
    pub chunks: Vec<(u32, u32)>,
}

/// Pages of one relation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableSample {
    /// What its pages are like.
    pub shape: HeapShape,
    /// All pages that it has.
    pub blocks: u32,
    /// All pages among which those that were looked at were chosen: of the table, where its rows tell what its TOAST needs.
    pub among: u32,
    /// Those that were looked at, in their order.
    pub pages: Vec<Page>,
    /// Pages that follow each other, where rows are so long that it matters which of them do.
    pub stretches: Vec<Page>,
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
        self.pages.len() as u64 >= u64::from(self.among)
    }

    fn bytes(&self) -> f64 {
        f64::from(self.blocks) * f64::from(self.shape.block)
    }

    /// What it needs, in bytes.
    fn need(&self) -> Figure {
        let rows = self.pages.iter().map(|page| page.rows.as_slice());
        let costs = pages_needed(rows, self.shape);
        let order = self.order(costs.iter().sum());
        let mut pages = total(&costs, f64::from(self.among), 1.0).times(order);
        // How values follow each other is seen in some only.
        pages.half += pages.likely * ((order - 1.0).abs() * 0.5 + if self.has_values() { 0.02 } else { 0.0 });
        pages.half += pages.likely * self.ends();
        if self.is_whole() {
            // What the arithmetic of shares leaves behind the comma is no page.
            pages.likely = (pages.likely - 1e-6).ceil().max(0.0);
        }
        pages.times(f64::from(self.shape.block))
    }

    fn has_values(&self) -> bool {
        self.pages.iter().any(|page| !page.chunks.is_empty())
    }

    /// What stays free at the ends of pages depends on which rows follow each other, and rows of pages that were chosen by
    /// chance do not. That matters as much as rows are long.
    fn ends(&self) -> f64 {
        if self.is_whole() || self.has_values() {
            0.0
        } else {
            ENDS * self.rest()
        }
    }

    /// How much of a page its rows are long, where they are not all alike.
    fn rest(&self) -> f64 {
        let lengths = || self.pages.iter().flat_map(|page| page.rows.iter().copied());
        let (least, most) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
        if least == most {
            return 0.0;
        }
        let (count, sum) = lengths().fold((0.0, 0.0), |(count, sum), length| {
            (count + 1.0, sum + f64::from(length))
        });
        sum / count / f64::from(self.shape.room())
    }

    /// Whether it matters which rows follow each other.
    pub(crate) fn wants_stretches(&self) -> bool {
        !self.is_whole() && !self.has_values() && self.rest() > 0.04
    }

    /// By how much more or less is needed than if rows followed each other by chance. Rows of one stretch are written as
    /// they follow each other. Values of TOAST are written one by one, whatever pages their chunks are on now: the last chunk of a value says how many there are before it.
    fn order(&self, pages: f64) -> f64 {
        let chunks = || self.pages.iter().flat_map(|page| page.chunks.iter().copied());
        let full = chunks().map(|(_, length)| length).max().unwrap_or(0);
        let value = |(before, last): (u32, u32)| {
            std::iter::repeat_n(full, before.min(CHUNKS_MAX) as usize).chain(std::iter::once(last))
        };
        let values: Vec<u32> = if self.stretches.is_empty() {
            chunks().filter(|(_, length)| *length < full).flat_map(value).collect()
        } else {
            self.stretches
                .iter()
                .flat_map(|page| page.rows.iter().copied())
                .collect()
        };
        let now: u64 = self
            .pages
            .iter()
            .flat_map(|page| &page.rows)
            .map(|length| u64::from(*length))
            .sum();
        let then: u64 = values.iter().map(|length| u64::from(*length)).sum();
        if now == 0 || then == 0 || pages <= 0.0 {
            return 1.0;
        }
        let needed: f64 = pages_needed(std::iter::once(values.as_slice()), self.shape)
            .iter()
            .sum();
        (needed / then as f64) / (pages / now as f64)
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
    let bloat = bloat(
        size,
        need,
        size * MODEL,
        if is_whole { Method::Census } else { Method::Sample },
    );
    let aim = size * aim(bloat, need.half / size.max(1.0)) / 100.0;
    // Two parts share what may be unknown.
    let aim = if toast.is_some() {
        aim / std::f64::consts::SQRT_2
    } else {
        aim
    };
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
    let off: Vec<f64> = pages
        .iter()
        .map(|page| live(page) - share * f64::from(page.roots))
        .collect();
    let error = (variance(&off) * off.len() as f64).sqrt() / roots;
    Figure {
        likely: share,
        half: student(off.len() as f64 - 1.0) * error,
    }
}

/// The chunks that a value of so many bytes has in TOAST, by the lengths of their rows.
pub(crate) fn chunks(value: u64, block: u32) -> impl Iterator<Item = u32> {
    const HEAD: u32 = 36;
    let full = (block.saturating_sub(40) / 4 / 8 * 8).max(2 * HEAD);
    let data = u64::from(full - HEAD);
    let rest = u32::try_from(value % data).unwrap_or(0);
    let count = usize::try_from(value / data).unwrap_or(0).min(1 << 20);
    std::iter::repeat_n(full, count).chain((rest > 0).then_some(rest + HEAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(blocks: u32, pages: Vec<Vec<u32>>) -> TableSample {
        let page = |rows: Vec<u32>| Page {
            roots: u32::try_from(rows.len()).unwrap(),
            rows,
            ..Page::default()
        };
        TableSample {
            shape: HeapShape {
                block: 8192,
                fillfactor: 100,
            },
            stretches: Vec::new(),
            blocks,
            among: blocks,
            pages: pages.into_iter().map(page).collect(),
        }
    }

    #[test]
    fn a_table_that_was_read_whole_is_known() {
        let half_empty = sample(10, vec![vec![64; 60]; 10]);
        let bloat = table_from_sample(&half_empty, None).bloat;
        assert_eq!(
            (bloat.size, bloat.likely, bloat.method),
            (81_920, 40_960, Method::Census)
        );
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
        let uneven = (0..300)
            .map(|page| vec![64; if page % 2 == 0 { 120 } else { 0 }])
            .collect();
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
        // What the rows of the table still have there: a chunk a page, of which three pages in four hold four.
        let told = TableSample {
            among: 100,
            pages: sample(100, vec![vec![2032]; 100]).pages,
            ..toast
        };
        assert_eq!(table_from_sample(&heap, Some(&told)).bloat.likely, 275 * 8192);
    }

    /// Values of two chunks, 2032 and 1200: written one after the other they need two pages for five chunks; sorted by
    /// length they would need less.
    #[test]
    fn values_of_toast_are_written_one_after_the_other() {
        let full = Page {
            rows: vec![2032; 4],
            chunks: vec![(0, 2032); 4],
            ..Page::default()
        };
        let last = Page {
            rows: vec![1200; 4],
            chunks: vec![(1, 1200); 4],
            ..Page::default()
        };
        let pages: Vec<Page> = (0..200)
            .map(|page| if page % 2 == 0 { full.clone() } else { last.clone() })
            .collect();
        let sample = TableSample {
            blocks: 200,
            among: 200,
            pages,
            ..sample(0, vec![])
        };
        let one_by_one: Vec<u32> = std::iter::repeat_n([2032, 1200], 400).flatten().collect();
        let expected: f64 = pages_needed(std::iter::once(one_by_one.as_slice()), sample.shape)
            .iter()
            .sum();
        assert!(
            (sample.need().likely / 8192.0 - expected).abs() <= 1.0,
            "{:?} {expected}",
            sample.need()
        );
    }

    #[test]
    fn a_value_is_cut_into_chunks_as_postgres_does() {
        assert_eq!(chunks(4_000, 8192).collect::<Vec<_>>(), vec![2032, 2032, 44]);
        assert_eq!(chunks(1_996, 8192).collect::<Vec<_>>(), vec![2032]);
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
