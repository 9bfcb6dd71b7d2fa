//! How entries fill the pages of a B-tree that is built anew from a sort. Pure.
//!
//! `_bt_load` and `_bt_buildadd` of PostgreSQL put equal keys together where the operators allow it, fill a page until
//! less than the fillfactor's rest is free, and then take its last entry over to the next one.

use super::{MAX_ALIGN, PAGE_HEAD, POINTER, align};

/// What a B-tree keeps at the end of every page.
const PAGE_TAIL: u32 = 16;
/// Where a row is, in a list of equal keys.
const TID: u32 = 6;
/// How full inner pages are made, in per cent.
const INNER_FILLFACTOR: u32 = 70;

/// What the pages of a B-tree will be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeafShape {
    /// Bytes of a page.
    pub block: u32,
    /// How full a leaf is filled, in per cent.
    pub fillfactor: u32,
    /// Whether equal keys are put together.
    pub merges: bool,
}

/// Entries with the same key, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Bytes of the key with the entry's head, aligned.
    pub key: u32,
    /// How many rows have it.
    pub rows: u32,
}

/// A leaf as it is now.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Leaf {
    /// Bytes in use.
    pub used: f64,
    /// Bytes of its upper bound; none on the last leaf.
    pub bound: Option<u32>,
    /// Its keys.
    pub runs: Vec<Run>,
    /// Whether its last key is also the first of the next leaf.
    pub goes_on: bool,
}

/// Behind the last leaf.
static NONE: Leaf = Leaf {
    used: 0.0,
    bound: None,
    runs: Vec::new(),
    goes_on: false,
};

/// One entry as it will be written.
#[derive(Debug, Clone, Copy)]
struct Entry {
    size: u32,
    /// Bytes of it that list rows.
    list: u32,
}

impl LeafShape {
    /// What a page has for entries and their pointers.
    pub(crate) const fn room(self) -> u32 {
        self.block.saturating_sub(PAGE_HEAD + PAGE_TAIL)
    }

    const fn reserve(self) -> u32 {
        let fillfactor = if self.fillfactor > 100 { 100 } else { self.fillfactor };
        self.block * (100 - fillfactor) / 100
    }

    /// The longest list of rows that a build makes of equal keys.
    const fn list_rows_max(self, key: u32) -> u32 {
        let largest = self.block * 10 / 100 / MAX_ALIGN * MAX_ALIGN - POINTER;
        (largest / MAX_ALIGN * MAX_ALIGN).saturating_sub(key) / TID
    }

    /// How many rows of a key make one entry.
    fn list(self, key: u32) -> u32 {
        if self.merges { self.list_rows_max(key).max(1) } else { 1 }
    }

    fn entries(self, run: Run) -> impl Iterator<Item = Entry> {
        let most = self.list(run.key);
        let lists = run.rows / most;
        let rest = run.rows % most;
        let entry = move |rows: u32| {
            let size = if rows == 1 {
                run.key
            } else {
                align(run.key + rows * TID, MAX_ALIGN)
            };
            Entry {
                size,
                list: size - run.key,
            }
        };
        std::iter::repeat_n(entry(most), lists as usize).chain((rest > 0).then(|| entry(rest)))
    }
}

/// The leaf that is being filled.
struct Filling {
    free: i64,
    entries: Vec<(usize, Entry)>,
}

impl Filling {
    fn new(shape: LeafShape) -> Self {
        Self {
            free: i64::from(shape.room()) - i64::from(POINTER),
            entries: Vec::new(),
        }
    }

    fn is_full_for(&self, entry: Entry, shape: LeafShape) -> bool {
        let free = self.free - i64::from(POINTER);
        let list = self.entries.last().map_or(0, |(_, last)| i64::from(last.list));
        free < i64::from(entry.size + MAX_ALIGN) || (free + list < i64::from(shape.reserve()) && self.entries.len() > 1)
    }

    fn put(&mut self, from: usize, entry: Entry) {
        self.free -= i64::from(entry.size + POINTER);
        self.entries.push((from, entry));
    }

    fn used(&self) -> f64 {
        self.entries
            .iter()
            .map(|(_, entry)| f64::from(entry.size + POINTER))
            .sum()
    }

    fn settle(&self, cost: f64, costs: &mut [f64]) {
        let used = self.used();
        for (from, entry) in &self.entries {
            if let Some(owed) = costs.get_mut(*from) {
                *owed += cost * f64::from(entry.size + POINTER) / used;
            }
        }
    }
}

/// The leaves that the entries of each leaf need in an index that is built anew; the last one counts as far as it is
/// filled.
pub(crate) fn leaves_needed<'a>(leaves: impl Iterator<Item = &'a Leaf>, shape: LeafShape) -> Vec<f64> {
    let mut costs = Vec::new();
    let (mut filling, mut used, mut full) = (Filling::new(shape), 0.0, 0.0);
    let mut left = None;
    for (from, leaf) in leaves.chain(std::iter::once(&NONE)).enumerate() {
        costs.push(0.0);
        for entry in joined(&mut left, leaf).into_iter().flat_map(|run| shape.entries(run)) {
            if filling.is_full_for(entry, shape) {
                let carried = if filling.entries.len() > 1 {
                    filling.entries.pop()
                } else {
                    None
                };
                used += filling.used();
                full += 1.0;
                filling.settle(1.0, &mut costs);
                filling = Filling::new(shape);
                if let Some((from, entry)) = carried {
                    filling.put(from, entry);
                }
            }
            filling.put(from, entry);
        }
    }
    let usual = if full > 0.0 {
        used / full
    } else {
        f64::from(shape.room() - shape.reserve().min(shape.room() - 1))
    };
    let rest = (filling.used() / usual).min(1.0);
    filling.settle(rest, &mut costs);
    // What was left behind the last leaf is the last leaf's.
    let behind = costs.pop().unwrap_or(0.0);
    if let Some(last) = costs.last_mut() {
        *last += behind;
    }
    costs
}

/// The keys of a leaf, of which the last may go on: then it is counted with the first of the next one.
fn joined(left: &mut Option<Run>, leaf: &Leaf) -> Vec<Run> {
    let mut runs = leaf.runs.clone();
    if let Some(left) = left.take() {
        match runs.first_mut().filter(|first| first.key == left.key) {
            Some(first) => first.rows = first.rows.saturating_add(left.rows),
            None => runs.insert(0, left),
        }
    }
    if leaf.goes_on {
        *left = runs.pop();
    }
    runs
}

/// The pages above so many leaves, whose bounds have so many bytes.
pub(crate) fn inner_pages(leaves: f64, bound: f64, shape: LeafShape) -> f64 {
    let room =
        f64::from(shape.room()) - f64::from(2 * POINTER) - f64::from(shape.block * (100 - INNER_FILLFACTOR) / 100);
    let fan = (room / (bound + f64::from(POINTER))).floor().max(2.0);
    let (mut level, mut inner) = (leaves.ceil(), 0.0);
    while level > 1.0 {
        level = (level / fan).ceil();
        inner += level;
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIQUE: LeafShape = LeafShape {
        block: 8192,
        fillfactor: 90,
        merges: false,
    };
    const MERGING: LeafShape = LeafShape { merges: true, ..UNIQUE };

    fn needed(runs: Vec<Run>, shape: LeafShape) -> f64 {
        let leaf = Leaf {
            runs,
            ..Leaf::default()
        };
        leaves_needed(std::iter::once(&leaf), shape).iter().sum()
    }

    /// A million bigints: PostgreSQL needs 2733 leaves, 10 pages above and one of its own, 21.4 MB (366 a leaf).
    #[test]
    fn numbers_in_sequence_need_what_postgres_needs() {
        let leaves = needed(vec![Run { key: 16, rows: 1 }; 1_000_000], UNIQUE);
        assert!((leaves - 2733.0).abs() < 1.0, "{leaves}");
        assert!((inner_pages(leaves, 16.0, UNIQUE) - 10.0).abs() < 1.5);
    }

    /// The same with ten values only: 6.6 MB, 846 pages.
    #[test]
    fn equal_keys_are_put_together_where_allowed() {
        let runs = vec![Run { key: 16, rows: 100_000 }; 10];
        let merged = needed(runs.clone(), MERGING);
        assert!((merged - 841.0).abs() < 9.0, "{merged}");
        assert!(needed(runs, UNIQUE) > 2700.0);
    }

    #[test]
    fn a_list_is_never_longer_than_a_build_makes_it() {
        assert_eq!(MERGING.list_rows_max(16), 132);
        let sizes: Vec<u32> = MERGING
            .entries(Run { key: 16, rows: 265 })
            .map(|entry| entry.size)
            .collect();
        assert_eq!(sizes, vec![808, 808, 16]);
    }

    #[test]
    fn a_key_that_goes_on_from_leaf_to_leaf_has_no_short_lists_between_them() {
        let leaf = Leaf {
            runs: vec![Run { key: 160, rows: 110 }],
            goes_on: true,
            ..Leaf::default()
        };
        let apart: f64 = leaves_needed(std::iter::repeat_n(&leaf, 1_080), MERGING).iter().sum();
        let whole = needed(
            vec![Run {
                key: 160,
                rows: 118_800,
            }],
            MERGING,
        );
        assert!((apart - whole).abs() < 1e-6, "{apart} {whole}");
        let ends = Leaf { goes_on: false, ..leaf };
        let shorter: f64 = leaves_needed(std::iter::repeat_n(&ends, 1_080), MERGING).iter().sum();
        assert!(shorter > whole * 1.1, "{shorter} {whole}");
    }

    #[test]
    fn fillfactor_of_the_index_counts() {
        let at = |fillfactor| {
            needed(
                vec![Run { key: 16, rows: 1 }; 100_000],
                LeafShape { fillfactor, ..UNIQUE },
            )
        };
        assert!((at(90) / at(45) - 0.5).abs() < 0.01);
        assert!((at(100) / at(90) - 0.9).abs() < 0.01);
    }

    #[test]
    fn long_keys_leave_no_page_without_an_entry() {
        let leaves = needed(vec![Run { key: 2704, rows: 1 }; 30], UNIQUE);
        assert!((10.0..=15.0).contains(&leaves), "{leaves}");
    }

    #[test]
    fn one_leaf_is_its_own_root() {
        assert!(inner_pages(0.4, 16.0, UNIQUE).abs() < 1e-9);
        assert!((inner_pages(1.2, 16.0, UNIQUE) - 1.0).abs() < 1e-9);
        assert!((inner_pages(284.0, 16.0, UNIQUE) - 1.0).abs() < 1e-9);
        assert!((inner_pages(285.0, 16.0, UNIQUE) - 3.0).abs() < 1e-9);
    }
}
