//! Which pages of a relation are looked at. Pure.

use fastrand::Rng;

/// Pages in ascending order, one by chance from each of so many stretches of equal length: what was deleted in one
/// stretch of a relation is then met as often as it is there. All pages, where there are no more than wanted.
pub(crate) fn draw(first: u32, end: u32, wanted: u32, chance: &mut Rng) -> Vec<u32> {
    let blocks = u64::from(end.saturating_sub(first));
    let wanted = u64::from(wanted);
    if blocks <= wanted {
        return (first..end).collect();
    }
    let edge = |stretch: u64| stretch * blocks / wanted;
    let one = |stretch: u64| first + u32::try_from(chance.u64(edge(stretch)..edge(stretch + 1))).unwrap_or(0);
    (0..wanted).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_relation_is_read_whole() {
        assert_eq!(draw(1, 5, 10, &mut Rng::with_seed(1)), vec![1, 2, 3, 4]);
        assert!(draw(1, 1, 10, &mut Rng::with_seed(1)).is_empty());
        assert!(draw(1, 0, 10, &mut Rng::with_seed(1)).is_empty());
    }

    #[test]
    fn every_stretch_gives_one_page_and_every_page_can_be_met() {
        let mut met = std::collections::BTreeSet::new();
        for seed in 0..500 {
            let blocks = draw(0, 103, 10, &mut Rng::with_seed(seed));
            assert_eq!(blocks.len(), 10);
            for (stretch, block) in (0u32..).zip(&blocks) {
                assert!(
                    (stretch * 103 / 10..(stretch + 1) * 103 / 10).contains(block),
                    "{blocks:?}"
                );
            }
            met.extend(blocks);
        }
        assert_eq!(met.len(), 103);
    }

    #[test]
    fn the_largest_relation_is_drawn_from_to_its_end() {
        let blocks = draw(0, u32::MAX, 300, &mut Rng::with_seed(7));
        assert_eq!(blocks.len(), 300);
        assert!(blocks.windows(2).all(|two| two[0] < two[1]));
        assert!(*blocks.last().unwrap() > u32::MAX / 300 * 299);
    }
}
