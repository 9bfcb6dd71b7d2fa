//! Query events in: from the bus into the statistics.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message, Subscription};
use weir_events::{gateway, project_of};
use weir_model::{Clock, Project};
use weir_proto::events::v1::QueryBatch;
use weir_runtime::TaskResult;

use super::decode;
use crate::aggregate::{Batch, Statistics};
use crate::detect::SlowQueries;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::observe::explain::Captures;
use crate::settings::MonitorSettings;

/// What the monitor knows, under one short lock.
#[derive(Debug)]
pub(crate) struct Knowledge {
    pub(crate) statistics: Statistics,
    pub(crate) slow: SlowQueries,
    pub(crate) captures: Captures,
    pub(crate) malformed: u64,
}

impl Knowledge {
    /// Nothing known yet.
    pub(crate) fn new(settings: &MonitorSettings, captures: Captures) -> Self {
        Self {
            statistics: Statistics::new(settings.bounds()),
            slow: SlowQueries::new(settings.slow_query_threshold.as_secs_f64() * 1e3),
            captures,
            malformed: 0,
        }
    }
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

/// The monitors share the load: each message goes to one of them.
const GROUP: &str = "query-monitor";
/// How long nothing may come in after the order to stop before nothing more is expected, and how long at most.
const QUIET: Duration = Duration::from_millis(200);
const LINGER: Duration = Duration::from_secs(2);

/// Subscribes to the statements of every project.
pub(crate) async fn subscribe(bus: &Bus) -> Result<Subscription, weir_bus::Error> {
    bus.subscribe(gateway::every_query_executed().as_str(), Some(GROUP))
        .await
}

/// Counts messages as they come in.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) subscription: Subscription,
    pub(crate) shared: Shared,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) feed: Feed,
}

impl Counter {
    /// Counts until told to stop, and then what is still on its way from gateways that stop at the same time.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> TaskResult {
        while let Some(received) = stop.run_until_cancelled(self.subscription.next()).await {
            let Some(message) = received else {
                return Err("the subscription to query events ended".into());
            };
            self.take(&message);
        }
        let rest = async {
            while let Ok(Some(message)) = timeout(QUIET, self.subscription.next()).await {
                self.take(&message);
            }
        };
        let _ = timeout(LINGER, rest).await;
        Ok(())
    }

    fn take(&self, message: &Message) {
        match project_of::<QueryBatch>(&message.subject) {
            Ok(project) => match decode::batch(&message.payload) {
                Some(batch) => self.count(&project, &batch),
                None => self.refuse(message, &"it is not a batch of query events"),
            },
            Err(error) => self.refuse(message, &error),
        }
    }

    fn count(&self, project: &Project, batch: &Batch<'_>) {
        self.feed.count(project, &batch.events);
        let now = self.clock.unix_ms();
        let slow = self.shared.with(|knowledge| {
            knowledge.statistics.add(project, batch, now);
            let (slow, captures) = (&mut knowledge.slow, &mut knowledge.captures);
            let slow = batch.events.iter().filter(|told| slow.look_at(project, told));
            slow.inspect(|told| captures.offer(project, told)).count()
        });
        self.metrics.events_received.with([]).inc_by(batch.events.len() as u64);
        if slow > 0 {
            self.metrics.slow_queries.with([project.as_str()]).inc_by(slow as u64);
        }
    }

    fn refuse(&self, message: &Message, error: &dyn Display) {
        self.shared.with(|knowledge| knowledge.malformed += 1);
        self.metrics.malformed.with([]).inc();
        tracing::warn!(subject = message.subject, %error, "a message on the subject of query events cannot be read");
    }
}

/// Sets the gauges that mirror the knowledge.
pub(crate) fn show(shared: &Shared, metrics: &Metrics, clock: &Clock) {
    let now = clock.unix_ms();
    shared.with(|knowledge| {
        let statistics = &knowledge.statistics;
        let totals = statistics.totals();
        metrics.batches_lost.with([]).set(totals.batches_lost as f64);
        metrics.events_lost.with([]).set(totals.events_lost as f64);
        let dropped = totals.events_dropped as f64;
        metrics.events_dropped_upstream.with([]).set(dropped);
        metrics.peers.with([]).set(statistics.peers.count(now) as f64);
        metrics
            .cells_unwritten
            .with([])
            .set(statistics.cells_unwritten() as f64);
        metrics.shapes_folded.with([]).set(statistics.folded() as f64);
        metrics.shapes.with([]).set(statistics.shapes.count() as f64);
    });
}
