//! How far work is, as its job says it each second: a small JSON in the note of its progress.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval};
use weir_jobs::JobContext;

use crate::engine::progress::{Progress, Reached};

/// How often a job says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(1);
/// A rate is that of so much time.
const RATE_OVER: Duration = Duration::from_secs(10);

/// How far a job is, as its note has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Transfer {
    pub phase: String,
    pub done_bytes: u64,
    pub total_bytes: u64,
    pub moved_bytes: u64,
    pub bytes_per_second: u64,
    pub remaining_ms: u64,
    pub throttled: bool,
}

/// What was done when, over the last ten seconds of one phase.
#[derive(Debug, Default)]
struct Rates {
    phase: &'static str,
    marks: VecDeque<(Duration, u64)>,
}

impl Rates {
    /// Bytes per second, counted up to now; 0 where that cannot be known yet.
    fn at(&mut self, at: Duration, reached: &Reached) -> u64 {
        let begins_anew = self.marks.back().is_some_and(|(_, done)| *done > reached.done_bytes);
        if self.phase != reached.phase || begins_anew {
            self.phase = reached.phase;
            self.marks.clear();
        }
        self.marks.push_back((at, reached.done_bytes));
        while self.marks.get(1).is_some_and(|(next, _)| *next + RATE_OVER <= at) {
            self.marks.pop_front();
        }
        let Some((from, done)) = self.marks.front() else {
            return 0;
        };
        let seconds = at.saturating_sub(*from).as_secs_f64();
        if seconds <= 0.0 {
            return 0;
        }
        (reached.done_bytes.saturating_sub(*done) as f64 / seconds) as u64
    }
}

fn transfer(reached: Reached, bytes_per_second: u64) -> Transfer {
    let left = reached.total_bytes.saturating_sub(reached.done_bytes);
    let remaining_ms = left.saturating_mul(1_000).checked_div(bytes_per_second);
    Transfer {
        phase: reached.phase.to_owned(),
        done_bytes: reached.done_bytes,
        total_bytes: reached.total_bytes,
        moved_bytes: reached.moved_bytes,
        bytes_per_second,
        remaining_ms: remaining_ms.unwrap_or_default(),
        throttled: reached.throttled,
    }
}

/// Says how far work is for as long as it is not dropped.
#[derive(Debug)]
pub(super) struct Reporter<'a> {
    job: &'a JobContext,
    progress: Progress,
    begun: Instant,
    /// The rate that was said last, for whoever wants to know.
    rate: AtomicU64,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(job: &'a JobContext, progress: Progress) -> Self {
        Self {
            job,
            progress,
            begun: Instant::now(),
            rate: AtomicU64::new(0),
        }
    }

    /// Bytes per second, as said last.
    pub(super) fn rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    pub(super) async fn report(&self) -> Infallible {
        let mut ticks = interval(SAY_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rates = Rates::default();
        loop {
            ticks.tick().await;
            let reached = self.progress.reached();
            let rate = rates.at(self.begun.elapsed(), &reached);
            self.rate.store(rate, Ordering::Relaxed);
            self.say(reached, rate);
        }
    }

    /// Says how far it came in the end.
    pub(super) fn last(&self) {
        self.say(self.progress.reached(), self.rate());
    }

    fn say(&self, reached: Reached, rate: u64) {
        let note = serde_json::to_string(&transfer(reached, rate)).unwrap_or_default();
        self.job.progress(reached.done_bytes, reached.total_bytes, &note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(phase: &'static str, done_bytes: u64) -> Reached {
        Reached {
            phase,
            done_bytes,
            total_bytes: 10_000,
            ..Reached::default()
        }
    }

    #[test]
    fn a_rate_is_that_of_the_last_ten_seconds_of_a_phase() {
        let mut rates = Rates::default();
        let mut at = |second: u64, phase, done| rates.at(Duration::from_secs(second), &reached(phase, done));
        assert_eq!(at(0, "copy", 0), 0);
        assert_eq!(at(1, "copy", 100), 100);
        for second in 2..=20 {
            at(second, "copy", 100);
        }
        assert_eq!(at(21, "copy", 100), 0, "what was long ago does not count");
        assert_eq!(at(22, "copy", 1_100), 100);
        assert_eq!(at(23, "wal", 5_000), 0, "another phase counts other bytes");
        assert_eq!(at(24, "wal", 5_500), 500);
        assert_eq!(at(25, "wal", 10), 0, "a second attempt begins anew");
    }

    #[test]
    fn what_remains_follows_from_the_rate() {
        assert_eq!(transfer(reached("copy", 4_000), 2_000).remaining_ms, 3_000);
        assert_eq!(transfer(reached("copy", 4_000), 0).remaining_ms, 0);
        let written = serde_json::to_string(&transfer(reached("copy", 1), 1)).unwrap();
        assert_eq!(
            serde_json::from_str::<Transfer>(&written).unwrap(),
            transfer(reached("copy", 1), 1)
        );
        assert!(written.len() < 250, "{written}");
    }
}
