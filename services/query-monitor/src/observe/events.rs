//! Query events in: from the bus into the statistics.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message, Subscription};
use weir_events::{decode, gateway};
use weir_model::Project;
use weir_proto::events::v1::QueryBatch;
use weir_runtime::TaskResult;

use crate::aggregate::Statistics;
use crate::detect::SlowQueries;
use crate::feed::Feed;
use crate::metrics::Metrics;

/// What the monitor knows, under one short lock.
#[derive(Debug)]
pub(crate) struct Knowledge {
    pub(crate) statistics: Statistics,
    pub(crate) slow: SlowQueries,
    pub(crate) malformed: u64,
}

/// The knowledge, shared between those who count and those who ask.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Knowledge>>);

impl Shared {
    pub(crate) fn new(knowledge: Knowledge) -> Self {
        Self(Arc::new(Mutex::new(knowledge)))
    }

    /// Does something with the knowledge. Never waits inside.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Knowledge) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Subscribes to the statements of every project. Not as one of a group: each monitor counts every message, so that any
/// of them can be asked, and what is missing in the numbers was lost and not counted by another.
pub(crate) async fn subscribe(bus: &Bus) -> Result<Subscription, weir_bus::Error> {
    bus.subscribe(gateway::every_query_executed().as_str(), None).await
}

/// Counts every message that comes in until told to stop.
pub(crate) async fn observe(
    mut subscription: Subscription,
    shared: Shared,
    metrics: Arc<Metrics>,
    feed: Feed,
    stop: CancellationToken,
) -> TaskResult {
    while let Some(received) = stop.run_until_cancelled(subscription.next()).await {
        let Some(message) = received else {
            return Err("the subscription to query events ended".into());
        };
        match decode::<QueryBatch>(&message.subject, &message.payload) {
            Ok((project, batch)) => {
                feed.count(&project, &batch);
                count(&shared, &metrics, &project, &batch);
            }
            Err(error) => refuse(&shared, &metrics, &message, &error),
        }
    }
    Ok(())
}

fn count(shared: &Shared, metrics: &Metrics, project: &Project, batch: &QueryBatch) {
    let slow = shared.with(|knowledge| {
        knowledge.statistics.add(project, batch);
        batch
            .events
            .iter()
            .filter(|event| knowledge.slow.look_at(project, event))
            .count()
    });
    metrics.events_received.with([]).inc_by(batch.events.len() as u64);
    if slow > 0 {
        metrics.slow_queries.with([project.as_str()]).inc_by(slow as u64);
    }
}

fn refuse(shared: &Shared, metrics: &Metrics, message: &Message, error: &weir_events::DecodeError) {
    shared.with(|knowledge| knowledge.malformed += 1);
    metrics.malformed.with([]).inc();
    tracing::warn!(subject = message.subject, error = %error, "a message on the subject of query events cannot be read");
}

/// Sets the gauges that mirror the knowledge.
pub(crate) fn show(shared: &Shared, metrics: &Metrics) {
    let (totals, shapes) = shared.with(|knowledge| (knowledge.statistics.totals(), knowledge.statistics.line_count()));
    metrics.batches_lost.with([]).set(totals.batches_lost as f64);
    metrics
        .events_dropped_upstream
        .with([])
        .set(totals.events_dropped as f64);
    metrics.shapes.with([]).set(shapes as f64);
}
