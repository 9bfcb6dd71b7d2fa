//! How rows fill the pages of a table that is written anew. Pure.
//!
//! `raw_heap_insert` of PostgreSQL puts rows one after the other, and begins a page when the next one does not fit any
//! more: it never goes back. So what stays free at the end of a page depends on the lengths of the rows, and nothing but
//! doing the same finds it.

use super::{MAX_ALIGN, PAGE_HEAD, POINTER, align};

/// The head of a row and its pointer: shorter none can be.
const ROW_MIN: u32 = 24 + POINTER;

/// What the pages of a table are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeapShape {
    /// Bytes of a page.
    pub block: u32,
    /// How full a page is filled, in per cent.
    pub fillfactor: u32,
}

impl HeapShape {
    /// What a page has for rows and their pointers.
    pub(crate) const fn room(self) -> u32 {
        self.block.saturating_sub(PAGE_HEAD)
    }

    /// What of it stays free for later changes.
    pub(crate) const fn reserve(self) -> u32 {
        self.block * (100 - min(self.fillfactor, 100)) / 100
    }

    /// No page has more rows.
    pub(crate) const fn rows_max(self) -> u32 {
        self.room() / ROW_MIN
    }
}

const fn min(one: u32, other: u32) -> u32 {
    if one < other { one } else { other }
}

/// The page that is being filled: its rows by the page that they come from.
#[derive(Default)]
struct Filling {
    used: f64,
    rows: u32,
    shares: Vec<(usize, f64)>,
}

impl Filling {
    fn takes(&self, length: f64, shape: HeapShape) -> bool {
        let free = f64::from(shape.room()) - self.used - f64::from(POINTER);
        self.rows == 0 || (self.rows < shape.rows_max() && length + f64::from(shape.reserve()) <= free)
    }

    fn put(&mut self, from: usize, length: f64) {
        let bytes = length + f64::from(POINTER);
        self.used += bytes;
        self.rows += 1;
        match self.shares.last_mut() {
            Some((last, share)) if *last == from => *share += bytes,
            _ => self.shares.push((from, bytes)),
        }
    }

    /// Gives the page's cost to those whose rows are on it.
    fn settle(self, cost: f64, costs: &mut [f64]) {
        for (from, bytes) in self.shares {
            if let Some(owed) = costs.get_mut(from) {
                *owed += cost * bytes / self.used;
            }
        }
    }
}

/// The pages that the rows of each page need when they are written one after the other: whole pages together, each
/// shared by those whose rows are on it. The last one counts as far as it is filled.
pub(crate) fn pages_needed<'a>(pages: impl Iterator<Item = &'a [u32]>, shape: HeapShape) -> Vec<f64> {
    let mut costs = Vec::new();
    let (mut filling, mut used, mut full) = (Filling::default(), 0.0, 0.0);
    for (from, rows) in pages.enumerate() {
        costs.push(0.0);
        for length in rows {
            let length = f64::from(align(*length, MAX_ALIGN));
            if !filling.takes(length, shape) {
                used += filling.used;
                full += 1.0;
                std::mem::take(&mut filling).settle(1.0, &mut costs);
            }
            filling.put(from, length);
        }
    }
    let usual = if full > 0.0 {
        used / full
    } else {
        f64::from(shape.room() - shape.reserve().min(shape.room() - 1))
    };
    let rest = (filling.used / usual).min(1.0);
    filling.settle(rest, &mut costs);
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: HeapShape = HeapShape {
        block: 8192,
        fillfactor: 100,
    };

    fn needed(pages: &[Vec<u32>], shape: HeapShape) -> f64 {
        pages_needed(pages.iter().map(Vec::as_slice), shape).iter().sum()
    }

    #[test]
    fn rows_are_aligned_and_have_pointers() {
        // 61 bytes are 64 on the page: 8168 / 68 = 120.1
        assert!((needed(&[vec![61; 120 * 5]], FULL) - 5.0).abs() < 1e-9);
        assert!(needed(&[vec![61; 120 * 5 + 1]], FULL) > 5.0);
    }

    #[test]
    fn what_does_not_fit_any_more_leaves_its_room_empty() {
        // Three of 2048 and their pointers fit, a fourth does not.
        assert!((needed(&[vec![2048; 9]], FULL) - 3.0).abs() < 1e-9);
        // Long and short in turn: the long one never fits behind the short ones that fill the rest.
        let turns: Vec<u32> = std::iter::repeat_n([5000, 3000], 10).flatten().collect();
        assert!((needed(&[turns], FULL) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn fillfactor_keeps_room() {
        let shape = HeapShape {
            block: 8192,
            fillfactor: 70,
        };
        // 8168 - 2457 = 5711; with 68 each: 83.9
        assert!((needed(&[vec![64; 83 * 4]], shape) - 4.0).abs() < 1e-9);
        // A row that is longer than what fillfactor leaves has a page of its own.
        assert!(needed(&[vec![6000; 3]], shape) > 2.0);
    }

    #[test]
    fn narrow_rows_are_limited_by_their_number() {
        assert!((needed(&[vec![24; 291 * 2]], FULL) - 2.0).abs() < 1e-9);
        assert!((needed(&[vec![1; 291 * 2]], FULL) - 0.0).abs() > 1.0);
    }

    #[test]
    fn every_page_pays_for_its_own_rows() {
        let pages = [vec![64; 60], vec![], vec![64; 60], vec![64; 120]];
        let costs = pages_needed(pages.iter().map(Vec::as_slice), FULL);
        let expected = [0.5, 0.0, 0.5, 1.0];
        assert!(
            costs
                .iter()
                .zip(expected)
                .all(|(cost, expected)| (cost - expected).abs() < 1e-9),
            "{costs:?}"
        );
    }

    #[test]
    fn nothing_needs_nothing() {
        assert!(needed(&[vec![], vec![]], FULL).abs() < 1e-9);
        assert!(needed(&[], FULL).abs() < 1e-9);
    }
}
