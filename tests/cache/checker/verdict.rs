//! What was seen, counted, with the first examples of each.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::record::Level;

const EXAMPLES_MAX: usize = 6;

/// What must never be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A strict answer misses what somebody had been told of.
    Stale,
    /// A session misses what it wrote, or goes back in time.
    Session,
    /// An answer is older than the bound.
    Bound,
    /// Two halves of one transaction are not of one moment.
    Torn,
    /// A version that nobody wrote.
    Future,
    /// The answer to another question.
    Other,
    /// After quiet, other bytes than PostgreSQL's.
    Bytes,
    /// An error that no broken connection explains.
    Error,
}

impl Wrong {
    const ALL: [Self; 8] = [
        Self::Stale,
        Self::Session,
        Self::Bound,
        Self::Torn,
        Self::Future,
        Self::Other,
        Self::Bytes,
        Self::Error,
    ];
}

/// Counts and examples.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    wrong: [AtomicU64; Wrong::ALL.len()],
    examples: Mutex<Vec<String>>,
    notes: Mutex<Vec<String>>,
    reads: [AtomicU64; 4],
    writes: AtomicU64,
    /// Reads and writes whose connection broke.
    pub(crate) broken: AtomicU64,
    first: OnceLock<Duration>,
}

impl Verdict {
    /// Something must not be.
    pub(crate) fn saw(&self, wrong: Wrong, after: Duration, example: impl FnOnce() -> String) {
        let count = self.wrong[wrong as usize].fetch_add(1, Ordering::Relaxed);
        self.first.get_or_init(|| after);
        if usize::try_from(count).is_ok_and(|count| count < EXAMPLES_MAX) {
            let line = format!("{wrong:?} after {:.2} s: {}", after.as_secs_f64(), example());
            push(&self.examples, line);
        }
    }

    /// A line for the report.
    pub(crate) fn note(&self, line: String) {
        push(&self.notes, line);
    }

    /// An answer was judged.
    pub(crate) fn read(&self, level: Level) {
        self.reads[level as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A write was acknowledged.
    pub(crate) fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// All reads.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// How often something was seen.
    pub(crate) fn count(&self, wrong: Wrong) -> u64 {
        self.wrong[wrong as usize].load(Ordering::Relaxed)
    }

    /// How often anything was seen that must not be.
    pub(crate) fn all(&self) -> u64 {
        Wrong::ALL.into_iter().map(|wrong| self.count(wrong)).sum()
    }

    /// When the first wrong answer was seen.
    pub(crate) fn first(&self) -> Option<Duration> {
        self.first.get().copied()
    }

    /// For people.
    pub(crate) fn report(&self) -> String {
        let mut text = String::new();
        let [strict, session, bounded, off] = [0, 1, 2, 3].map(|level| self.reads[level].load(Ordering::Relaxed));
        let (reads, writes) = (self.reads(), self.writes.load(Ordering::Relaxed));
        let broken = self.broken.load(Ordering::Relaxed);
        line(
            &mut text,
            &format!("{reads} reads: {strict} strict, {session} session, {bounded} bounded, {off} off"),
        );
        line(
            &mut text,
            &format!("{writes} writes acknowledged, {broken} requests on connections that broke"),
        );
        for wrong in Wrong::ALL {
            line(&mut text, &format!("{wrong:?}: {}", self.count(wrong)));
        }
        for noted in [&self.notes, &self.examples] {
            let lines = noted.lock().unwrap_or_else(PoisonError::into_inner);
            lines.iter().for_each(|noted| line(&mut text, noted));
        }
        text
    }

    /// Nothing was wrong.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.all(), 0, "{}", self.report());
    }
}

fn push(lines: &Mutex<Vec<String>>, line: String) {
    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a text grows");
}
