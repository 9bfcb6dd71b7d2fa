//! How often one caller may call.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use uuid::Uuid;

/// Callers that are told apart before the first are forgotten.
const CALLERS_MAX: usize = 10_000;
/// What may come at once: so many seconds' worth.
const BURST_SECONDS: u32 = 12;

/// Who is counted: a token, or whoever calls from an address without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    Token(Uuid),
    Address(IpAddr),
}

pub(crate) struct Limits {
    calls: DefaultKeyedRateLimiter<Counted>,
}

impl Limits {
    pub(crate) fn new(per_second: u32) -> Self {
        let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(per_second.saturating_mul(BURST_SECONDS)).unwrap_or(rate);
        Self {
            calls: RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst)),
        }
    }

    /// After how many seconds to come again, if it is too much.
    pub(crate) fn check(&self, who: Counted) -> Result<(), u64> {
        if self.calls.len() > CALLERS_MAX {
            self.calls.retain_recent();
        }
        self.calls.check_key(&who).map_err(|early| {
            let wait = early.wait_time_from(governor::clock::DefaultClock::default().now());
            wait.as_secs() + 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_asks_too_much_does_not_stop_another() {
        let limits = Limits::new(1);
        let (loud, quiet) = (Counted::Token(Uuid::now_v7()), Counted::Address([192, 0, 2, 1].into()));
        let refused = (0..100).filter(|_| limits.check(loud).is_err()).count();
        assert!((80..=88).contains(&refused), "{refused}");
        assert!(limits.check(quiet).is_ok());
        assert!(limits.check(loud).unwrap_err() >= 1);
    }
}
