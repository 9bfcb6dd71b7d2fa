//! A B-tree's waste from pages of it, chosen by chance: how much they hold is cheap to ask and asked of many, what they
//! hold is not and asked of some. Pure.

use super::btree::{Leaf, LeafShape, inner_pages, leaves_needed};
use super::figure::{Figure, student, total, variance};
use super::table::{aim, bloat};
use super::whole;
use crate::plan::{Bloat, Method};

/// What building anew and reading can be off by: in shares of the size, and of what is needed.
const MODEL_SIZE: f64 = 0.004;
const MODEL_NEED: f64 = 0.008;

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stat {
    /// Its place.
    pub block: u32,
    /// Bytes in use on a leaf; nothing on any other page.
    pub used: f64,
}

/// Pages of an index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IndexSample {
    /// What its leaves will be like.
    pub shape: LeafShape,
    /// All pages that it has, with the one that tells of it.
    pub blocks: u32,
    /// What pages hold, in their order.
    pub stats: Vec<Stat>,
    /// What is on some of the leaves: of each stretch of leaves that follow each other.
    pub leaves: Vec<Vec<Leaf>>,
    /// The share of its entries that have a row.
    pub survival: Figure,
}

/// An estimate, and how many pages should be looked at to make it better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ChosenIndex {
    pub(crate) bloat: Bloat,
    pub(crate) stats_wanted: Option<u32>,
    pub(crate) leaves_wanted: Option<u32>,
}

impl IndexSample {
    /// Pages besides the first.
    fn population(&self) -> f64 {
        f64::from(self.blocks.saturating_sub(1))
    }

    /// Whether every page was looked at.
    pub(crate) fn is_whole(&self) -> bool {
        self.stats.len() as f64 >= self.population()
    }

    fn used(&self) -> Figure {
        let used: Vec<f64> = self.stats.iter().map(|stat| stat.used).collect();
        total(&used, self.population(), f64::from(self.shape.room()))
    }

    /// Leaves that there are, as far as is known.
    fn leaves_there(&self) -> f64 {
        let leaves = self.stats.iter().filter(|stat| stat.used > 0.0).count() as f64;
        leaves * self.population() / (self.stats.len().max(1) as f64)
    }

    fn leaves_seen(&self) -> f64 {
        self.leaves.iter().map(Vec::len).sum::<usize>() as f64
    }

    /// Whether what is on every leaf is known: then they are one stretch.
    fn has_all_leaves(&self) -> bool {
        self.is_whole() && self.leaves.len() <= 1 && self.leaves_seen() >= self.leaves_there()
    }

    /// The share of leaves that nothing is known of. Stretches overlap, so it is never small.
    fn leaves_unseen(&self) -> f64 {
        if self.has_all_leaves() {
            0.0
        } else {
            (1.0 - self.leaves_seen() / self.leaves_there()).max(0.5)
        }
    }

    /// New leaves for each byte in use now.
    fn ratio(&self) -> Figure {
        let costs = leaves_needed(self.leaves.iter().flatten(), self.shape);
        let mut costs = costs.iter();
        let stretch = |leaves: &Vec<Leaf>| {
            let cost: f64 = costs.by_ref().take(leaves.len()).sum();
            (cost, leaves.iter().map(|leaf| leaf.used).sum::<f64>())
        };
        let stretches: Vec<(f64, f64)> = self.leaves.iter().map(stretch).collect();
        let used: f64 = stretches.iter().map(|(_, used)| used).sum();
        if used <= 0.0 {
            return Figure::default();
        }
        let ratio = stretches.iter().map(|(cost, _)| cost).sum::<f64>() / used;
        let off: Vec<f64> = stretches.iter().map(|(cost, used)| cost - ratio * used).collect();
        let count = off.len() as f64;
        let unseen = self.leaves_unseen();
        let error = (variance(&off) * count * unseen).sqrt() / used;
        let unmet = 0.5 / self.leaves_seen() * unseen * ratio;
        Figure {
            likely: ratio,
            half: student(count - 1.0) * error + unmet,
        }
    }

    /// The usual length of a leaf's upper bound, which inner pages repeat.
    fn bound(&self) -> f64 {
        let bounds: Vec<f64> = self
            .leaves
            .iter()
            .flatten()
            .filter_map(|leaf| leaf.bound)
            .map(f64::from)
            .collect();
        if bounds.is_empty() {
            return 24.0;
        }
        bounds.iter().sum::<f64>() / bounds.len() as f64
    }

    fn pages(&self, leaves: f64) -> f64 {
        let leaves = (leaves - 1e-6).max(0.0);
        let leaves = if self.is_whole() { leaves.ceil() } else { leaves };
        leaves + inner_pages(leaves, self.bound(), self.shape) + 1.0
    }
}

/// The waste of an index.
pub(crate) fn index_from_sample(sample: &IndexSample) -> ChosenIndex {
    let (used, ratio) = (sample.used(), sample.ratio());
    let leaves = used.likely * ratio.likely;
    let (from_stats, from_leaves) = (used.half * ratio.likely, used.likely * ratio.half);
    let half = from_stats.hypot(from_leaves);
    let bloat = of_leaves(sample, Figure { likely: leaves, half });
    let aim = f64::from(sample.blocks) * aim(bloat, half / f64::from(sample.blocks.max(1))) / 100.0;
    let more = |seen: usize, half: f64| {
        let factor = (half * std::f64::consts::SQRT_2 / aim).powi(2) * 1.2;
        (factor > 1.2).then(|| u32::try_from(whole(seen as f64 * factor.min(1e3))).unwrap_or(u32::MAX))
    };
    ChosenIndex {
        bloat,
        stats_wanted: more(sample.stats.len(), from_stats).filter(|_| !sample.is_whole()),
        leaves_wanted: more(sample.leaves.iter().map(Vec::len).sum(), from_leaves).filter(|_| !sample.has_all_leaves()),
    }
}

/// Entries without a row go when the index is built anew, but an entry does not show whether it has one. What is sure
/// counts all of them as needed.
fn of_leaves(sample: &IndexSample, leaves: Figure) -> Bloat {
    let block = f64::from(sample.shape.block);
    let size = f64::from(sample.blocks) * block;
    let survival = sample.survival;
    let dies = survival.likely < 0.999;
    let fewest = if dies {
        (survival.likely - survival.half) * 0.8
    } else {
        1.0
    };
    let need = |leaves: f64| sample.pages(leaves) * block;
    let likely = need(leaves.likely * if dies { survival.likely } else { 1.0 });
    // Where equal keys go on over pages, the last page of a level may be one more or less.
    let doubt = size * MODEL_SIZE + likely * MODEL_NEED + if sample.shape.merges { block } else { 0.0 };
    let most = need(leaves.likely + leaves.half) + doubt;
    let least = need((leaves.likely - leaves.half) * fewest) - doubt;
    let is_census = sample.has_all_leaves();
    let method = if is_census { Method::Census } else { Method::Sample };
    let at = |need: f64| {
        bloat(
            size,
            Figure {
                likely: need,
                half: 0.0,
            },
            0.0,
            method,
        )
        .likely
    };
    Bloat {
        size: whole(size),
        low: at(most),
        likely: at(likely),
        high: at(least),
        method,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::estimate::Run;

    fn sample(blocks: u32, held: &[u32]) -> IndexSample {
        let leaf = |entries: u32| Leaf {
            used: f64::from(entries * 20),
            bound: Some(16),
            runs: vec![Run { key: 16, rows: 1 }; entries as usize],
            goes_on: false,
        };
        let stat = |(block, entries): (u32, &u32)| Stat {
            block,
            used: f64::from(*entries * 20),
        };
        IndexSample {
            shape: LeafShape {
                block: 8192,
                fillfactor: 90,
                merges: false,
            },
            blocks,
            stats: (1..).zip(held).map(stat).collect(),
            leaves: held
                .iter()
                .filter(|entries| **entries > 0)
                .map(|entries| vec![leaf(*entries)])
                .collect(),
            survival: Figure { likely: 1.0, half: 0.0 },
        }
    }

    #[test]
    fn leaves_that_are_half_full_and_pages_that_are_empty_are_waste() {
        let healthy = index_from_sample(&sample(10_001, &[366; 200])).bloat;
        assert!(healthy.likely_percent() < 0.5, "{healthy:?}");
        let half = index_from_sample(&sample(10_001, &[183; 200])).bloat;
        assert!((half.likely_percent() - 50.0).abs() < 1.0, "{half:?}");
        let held: Vec<u32> = (0..200).map(|page| if page < 100 { 0 } else { 366 }).collect();
        let emptied = index_from_sample(&sample(10_001, &held)).bloat;
        assert!((emptied.likely_percent() - 50.0).abs() < 1.0, "{emptied:?}");
        for bloat in [healthy, half, emptied] {
            assert!(bloat.low <= bloat.likely && bloat.likely <= bloat.high);
        }
    }

    #[test]
    fn an_empty_index_needs_one_page() {
        let bloat = index_from_sample(&sample(1, &[])).bloat;
        assert_eq!((bloat.size, bloat.likely), (8192, 0));
        let emptied = index_from_sample(&sample(5, &[0; 4])).bloat;
        assert_eq!((emptied.size, emptied.likely), (5 * 8192, 4 * 8192));
        assert_eq!(index_from_sample(&sample(2, &[3])).bloat.likely, 0);
    }

    #[test]
    fn entries_without_rows_are_no_sure_waste() {
        let mut dead = sample(10_001, &[366; 200]);
        dead.survival = Figure {
            likely: 0.5,
            half: 0.02,
        };
        let bloat = index_from_sample(&dead).bloat;
        assert!(bloat.low_percent() < 1.0, "{bloat:?}");
        assert!((bloat.likely_percent() - 50.0).abs() < 1.0, "{bloat:?}");
        assert!(bloat.high as f64 > bloat.size as f64 * 0.55);
    }

    #[test]
    fn what_is_uneven_asks_for_more_pages() {
        let even = index_from_sample(&sample(10_001, &[300; 200]));
        assert_eq!((even.stats_wanted, even.leaves_wanted), (None, None));
        let held: Vec<u32> = (0..200).map(|page| if page % 2 == 0 { 0 } else { 366 }).collect();
        assert!(
            index_from_sample(&sample(10_001, &held))
                .stats_wanted
                .is_some_and(|wanted| wanted > 1_000)
        );
    }
}
