//! Events to statistics. Pure: it counts what it is given and asks nobody.
//!
//! One cell for each project, database and fingerprint in ten seconds, and one for each project as a whole. The number
//! of cells is bounded: the rarest are counted together under fingerprint zero, so that totals stay exact. Cells stay
//! here until they are in the store, in numbered batches; what is written is asked for there.

mod cell;
mod columns;
mod heat;
mod history;
mod intake;
mod level;
mod names;
mod peers;
mod shapes;
mod spans;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weir_model::{Fingerprint, Project};
use weir_proto::events::v1::QueryShape;
use weir_proto::monitor::v1::GatewayIntake;

use crate::detect::Objectives;

pub(crate) use cell::{Cell, Sums, Told};
pub(crate) use columns::Columns;
pub(crate) use heat::{BOUNDS_US, rows as heat_rows};
pub(crate) use history::{History, Recent};
pub(crate) use intake::{Head, Intake, Seen, SeenBy, Totals};
pub(crate) use level::{Kept, Level, Part, PerLevel, Retention, cover, cover_finely};
pub(crate) use names::{Key, Keys, Line};
pub(crate) use peers::Peers;
pub(crate) use shapes::{Shape, Shapes};
pub(crate) use spans::{Cells, Spans};
use spans::{fold_if_overfull, fold_rarest};

/// What shapes beyond the cap are counted under.
pub(crate) const OTHER: Fingerprint = Fingerprint::new(0);
/// What everything of a project is counted under, beside the shapes.
pub(crate) const WHOLE: Fingerprint = Fingerprint::new(u64::MAX);

/// An event tells of something that ended at most this long ago. What is older came late, and counts for the oldest
/// span that is still open: rows of a minute are put together once nothing can be added to them.
pub(crate) const LATE_AFTER_MS: i64 = 60_000;

/// Traces (W3C) of the last statements of a project that were not as they should be. Empty: none had one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traces {
    /// That failed.
    pub(crate) failed: String,
    /// That took longer than the target.
    pub(crate) late: String,
}

/// Traces of slow statements that are told to other monitors at once.
const SLOW_TRACES_MAX: usize = 1_000;

/// One message of a gateway.
#[derive(Debug)]
pub(crate) struct Batch<'m> {
    pub(crate) head: Head<'m>,
    pub(crate) events: Vec<Told<'m>>,
    pub(crate) shapes: Vec<QueryShape>,
}

/// Cells under a number, on their way to the store. A number is written once, however often it is tried.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) number: i64,
    pub(crate) spans: Spans,
}

/// What was counted and may not be in the store yet, for those who answer from both.
#[derive(Debug)]
pub(crate) struct Unwritten {
    /// Which monitor counted them; none: this one.
    pub(crate) monitor: Option<String>,
    /// The number that these cells have, or will have.
    pub(crate) number: i64,
    /// Lines of one project with the start of their span.
    pub(crate) cells: Vec<(i64, Key, Cell)>,
}

/// What this monitor counted, for the others.
#[derive(Debug)]
pub(crate) struct Counted {
    /// The number under which the lines will be written.
    pub(crate) batch: i64,
    /// How many listen.
    pub(crate) peers: usize,
    /// The lines, with the start of their span.
    pub(crate) lines: Vec<(i64, Key, Cell)>,
    /// What was counted of each gateway so far.
    pub(crate) gateways: Vec<(String, Seen)>,
    /// What shapes stand for that were met since.
    pub(crate) shapes: Vec<QueryShape>,
    /// Traces of slow statements by their fingerprint.
    pub(crate) slow_traces: HashMap<u64, String>,
}

/// Bounds of the statistics.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// Lines in ten seconds.
    pub(crate) shapes_max: usize,
    /// From when on a statement is slow, in microseconds.
    pub(crate) slow_from_us: u64,
    /// From when on it is later than it should be, in microseconds, for projects that were promised nothing else.
    pub(crate) late_from_us: u64,
    /// What projects were promised.
    pub(crate) objectives: Objectives,
}

impl Bounds {
    fn late_from_us(&self, project: &Project) -> u64 {
        let promised = self.objectives.latency_target(project);
        promised.map_or(self.late_from_us, |time| {
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        })
    }
}

/// All statistics that are in memory.
#[derive(Debug)]
pub(crate) struct Statistics {
    pub(crate) bounds: Bounds,
    pub(crate) shapes: Shapes,
    pub(crate) intake: Intake,
    pub(crate) history: History,
    pub(crate) peers: Peers,
    keys: Keys,
    /// What will be the next batch.
    open: Spans,
    /// What was counted since the other monitors were told.
    fresh: Spans,
    /// What projects did as a whole since the last [`Statistics::settle`].
    wholes: BTreeMap<(u32, i64), Cell>,
    traces: HashMap<Project, Traces>,
    /// Traces of slow statements since the other monitors were told, by fingerprint.
    slow_traces: HashMap<u64, String>,
    closed: Option<Arc<Closed>>,
    next_number: i64,
    folded: u64,
}

impl Statistics {
    /// Nothing counted yet.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            shapes: Shapes::default(),
            intake: Intake::default(),
            history: History::default(),
            peers: Peers::default(),
            keys: Keys::default(),
            open: Spans::default(),
            fresh: Spans::default(),
            wholes: BTreeMap::new(),
            traces: HashMap::new(),
            slow_traces: HashMap::new(),
            closed: None,
            next_number: 1,
            folded: 0,
        }
    }

    /// Counts one message.
    pub(crate) fn add(&mut self, project: &Project, batch: &Batch<'_>, now_unix_ms: i64) {
        self.intake.note(&batch.head, now_unix_ms);
        batch.shapes.iter().for_each(|shape| self.shapes.learn(shape));
        self.note_traces(project, &batch.events);
        let project = self.keys.project(project);
        // A clock that runs ahead must not fill the future, and what is late must not change the past.
        let spans = Level::Seconds.floor(now_unix_ms - LATE_AFTER_MS)..=now_unix_ms;
        for told in &batch.events {
            let at = told.ended_unix_ms().clamp(*spans.start(), *spans.end());
            self.count(project, told, at);
        }
    }

    /// The last of a message will do: there are ten messages a second.
    fn note_traces(&mut self, project: &Project, events: &[Told<'_>]) {
        let late_from_us = self.bounds.late_from_us(project);
        let traced = |told: &&Told<'_>| !told.traceparent.is_empty();
        let mut last = events.iter().rev().filter(traced);
        for told in last.clone().filter(|told| told.total_us() >= self.bounds.slow_from_us) {
            if self.slow_traces.len() < SLOW_TRACES_MAX {
                self.slow_traces.insert(told.fingerprint, told.traceparent.to_owned());
            }
        }
        let failed = last.clone().find(|told| told.failed());
        let late = last.find(|told| told.total_us() > late_from_us);
        if failed.or(late).is_none() {
            return;
        }
        let traces = self.traces.entry(project.clone()).or_default();
        if let Some(told) = failed {
            told.traceparent.clone_into(&mut traces.failed);
        }
        if let Some(told) = late {
            told.traceparent.clone_into(&mut traces.late);
        }
    }

    /// Traces of a project's last statements that were not as they should be.
    pub(crate) fn traces(&self, project: &Project) -> Traces {
        self.traces.get(project).cloned().unwrap_or_default()
    }

    fn count(&mut self, project: u32, told: &Told<'_>, at: i64) {
        let line = Line {
            project,
            database: self.keys.database(told.database),
            fingerprint: told.fingerprint,
        };
        let slow_from_us = self.bounds.slow_from_us;
        let cells = self.fresh.at(at);
        cells.entry(line).or_default().add(told, slow_from_us);
        self.folded += fold_if_overfull(cells, self.bounds.shapes_max);
        let whole = (project, Level::Seconds.floor(at));
        self.wholes.entry(whole).or_default().add(told, slow_from_us);
    }

    /// Brings what projects did as a whole to where it is asked for, and forgets what is long ago.
    pub(crate) fn settle(&mut self, now_unix_ms: i64) {
        for ((project, start), cell) in std::mem::take(&mut self.wholes) {
            let name = self.keys.project_name(project);
            let late_from_us = self.bounds.late_from_us(&name);
            self.history.merge(&name, start, &cell, late_from_us);
            let cells = self.fresh.at(start);
            cells.entry(Line::whole(project)).or_default().merge(&cell);
        }
        self.history.forget(now_unix_ms);
    }

    /// What was counted since this was asked last, for the other monitors; nothing where nobody listens.
    pub(crate) fn tell(&mut self, now_unix_ms: i64) -> Counted {
        self.settle(now_unix_ms);
        let mut lines = Vec::new();
        // Nobody listens: nothing is kept for somebody who might.
        let (shapes, slow_traces) = (self.shapes.take_untold(), std::mem::take(&mut self.slow_traces));
        let peers = self.peers.count(now_unix_ms);
        if peers > 0 {
            lines = self.lines(&self.fresh, None);
            self.gather();
        }
        let own = self.intake.own();
        Counted {
            batch: self.next_number,
            peers,
            lines,
            gateways: own.map(|(gateway, seen)| (gateway.to_owned(), *seen)).collect(),
            shapes,
            slow_traces,
        }
    }

    /// Learns what a shape stands for from another monitor.
    pub(crate) fn hear_of_shape(&mut self, shape: &QueryShape) {
        self.shapes.hear(shape);
    }

    /// Remembers what a project did in a span of long ago; in one of ten seconds if it was lately.
    pub(crate) fn remember(&mut self, level: Level, (project, span, cell): &(Project, i64, Cell)) {
        let late_from_us = self.bounds.late_from_us(project);
        if level == Level::Seconds {
            self.history.merge(project, *span, cell, late_from_us);
        } else {
            self.history.recall(project, *span, cell, late_from_us);
        }
    }

    /// Notes what another monitor has counted and will write under this number.
    pub(crate) fn hear(&mut self, (monitor, batch): (&str, i64), lines: &[(i64, Key, Cell)], now_unix_ms: i64) {
        if !self.peers.hear(monitor, now_unix_ms) {
            return;
        }
        for (span, key, cell) in lines {
            if key.fingerprint == WHOLE {
                let late_from_us = self.bounds.late_from_us(&key.project);
                self.history.merge(&key.project, *span, cell, late_from_us);
            }
            let line = self.keys.line(key);
            self.peers
                .add((monitor, batch), (*span, line, cell), self.bounds.shapes_max);
        }
    }

    /// Puts what is fresh to what is open.
    fn gather(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        self.folded += self.open.merge(fresh, self.bounds.shapes_max);
    }

    /// Puts what was counted under a number, to be written; what is still on its way comes first. None: nothing is.
    pub(crate) fn close(&mut self, now_unix_ms: i64) -> Option<Arc<Closed>> {
        self.settle(now_unix_ms);
        self.gather();
        if self.closed.is_none() && !self.open.is_empty() {
            let mut spans = std::mem::take(&mut self.open);
            self.folded += spans.fold(self.bounds.shapes_max);
            let number = self.next_number;
            self.next_number += 1;
            self.closed = Some(Arc::new(Closed { number, spans }));
        }
        self.closed.clone()
    }

    /// The batch of this number is in the store.
    pub(crate) fn written(&mut self, number: i64) {
        if self.closed.as_ref().is_some_and(|closed| closed.number == number) {
            self.closed = None;
        }
    }

    /// Lines of a project that may not be in the store yet. Whoever asks both asks here first: what is written in the
    /// meantime is then known by its number, and left out.
    pub(crate) fn unwritten(&mut self, project: &Project, now_unix_ms: i64) -> Vec<Unwritten> {
        self.settle(now_unix_ms);
        let Some(project) = self.keys.find_project(project) else {
            return Vec::new();
        };
        let closed = self.closed.as_deref();
        let closed = closed.map(|closed| (None, closed.number, &closed.spans));
        let open = [&self.open, &self.fresh].map(|spans| (None, self.next_number, spans));
        let peers = self.peers.batches();
        let peers = peers.map(|(monitor, number, spans)| (Some(monitor), number, spans));
        let unwritten = |(monitor, number, spans): (Option<&str>, i64, &Spans)| Unwritten {
            monitor: monitor.map(str::to_owned),
            number,
            cells: self.lines(spans, Some(project)),
        };
        closed.into_iter().chain(open).chain(peers).map(unwritten).collect()
    }

    /// The lines of some spans, of one project or of all.
    fn lines(&self, spans: &Spans, project: Option<u32>) -> Vec<(i64, Key, Cell)> {
        let wanted = |line: &Line| project.is_none_or(|project| line.project == project);
        let in_names = |start: i64, cells: &Cells| -> Vec<_> {
            let cells = cells.iter().filter(|(line, _)| wanted(line));
            cells
                .map(|(line, cell)| (start, self.keys.key(*line), cell.clone()))
                .collect()
        };
        spans.iter().flat_map(|(start, cells)| in_names(start, cells)).collect()
    }

    /// The names of a line that was counted here.
    pub(crate) fn key(&self, line: Line) -> Key {
        self.keys.key(line)
    }

    /// How complete the statistics are.
    pub(crate) fn totals(&self) -> Totals {
        self.intake.totals()
    }

    /// How complete they are, gateway by gateway.
    pub(crate) fn gateways(&self) -> Vec<GatewayIntake> {
        self.intake.gateways()
    }

    /// How many cells wait to be written.
    pub(crate) fn cells_unwritten(&self) -> usize {
        self.open.cells() + self.fresh.cells() + self.closed.as_ref().map_or(0, |closed| closed.spans.cells())
    }

    /// How many shapes were put under [`OTHER`], each time counted.
    pub(crate) const fn folded(&self) -> u64 {
        self.folded
    }
}

/// Cells of rows that are put together: in names there, in numbers here.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    keys: Keys,
    cells: Cells,
}

impl Gathered {
    /// Adds the cell of a row.
    pub(crate) fn add(&mut self, key: &Key, cell: &Cell) {
        let line = self.keys.line(key);
        self.cells.entry(line).or_default().merge(cell);
    }

    /// Everything, of each project no more than the cap, the rarest together.
    pub(crate) fn into_lines(mut self, shapes_max: usize) -> Vec<(Key, Cell)> {
        fold_rarest(&mut self.cells, shapes_max);
        let cells: HashMap<Line, Cell> = std::mem::take(&mut self.cells);
        cells
            .into_iter()
            .map(|(line, cell)| (self.keys.key(line), cell))
            .collect()
    }
}

#[cfg(test)]
mod tests;
