//! Pure. What caching a shape costs and brings, of late.

use weir_proto::cache::v1::Benefit;
use weir_proto::events::v1::CacheCounts;

/// What happened so long ago weighs half.
const HALF_LIFE_MS: f64 = 300_000.0;
/// Shorter times say nothing about a rate.
const SHORTEST_MS: f64 = 2_000.0;

/// Figures of one shape, weighted by how long ago.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recent {
    hits: f64,
    hit_us: f64,
    misses: f64,
    miss_us: f64,
    overhead_us: f64,
    saved_us: f64,
    begun_ms: i64,
    at_ms: i64,
}

impl Recent {
    pub(super) fn new(now_ms: i64) -> Self {
        Self {
            begun_ms: now_ms,
            at_ms: now_ms,
            ..Self::default()
        }
    }

    /// Takes in what was counted between two messages.
    pub(super) fn add(&mut self, now_ms: i64, before: &CacheCounts, after: &CacheCounts) {
        *self = self.weighted(now_ms);
        let grown = |of: fn(&CacheCounts) -> u64| to_f64(of(after).saturating_sub(of(before)));
        self.hits += grown(hits);
        self.hit_us += grown(hit_us);
        self.misses += grown(misses);
        self.miss_us += grown(miss_us);
        self.overhead_us += grown(overhead_us);
        self.saved_us += to_f64_signed(saved_us(after).saturating_sub(saved_us(before)));
    }

    fn weighted(&self, now_ms: i64) -> Self {
        let weight = (-to_f64_signed((now_ms - self.at_ms).max(0)) / HALF_LIFE_MS).exp2();
        Self {
            hits: self.hits * weight,
            hit_us: self.hit_us * weight,
            misses: self.misses * weight,
            miss_us: self.miss_us * weight,
            overhead_us: self.overhead_us * weight,
            saved_us: self.saved_us * weight,
            begun_ms: self.begun_ms,
            at_ms: self.at_ms.max(now_ms),
        }
    }

    /// Microseconds saved in a second, dry runs as if they were none.
    pub(super) fn saved_us_per_second(&self, now_ms: i64) -> f64 {
        let lasted_ms = to_f64_signed((now_ms - self.begun_ms).max(0)).max(SHORTEST_MS);
        // The weight of all the time that passed.
        let weighed_ms = (1.0 - (-lasted_ms / HALF_LIFE_MS).exp2()) * HALF_LIFE_MS / std::f64::consts::LN_2;
        self.weighted(now_ms).saved_us / (weighed_ms / 1_000.0)
    }

    /// The benefit of a shape that counted this in all.
    pub(super) fn benefit(&self, totals: &CacheCounts, now_ms: i64) -> Benefit {
        let is_known = self.hits + self.misses >= 1.0;
        let pick = |recent: f64, total: u64| if is_known { recent } else { to_f64(total) };
        let (recent_hits, recent_misses) = (pick(self.hits, hits(totals)), pick(self.misses, misses(totals)));
        // Where all were hits of late, misses of other times have to do.
        let miss_us = mean(pick(self.miss_us, miss_us(totals)), recent_misses);
        Benefit {
            lookups: hits(totals) + misses(totals),
            hit_ratio: mean(recent_hits, recent_hits + recent_misses).unwrap_or_default(),
            miss_us: miss_us
                .or_else(|| mean(to_f64(self::miss_us(totals)), to_f64(misses(totals))))
                .unwrap_or_default(),
            hit_us: mean(pick(self.hit_us, hit_us(totals)), recent_hits).unwrap_or_default(),
            overhead_us: mean(pick(self.overhead_us, overhead_us(totals)), recent_misses).unwrap_or_default(),
            saved_us_per_second: self.saved_us_per_second(now_ms),
            result_bytes: mean(to_f64(totals.fill_bytes_total), to_f64(totals.fills_total)).unwrap_or_default(),
        }
    }
}

fn mean(sum: f64, count: f64) -> Option<f64> {
    (count > 0.0).then(|| sum / count)
}

const fn hits(counts: &CacheCounts) -> u64 {
    counts.hits_memory_total + counts.hits_shared_total + counts.dry_hits_total
}

const fn hit_us(counts: &CacheCounts) -> u64 {
    counts.hit_us_total + counts.dry_hit_us_total
}

fn misses(counts: &CacheCounts) -> u64 {
    counts.misses_total.values().sum::<u64>() + counts.dry_misses_total
}

const fn miss_us(counts: &CacheCounts) -> u64 {
    counts.miss_us_total + counts.dry_miss_us_total
}

const fn overhead_us(counts: &CacheCounts) -> u64 {
    counts.overhead_us_total + counts.dry_overhead_us_total
}

const fn saved_us(counts: &CacheCounts) -> i64 {
    counts.saved_us_total + counts.would_have_saved_us_total
}

const fn to_f64(number: u64) -> f64 {
    number as f64
}

const fn to_f64_signed(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(hits: u64, misses: u64) -> CacheCounts {
        CacheCounts {
            hits_memory_total: hits,
            hit_us_total: hits * 2,
            misses_total: [("absent".to_owned(), misses)].into(),
            miss_us_total: misses * 100,
            overhead_us_total: misses * 5,
            saved_us_total: i64::try_from(hits * 98).unwrap() - i64::try_from(misses * 5).unwrap(),
            ..CacheCounts::default()
        }
    }

    #[test]
    fn a_benefit_speaks_of_late() {
        let (old, new) = (counts(1_000, 1_000), counts(1_000, 1_100));
        let mut recent = Recent::new(0);
        recent.add(10_000, &counts(0, 0), &old);
        let benefit = recent.benefit(&old, 10_000);
        assert!((benefit.hit_ratio - 0.5).abs() < 1e-9 && (benefit.miss_us - 100.0).abs() < 1e-9);
        assert!((benefit.hit_us - 2.0).abs() < 1e-9 && (benefit.overhead_us - 5.0).abs() < 1e-9);
        // Two hours later there are misses only.
        recent.add(7_200_000, &old, &new);
        let benefit = recent.benefit(&new, 7_200_000);
        assert!(
            benefit.hit_ratio < 0.01 && benefit.saved_us_per_second < 0.0,
            "{benefit:?}"
        );
        assert_eq!(benefit.lookups, 2_100);
    }

    #[test]
    fn a_steady_rate_is_told_as_it_is_and_fades_when_it_ends() {
        let (mut recent, mut now_ms, mut before) = (Recent::new(0), 0, counts(0, 0));
        for step in 1..=2_000 {
            now_ms += 2_000;
            let after = counts(step * 20, 0);
            recent.add(now_ms, &before, &after);
            before = after;
            if step.is_multiple_of(100) {
                let rate = recent.saved_us_per_second(now_ms);
                assert!((rate - 980.0).abs() < 10.0, "{rate} after {step}");
            }
        }
        let later = recent.saved_us_per_second(now_ms + 600_000);
        assert!((later - 245.0).abs() < 10.0, "{later}");
    }
}
