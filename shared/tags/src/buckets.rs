//! Where each tag was touched last, in a table of fixed size.

use std::sync::atomic::{AtomicU64, Ordering};

/// Number of buckets: 8 MiB.
pub const BUCKETS: usize = 1 << 20;

/// For each bucket, where the last commit ended that touched a tag in it. Tags that share a bucket cost misses only.
#[derive(Debug)]
pub struct Buckets(Box<[AtomicU64]>);

impl Buckets {
    /// Nothing was touched.
    pub fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    /// A commit that ended here touched a tag in this bucket. Whoever then reads a watermark that was stored with
    /// `Release` after this finds it.
    pub fn raise(&self, bucket: usize, commit_lsn: u64) {
        if let Some(known) = self.0.get(bucket) {
            known.fetch_max(commit_lsn, Ordering::Relaxed);
        }
    }

    /// Where the last commit ended that touched this bucket; 0: none that is known. A bucket that does not exist was
    /// touched by everything.
    pub fn get(&self, bucket: usize) -> u64 {
        self.0
            .get(bucket)
            .map_or(u64::MAX, |known| known.load(Ordering::Relaxed))
    }

    /// Every bucket that was touched, in ascending order.
    pub fn touched(&self) -> impl Iterator<Item = (usize, u64)> {
        let all = self.0.iter().map(|known| known.load(Ordering::Relaxed));
        all.enumerate().filter(|(_, lsn)| *lsn > 0)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.iter().for_each(|known| known.store(0, Ordering::Relaxed));
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_goes_up_only_and_tells_what_was_touched() {
        let buckets = Buckets::new();
        buckets.raise(7, 20);
        buckets.raise(7, 10);
        buckets.raise(9, 5);
        buckets.raise(BUCKETS, 99);
        assert_eq!(
            (buckets.get(7), buckets.get(8), buckets.get(BUCKETS)),
            (20, 0, u64::MAX)
        );
        assert_eq!(buckets.touched().collect::<Vec<_>>(), [(7, 20), (9, 5)]);
        buckets.clear();
        assert_eq!(buckets.touched().count(), 0);
    }
}
