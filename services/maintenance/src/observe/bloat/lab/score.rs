//! How good estimates were.

use std::fmt;
use std::time::Duration;

use crate::plan::{Bloat, Method};

/// An estimate in per cent of the size, beside the truth.
#[derive(Clone, Copy)]
pub(super) struct Guess {
    pub(super) likely: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) error: f64,
    pub(super) method: Method,
}

/// One relation.
pub(super) struct Score {
    pub(super) case: String,
    pub(super) size: u64,
    pub(super) truth: f64,
    pub(super) sampled: Guess,
    pub(super) counted: Guess,
    pub(super) screened: Guess,
    pub(super) took: Duration,
}

/// What was waste, in per cent; below nothing where the relation grew.
pub(super) fn truth([before, after]: [u64; 2]) -> f64 {
    if before == 0 {
        return 0.0;
    }
    100.0 - after as f64 * 100.0 / before as f64
}

impl Guess {
    pub(super) fn of(bloat: Bloat, sizes: [u64; 2]) -> Self {
        assert_eq!(bloat.size, sizes[0], "the size itself is wrong");
        let percent = |bytes: u64| bytes as f64 * 100.0 / bloat.size.max(1) as f64;
        Self {
            likely: percent(bloat.likely),
            low: percent(bloat.low),
            high: percent(bloat.high),
            error: percent(bloat.likely) - truth(sizes),
            method: bloat.method,
        }
    }

    /// What grew was no waste, and no interval begins below nothing.
    fn holds(self, truth: f64) -> bool {
        let truth = truth.max(0.0);
        self.low <= truth + 1e-9 && truth <= self.high + 1e-9
    }

    /// A rewrite is ordered that the truth would not have.
    fn is_false_order(self, truth: f64) -> bool {
        self.low >= 30.0 && truth < 30.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            case,
            truth,
            sampled,
            counted,
            screened,
            ..
        } = self;
        let mib = self.size as f64 / 1024.0 / 1024.0;
        let mark = |guess: Guess| {
            if guess.is_false_order(*truth) {
                'F'
            } else if guess.holds(*truth) {
                ' '
            } else {
                '!'
            }
        };
        write!(
            f,
            "{case:<44} {mib:6.1} MB {truth:6.1} | {:?} {:6.1} [{:5.1} {:5.1}] {:+5.2}{} {:4} ms | {:5.1} [{:5.1} {:5.1}] {:+5.1}{} | {:5.1} [{:5.1} {:5.1}] {:+5.1}{}",
            sampled.method,
            sampled.likely,
            sampled.low,
            sampled.high,
            sampled.error,
            mark(*sampled),
            self.took.as_millis(),
            counted.likely,
            counted.low,
            counted.high,
            counted.error,
            mark(*counted),
            screened.likely,
            screened.low,
            screened.high,
            screened.error,
            mark(*screened),
        )
    }
}

type Way = (&'static str, fn(&Score) -> Guess);

const WAYS: [Way; 3] = [
    ("pages", |score| score.sampled),
    ("pgstattuple", |score| score.counted),
    ("statistics", |score| score.screened),
];

/// A line for each way.
pub(super) fn report(title: &str, scores: &[Score]) {
    for (name, of) in WAYS {
        let worst = scores.iter().map(|score| of(score).error.abs()).fold(0.0, f64::max);
        let half: f64 = scores.iter().map(|score| (of(score).high - of(score).low) / 2.0).sum();
        println!(
            "{title}, {name}: {} relations, mean error {:.2} ({:.2} where growth counts as no waste), worst {worst:.1}, interval holds {:.1} %, half of it {:.1}, false orders {}",
            scores.len(),
            mean_error(scores, of),
            scores
                .iter()
                .map(|score| (of(score).likely - score.truth.max(0.0)).abs())
                .sum::<f64>()
                / scores.len() as f64,
            100.0 - misses(scores, of) as f64 * 100.0 / scores.len() as f64,
            half / scores.len() as f64,
            false_orders(scores, of),
        );
    }
    let mut times: Vec<u128> = scores.iter().map(|score| score.took.as_millis()).collect();
    times.sort_unstable();
    println!(
        "{title}: median {} ms, longest {} ms",
        times[times.len() / 2],
        times[times.len() - 1]
    );
}

fn mean_error(scores: &[Score], of: fn(&Score) -> Guess) -> f64 {
    scores.iter().map(|score| of(score).error.abs()).sum::<f64>() / scores.len() as f64
}

fn misses(scores: &[Score], of: fn(&Score) -> Guess) -> usize {
    scores.iter().filter(|score| !of(score).holds(score.truth)).count()
}

fn false_orders(scores: &[Score], of: fn(&Score) -> Guess) -> usize {
    scores
        .iter()
        .filter(|score| of(score).is_false_order(score.truth))
        .count()
}

/// What has to hold: small errors from pages, no false order in any way, and few intervals that miss.
pub(super) fn accept(scores: &[Score], error_max: f64, misses_max: usize) {
    let mean = mean_error(scores, |score| score.sampled);
    assert!(mean <= error_max, "the mean error is {mean:.2} points");
    for (name, of) in WAYS {
        assert_eq!(false_orders(scores, of), 0, "{name} orders what is not needed");
        let missed = misses(scores, of);
        assert!(missed <= misses_max, "{missed} intervals of {name} miss the truth");
    }
}
