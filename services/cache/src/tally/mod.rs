//! What gateways told of their caches, added up: totals by project, shapes with what they cost and bring.
//!
//! Each instance of the service hears every gateway and keeps its own sums. A gateway of which nothing was heard for a
//! minute holds nothing any more, as far as anybody knows; what it did still counts.

mod answers;
mod benefit;
mod ledger;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message, Subscription};
use weir_events::{cache, decode, gateway};
use weir_model::Clock;
use weir_proto::events::v1::{CacheCounted, CacheInvalidated};
use weir_runtime::{Ground, Stage, StartError, TaskResult};

use crate::metrics::Metrics;
use crate::rules::Rules;
use ledger::{Ledger, Limits, Noted};

/// How often it is seen who has fallen silent.
const FADE_EVERY: Duration = Duration::from_secs(5);

/// Keeps the sums.
#[derive(Debug)]
pub(crate) struct Tally {
    ledger: Mutex<Ledger>,
    rules: Arc<Rules>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Tally {
    /// Listens from now on.
    pub(crate) async fn start(
        ground: &Ground,
        bus: &Bus,
        rules: &Arc<Rules>,
        metrics: &Arc<Metrics>,
    ) -> Result<Arc<Self>, StartError> {
        let counted = bus.subscribe(gateway::every_cache_counted().as_str(), None).await?;
        let invalidated = bus.subscribe(cache::every_invalidated().as_str(), None).await?;
        let tally = Arc::new(Self {
            ledger: Mutex::new(Ledger::new(Limits::default())),
            rules: rules.clone(),
            metrics: metrics.clone(),
            clock: ground.clock.clone(),
        });
        let listening = tally.clone();
        ground.tasks.spawn(Stage::Work, "cache tally", |stop| {
            listening.listen(counted, invalidated, stop)
        });
        Ok(tally)
    }

    async fn listen(
        self: Arc<Self>,
        mut counted: Subscription,
        mut invalidated: Subscription,
        stop: CancellationToken,
    ) -> TaskResult {
        let mut ticks = interval(FADE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                received = counted.next() => match received {
                    Some(message) => self.note(&message),
                    None => return Err("the subscription to the counts of caches ended".into()),
                },
                received = invalidated.next() => match received {
                    Some(message) => self.note_invalidated(&message),
                    None => return Err("the subscription to invalidations ended".into()),
                },
                _ = ticks.tick() => self.ledger().fade(self.clock.unix_ms()),
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn note(&self, message: &Message) {
        let outcome = match decode::<CacheCounted>(&message.subject, &message.payload) {
            Ok((project, counted)) => match self.ledger().note(&project, counted, self.clock.unix_ms()) {
                Noted::Counted => "counted",
                Noted::Late => "late",
                Noted::Crowded => "crowded",
            },
            Err(error) => {
                tracing::warn!(subject = message.subject, %error, "counts of a cache cannot be read");
                "malformed"
            }
        };
        self.metrics.counts.with([outcome]).inc();
    }

    fn note_invalidated(&self, message: &Message) {
        // What cannot be read is told of by those who depend on it.
        if let Ok((project, invalidated)) = decode::<CacheInvalidated>(&message.subject, &message.payload) {
            let tags = u64::try_from(invalidated.tags.len()).unwrap_or(u64::MAX);
            self.ledger().note_invalidated(&project, tags);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
