//! What sessions have done, counted by each for itself: nobody waits for anybody to count.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::pool::Owner;

/// Averages are taken over so long, as PgBouncer does.
const PERIOD: Duration = Duration::from_secs(60);

/// The figures, each named once.
macro_rules! figures {
    ($($name:ident),+) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct Totals {
            $(pub(crate) $name: u64,)+
        }

        /// How many figures there are.
        const FIGURES: usize = [$(stringify!($name)),+].len();

        impl Totals {
            const fn all(self) -> [u64; FIGURES] {
                [$(self.$name),+]
            }

            const fn of([$($name),+]: [u64; FIGURES]) -> Self {
                Self { $($name),+ }
            }
        }
    };
}

figures!(
    transactions,
    statements,
    bytes_in,
    bytes_out,
    transaction_us,
    server_us,
    wait_us
);

impl Totals {
    /// One transaction has ended.
    pub(super) const TRANSACTION: Self = Self {
        transactions: 1,
        ..Self::of([0; FIGURES])
    };

    pub(crate) fn plus(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    fn with(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let (mut joined, other) = (self.all(), other.all());
        for (figure, other) in joined.iter_mut().zip(other) {
            *figure = join(*figure, other);
        }
        Self::of(joined)
    }
}

/// The figures of a session, or of all that have left.
#[derive(Debug, Default)]
pub(crate) struct Account([AtomicU64; FIGURES]);

impl Account {
    /// Adds what was done. By the only one who writes: others may read meanwhile.
    pub(super) fn add_own(&self, done: Totals) {
        for (figure, more) in self.0.iter().zip(done.all()).filter(|(_, more)| *more > 0) {
            figure.store(figure.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        }
    }

    /// Adds what was done, among others who do.
    pub(crate) fn add(&self, done: Totals) {
        for (figure, more) in self.0.iter().zip(done.all()) {
            figure.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals::of(self.0.each_ref().map(|figure| figure.load(Ordering::Relaxed)))
    }
}

/// What was done in each pool.
pub(crate) type Sums = BTreeMap<Owner, Totals>;

/// The accounts of those who have left or never were in, and the averages.
#[derive(Debug)]
pub(crate) struct Ledger {
    common: Mutex<HashMap<Owner, Arc<Account>>>,
    periods: Mutex<Periods>,
}

/// The sums at the beginning and at the end of the last whole period.
#[derive(Debug)]
struct Periods {
    began: (Instant, Sums),
    ended: Option<(Instant, Sums)>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            common: Mutex::default(),
            periods: Mutex::new(Periods {
                began: (now, Sums::new()),
                ended: None,
            }),
        }
    }

    /// The account of a pool that all share who have none of their own.
    pub(crate) fn common(&self, key: Owner) -> Arc<Account> {
        let mut common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
        common.entry(key).or_default().clone()
    }

    /// What those accounts come to.
    pub(super) fn sums(&self) -> Sums {
        let common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
        common
            .iter()
            .map(|(key, account)| (key.clone(), account.totals()))
            .collect()
    }

    /// Remembers the sums, where a period has ended.
    pub(super) fn tick(&self, now: Instant, sums: impl FnOnce() -> Sums) {
        let mut periods = self.periods.lock().unwrap_or_else(PoisonError::into_inner);
        let since = periods.ended.as_ref().map_or(periods.began.0, |(at, _)| *at);
        if now.duration_since(since) >= PERIOD {
            let ended = (now, sums());
            if let Some(before) = periods.ended.replace(ended) {
                periods.began = before;
            }
        }
    }

    /// What was done in the last whole period, and how long that was; before there is one, since the start.
    pub(super) fn lately(&self, now: Instant, sums: &Sums) -> (Duration, Sums) {
        let periods = self.periods.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, before) = &periods.began;
        let (ended, after) = match &periods.ended {
            Some((ended, after)) => (*ended, after),
            None => (now, sums),
        };
        let done = after.iter().map(|(key, totals)| {
            let then = before.get(key).copied().unwrap_or_default();
            (key.clone(), totals.minus(then))
        });
        (ended.duration_since(*began), done.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Owner {
        Owner {
            database: "d".to_owned(),
            user: "u".to_owned(),
        }
    }

    fn statements(statements: u64) -> Totals {
        Totals {
            statements,
            ..Totals::default()
        }
    }

    #[test]
    fn what_each_counts_is_summed_up() {
        let account = Account::default();
        account.add_own(statements(2));
        account.add(Totals {
            bytes_in: 5,
            ..statements(1)
        });
        assert_eq!((account.totals().statements, account.totals().bytes_in), (3, 5));
        let sum = account.totals().plus(statements(4));
        assert_eq!((sum.statements, sum.minus(statements(6)).statements), (7, 1));
    }

    #[test]
    fn averages_are_those_of_the_last_whole_period() {
        let ledger = Ledger::new();
        let start = ledger.periods.lock().unwrap().began.0;
        let sums = |count| Sums::from([(key(), statements(count))]);
        let lately = |at: Duration, count| {
            let (lasted, done) = ledger.lately(start + at, &sums(count));
            (lasted.as_secs(), done.get(&key()).unwrap().statements)
        };
        assert_eq!(lately(Duration::from_secs(10), 100), (10, 100), "since the start");
        ledger.tick(start + PERIOD, || sums(600));
        assert_eq!(lately(PERIOD + Duration::from_secs(1), 900), (60, 600));
        ledger.tick(start + PERIOD + Duration::from_secs(1), || sums(900));
        ledger.tick(start + PERIOD * 2, || sums(700));
        assert_eq!(lately(PERIOD * 2 + Duration::from_secs(9), 5_000), (60, 100));
    }
}
