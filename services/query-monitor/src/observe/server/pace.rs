//! How often each thing is asked, so that all of it together stays within what it may cost. Pure.
//!
//! Every probe has a wish: how often it would be asked if it cost nothing. Its cost is the time that the server says
//! its answer took, which is more than the processor's where the server is busy; so a busy server is asked less. The
//! budget is divided fairly: who needs less than an even share leaves the rest to the others, and only who needs more
//! waits longer.

use std::time::Duration;

/// What every question costs beyond the time that its answer tells: reading it, sending the answer, ending the
/// transaction.
const OVERHEAD: Duration = Duration::from_micros(300);
/// Nothing is asked less often, unless its own wish is.
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 3600);
/// A probe that fails is asked after twice, four, … times its interval, up to this power.
const DOUBLINGS_MAX: u32 = 5;

/// One probe's wish and what it has cost.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pace {
    wish: Duration,
    cost: Duration,
    failures_in_row: u32,
}

impl Pace {
    pub(super) const fn new(wish: Duration) -> Self {
        Self {
            wish,
            cost: Duration::ZERO,
            failures_in_row: 0,
        }
    }

    /// It was answered, and that took the server so long. The pause that follows pays for it, so it need not be
    /// remembered any longer.
    pub(super) fn answered(&mut self, took: Duration) {
        self.failures_in_row = 0;
        self.cost = took + OVERHEAD;
    }

    /// It was not, after the server may have worked for so long.
    pub(super) fn failed(&mut self, worked: Duration) {
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        self.cost = worked + OVERHEAD;
    }

    /// The reason why it failed is gone.
    pub(super) const fn forgive(&mut self) {
        self.failures_in_row = 0;
    }

    /// The interval if it were alone.
    fn wanted(&self) -> Duration {
        let doubled = self.wish * 2_u32.pow(self.failures_in_row.min(DOUBLINGS_MAX));
        doubled.min(INTERVAL_MAX.max(self.wish))
    }

    /// The part of a core that it would take.
    fn demand(&self) -> f64 {
        self.cost.as_secs_f64() / self.wanted().as_secs_f64()
    }

    fn within(&self, share: f64) -> Duration {
        let affordable = self.cost.as_secs_f64() / share.max(f64::MIN_POSITIVE);
        let affordable = Duration::try_from_secs_f64(affordable).unwrap_or(INTERVAL_MAX);
        self.wanted().max(affordable.min(INTERVAL_MAX))
    }
}

/// The intervals of all probes, in their order, for a budget that is a part of one core.
pub(super) fn intervals<'p>(paces: impl IntoIterator<Item = &'p Pace>, budget: f64) -> Vec<Duration> {
    let mut asked: Vec<(usize, &Pace)> = paces.into_iter().enumerate().collect();
    asked.sort_by(|left, right| left.1.demand().total_cmp(&right.1.demand()));
    let (mut left, mut sharers) = (budget, asked.len());
    let mut granted: Vec<(usize, Duration)> = Vec::with_capacity(sharers);
    for (index, pace) in asked {
        let share = pace.demand().min(left / sharers as f64);
        granted.push((index, pace.within(share)));
        left -= share;
        sharers -= 1;
    }
    granted.sort_unstable();
    granted.into_iter().map(|(_, interval)| interval).collect()
}

/// The part of a core that probes take at these intervals.
pub(super) fn cost_ratio<'p>(paces: impl IntoIterator<Item = &'p Pace>, intervals: &[Duration]) -> f64 {
    let pairs = paces.into_iter().zip(intervals);
    pairs
        .map(|(pace, interval)| pace.cost.as_secs_f64() / interval.as_secs_f64())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(wish: Duration, took: Duration) -> Pace {
        let mut pace = Pace::new(wish);
        pace.answered(took);
        pace
    }

    #[test]
    fn what_is_cheap_is_asked_as_often_as_it_wishes() {
        let paces = [pace(5 * SECOND, Duration::from_millis(2)), Pace::new(60 * SECOND)];
        assert_eq!(intervals(&paces, 0.01), [5 * SECOND, 60 * SECOND]);
    }

    #[test]
    fn what_is_dear_waits_and_does_not_slow_down_the_others() {
        let cheap = pace(5 * SECOND, Duration::from_millis(5));
        let dear = pace(60 * SECOND, 10 * SECOND);
        let found = intervals([&cheap, &dear], 0.01);
        assert_eq!(found[0], 5 * SECOND);
        // The cheap one takes about a tenth of a per cent; the rest of one is for the other.
        assert!((1_050..1_150).contains(&found[1].as_secs()), "{found:?}");
    }

    #[test]
    fn whatever_the_costs_all_of_it_stays_within_the_budget() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..500 {
            let paces: Vec<Pace> = (0..random.usize(1..20))
                .map(|_| {
                    pace(
                        Duration::from_millis(random.u64(1_000..600_000)),
                        Duration::from_micros(random.u64(0..3_000_000)),
                    )
                })
                .collect();
            let found = intervals(&paces, 0.01);
            let ratio = cost_ratio(&paces, &found);
            assert!(ratio <= 0.010_001, "{ratio} of {paces:?}");
            assert!(paces.iter().zip(&found).all(|(pace, interval)| *interval >= pace.wish));
            // Nobody is slowed down for nothing.
            let slowed = paces.iter().zip(&found).any(|(pace, interval)| *interval > pace.wish);
            assert!(!slowed || ratio > 0.009_9, "{ratio} of {paces:?}");
        }
    }

    #[test]
    fn failures_double_the_interval_and_an_answer_ends_that() {
        let mut failing = Pace::new(10 * SECOND);
        let mut seen = Vec::new();
        for _ in 0..8 {
            failing.failed(Duration::ZERO);
            seen.push(intervals([&failing], 1.0)[0].as_secs());
        }
        assert_eq!(seen, [20, 40, 80, 160, 320, 320, 320, 320]);
        failing.answered(Duration::ZERO);
        assert_eq!(intervals([&failing], 1.0), [10 * SECOND]);
    }

    #[test]
    fn a_dear_answer_is_paid_for_once() {
        let mut pace = pace(SECOND, 2 * SECOND);
        assert!(intervals([&pace], 0.01)[0] >= 200 * SECOND);
        pace.answered(Duration::ZERO);
        assert_eq!(intervals([&pace], 0.01), [SECOND]);
        pace.failed(2 * SECOND);
        assert!(intervals([&pace], 0.01)[0] >= 200 * SECOND);
    }
}
