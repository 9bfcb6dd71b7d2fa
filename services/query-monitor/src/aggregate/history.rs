//! What happened lately in each project as a whole, for those who judge it. Pure.
//!
//! Ten-second cells for six minutes, plain counts by the minute for six hours and by ten minutes for three days. It is
//! made of what was counted, by this monitor and by the others, and made again from the rows after a restart.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use weir_model::Project;

use super::cell::Cell;
use super::level::Level;
use crate::detect::{Incident, Outcomes, WINDOWS};

const MINUTE_MS: i64 = 60_000;
const FIVE_MINUTES_MS: i64 = 5 * MINUTE_MS;
const TEN_MINUTES_MS: i64 = 10 * MINUTE_MS;
const SIX_HOURS_MS: i64 = 360 * MINUTE_MS;
/// How long cells are kept whole.
const CELLS_FOR_MS: i64 = 6 * MINUTE_MS;
/// How long counts are kept by the minute, and by ten minutes.
const MINUTES_FOR_MS: i64 = SIX_HOURS_MS + 2 * TEN_MINUTES_MS;
const TENS_FOR_MS: i64 = 72 * 3_600_000 + 2 * TEN_MINUTES_MS;

/// SQLSTATE classes that are answers and not failures: a constraint kept what it has to keep.
const ANSWERS: [&str; 1] = ["23"];

/// Counts of a short while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) outcomes: Outcomes,
    pub(crate) failed: u64,
    pub(crate) slow: u64,
    pub(crate) cache_hits: u64,
    pub(crate) cache_misses: u64,
}

impl Counts {
    fn of(cell: &Cell, late_from_us: u64) -> Self {
        let faults = cell
            .error_classes()
            .filter(|(class, _)| !ANSWERS.contains(&class.as_str()));
        Self {
            outcomes: Outcomes {
                requests: cell.sums.calls,
                errors: faults.map(|(_, count)| count).sum(),
                late: cell.latency.total.above(late_from_us),
                ..Outcomes::default()
            },
            failed: cell.sums.errors,
            slow: cell.sums.slow,
            cache_hits: cell.sums.cache_hits,
            cache_misses: cell.sums.cache_misses,
        }
    }

    pub(super) const fn add(&mut self, other: &Self) {
        self.outcomes.requests += other.outcomes.requests;
        self.outcomes.errors += other.outcomes.errors;
        self.outcomes.late += other.outcomes.late;
        self.outcomes.error_incidents += other.outcomes.error_incidents;
        self.outcomes.late_incidents += other.outcomes.late_incidents;
        self.failed += other.failed;
        self.slow += other.slow;
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
    }
}

/// One project's.
#[derive(Debug, Default)]
struct Past {
    errors: Incident,
    lates: Incident,
    cells: BTreeMap<i64, Cell>,
    seconds: BTreeMap<i64, Counts>,
    minutes: BTreeMap<i64, Counts>,
    tens: BTreeMap<i64, Counts>,
}

impl Past {
    fn merge(&mut self, start: i64, cell: &Cell, late_from_us: u64) {
        let counts = self.with_incidents(start, Counts::of(cell, late_from_us));
        self.cells.entry(start).or_default().merge(cell);
        self.seconds.entry(start).or_default().add(&counts);
        self.count(start, &counts);
    }

    /// Counts a span's errors as the beginning of trouble, unless they belong to what began shortly before.
    fn with_incidents(&mut self, start: i64, mut counts: Counts) -> Counts {
        let outcomes = &mut counts.outcomes;
        outcomes.error_incidents = u64::from(outcomes.errors > 0 && self.errors.begins(start));
        outcomes.late_incidents = u64::from(outcomes.late > 0 && self.lates.begins(start));
        counts
    }

    fn count(&mut self, start: i64, counts: &Counts) {
        let by = |width: i64| start.div_euclid(width) * width;
        self.minutes.entry(by(MINUTE_MS)).or_default().add(counts);
        self.tens.entry(by(TEN_MINUTES_MS)).or_default().add(counts);
    }

    fn forget(&mut self, now_unix_ms: i64) {
        self.cells = self.cells.split_off(&(now_unix_ms - CELLS_FOR_MS));
        self.seconds = self.seconds.split_off(&(now_unix_ms - CELLS_FOR_MS));
        self.minutes = self.minutes.split_off(&(now_unix_ms - MINUTES_FOR_MS));
        self.tens = self.tens.split_off(&(now_unix_ms - TENS_FOR_MS));
    }

    /// Counts of the time since then, as fine as they are known; what is partly within counts in whole.
    fn since(&self, from_unix_ms: i64, now_unix_ms: i64) -> Counts {
        let back = now_unix_ms - from_unix_ms;
        let (slots, width) = if back <= FIVE_MINUTES_MS {
            (&self.seconds, Level::Seconds.width_ms())
        } else if back <= SIX_HOURS_MS {
            (&self.minutes, MINUTE_MS)
        } else {
            (&self.tens, TEN_MINUTES_MS)
        };
        let mut sum = Counts::default();
        let within = slots.range(from_unix_ms - width + 1..);
        within.for_each(|(_, counts)| sum.add(counts));
        sum
    }

    /// All of the last five minutes in one cell.
    fn lately(&self, now_unix_ms: i64) -> Cell {
        let mut sum = Cell::default();
        let from = now_unix_ms - FIVE_MINUTES_MS - Level::Seconds.width_ms() + 1;
        self.cells.range(from..).for_each(|(_, cell)| sum.merge(cell));
        sum
    }
}

/// What one project's past comes to.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) project: Project,
    /// The last five minutes.
    pub(crate) lately: Cell,
    /// The last hour.
    pub(crate) hour: Counts,
    /// The day before the last hour.
    pub(crate) day_before: Counts,
    /// For objectives, in the order of [`WINDOWS`].
    pub(crate) windows: [Outcomes; WINDOWS.len()],
}

/// The past of every project.
#[derive(Debug, Default)]
pub(crate) struct History {
    projects: HashMap<Project, Past>,
}

impl History {
    /// Adds what a project did in ten seconds from `start` on.
    pub(crate) fn merge(&mut self, project: &Project, start: i64, cell: &Cell, late_from_us: u64) {
        self.past(project).merge(start, cell, late_from_us);
    }

    /// Adds counts of a longer span from long ago, of which no ten seconds are known.
    pub(crate) fn recall(&mut self, project: &Project, start: i64, cell: &Cell, late_from_us: u64) {
        let past = self.past(project);
        let counts = past.with_incidents(start, Counts::of(cell, late_from_us));
        past.count(start, &counts);
    }

    fn past(&mut self, project: &Project) -> &mut Past {
        self.projects.entry(project.clone()).or_default()
    }

    /// Forgets what is too long ago, and projects that did nothing for three days.
    pub(crate) fn forget(&mut self, now_unix_ms: i64) {
        self.projects.values_mut().for_each(|past| past.forget(now_unix_ms));
        self.projects.retain(|_, past| !past.tens.is_empty());
    }

    /// What each project's past comes to.
    pub(crate) fn recent(&self, now_unix_ms: i64) -> Vec<Recent> {
        let projects = self.projects.iter();
        projects
            .map(|(project, past)| recent(project, past, now_unix_ms))
            .collect()
    }
}

fn recent(project: &Project, past: &Past, now: i64) -> Recent {
    let back = |by: Duration| now - i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    let hour = past.since(back(Duration::from_secs(3_600)), now);
    let mut day_before = Counts::default();
    let day = back(Duration::from_secs(25 * 3_600))..back(Duration::from_secs(3_600));
    past.tens.range(day).for_each(|(_, counts)| day_before.add(counts));
    Recent {
        project: project.clone(),
        lately: past.lately(now),
        hour,
        day_before,
        windows: WINDOWS.map(|window| past.since(back(window), now).outcomes),
    }
}
