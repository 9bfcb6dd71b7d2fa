//! The only way events leave the data path.
//!
//! A statement's event goes into a bounded buffer without waiting; what does not fit is counted, and the count travels
//! in the next message. One task takes events out in batches and publishes them; while the bus is away it holds its
//! batch and the buffer fills behind it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
        let told = HashMap::new();
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
                told,
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
    told: HashMap<Fingerprint, Instant>,
}

impl TapTask {
    /// Publishes until told to stop, then what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> TaskResult {
        while let Some(records) = self.next_batch(&stop).await {
            if !self.publish(records, &stop).await {
                break;
            }
        }
        self.drain().await;
        // When the doors have closed, nobody is left to record anything; that is no reason to end before being told to.
        stop.cancelled().await;
        Ok(())
    }

    /// The next events, as many as fit or as come within the flush time. `None` when told to stop.
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

    /// Publishes a batch, one message a project, and waits out a bus that is away. False when told to stop meanwhile.
    async fn publish(&mut self, records: Vec<Record>, stop: &CancellationToken) -> bool {
        for (project, records) in by_project(records) {
            let batch = self.batch(&project, records);
            while !self.try_publish(&project, &batch).await {
                tokio::select! {
                    () = tokio::time::sleep(RETRY_AFTER) => {}
                    () = stop.cancelled() => {
                        self.lose(batch.events.len());
                        return false;
                    }
                }
            }
        }
        true
    }

    async fn try_publish(&mut self, project: &Project, batch: &QueryBatch) -> bool {
        let event = weir_events::gateway::query_executed(project, batch, &self.clock);
        let sent = self.bus.publish(message(&event)).await.is_ok();
        if sent {
            self.metrics.events_published.with([]).inc_by(batch.events.len() as u64);
        }
        sent
    }

    fn batch(&mut self, project: &Project, records: Vec<Record>) -> QueryBatch {
        self.sequence += 1;
        let shapes = self.untold_shapes(&records);
        QueryBatch {
            instance: self.instance.clone(),
            sequence: self.sequence,
            dropped_total: self.dropped.load(Ordering::Relaxed),
            project: project.to_string(),
            events: records.into_iter().map(|record| record.event).collect(),
            shapes,
        }
    }

    /// The shapes of a batch whose text was not told lately.
    fn untold_shapes(&mut self, records: &[Record]) -> Vec<QueryShape> {
        let now = Instant::now();
        if self.told.len() > SHAPES_REMEMBERED_MAX {
            self.told.clear();
        }
        let mut shapes = Vec::new();
        for record in records {
            let fingerprint = record.statement.fingerprint;
            let told = self
                .told
                .get(&fingerprint)
                .is_some_and(|at| now.duration_since(*at) < SHAPE_REPEAT_AFTER);
            if !told {
                self.told.insert(fingerprint, now);
                shapes.push(crate::client::shape(&record.statement));
            }
        }
        shapes
    }

    /// What is still in the buffer leaves, or is counted as lost.
    async fn drain(&mut self) {
        let mut records = Vec::new();
        while let Ok(record) = self.receiver.try_recv() {
            records.push(record);
        }
        let give_up = CancellationToken::new();
        let count = records.len();
        if tokio::time::timeout(DRAIN_TIMEOUT, self.publish(records, &give_up))
            .await
            .is_err()
        {
            self.lose(count);
        }
        if let Err(error) = self.bus.flush(DRAIN_TIMEOUT).await {
            tracing::warn!(error = %error, "the last query events may not have left");
        }
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
