//! Cells by span of time and line, bounded. Pure.

use std::collections::{BTreeMap, HashMap};

use super::cell::Cell;
use super::level::Level;
use super::names::Line;

/// Spans that are told apart while they wait to be written. When the store is away for longer, older ones are put
/// together: what is in them stays exact, when it happened does not.
const SPANS_MAX: usize = 6;

/// The cells of one span.
pub(crate) type Cells = HashMap<Line, Cell>;

/// Cells that were counted and not written yet.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    by_start: BTreeMap<i64, Cells>,
}

impl Spans {
    /// The cells of the span that holds a moment.
    pub(super) fn at(&mut self, unix_ms: i64) -> &mut Cells {
        let start = Level::Seconds.floor(unix_ms);
        if self.by_start.len() >= SPANS_MAX && !self.by_start.contains_key(&start) {
            self.put_oldest_together();
        }
        self.by_start.entry(start).or_default()
    }

    fn put_oldest_together(&mut self) {
        let Some((_, oldest)) = self.by_start.pop_first() else {
            return;
        };
        let Some(mut next) = self.by_start.first_entry() else {
            return;
        };
        for (line, cell) in oldest {
            next.get_mut().entry(line).or_default().merge(&cell);
        }
    }

    /// Adds everything that others hold, and takes their room where there is none yet.
    pub(super) fn merge(&mut self, others: Self, shapes_max: usize) -> u64 {
        let mut folded = 0;
        for (start, cells) in others.by_start {
            let own = self.at(start);
            if own.is_empty() {
                *own = cells;
                continue;
            }
            for (line, cell) in cells {
                own.entry(line).or_default().merge(&cell);
            }
            folded += fold_if_overfull(own, shapes_max);
        }
        folded
    }

    /// Every span, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &Cells)> {
        self.by_start.iter().map(|(start, cells)| (*start, cells))
    }

    /// Puts the rarest shapes beyond the cap of each span under [`OTHER`](super::OTHER).
    pub(super) fn fold(&mut self, shapes_max: usize) -> u64 {
        self.by_start
            .values_mut()
            .map(|cells| fold_rarest(cells, shapes_max))
            .sum()
    }

    /// Whether nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    /// How many cells there are.
    pub(super) fn cells(&self) -> usize {
        self.by_start.values().map(HashMap::len).sum()
    }
}

/// Folds a map that has grown so far beyond the cap that it is worth the work; says how many shapes went.
pub(super) fn fold_if_overfull(cells: &mut Cells, shapes_max: usize) -> u64 {
    if cells.len() > shapes_max + shapes_max / 8 + 64 {
        fold_rarest(cells, shapes_max)
    } else {
        0
    }
}

/// Puts the shapes with the fewest calls under [`OTHER`](super::OTHER) of their project, so that at most `shapes_max`
/// are left; says how many. Nothing is lost but their names.
pub(crate) fn fold_rarest(cells: &mut Cells, shapes_max: usize) -> u64 {
    let mut shapes: Vec<(u64, Line)> = cells
        .iter()
        .filter(|(line, _)| line.is_shape())
        .map(|(line, cell)| (cell.sums.calls, *line))
        .collect();
    let surplus = shapes.len().saturating_sub(shapes_max);
    if surplus == 0 {
        return 0;
    }
    // By fingerprint among equals, so that the same go in every span and on every monitor.
    let rarity = |(calls, line): &(u64, Line)| (*calls, line.fingerprint, line.project, line.database);
    shapes.select_nth_unstable_by_key(surplus - 1, rarity);
    for (_, line) in shapes.iter().take(surplus) {
        if let Some(cell) = cells.remove(line) {
            cells.entry(Line::other(line.project)).or_default().merge(&cell);
        }
    }
    surplus as u64
}
