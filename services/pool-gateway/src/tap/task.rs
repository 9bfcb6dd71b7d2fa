//! The task that empties the buffers into the bus.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prost::Message as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message};
use weir_events::Event;
use weir_model::{Clock, Project};
use weir_proto::events::v1::QueryBatch;
use weir_runtime::TaskResult;

use super::Tap;
use super::lane::Batch;

/// How long a refused message waits before it is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How long the last events may take to leave at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Empties the tap into the bus.
pub(crate) struct TapTask {
    tap: Tap,
    bus: Bus,
    clock: Clock,
    instance: String,
    sequence: u64,
    /// Events in all messages so far.
    published: u64,
    /// When the last events have to have left, once told to stop.
    leave_by: Option<Instant>,
}

impl TapTask {
    pub(super) fn new(tap: Tap, bus: Bus, instance: String, clock: Clock) -> Self {
        Self {
            tap,
            bus,
            clock,
            instance,
            sequence: 0,
            published: 0,
            leave_by: None,
        }
    }

    /// Publishes until told to stop, then what is left in the buffers; what cannot leave in time is counted.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> TaskResult {
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.tap.0.full.notified() => {}
                () = tokio::time::sleep(self.tap.0.limits.flush_after) => {}
                () = stop.cancelled() => {}
            }
            self.empty(&stop).await;
        }
        self.empty(&stop).await;
        if let Err(error) = self.bus.flush(DRAIN_TIMEOUT).await {
            tracing::warn!(error = %error, "the last query events may not have left");
        }
        Ok(())
    }

    /// Publishes what all threads have recorded.
    async fn empty(&mut self, stop: &CancellationToken) {
        let shared = self.tap.0.clone();
        for lane in &shared.lanes {
            let batches = lane.lock().unwrap_or_else(PoisonError::into_inner).take();
            for batch in batches {
                let count = batch.count;
                self.deliver(batch, stop).await;
                shared.buffered.fetch_sub(count, Ordering::Relaxed);
            }
        }
        let buffered = shared.buffered.load(Ordering::Relaxed);
        shared.metrics.events_buffered.with([]).set(buffered as f64);
    }

    /// Publishes one message, and waits out a bus that is away; when told to stop, no longer than a moment.
    async fn deliver(&mut self, batch: Batch, stop: &CancellationToken) {
        let mut head = QueryBatch {
            instance: self.instance.clone(),
            project: batch.project.to_string(),
            shapes: batch.shapes,
            ..QueryBatch::default()
        };
        loop {
            // A message that did not leave has no number, so that a gap is always one that was lost on the way.
            head.sequence = self.sequence + 1;
            head.events_before = self.published;
            head.dropped_total = self.tap.0.dropped.load(Ordering::Relaxed);
            match self.publish(&batch.project, &head, &batch.events).await {
                Ok(()) => {
                    self.sequence = head.sequence;
                    self.published += batch.count as u64;
                    let published = self.tap.0.metrics.events_published.with([]);
                    published.inc_by(batch.count as u64);
                    return;
                }
                Err(error) if !error.is_retryable() || self.is_time_up(stop) => {
                    tracing::warn!(error = %error, count = batch.count, "query events are lost");
                    return self.tap.lose(batch.count as u64);
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

    async fn publish(&self, project: &Project, head: &QueryBatch, events: &[u8]) -> Result<(), weir_bus::Error> {
        let mut payload = Vec::with_capacity(head.encoded_len() + events.len());
        payload.extend_from_slice(&head.encode_to_vec());
        payload.extend_from_slice(events);
        let event = weir_events::gateway::query_executed_encoded(project, payload.into(), &self.clock);
        self.bus.publish(message(&event)).await
    }

    /// Whether it was told to stop so long ago that what is left stays.
    fn is_time_up(&mut self, stop: &CancellationToken) -> bool {
        let now = Instant::now();
        stop.is_cancelled() && *self.leave_by.get_or_insert(now + DRAIN_TIMEOUT) <= now
    }
}

/// The event as the bus carries it. A batch belongs to many traces; each statement names its own.
pub(crate) fn message(event: &Event) -> Message {
    Message::new(event.subject.to_string(), event.payload.clone()).with_headers(event.headers())
}
