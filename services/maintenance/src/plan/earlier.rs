//! What earlier work teaches: how long it took, and what came of it. Pure.

use std::collections::HashMap;
use std::time::Duration;

use super::{Kind, Subject};

/// Bytes a second that work is expected to read and write until some was done.
const SPEED_AT_FIRST: f64 = 20.0 * 1024.0 * 1024.0;
/// The share of the latest piece in what is expected of the next.
const WEIGHT: f64 = 0.3;
/// Nine of ten pieces take at most so many times what is expected.
const SLOW: f64 = 1.5;
/// Even the smallest piece takes so long.
const AT_LEAST: Duration = Duration::from_millis(100);

/// What was done to one relation before.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Earlier {
    /// How long ago it was last done.
    pub since_done: Option<Duration>,
    /// How long ago it was last begun and stopped.
    pub since_halted: Option<Duration>,
}

/// One piece of earlier work, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    /// What was done.
    pub kind: Kind,
    /// To what.
    pub subject: Subject,
    /// How long ago it ended.
    pub since: Duration,
    /// Whether it was done to its end.
    pub is_done: bool,
    /// What it was expected to read and write.
    pub cost_bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// Everything that was done before.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    of: HashMap<(Kind, Subject), Earlier>,
    speeds: HashMap<Kind, f64>,
}

impl History {
    /// From pieces, the oldest first.
    pub(crate) fn of(pieces: Vec<Piece>) -> Self {
        let mut history = Self::default();
        for piece in pieces {
            history.learn(&piece);
            let earlier = history.of.entry((piece.kind, piece.subject)).or_default();
            if piece.is_done {
                earlier.since_done = Some(piece.since);
            } else {
                earlier.since_halted = Some(piece.since);
            }
        }
        history
    }

    /// What was done to one relation.
    pub(crate) fn earlier(&self, kind: Kind, subject: &Subject) -> Earlier {
        self.of.get(&(kind, subject.clone())).cloned().unwrap_or_default()
    }

    /// How long a piece of work takes, in nine of ten cases.
    pub(crate) fn takes(&self, kind: Kind, cost_bytes: u64) -> Duration {
        let speed = self.speeds.get(&kind).copied().unwrap_or(SPEED_AT_FIRST);
        let seconds = cost_bytes as f64 / speed.max(1.0) * SLOW;
        // A century is as good as never.
        Duration::from_secs_f64(seconds.min(3.2e9)).max(AT_LEAST)
    }

    /// A very small piece says more of the time to begin than of speed.
    fn learn(&mut self, piece: &Piece) {
        if !piece.is_done || piece.took < AT_LEAST || piece.cost_bytes == 0 {
            return;
        }
        let speed = piece.cost_bytes as f64 / piece.took.as_secs_f64();
        let known = self.speeds.entry(piece.kind).or_insert(speed);
        *known += WEIGHT * (speed - *known);
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::samples::table;
    use super::*;

    const MB: u64 = 1_048_576;

    fn piece(kind: Kind, days: u64, is_done: bool, seconds: u64) -> Piece {
        Piece {
            kind,
            subject: Subject::table(table("t", 1).table),
            since: Duration::from_secs(days * 86_400),
            is_done,
            cost_bytes: 100 * MB,
            took: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn the_latest_of_each_outcome_counts() {
        let history = History::of(vec![
            piece(Kind::Reindex, 9, true, 1),
            piece(Kind::Reindex, 4, true, 1),
            piece(Kind::Reindex, 2, false, 1),
            piece(Kind::Reorganize, 1, true, 1),
        ]);
        let earlier = history.earlier(Kind::Reindex, &Subject::table(table("t", 1).table));
        let days = |earlier: Option<Duration>| earlier.map(|since| since.as_secs() / 86_400);
        assert_eq!(
            (days(earlier.since_done), days(earlier.since_halted)),
            (Some(4), Some(2))
        );
        let other = history.earlier(Kind::Reindex, &Subject::table(table("u", 1).table));
        assert_eq!(other, Earlier::default());
    }

    #[test]
    fn time_is_expected_by_what_earlier_pieces_took() {
        let fresh = History::default();
        assert_eq!(fresh.takes(Kind::Vacuum, 200 * MB), Duration::from_secs(15));
        assert_eq!(fresh.takes(Kind::Vacuum, 0), AT_LEAST);
        let slow = History::of(vec![piece(Kind::Vacuum, 2, true, 50), piece(Kind::Vacuum, 1, true, 50)]);
        assert_eq!(slow.takes(Kind::Vacuum, 200 * MB), Duration::from_secs(150));
        assert_eq!(slow.takes(Kind::Reindex, 200 * MB), Duration::from_secs(15));
        let unfinished = History::of(vec![piece(Kind::Vacuum, 1, false, 50)]);
        assert_eq!(unfinished.takes(Kind::Vacuum, 200 * MB), Duration::from_secs(15));
    }
}
