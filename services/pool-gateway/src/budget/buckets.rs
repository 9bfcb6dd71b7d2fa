//! What a project may spend: four token buckets. Pure.
//!
//! One who wants to run something reserves what such statements usually cost, and waits until that is there; what it
//! cost in truth is settled when it is known. A reservation is kept in the order in which it was made. Debts are
//! bounded, so that one statement that was far too large does not shut a project out for long.

use std::time::Duration;

use tokio::time::Instant;

/// Queries, rows, bytes and server seconds, in this order.
const KINDS: usize = 4;
/// So much may be saved up.
const BURST: Duration = Duration::from_secs(2);
/// And so much owed.
const DEBT_MAX: Duration = Duration::from_secs(60);
/// How much the last statement counts for what statements usually cost.
const LATEST: f64 = 0.1;

/// What may be spent in each second; without a rate, as much as one likes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) queries: Option<f64>,
    pub(crate) rows: Option<f64>,
    pub(crate) bytes: Option<f64>,
    pub(crate) server_seconds: Option<f64>,
}

/// What statements cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost([f64; KINDS]);

impl Cost {
    /// The cost of one statement.
    pub(crate) fn of(rows: u64, bytes: u64, server_us: u64) -> Self {
        // Beyond 2⁵³ a float is off by one or two, which is nothing.
        Self([1.0, rows as f64, bytes as f64, server_us as f64 / 1e6])
    }
}

/// What is there too little of, and when there will be enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TooLittle {
    pub(super) of: &'static str,
    pub(super) after: Duration,
}

/// One bucket.
#[derive(Debug)]
struct Bucket {
    of: &'static str,
    rate: f64,
    left: f64,
    /// What a statement usually costs.
    usual: f64,
}

impl Bucket {
    fn full(of: &'static str, rate: Option<f64>, usual: f64) -> Option<Self> {
        let (rate, left) = (rate?, 0.0);
        let mut bucket = Self { of, rate, left, usual };
        bucket.left = bucket.size();
        Some(bucket)
    }

    /// What it holds: one statement fits always.
    fn size(&self) -> f64 {
        (self.rate * BURST.as_secs_f64()).max(1.0)
    }

    fn add(&mut self, what: f64) {
        let debt_max = self.rate * DEBT_MAX.as_secs_f64();
        self.left = (self.left + what).clamp(-debt_max, self.size());
    }

    /// How long until there is so much.
    fn wait_for(&self, cost: f64) -> Duration {
        let missing = (cost - self.left).max(0.0);
        Duration::try_from_secs_f64(missing / self.rate).unwrap_or(DEBT_MAX)
    }
}

/// The four buckets of one budget; there is none for what has no rate.
#[derive(Debug)]
pub(super) struct Buckets {
    buckets: [Option<Bucket>; KINDS],
    at: Instant,
}

impl Buckets {
    /// Full ones.
    pub(super) fn new(rates: Rates, now: Instant) -> Self {
        Self {
            buckets: [
                Bucket::full("queries", rates.queries, 1.0),
                Bucket::full("rows", rates.rows, 0.0),
                Bucket::full("bytes", rates.bytes, 0.0),
                Bucket::full("server seconds", rates.server_seconds, 0.0),
            ],
            at: now,
        }
    }

    /// Reserves what a statement usually costs. Returns how long it has to wait for that; longer than it has patience
    /// for, and nothing is reserved.
    pub(super) fn reserve(&mut self, now: Instant, patience: Duration) -> Result<(Duration, Cost), TooLittle> {
        self.refill(now);
        // More than a bucket holds is never there.
        let usual = |bucket: &Bucket| bucket.usual.min(bucket.size());
        let cost = Cost(self.buckets.each_ref().map(|bucket| bucket.as_ref().map_or(0.0, usual)));
        let waits = self.rated().zip(self.costs(cost));
        let waits = waits.map(|(bucket, cost)| (bucket.of, bucket.wait_for(cost)));
        let (of, after) = waits.max_by_key(|(_, after)| *after).unwrap_or_default();
        if after > patience {
            return Err(TooLittle { of, after });
        }
        self.add(cost, -1.0);
        Ok((after, cost))
    }

    /// A statement for which `reserved` was set aside has cost this.
    pub(super) fn settle(&mut self, now: Instant, reserved: Cost, cost: Cost) {
        self.refill(now);
        self.add(reserved, 1.0);
        self.add(cost, -1.0);
        for (bucket, latest) in self.buckets.iter_mut().zip(cost.0) {
            if let Some(bucket) = bucket {
                bucket.usual += (latest - bucket.usual) * LATEST;
            }
        }
    }

    /// What was set aside is not needed.
    pub(super) fn give_back(&mut self, reserved: Cost) {
        self.add(reserved, 1.0);
    }

    /// Whether nothing was spent for so long that forgetting it makes no difference.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.rated().all(|bucket| bucket.left >= bucket.size())
    }

    /// How much is left of each, as a share of a full bucket; below 0 it is owed.
    pub(super) fn shares(&mut self, now: Instant) -> Vec<(&'static str, f64)> {
        self.refill(now);
        self.rated()
            .map(|bucket| (bucket.of, bucket.left / bucket.size()))
            .collect()
    }

    fn rated(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().flatten()
    }

    /// The part of a cost that there are buckets for.
    fn costs(&self, cost: Cost) -> impl Iterator<Item = f64> {
        let all = self.buckets.iter().zip(cost.0);
        all.filter(|(bucket, _)| bucket.is_some()).map(|(_, cost)| cost)
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        for bucket in self.buckets.iter_mut().flatten() {
            bucket.add(bucket.rate * passed);
        }
    }

    fn add(&mut self, cost: Cost, sign: f64) {
        for (bucket, cost) in self.buckets.iter_mut().zip(cost.0) {
            if let Some(bucket) = bucket {
                bucket.add(sign * cost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rates(queries: Option<f64>, rows: Option<f64>) -> Rates {
        Rates {
            queries,
            rows,
            ..Rates::default()
        }
    }

    #[test]
    fn queries_come_at_their_rate_after_a_burst_and_in_order() {
        let now = Instant::now();
        let mut buckets = Buckets::new(rates(Some(10.0), None), now);
        let waits: Vec<u128> = (0..25)
            .map(|_| buckets.reserve(now, SECOND * 9).unwrap().0.as_millis())
            .collect();
        assert_eq!(waits[..20], [0; 20]);
        assert_eq!(waits[20..], [100, 200, 300, 400, 500]);
        let refused = buckets.reserve(now, SECOND / 2).unwrap_err();
        assert_eq!((refused.of, refused.after.as_millis()), ("queries", 600));
        // One who was refused has reserved nothing, one who goes gives it back.
        let (wait, cost) = buckets.reserve(now, SECOND).unwrap();
        assert_eq!(wait.as_millis(), 600);
        buckets.give_back(cost);
        assert_eq!(buckets.reserve(now, SECOND).unwrap().0.as_millis(), 600);
        assert!(buckets.reserve(now + SECOND * 3, SECOND).unwrap().0.is_zero());
    }

    #[test]
    fn what_it_cost_in_truth_is_settled_afterwards() {
        let now = Instant::now();
        let mut buckets = Buckets::new(rates(None, Some(100.0)), now);
        let (wait, reserved) = buckets.reserve(now, SECOND).unwrap();
        assert!(wait.is_zero());
        buckets.settle(now, reserved, Cost::of(1_200, 0, 0));
        // 1,000 rows are owed, and the next statement is expected to return 120.
        let owed = buckets.reserve(now, SECOND).unwrap_err();
        assert_eq!((owed.of, owed.after.as_millis()), ("rows", 11_200));
        assert!(buckets.reserve(now + SECOND * 12, SECOND).unwrap().0.is_zero());
    }

    #[test]
    fn each_kind_of_cost_has_a_bucket_of_its_own() {
        let none = Rates::default();
        for (of, rates) in [
            (
                "queries",
                Rates {
                    queries: Some(0.5),
                    ..none
                },
            ),
            ("rows", rates(None, Some(5.0))),
            (
                "bytes",
                Rates {
                    bytes: Some(70.0),
                    ..none
                },
            ),
            (
                "server seconds",
                Rates {
                    server_seconds: Some(0.5),
                    ..none
                },
            ),
        ] {
            let now = Instant::now();
            let mut buckets = Buckets::new(rates, now);
            let (wait, reserved) = buckets.reserve(now, SECOND).unwrap();
            assert!(wait.is_zero(), "{of}");
            buckets.settle(now, reserved, Cost::of(100, 1_000, 4_000_000));
            assert_eq!(buckets.reserve(now, SECOND).unwrap_err().of, of);
            let shares = buckets.shares(now);
            assert!(shares.len() == 1 && shares[0].1 <= 0.0, "{shares:?}");
        }
    }

    #[test]
    fn on_average_the_rate_is_kept_whatever_statements_cost() {
        let start = Instant::now();
        let mut buckets = Buckets::new(rates(None, Some(1_000.0)), start);
        let (mut now, mut rows) = (start, 0);
        for number in 0..2_000_u64 {
            let (wait, reserved) = buckets.reserve(now, SECOND * 60).unwrap();
            now += wait;
            let cost = number * 7 % 50;
            rows += cost;
            buckets.settle(now, reserved, Cost::of(cost, 0, 0));
        }
        let rate = rows as f64 / (now - start).as_secs_f64();
        assert!((990.0..1_100.0).contains(&rate), "{rate} rows a second");
    }

    #[test]
    fn a_debt_is_bounded_and_a_large_statement_is_possible_at_all() {
        let now = Instant::now();
        let mut buckets = Buckets::new(rates(Some(0.1), Some(10.0)), now);
        let (_, reserved) = buckets.reserve(now, SECOND).unwrap();
        buckets.settle(now, reserved, Cost::of(1_000_000_000, 0, 0));
        let owed = buckets.reserve(now, SECOND).unwrap_err();
        assert!(owed.after <= DEBT_MAX + BURST, "{:?}", owed.after);
        assert!(buckets.reserve(now + owed.after, SECOND).is_ok());
        assert!(!buckets.is_full(now + owed.after));
        assert!(buckets.is_full(now + owed.after + DEBT_MAX));
    }
}
