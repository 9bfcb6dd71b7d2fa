//! What one thread has recorded since its buffer was last emptied.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use weir_model::{Fingerprint, Project};
use weir_proto::events::v1::QueryShape;
use weir_sql::Kind;
use weir_telemetry::{Counter, Histogram};

use super::{Outcome, Record, encode};
use crate::client::shape;
use crate::metrics::Metrics;

/// How often the text of a shape is told again, so that a monitor that starts later learns it.
const SHAPE_REPEAT_AFTER: Duration = Duration::from_secs(60);
/// Shapes of a project whose telling is remembered; beyond it all are told again.
const SHAPES_REMEMBERED_MAX: usize = 50_000;
/// Projects that are remembered; beyond it all are met anew.
const PROJECTS_REMEMBERED_MAX: usize = 1_000;
/// A batch is closed at this size: half of what a NATS server takes, so that its last event fits.
const BATCH_BYTES: usize = 512 * 1024;

/// Events of one project, as bytes that can be a part of a message.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) project: Project,
    pub(super) events: Vec<u8>,
    pub(super) count: usize,
    pub(super) shapes: Vec<QueryShape>,
    /// Of events and shapes together.
    bytes: usize,
}

impl Batch {
    const fn of(project: Project) -> Self {
        Self {
            project,
            events: Vec::new(),
            count: 0,
            shapes: Vec::new(),
            bytes: 0,
        }
    }
}

/// The buffer of one thread.
#[derive(Debug)]
pub(super) struct Lane {
    projects: Vec<Told>,
    /// Batches that are full.
    full: Vec<Batch>,
    scratch: Vec<u8>,
    durations: Histogram,
}

/// What was told of one project.
#[derive(Debug)]
struct Told {
    batch: Batch,
    shapes: HashMap<Fingerprint, Instant>,
    /// Handles that are looked up by labels once; few enough to be searched.
    counters: Vec<((Kind, Outcome), Counter)>,
}

impl Lane {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            projects: Vec::new(),
            full: Vec::new(),
            scratch: Vec::new(),
            durations: metrics.query_duration_seconds.with([]),
        }
    }

    fn told(&mut self, project: &Project) -> Option<&mut Told> {
        let known = self.projects.iter().position(|told| told.batch.project == *project);
        let index = known.unwrap_or_else(|| {
            if self.projects.len() >= PROJECTS_REMEMBERED_MAX {
                let forgotten = self.projects.drain(..).map(|told| told.batch);
                self.full.extend(forgotten.filter(|batch| batch.count > 0));
            }
            self.projects.push(Told {
                batch: Batch::of(project.clone()),
                shapes: HashMap::new(),
                counters: Vec::new(),
            });
            self.projects.len() - 1
        });
        self.projects.get_mut(index)
    }

    pub(super) fn count(&mut self, record: &Record<'_>, metrics: &Metrics) {
        self.durations.observe(record.total.as_secs_f64());
        let Some(told) = self.told(&record.origin.project) else {
            return;
        };
        let key = (record.statement.kind, record.outcome);
        if let Some((_, counter)) = told.counters.iter().find(|(known, _)| *known == key) {
            counter.inc();
            return;
        }
        let (project, (kind, outcome)) = (record.origin.project.as_str(), key);
        let counter = metrics.queries.with([project, kind.as_str(), outcome.as_str()]);
        counter.inc();
        told.counters.push((key, counter));
    }

    pub(super) fn push(&mut self, record: &Record<'_>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut full = None;
        if let Some(told) = self.told(&record.origin.project) {
            let shape = told.untold_shape(record);
            let before = told.batch.events.len();
            encode::event(record, &mut scratch, &mut told.batch.events);
            told.batch.count += 1;
            told.batch.bytes += told.batch.events.len() - before;
            told.batch.bytes += shape.as_ref().map_or(0, prost::Message::encoded_len);
            told.batch.shapes.extend(shape);
            if told.batch.bytes >= BATCH_BYTES {
                let empty = Batch::of(told.batch.project.clone());
                full = Some(std::mem::replace(&mut told.batch, empty));
            }
        }
        self.full.extend(full);
        self.scratch = scratch;
    }

    /// What was recorded, to be published.
    pub(super) fn take(&mut self) -> Vec<Batch> {
        let mut batches = std::mem::take(&mut self.full);
        for told in self.projects.iter_mut().filter(|told| told.batch.count > 0) {
            let empty = Batch::of(told.batch.project.clone());
            batches.push(std::mem::replace(&mut told.batch, empty));
        }
        batches
    }
}

impl Told {
    /// The shape of a statement, if its text was not told lately to those who listen to this project.
    fn untold_shape(&mut self, record: &Record<'_>) -> Option<QueryShape> {
        if self.shapes.len() > SHAPES_REMEMBERED_MAX {
            self.shapes.clear();
        }
        let now = record.ended;
        let told = self.shapes.entry(record.statement.fingerprint);
        let mut is_new = false;
        let at = told.or_insert_with(|| {
            is_new = true;
            now
        });
        if !is_new && now.duration_since(*at) < SHAPE_REPEAT_AFTER {
            return None;
        }
        *at = now;
        Some(shape(record.statement))
    }
}
