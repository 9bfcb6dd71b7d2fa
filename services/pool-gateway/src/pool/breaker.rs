//! When callers are spared the wait for a server that does not answer. Pure.
//!
//! Closed: everybody tries. Open: everybody is refused at once. Half open: after a while one caller tries for all. The
//! upkeep asks the server on its own all the time, and its success closes the breaker at once.

use std::time::Duration;

use tokio::time::Instant;

/// Outcomes over which the share of successes is taken.
const WINDOW: u32 = 50;
/// Below this share of successes it opens.
const SUCCESSES_MIN_PERCENT: u32 = 80;

/// What the breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

impl BreakerState {
    pub(crate) const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// The breaker of one upstream.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    threshold: u32,
    recovery: Duration,
    state: BreakerState,
    /// Since when it is open, or since when the one caller tries.
    since: Option<Instant>,
    failures_in_a_row: u32,
    /// The last outcomes, the latest in the lowest bit; 1 is a failure.
    outcomes: u64,
    seen: u32,
}

impl Breaker {
    pub(crate) const fn new(threshold: u32, recovery: Duration) -> Self {
        Self {
            threshold,
            recovery,
            state: BreakerState::Closed,
            since: None,
            failures_in_a_row: 0,
            outcomes: 0,
            seen: 0,
        }
    }

    /// Other limits from now on.
    pub(crate) const fn set_limits(&mut self, threshold: u32, recovery: Duration) {
        self.threshold = threshold;
        self.recovery = recovery;
    }

    pub(crate) const fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether a caller may try; else, how long until the next may.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        let Some(since) = self.since else { return Ok(()) };
        let passed = now.duration_since(since);
        if passed < self.recovery {
            return Err(self.recovery - passed);
        }
        // One for all; if nothing is heard of it, another one as late again.
        self.state = BreakerState::HalfOpen;
        self.since = Some(now);
        Ok(())
    }

    /// How long callers are refused for, if they are. Asking changes nothing.
    pub(crate) fn refuses(&self, now: Instant) -> Option<Duration> {
        let passed = now.duration_since(self.since?);
        self.recovery.checked_sub(passed).filter(|left| !left.is_zero())
    }

    /// The server answered.
    pub(crate) const fn succeeded(&mut self) {
        self.failures_in_a_row = 0;
        if matches!(self.state, BreakerState::Closed) {
            self.note(0);
        } else {
            self.state = BreakerState::Closed;
            self.since = None;
            self.outcomes = 0;
            self.seen = 0;
        }
    }

    /// The server did not answer, or went away.
    pub(crate) const fn failed(&mut self, now: Instant) {
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.note(1);
        let too_many = self.failures_in_a_row >= self.threshold || self.is_flaky();
        if too_many || matches!(self.state, BreakerState::HalfOpen) {
            self.state = BreakerState::Open;
            self.since = Some(now);
        }
    }

    const fn note(&mut self, failure: u64) {
        self.outcomes = ((self.outcomes << 1) | failure) & ((1 << WINDOW) - 1);
        if self.seen < WINDOW {
            self.seen += 1;
        }
    }

    const fn is_flaky(&self) -> bool {
        let successes = WINDOW - self.outcomes.count_ones();
        self.seen == WINDOW && successes * 100 < WINDOW * SUCCESSES_MIN_PERCENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECOVERY: Duration = Duration::from_secs(30);

    fn broken(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(5, RECOVERY);
        (0..5).for_each(|_| breaker.failed(now));
        breaker
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row() {
        let (mut breaker, now) = (Breaker::new(5, RECOVERY), Instant::now());
        for _ in 0..3 {
            (0..4).for_each(|_| breaker.failed(now));
            breaker.succeeded();
        }
        assert_eq!((breaker.state(), breaker.admit(now)), (BreakerState::Closed, Ok(())));
        (0..5).for_each(|_| breaker.failed(now));
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.refuses(now + RECOVERY / 3), Some(RECOVERY - RECOVERY / 3));
        assert_eq!(breaker.admit(now + RECOVERY / 3), Err(RECOVERY - RECOVERY / 3));
        assert_eq!(
            (breaker.refuses(now + RECOVERY), breaker.state()),
            (None, BreakerState::Open)
        );
    }

    #[test]
    fn it_opens_when_too_few_succeed() {
        let (mut breaker, now) = (Breaker::new(5, RECOVERY), Instant::now());
        for round in 0..50 {
            if round % 4 == 0 {
                breaker.failed(now);
            } else {
                breaker.succeeded();
            }
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.failed(now);
        assert_eq!(breaker.state(), BreakerState::Open, "12 of 50 failed, and one more");
    }

    #[test]
    fn one_tries_for_all_and_its_success_closes_it() {
        let now = Instant::now();
        let mut breaker = broken(now);
        let later = now + RECOVERY;
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(breaker.admit(later).is_err(), "a second one was let through");
        breaker.succeeded();
        assert_eq!((breaker.state(), breaker.admit(later)), (BreakerState::Closed, Ok(())));
    }

    #[test]
    fn a_failed_try_opens_it_again_and_a_lost_one_does_not_block_it_for_good() {
        let now = Instant::now();
        let mut breaker = broken(now);
        assert_eq!(breaker.admit(now + RECOVERY), Ok(()));
        breaker.failed(now + RECOVERY);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.admit(now + RECOVERY + RECOVERY / 2).is_err());
        assert_eq!(breaker.admit(now + RECOVERY * 2), Ok(()));
        assert_eq!(breaker.admit(now + RECOVERY * 3), Ok(()));
    }
}
