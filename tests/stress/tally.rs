//! What was counted: queries, and everything that must never happen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Examples that are kept of each kind.
const EXAMPLES_MAX: usize = 5;

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oracle {
    /// An answer that belongs to another question.
    WrongRows,
    /// A frame that cannot stand where it stands.
    Desync,
    /// An error that nothing called for.
    UnexpectedError,
    /// A connection that was refused or broke by itself.
    Broken,
    /// No answer for half a minute.
    Hung,
    /// A session's own setting is gone.
    SetLost,
    /// Another session's setting is seen.
    SetLeaked,
    /// A statement was cancelled by nobody who may.
    StrayCancel,
    /// Acknowledged, and not there.
    LostWrite,
    /// There more than once.
    DoubledWrite,
    /// Refused or rolled back, and there all the same.
    GhostWrite,
    /// A session's own prepared statement is gone.
    PreparedLost,
    /// Another session's prepared statement is seen.
    PreparedForeign,
    /// A session's own temporary table or held cursor is gone.
    TempLost,
    /// Another session's temporary table is seen.
    TempForeign,
    /// A notification to oneself did not come.
    NotificationLost,
    /// A notification came to somebody who does not listen.
    NotificationForeign,
    /// A session's own lock is gone.
    LockLost,
    /// Another session's lock is held.
    LockForeign,
}

impl Oracle {
    /// Each of them.
    pub(crate) const ALL: [Self; 19] = [
        Self::WrongRows,
        Self::Desync,
        Self::UnexpectedError,
        Self::Broken,
        Self::Hung,
        Self::SetLost,
        Self::SetLeaked,
        Self::StrayCancel,
        Self::LostWrite,
        Self::DoubledWrite,
        Self::GhostWrite,
        Self::PreparedLost,
        Self::PreparedForeign,
        Self::TempLost,
        Self::TempForeign,
        Self::NotificationLost,
        Self::NotificationForeign,
        Self::LockLost,
        Self::LockForeign,
    ];
}

/// How often, and what the first ones looked like.
#[derive(Default)]
struct Seen {
    count: u64,
    examples: Vec<String>,
}

/// Everything that was counted.
#[derive(Default)]
pub(crate) struct Tally {
    /// Answers that came whole.
    pub(crate) queries: AtomicU64,
    /// Connections made.
    pub(crate) connects: AtomicU64,
    /// Cancel requests sent.
    pub(crate) cancels: AtomicU64,
    /// Statements that a client's own request cancelled.
    pub(crate) cancelled: AtomicU64,
    /// Connections that chaos broke.
    pub(crate) broken_by_chaos: AtomicU64,
    seen: Mutex<BTreeMap<Oracle, Seen>>,
    done: Mutex<BTreeMap<&'static str, u64>>,
    notes: Mutex<Vec<String>>,
}

impl Tally {
    /// Counts what must not happen.
    pub(crate) fn saw(&self, oracle: Oracle, example: impl FnOnce() -> String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.entry(oracle).or_default();
        seen.count += 1;
        if seen.examples.len() < EXAMPLES_MAX {
            seen.examples.push(example());
        }
    }

    /// Counts an operation that went through.
    pub(crate) fn did(&self, op: &'static str) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done.entry(op).or_default() += 1;
    }

    /// Adds a line to the report.
    pub(crate) fn note(&self, line: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// How often something was seen.
    pub(crate) fn count(&self, oracle: Oracle) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&oracle).map_or(0, |seen| seen.count)
    }

    /// All counts, and examples of what must not happen.
    pub(crate) fn report(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut text = format!(
            "queries {}, connections {}, cancels {} of which {} hit, broken by chaos {}\n",
            count(&self.queries),
            count(&self.connects),
            count(&self.cancels),
            count(&self.cancelled),
            count(&self.broken_by_chaos),
        );
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let done: Vec<String> = done.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(text, "operations: {}", done.join(", ")).expect("a text grows");
        for note in self.notes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            writeln!(text, "{note}").expect("a text grows");
        }
        let counts: Vec<String> = Oracle::ALL
            .iter()
            .map(|oracle| format!("{oracle:?} {}", self.count(*oracle)))
            .collect();
        writeln!(text, "must be zero: {}", counts.join(", ")).expect("a text grows");
        for (oracle, seen) in self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            for example in &seen.examples {
                writeln!(text, "  {oracle:?}: {example}").expect("a text grows");
            }
        }
        text
    }

    /// Fails unless every count that must be zero is.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let is_clean = Oracle::ALL.iter().all(|oracle| self.count(*oracle) == 0);
        assert!(is_clean, "{}", self.report());
        assert!(self.queries.load(Ordering::Relaxed) > 0, "nothing was asked");
    }
}
