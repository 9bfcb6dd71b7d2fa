//! The only way events leave the data path.
//!
//! A statement's event goes into a bounded buffer without waiting; what does not fit is counted, and the count travels
//! in the next message. One task takes events out in batches and publishes them; while the bus is away it holds its
//! batch and the buffer fills behind it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message};
use weir_events::Event;
use weir_model::{Clock, Fingerprint, Project};
use weir_proto::events::v1::{QueryBatch, QueryExecuted, QueryShape};
use weir_runtime::TaskResult;
use weir_sql::Statement;

use crate::metrics::Metrics;

/// How often the text of a shape is told again, so that a monitor that starts later learns it.
const SHAPE_REPEAT_AFTER: Duration = Duration::from_secs(60);
/// Shapes whose telling is remembered; beyond it all are told again.
const SHAPES_REMEMBERED_MAX: usize = 50_000;
/// A message is closed at this size: half of what a NATS server takes, so that its last event fits.
const BATCH_BYTES: usize = 512 * 1024;
/// How long a refused message waits before it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How long the last events may take to leave at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// One statement that ended, and the shape it had.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) project: Project,
    pub(crate) event: QueryExecuted,
    pub(crate) statement: Arc<Statement>,
}

/// The entry of the tap. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tap {
    buffer: Option<mpsc::Sender<Record>>,
    dropped: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
}

impl Tap {
    /// A tap and the task that empties it.
    pub(crate) fn new(limits: TapLimits, bus: Bus, clock: Clock, metrics: Arc<Metrics>) -> (Self, TapTask) {
        let (sender, receiver) = mpsc::channel(limits.buffer_max);
        let dropped = Arc::new(AtomicU64::new(0));
        let tap = Self {
            buffer: Some(sender),
            dropped: dropped.clone(),
            metrics: metrics.clone(),
        };
        let instance = uuid::Uuid::now_v7().to_string();
        (
            tap,
            TapTask {
                limits,
                receiver,
                dropped,
                bus,
                clock,
                metrics,
                instance,
                sequence: 0,
                told: HashMap::new(),
                leave_by: None,
            },
        )
    }

    /// A tap that lets nothing through, for those who switched events off.
    pub(crate) fn closed(metrics: Arc<Metrics>) -> Self {
        Self {
            buffer: None,
            dropped: Arc::default(),
            metrics,
        }
    }

    /// Records one statement. Never waits.
    pub(crate) fn record(&self, record: Record) {
        let Some(buffer) = &self.buffer else { return };
        if buffer.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.metrics.events_dropped.with([]).inc();
        }
    }
}

/// Bounds of the tap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TapLimits {
    pub(crate) buffer_max: usize,
    pub(crate) batch_max: usize,
    pub(crate) flush_after: Duration,
}

/// Empties the tap into the bus.
pub(crate) struct TapTask {
    limits: TapLimits,
    receiver: mpsc::Receiver<Record>,
    dropped: Arc<AtomicU64>,
    bus: Bus,
    clock: Clock,
    metrics: Arc<Metrics>,
    instance: String,
    sequence: u64,
    told: HashMap<(Project, Fingerprint), Instant>,
    /// When the last events have to have left, once told to stop.
    leave_by: Option<Instant>,
}

impl TapTask {
    /// Publishes until told to stop, then what is left in the buffer; what cannot leave in time is counted.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> TaskResult {
        while let Some(records) = self.next_batch(&stop).await {
            self.publish(records, &stop).await;
        }
        if let Err(error) = self.bus.flush(DRAIN_TIMEOUT).await {
            tracing::warn!(error = %error, "the last query events may not have left");
        }
        // When the doors have closed, nobody is left to record anything; that is no reason to end before being told to.
        stop.cancelled().await;
        Ok(())
    }

    /// The next events, as many as fit or as come within the flush time. `None` when told to stop and none is left.
    async fn next_batch(&mut self, stop: &CancellationToken) -> Option<Vec<Record>> {
        let mut records = Vec::with_capacity(self.limits.batch_max);
        tokio::select! {
            biased;
            received = self.receiver.recv_many(&mut records, self.limits.batch_max) => if received == 0 { return None },
            () = stop.cancelled() => return None,
        }
        let deadline = Instant::now() + self.limits.flush_after;
        while records.len() < self.limits.batch_max {
            let room = self.limits.batch_max - records.len();
            tokio::select! {
                received = self.receiver.recv_many(&mut records, room) => if received == 0 { break },
                () = tokio::time::sleep_until(deadline) => break,
                () = stop.cancelled() => break,
            }
        }
        self.metrics.events_buffered.with([]).set(self.receiver.len() as f64);
        Some(records)
    }

    /// Publishes events, each project's by itself.
    async fn publish(&mut self, records: Vec<Record>, stop: &CancellationToken) {
        for (project, records) in by_project(records) {
            for batch in self.batches(&project, records) {
                self.deliver(&project, batch, stop).await;
            }
        }
    }

    /// Publishes one message, and waits out a bus that is away; when told to stop, no longer than a moment.
    async fn deliver(&mut self, project: &Project, mut batch: QueryBatch, stop: &CancellationToken) {
        loop {
            // A message that did not leave has no number, so that a gap is always one that was lost on the way.
            batch.sequence = self.sequence + 1;
            batch.dropped_total = self.dropped.load(Ordering::Relaxed);
            let event = weir_events::gateway::query_executed(project, &batch, &self.clock);
            match self.bus.publish(message(&event)).await {
                Ok(()) => {
                    self.sequence = batch.sequence;
                    self.metrics.events_published.with([]).inc_by(batch.events.len() as u64);
                    return;
                }
                Err(error) if !error.is_retryable() || self.is_time_up(stop) => {
                    tracing::warn!(error = %error, count = batch.events.len(), "query events are lost");
                    return self.lose(batch.events.len());
                }
                Err(_) => {
                    let told = stop.is_cancelled();
                    tokio::select! {
                        () = tokio::time::sleep(RETRY_AFTER) => {}
                        () = stop.cancelled(), if !told => {}
                    }
                }
            }
        }
    }

    /// Whether it was told to stop so long ago that what is left stays.
    fn is_time_up(&mut self, stop: &CancellationToken) -> bool {
        let now = Instant::now();
        stop.is_cancelled() && *self.leave_by.get_or_insert(now + DRAIN_TIMEOUT) <= now
    }

    /// The events of one project in messages that the bus takes.
    fn batches(&mut self, project: &Project, records: Vec<Record>) -> Vec<QueryBatch> {
        let mut batches = Vec::new();
        let (mut batch, mut bytes) = (self.empty_batch(project), 0);
        for Record { event, statement, .. } in records {
            let shape = self.untold_shape(project, &statement);
            bytes += event.encoded_len() + shape.as_ref().map_or(0, QueryShape::encoded_len);
            batch.events.push(event);
            batch.shapes.extend(shape);
            if bytes >= BATCH_BYTES {
                batches.push(std::mem::replace(&mut batch, self.empty_batch(project)));
                bytes = 0;
            }
        }
        if !batch.events.is_empty() {
            batches.push(batch);
        }
        batches
    }

    fn empty_batch(&self, project: &Project) -> QueryBatch {
        QueryBatch {
            instance: self.instance.clone(),
            project: project.to_string(),
            ..QueryBatch::default()
        }
    }

    /// The shape of a statement, if its text was not told lately to those who listen to this project.
    fn untold_shape(&mut self, project: &Project, statement: &Statement) -> Option<QueryShape> {
        let now = Instant::now();
        if self.told.len() > SHAPES_REMEMBERED_MAX {
            self.told.clear();
        }
        let told = self.told.entry((project.clone(), statement.fingerprint)).or_insert(now);
        let is_new = *told == now || now.duration_since(*told) >= SHAPE_REPEAT_AFTER;
        is_new.then(|| {
            *told = now;
            crate::client::shape(statement)
        })
    }

    fn lose(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
        self.metrics.events_dropped.with([]).inc_by(count as u64);
    }
}

/// The event as the bus carries it. A batch belongs to many traces; each statement names its own.
fn message(event: &Event) -> Message {
    let message = Message::new(event.subject.to_string(), event.payload.clone());
    event
        .headers()
        .into_iter()
        .fold(message, |message, (name, value)| message.with_header(name, value))
}

fn by_project(records: Vec<Record>) -> BTreeMap<Project, Vec<Record>> {
    let mut projects: BTreeMap<Project, Vec<Record>> = BTreeMap::new();
    for record in records {
        projects.entry(record.project.clone()).or_default().push(record);
    }
    projects
}
