//! Pure. What was counted, as plain numbers that can be added and compared.

use super::reasons::{BypassReason, FillRefusal, Level, MissReason};

/// All that one account, or all accounts of a project together, counted. Times are in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) hits: [u64; Level::COUNT],
    /// What answering the hits took.
    pub(crate) hit_ns: u64,
    pub(crate) misses: [u64; MissReason::COUNT],
    /// What PostgreSQL took for the misses.
    pub(crate) miss_ns: u64,
    /// What looking up and keeping added to the misses.
    pub(crate) overhead_ns: u64,
    pub(crate) bypasses: [u64; BypassReason::COUNT],
    pub(crate) fills: u64,
    pub(crate) fill_bytes: u64,
    pub(crate) refusals: [u64; FillRefusal::COUNT],
    pub(crate) evictions: u64,
    /// In dry run: look-ups that would have been hits.
    pub(crate) dry_hits: u64,
    /// What answering those would have taken.
    pub(crate) dry_hit_ns: u64,
    /// What PostgreSQL took for them.
    pub(crate) dry_spared_ns: u64,
    /// In dry run: look-ups that would have been misses.
    pub(crate) dry_misses: u64,
    /// What PostgreSQL took for those.
    pub(crate) dry_miss_ns: u64,
    /// What looking up and keeping added, or would have added, to them.
    pub(crate) dry_overhead_ns: u64,
}

macro_rules! each_field {
    ($act:ident, $($of:expr),+) => {{
        $act!($($of),+; hit_ns, miss_ns, overhead_ns, fills, fill_bytes, evictions);
        $act!($($of),+; dry_hits, dry_hit_ns, dry_spared_ns, dry_misses, dry_miss_ns, dry_overhead_ns);
    }};
}

macro_rules! add_fields {
    ($own:expr, $other:expr; $($field:ident),+) => { $($own.$field = $own.$field.saturating_add($other.$field);)+ };
}

macro_rules! subtract_fields {
    ($own:expr, $other:expr; $($field:ident),+) => { $($own.$field = $own.$field.saturating_sub($other.$field);)+ };
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        each_field!(add_fields, self, other);
        self.with_arrays(other, u64::saturating_add);
    }

    /// What was counted since it stood at `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        each_field!(subtract_fields, since, earlier);
        since.with_arrays(earlier, u64::saturating_sub);
        since
    }

    fn with_arrays(&mut self, other: &Self, act: fn(u64, u64) -> u64) {
        merge(&mut self.hits, &other.hits, act);
        merge(&mut self.misses, &other.misses, act);
        merge(&mut self.bypasses, &other.bypasses, act);
        merge(&mut self.refusals, &other.refusals, act);
    }

    pub(crate) fn hits_total(&self) -> u64 {
        self.hits.iter().sum()
    }

    pub(crate) fn misses_total(&self) -> u64 {
        self.misses.iter().sum()
    }

    /// What a judge looks at: dry runs count as if they were none.
    pub(crate) fn figures(&self) -> Figures {
        Figures {
            hits: to_f64(self.hits_total() + self.dry_hits),
            hit_ns: to_f64(self.hit_ns + self.dry_hit_ns),
            misses: to_f64(self.misses_total() + self.dry_misses),
            miss_ns: to_f64(self.miss_ns + self.dry_miss_ns),
            overhead_ns: to_f64(self.overhead_ns + self.dry_overhead_ns),
        }
    }

    /// Nanoseconds that dry runs would have saved: known, as PostgreSQL did the work.
    pub(crate) fn would_have_saved_ns(&self) -> f64 {
        to_f64(self.dry_spared_ns) - to_f64(self.dry_hit_ns) - to_f64(self.dry_overhead_ns)
    }
}

fn merge<const N: usize>(own: &mut [u64; N], other: &[u64; N], act: fn(u64, u64) -> u64) {
    for (own, other) in own.iter_mut().zip(other) {
        *own = act(*own, *other);
    }
}

pub(crate) const fn to_f64(number: u64) -> f64 {
    number as f64
}

/// The figures that decide whether a shape is worth it: of all time, or weighted by how long ago.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) hits: f64,
    pub(crate) hit_ns: f64,
    pub(crate) misses: f64,
    pub(crate) miss_ns: f64,
    pub(crate) overhead_ns: f64,
}

impl Figures {
    /// All of it weighs less now, and this is new.
    pub(crate) fn decay_and_add(&mut self, weight: f64, new: &Self) {
        let merge = |own: &mut f64, new: f64| *own = own.mul_add(weight, new);
        merge(&mut self.hits, new.hits);
        merge(&mut self.hit_ns, new.hit_ns);
        merge(&mut self.misses, new.misses);
        merge(&mut self.miss_ns, new.miss_ns);
        merge(&mut self.overhead_ns, new.overhead_ns);
    }

    pub(crate) fn lookups(&self) -> f64 {
        self.hits + self.misses
    }

    /// Nanoseconds of an average miss at PostgreSQL. None: there was none.
    pub(crate) fn miss_mean_ns(&self) -> Option<f64> {
        (self.misses > 0.0).then(|| self.miss_ns / self.misses)
    }

    /// Nanoseconds that memory saved: what PostgreSQL would have taken for the hits, less what they took, less what
    /// was added to the misses. A hit's own look-up is in what it took.
    pub(crate) fn saved_ns(&self, miss_mean_ns: f64) -> f64 {
        self.hits.mul_add(miss_mean_ns, -self.hit_ns) - self.overhead_ns
    }

    /// What memory saved as a share of what PostgreSQL alone would have taken. None: nothing to compare with.
    pub(crate) fn gain(&self) -> Option<f64> {
        let miss_mean_ns = self.miss_mean_ns()?;
        let alone_ns = self.lookups() * miss_mean_ns;
        (alone_ns > 0.0).then(|| self.saved_ns(miss_mean_ns) / alone_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_what_is_left_over_afterwards() {
        let mut counts = Counts {
            hits: [3, 4],
            hit_ns: 50,
            ..Counts::default()
        };
        let earlier = counts.clone();
        let more = Counts {
            hits: [1, 0],
            misses: [2, 0, 1, 0, 0, 0],
            bypasses: [0, 0, 0, 0, 0, 0, 9],
            refusals: [0, 0, 0, 5],
            hit_ns: 7,
            miss_ns: 8,
            overhead_ns: 9,
            fills: 10,
            fill_bytes: 11,
            evictions: 12,
            dry_hits: 13,
            dry_hit_ns: 14,
            dry_spared_ns: 15,
            dry_misses: 16,
            dry_miss_ns: 17,
            dry_overhead_ns: 18,
        };
        counts.add(&more);
        assert_eq!(counts.since(&earlier), more);
        assert_eq!(counts.hits, [4, 4]);
    }

    #[test]
    fn a_gain_is_what_hits_spare_less_what_misses_pay() {
        let figures = Figures {
            hits: 9.0,
            hit_ns: 9_000.0,
            misses: 1.0,
            miss_ns: 100_000.0,
            overhead_ns: 2_000.0,
        };
        // 9 x 100 us - 9 us - 2 us of 10 x 100 us.
        assert!((figures.gain().unwrap() - 0.889).abs() < 1e-9);
        assert_eq!(Figures::default().gain(), None);
    }
}
