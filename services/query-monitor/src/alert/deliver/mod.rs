//! Alerts to the people who have to know: shared out to channels, gathered in groups, sent until they are accepted.
//!
//! The store is the memory: a notice is written in the transaction of its alert, and every instance may carry it on from
//! there. Only while the store is away are notices held in this process alone. A channel that is slow or dead holds up
//! nobody but itself.

mod channel;
mod courier;
mod desk;
mod direct;
mod group;
mod http;
mod links;
mod mail;
mod memory;
mod payload;
mod retry;
mod send;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;
use weir_config::{Error, Sources};
use weir_footing::Tables;
use weir_model::Clock;
use weir_runtime::{Ground, Stage, StartError, Tasks};
use weir_store::{Store, Wakes};

use crate::alert::Notice;
use crate::metrics::Metrics;
use crate::settings::MonitorSettings;
use crate::store::notices::{ChannelRow, clipped};
use channel::{Channel, Channels};
use courier::Unsaid;
use group::Settled;
use memory::Memory;
use send::Said;

pub(crate) use settings::FileChannel;

/// Validates the channels and the bases of links as the start would.
pub(crate) fn check(settings: &MonitorSettings, sources: &Sources) -> Result<(), Error> {
    Channels::of(settings, sources).map(|_| ())
}

/// Starts what delivers.
pub(crate) fn start(
    ground: &Ground,
    tables: &Tables,
    metrics: &Arc<Metrics>,
    settings: &MonitorSettings,
) -> Result<Deliverer, StartError> {
    let channels = Channels::of(settings, &ground.sources)?;
    let deliverer = Deliverer::new(ground, tables.store(), metrics, channels);
    let (couriers, tables) = (deliverer.clone(), tables.clone());
    ground
        .tasks
        .spawn(Stage::Flow, "deliver alerts", |stop| couriers.carry(tables, stop));
    let direct = deliverer.clone();
    ground
        .tasks
        .spawn(Stage::Flow, "deliver alerts at once", |stop| direct.carry_direct(stop));
    deliverer.clone().follow_reloads(ground);
    Ok(deliverer)
}

/// Delivers alerts. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Deliverer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Names this instance where it holds a lease.
    id: Uuid,
    store: Store,
    /// Whether the store did not do what it was last asked to.
    store_away: AtomicBool,
    clock: Clock,
    tasks: Tasks,
    metrics: Arc<Metrics>,
    channels: Mutex<Arc<Channels>>,
    wakes: Wakes,
    /// What is told while the store is away, and since when its clock runs.
    memory: Mutex<Memory>,
    memory_news: Notify,
    began: Instant,
    /// Answers that the store has not heard of yet. No more than attempts under way.
    unsaid: Mutex<Vec<Unsaid>>,
    /// How the channels fare as far as this instance knows.
    fares: Mutex<HashMap<String, ChannelRow>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Deliverer {
    fn new(ground: &Ground, store: &Store, metrics: &Arc<Metrics>, channels: Channels) -> Self {
        Self(Arc::new(Inner {
            id: Uuid::now_v7(),
            store: store.clone(),
            store_away: AtomicBool::new(true),
            clock: ground.clock.clone(),
            tasks: ground.tasks.clone(),
            metrics: metrics.clone(),
            channels: Mutex::new(Arc::new(channels)),
            wakes: Wakes::of(store, "notices"),
            memory: Mutex::default(),
            memory_news: Notify::new(),
            began: Instant::now(),
            unsaid: Mutex::default(),
            fares: Mutex::default(),
        }))
    }

    /// Takes notices while the store is away. They are held here and nowhere else; what finds no room is counted.
    pub(crate) fn direct(&self, notices: Vec<Notice>) {
        let (channels, now_ms) = (self.channels(), self.memory_ms());
        for notice in notices.iter().map(clipped) {
            for channel in channels.list.iter().filter(|channel| channel.wants(&notice)) {
                if !locked(&self.0.memory).add(channel, notice.clone(), now_ms, self.store_is_away()) {
                    self.count(&channel.name, "dropped", 1);
                }
            }
        }
        self.0.memory_news.notify_one();
    }

    /// Says that there may be something new, without waiting for the store to tell.
    pub(crate) fn wake(&self) {
        self.0.wakes.wake();
    }

    fn channels(&self) -> Arc<Channels> {
        locked(&self.0.channels).clone()
    }

    fn store_is_away(&self) -> bool {
        self.0.store_away.load(Ordering::Relaxed)
    }

    /// The clock of what is held in this process: it only runs forward.
    fn memory_ms(&self) -> i64 {
        i64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn count(&self, channel: &str, outcome: &str, by: u64) {
        self.0.metrics.notifications.with([channel, outcome]).inc_by(by);
    }

    fn replace(&self, channels: Channels) {
        let mut present = locked(&self.0.channels);
        *present = Arc::new(channels.after(&present));
    }

    /// Counts what became of an attempt, and tells people of it once, not at every attempt.
    fn note(&self, channel: &Channel, group: &str, attempt: u32, settled: Settled, said: &Said) {
        let outcome = match settled {
            Settled::Accepted => "accepted",
            Settled::Again => "failed",
            Settled::Refused => "refused",
            Settled::GivenUp => "given_up",
            Settled::Stale => return,
        };
        self.count(&channel.name, outcome, 1);
        self.note_fare(channel, settled, said);
        let (channel, answer) = (&channel.name, said.line());
        match settled {
            Settled::Accepted if attempt > 1 => {
                tracing::info!(channel, group, attempt, "a notification was accepted after failures");
            }
            Settled::Again if attempt == 1 => {
                tracing::warn!(channel, group, answer, "a notification was not accepted; trying again");
            }
            Settled::Refused => tracing::error!(channel, group, answer, "a receiver refuses a notification for good"),
            Settled::GivenUp => tracing::error!(channel, group, answer, "a notification was given up after too long"),
            _ => {}
        }
    }

    fn note_fare(&self, channel: &Channel, settled: Settled, said: &Said) {
        let (mut fares, now) = (locked(&self.0.fares), self.0.clock.unix_ms());
        let fare = fares.entry(channel.name.clone()).or_default();
        if settled == Settled::Accepted {
            fare.last_success_unix_ms = now;
        } else {
            (fare.last_error_unix_ms, fare.last_error) = (now, said.line());
        }
    }

    /// Channels change with the file; what is under way goes on as it was.
    fn follow_reloads(self, ground: &Ground) {
        let mut reloads = ground.reloads.clone();
        ground.tasks.spawn(Stage::Work, "alert channels", |stop| async move {
            while let Some(Ok(())) = stop.run_until_cancelled(reloads.changed()).await {
                let sources = reloads.borrow_and_update().clone();
                match sources.section().and_then(|settings| Channels::of(&settings, &sources)) {
                    Ok(channels) => self.replace(channels),
                    // The files that hold secrets may have changed since the reload was checked.
                    Err(error) => tracing::error!(%error, "the alert channels stay as they are"),
                }
                locked(&self.0.fares).retain(|name, _| self.channels().named(name).is_some());
                self.wake();
            }
            stop.cancelled().await;
            Ok(())
        });
    }
}
