//! How a service takes its stand on its own tables and on the bus.
//!
//! A service starts whether or not its database is there: the store is migrated as soon as the server lets it, looked
//! after from then on, and its state shown at the ops door. Its outbox is carried to the bus by a task of its own.
//! The gateway does not use this crate: it looks after its few tables itself, and never needs them to serve.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, BusSettings};
use weir_config::{DatabaseSettings, SectionInfo};
use weir_runtime::{Dependency, Ground, Stage, StartError, TaskResult};
use weir_store::{Migrations, Relay, RelayOptions, Store, StoreError, StoreOptions, StoreSettings, outbox, pause};
use weir_telemetry::MetricInfo;

/// How often a store is asked whether it is still there.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

weir_telemetry::metrics! {
    /// What every service with tables shows of them.
    struct Metrics {
        /// Durable events that wait in the outbox for the bus.
        outbox_waiting: Gauges<0> = "weir_outbox_waiting" [],
        /// How long the oldest durable event has waited for the bus.
        outbox_oldest_seconds: Gauges<0> = "weir_outbox_oldest_seconds" [],
    }
}

/// The metrics of a service together with those that come with its footing, for the reference.
pub fn with_own_metrics(mut metrics: Vec<MetricInfo>) -> Vec<MetricInfo> {
    metrics.extend(Metrics::describe());
    metrics
}

/// The sections of a service together with those that come with its footing.
pub fn with_own_sections(own: SectionInfo) -> Vec<SectionInfo> {
    vec![
        SectionInfo::of::<BusSettings>(),
        SectionInfo::of::<StoreSettings>(),
        own,
    ]
}

/// A service's tables, once they are there.
#[derive(Debug, Clone)]
pub struct Tables {
    store: Store,
    migrated: watch::Receiver<bool>,
}

impl Tables {
    /// Opens the store of a service and starts what looks after it: migrations, a regular check, the outbox.
    pub fn take(
        ground: &Ground,
        schema: &'static str,
        migrations: Vec<Migrations>,
        bus: &Bus,
    ) -> Result<Self, StartError> {
        let settings: StoreSettings = ground.sources.section()?;
        let database: DatabaseSettings = ground.sources.section()?;
        let store = Store::open(StoreOptions::from_settings(&settings, &database, schema)?, migrations)?;
        let dependency = ground.readiness.needs("store");
        let metrics = Metrics::register(&ground.registry);
        let (tell, migrated) = watch::channel(false);
        let tables = Self { store, migrated };
        let tended = tables.store.clone();
        ground.tasks.spawn(Stage::Flow, "store", |stop| {
            tend(tended, dependency, metrics, tell, stop)
        });
        tables.clone().relay(ground, bus);
        Ok(tables)
    }

    /// The store. Before [`Tables::are_there`] it may be empty or away.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Waits until the tables are there. False: told to stop before.
    pub async fn are_there(&self, stop: &CancellationToken) -> bool {
        let mut migrated = self.migrated.clone();
        let there = async { migrated.wait_for(|there| *there).await.is_ok() };
        if stop.run_until_cancelled(there).await == Some(true) {
            return true;
        }
        // Whoever looks after the store may have died, and takes the process with it: that is the death to tell of.
        stop.cancelled().await;
        false
    }

    /// Carries the outbox to the bus. A bus that forgets with the process is told again what it may have forgotten.
    fn relay(self, ground: &Ground, bus: &Bus) {
        let options = RelayOptions {
            repeat_at_start: !bus.is_durable(),
            ..RelayOptions::default()
        };
        let relay = Relay::new(&self.store, bus, options);
        ground.tasks.spawn(Stage::Flow, "outbox", |stop| async move {
            if self.are_there(&stop).await {
                relay.run(&stop).await;
            }
            Ok(())
        });
    }
}

/// An operator looks for the setting first.
fn named<T>(checked: Result<T, &StoreError>) -> Result<T, String> {
    checked.map_err(|error| format!("setting store.url (or database.url): {error}"))
}

/// Shows whether the bus is there. What is durable waits for it in the outbox, so a service works without it.
pub fn show_bus(ground: &Ground, bus: &Bus) {
    let (dependency, health) = (ground.readiness.uses("bus"), bus.connected());
    ground.tasks.spawn(Stage::Watch, "bus health", |stop| async move {
        dependency.follow(health, weir_bus::Health::check, stop.clone()).await;
        stop.cancelled().await;
        Ok(())
    });
}

async fn tend(
    store: Store,
    dependency: Dependency,
    metrics: Metrics,
    tell: watch::Sender<bool>,
    stop: CancellationToken,
) -> TaskResult {
    if !store
        .wait_until_migrated(&stop, |state| dependency.report(named(state.as_ref())))
        .await?
    {
        return Ok(());
    }
    tell.send_replace(true);
    while pause(&stop, CHECK_EVERY).await {
        dependency.report(named(store.ping(CHECK_TIMEOUT).await.as_ref()));
        // A server that takes a statement and never answers must not end the checks.
        if let Ok(Ok(depth)) = timeout(CHECK_TIMEOUT, outbox::depth(&store)).await {
            metrics.outbox_waiting.with([]).set(depth.waiting as f64);
            metrics.outbox_oldest_seconds.with([]).set(depth.oldest.as_secs_f64());
        }
    }
    Ok(())
}
