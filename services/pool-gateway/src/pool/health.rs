//! What is known of a server beside what its breaker lets through: since when, how often, and what was wrong. Pure.

use tokio::time::Instant;

use super::breaker::{Breaker, BreakerState};

/// The breaker of one server, with its history.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    breaker: Breaker,
    /// Since when the breaker is in its state.
    pub(crate) since: Instant,
    /// How often it has opened.
    pub(crate) opened_total: u64,
    /// Why the server could last not be reached, by the error's name, and when that was.
    pub(crate) last_error: Option<(&'static str, Instant)>,
}

impl Health {
    pub(super) const fn new(breaker: Breaker, now: Instant) -> Self {
        Self {
            breaker,
            since: now,
            opened_total: 0,
            last_error: None,
        }
    }

    /// What the breaker lets through.
    pub(crate) const fn state(&self) -> BreakerState {
        self.breaker.state()
    }

    /// Does something with the breaker, and says whether it is in another state then. The time is asked for only then.
    pub(super) fn with_breaker<T>(
        &mut self,
        act: impl FnOnce(&mut Breaker) -> T,
        now: impl FnOnce() -> Instant,
    ) -> (T, bool) {
        let before = self.state();
        let done = act(&mut self.breaker);
        let has_turned = self.state() != before;
        if has_turned {
            self.since = now();
            self.opened_total += u64::from(self.state() == BreakerState::Open);
        }
        (done, has_turned)
    }

    /// The server could not be reached.
    pub(super) const fn erred(&mut self, slug: &'static str, now: Instant) {
        self.last_error = Some((slug, now));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RECOVERY: Duration = Duration::from_secs(30);

    #[test]
    fn each_turn_is_noticed_once_and_every_opening_counted() {
        let start = Instant::now();
        let mut health = Health::new(Breaker::new(2, RECOVERY), start);
        let mut turns = Vec::new();
        let mut act = |act: fn(&mut Breaker, Instant), after_s: u64| {
            let now = start + Duration::from_secs(after_s);
            let (_, has_turned) = health.with_breaker(|breaker| act(breaker, now), || now);
            if has_turned {
                turns.push((
                    health.state(),
                    health.since.duration_since(start).as_secs(),
                    health.opened_total,
                ));
            }
        };
        let fail: fn(&mut Breaker, Instant) = |breaker, now| breaker.failed(now);
        let admit: fn(&mut Breaker, Instant) = |breaker, now| {
            let _ = breaker.admit(now);
        };
        let succeed: fn(&mut Breaker, Instant) = |breaker, _| breaker.succeeded();
        for (what, after_s) in [
            (fail, 1),
            (fail, 2),
            (fail, 3),
            (admit, 4),
            (admit, 40),
            (fail, 41),
            (succeed, 42),
            (succeed, 43),
        ] {
            act(what, after_s);
        }
        use BreakerState::{Closed, HalfOpen, Open};
        assert_eq!(turns, [(Open, 2, 1), (HalfOpen, 40, 1), (Open, 41, 2), (Closed, 42, 2)]);
    }
}
