//! What is known of one register, and whether an answer may be as old as it is. Pure: times come as numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::verdict::Wrong;

/// How far back acknowledgements may come in another order than versions: more writers than there are.
const DISORDER_MAX: usize = 64;

/// Versions of one register.
#[derive(Debug, Default)]
pub(crate) struct Record {
    begun: AtomicU64,
    acknowledged: AtomicU64,
    /// Version, and the moment in nanoseconds by which its writer had been told of it.
    acknowledgements: Mutex<Vec<(u64, u64)>>,
}

/// How fresh an answer has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Everything that anybody was told of before the question.
    Strict,
    /// Everything that this session was told or shown.
    Session,
    /// Everything that anybody was told of longer ago than the bound.
    Bounded,
    /// PostgreSQL itself is asked.
    Off,
}

impl Level {
    /// As a comment names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Session => "session",
            Self::Bounded => "bounded",
            Self::Off => "off",
        }
    }
}

/// What was known when a question was asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    /// When, in nanoseconds.
    pub(crate) at_ns: u64,
    /// The highest version that anybody had been told of.
    pub(crate) acknowledged: u64,
    /// The highest version that this session had been told or shown.
    pub(crate) known: u64,
    /// The bound of the pool, in nanoseconds.
    pub(crate) bound_ns: u64,
}

impl Record {
    /// A write is about to be sent.
    pub(crate) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Its writer was told that it made this version.
    pub(crate) fn acknowledge(&self, version: u64, at_ns: u64) {
        let mut all = self.acknowledgements.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((version, at_ns));
        self.acknowledged.fetch_max(version, Ordering::SeqCst);
    }

    /// The highest version that anybody was told of.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// What is wrong with an answer that shows this version, where something is.
    pub(crate) fn judge(&self, level: Level, asked: &Asked, seen: u64) -> Option<(Wrong, String)> {
        let begun = self.begun.load(Ordering::SeqCst);
        let too_old = |wrong, least: u64, of: &str| {
            (seen < least).then(|| (wrong, format!("version {seen}, where {of} {least}")))
        };
        if seen > begun {
            return Some((
                Wrong::Future,
                format!("version {seen}, where only {begun} writes were begun"),
            ));
        }
        match level {
            Level::Strict | Level::Off => too_old(Wrong::Stale, asked.acknowledged, "somebody had been told of"),
            Level::Session => too_old(Wrong::Session, asked.known, "the session knew of"),
            Level::Bounded => None,
        }
        .or_else(|| self.overdue(asked, seen))
    }

    /// A later version that somebody had been told of longer ago than the bound.
    fn overdue(&self, asked: &Asked, seen: u64) -> Option<(Wrong, String)> {
        if self.acknowledged() <= seen {
            return None;
        }
        let all = self.acknowledgements.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, at_ns) = first_after(&all, seen)?;
        let age_ns = asked.at_ns.saturating_sub(at_ns);
        (age_ns > asked.bound_ns).then(|| {
            let ms = age_ns / 1_000_000;
            (
                Wrong::Bound,
                format!("version {seen}, {ms} ms after somebody had been told of {version}"),
            )
        })
    }
}

/// The earliest acknowledgement of a version above one.
fn first_after(all: &[(u64, u64)], seen: u64) -> Option<(u64, u64)> {
    let mut below = 0;
    let mut first: Option<(u64, u64)> = None;
    for (version, at_ns) in all.iter().rev() {
        if *version > seen {
            first = first.filter(|(_, before)| before < at_ns).or(Some((*version, *at_ns)));
        } else {
            below += 1;
            if below > DISORDER_MAX {
                break;
            }
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let record = Record::default();
        for (version, at_ns) in [(1, 100), (3, 210), (2, 220), (4, 300)] {
            record.begin();
            record.acknowledge(version, at_ns);
        }
        record
    }

    fn seen(level: Level, asked: &Asked, version: u64) -> Option<Wrong> {
        record().judge(level, asked, version).map(|(wrong, _)| wrong)
    }

    const ASKED: Asked = Asked {
        at_ns: 305,
        acknowledged: 4,
        known: 2,
        bound_ns: 50,
    };

    #[test]
    fn each_level_has_its_own_floor() {
        assert_eq!(seen(Level::Strict, &ASKED, 4), None);
        assert_eq!(seen(Level::Strict, &ASKED, 3), Some(Wrong::Stale));
        assert_eq!(seen(Level::Off, &ASKED, 3), Some(Wrong::Stale));
        assert_eq!(seen(Level::Session, &ASKED, 3), None);
        assert_eq!(seen(Level::Session, &ASKED, 1), Some(Wrong::Session));
        assert_eq!(seen(Level::Bounded, &ASKED, 3), None);
    }

    #[test]
    fn nothing_is_older_than_the_bound_at_any_level() {
        // Version 3 was told of at 210, so at 305 its absence is 95 old.
        assert_eq!(seen(Level::Bounded, &ASKED, 2), Some(Wrong::Bound));
        assert_eq!(seen(Level::Session, &ASKED, 2), Some(Wrong::Bound));
        let patient = Asked { bound_ns: 95, ..ASKED };
        assert_eq!(seen(Level::Bounded, &patient, 2), None);
    }

    #[test]
    fn nothing_is_shown_that_nobody_wrote() {
        assert_eq!(seen(Level::Bounded, &ASKED, 5), Some(Wrong::Future));
        let record = record();
        record.begin();
        assert!(record.judge(Level::Strict, &ASKED, 5).is_none());
    }
}
