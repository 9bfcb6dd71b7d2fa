//! When nobody is made to wait for Redis. Pure.
//!
//! Unlike the breaker of an upstream it is asked by every thread for every look-up, so that it is a few atomics; and
//! nobody tries for the others: while it is open, only a task in the background asks.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

/// What a bad answer (none, an error, a late one) weighs against good ones: more than one in a hundred opens in the end,
/// and the 99th percentile of those who ask stays what it is.
const BAD: u32 = 100;
/// So much opens: three bad ones in a row.
const OPENS_AT: u32 = 300;

const OPEN: u8 = 0;
const HALF_OPEN: u8 = 1;
const CLOSED: u8 = 2;

/// Its states, as the metric names them.
pub(super) const STATES: [&str; 3] = ["open", "half_open", "closed"];

/// The breaker. Open until somebody has seen that Redis answers.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: AtomicU8,
    strikes: AtomicU32,
}

impl Breaker {
    /// Whether it is worth asking.
    pub(super) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Relaxed) == CLOSED
    }

    /// The state as the metric names it.
    pub(super) fn state(&self) -> &'static str {
        STATES
            .get(usize::from(self.state.load(Ordering::Relaxed)))
            .unwrap_or(&"open")
    }

    /// An answer came in time.
    pub(super) fn good(&self) {
        // Mostly there is nothing to forgive, and then nothing is written.
        if self.strikes.load(Ordering::Relaxed) > 0 {
            let less = |strikes: u32| strikes.checked_sub(1);
            let _ = self.strikes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// None came in time. Says whether that opened it.
    pub(super) fn bad(&self) -> bool {
        let more = |strikes: u32| Some(strikes.saturating_add(BAD));
        let before = self.strikes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        before.unwrap_or_else(|before| before).saturating_add(BAD) >= OPENS_AT && self.open()
    }

    /// Opens it, and says whether it was closed.
    pub(super) fn open(&self) -> bool {
        self.state.swap(OPEN, Ordering::Relaxed) == CLOSED
    }

    /// Redis is tried in the background.
    pub(super) fn half_open(&self) {
        self.state.store(HALF_OPEN, Ordering::Relaxed);
    }

    /// Redis answers.
    pub(super) fn close(&self) {
        self.strikes.store(0, Ordering::Relaxed);
        self.state.store(CLOSED, Ordering::Relaxed);
    }
}

/// How long to wait before Redis is tried again: not at all after a long time without trouble, then longer each time.
#[derive(Debug, Default)]
pub(super) struct Hold {
    next: Duration,
}

impl Hold {
    const MIN: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(5);
    /// So long without trouble, and what was before does not count.
    const STEADY: Duration = Duration::from_secs(10);

    /// It was good for so long, and now it is not.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= Self::STEADY {
            self.next = Duration::ZERO;
        }
        let now = self.next;
        self.next = (now * 2).clamp(Self::MIN, Self::MAX);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Breaker {
        let breaker = Breaker::default();
        assert!(!breaker.is_closed());
        breaker.half_open();
        assert_eq!((breaker.is_closed(), breaker.state()), (false, "half_open"));
        breaker.close();
        assert_eq!((breaker.is_closed(), breaker.state()), (true, "closed"));
        breaker
    }

    #[test]
    fn three_bad_answers_in_a_row_open_it_once() {
        let breaker = closed();
        assert_eq!([breaker.bad(), breaker.bad()], [false, false]);
        assert!(breaker.is_closed());
        assert_eq!([breaker.bad(), breaker.bad()], [true, false]);
        assert_eq!((breaker.is_closed(), breaker.state()), (false, "open"));
        breaker.close();
        assert!(!breaker.bad() && breaker.is_closed(), "what was before is forgotten");
    }

    fn answers_until_open(one_in: usize) -> Option<usize> {
        let breaker = closed();
        (1..100_000).find(|number| {
            if number % one_in == 0 {
                return breaker.bad();
            }
            breaker.good();
            false
        })
    }

    #[test]
    fn one_bad_answer_in_two_hundred_is_borne_and_one_in_twenty_is_not() {
        assert_eq!(answers_until_open(200), None);
        assert_eq!(answers_until_open(101), None);
        assert_eq!(answers_until_open(20), Some(80));
        assert!(answers_until_open(80).is_some());
    }

    #[test]
    fn trials_become_rarer_until_it_was_good_for_long() {
        let mut hold = Hold::default();
        let waits: Vec<u128> = (0..9).map(|_| hold.after(Duration::from_secs(1)).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(hold.after(Duration::from_secs(10)), Duration::ZERO);
        assert_eq!(hold.after(Duration::ZERO).as_millis(), 100);
    }
}
