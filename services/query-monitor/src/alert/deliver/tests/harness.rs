//! What every test of deliveries needs: a deliverer on a store, and notices to tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::watch;
use uuid::Uuid;
use weir_bus::{Bus, Limits};
use weir_config::Sources;
use weir_footing::Tables;
use weir_model::Clock;
use weir_proto::monitor::v1::AlertChannel;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_store::{Migrations, Store};
use weir_testkit::{Database, eventually};

use crate::alert::deliver::{self, Deliverer};
use crate::alert::notice::{Notice, NoticeState};
use crate::metrics::Metrics;
use crate::store::enqueue_notice;

pub(crate) const SOON: Duration = Duration::from_secs(40);
/// When the clocks of these tests stand still, in milliseconds since 1970.
pub(crate) const NOON: i64 = 1_800_000_000_000;

/// One instance that delivers.
pub(crate) struct Post {
    pub tasks: Tasks,
    pub store: Store,
    pub deliverer: Deliverer,
    pub clock: Clock,
    settings: Vec<(String, String)>,
    reloads: watch::Sender<Sources>,
    registry: Arc<weir_telemetry::Registry>,
}

fn sources(settings: &[(String, String)], channels: &str) -> Sources {
    let mut settings = settings.to_vec();
    settings.push(("WEIR_MONITOR__CHANNELS".to_owned(), channels.to_owned()));
    Sources::load(None, settings).unwrap()
}

impl Post {
    pub(crate) async fn start(store_url: &str, channels: &str) -> Self {
        let post = Self::start_before_its_store(store_url, channels);
        let there = post.store.clone();
        eventually("the store", SOON, || async {
            let tables = sqlx::query("select from notices").execute(there.pool()).await;
            tables.map_err(|error| error.to_string())
        })
        .await;
        post
    }

    pub(crate) fn start_before_its_store(store_url: &str, channels: &str) -> Self {
        let settings = vec![
            ("WEIR_STORE__URL".to_owned(), store_url.to_owned()),
            ("WEIR_STORE__ACQUIRE_TIMEOUT".to_owned(), "1s".to_owned()),
        ];
        let sources = sources(&settings, channels);
        let (reloads, reloaded) = watch::channel(sources.clone());
        let tasks = Tasks::new();
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_millis(NOON.unsigned_abs()));
        let ground = Ground::new(sources.clone(), reloaded, tasks.clone(), clock.clone());
        let bus = Bus::in_memory(Limits::default());
        let migrations = vec![Migrations::of_service(sqlx::migrate!())];
        let tables = Tables::take(&ground, "weir_monitor", migrations, &bus).unwrap();
        let metrics = Arc::new(Metrics::register(&ground.registry));
        let settings_read = crate::settings::check(&sources).unwrap();
        let deliverer = deliver::start(&ground, &tables, &metrics, &settings_read).unwrap();
        let (store, registry) = (tables.store().clone(), ground.registry);
        Self {
            tasks,
            store,
            deliverer,
            clock,
            settings,
            reloads,
            registry,
        }
    }

    pub(crate) fn reload(&self, channels: &str) {
        self.reloads.send_replace(sources(&self.settings, channels));
    }

    /// Writes notices in one transaction, as the alert engine does.
    pub(crate) async fn tell(&self, notices: &[Notice]) {
        let mut transaction = self.store.pool().begin().await.unwrap();
        for notice in notices {
            enqueue_notice(&mut transaction, notice).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }

    pub(crate) async fn channel(&self, name: &str) -> AlertChannel {
        let listed = self.deliverer.list().await.channels;
        listed.into_iter().find(|channel| channel.name == name).unwrap()
    }

    /// Notifications of a channel with this outcome, by the metrics.
    pub(crate) fn counted(&self, channel: &str, outcome: &str) -> u64 {
        let start = format!("weir_alert_notifications_total{{channel=\"{channel}\",outcome=\"{outcome}\"}} ");
        let text = self.registry.encode();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&start).map(str::to_owned));
        line.map_or(0, |count| count.parse().unwrap())
    }

    pub(crate) async fn counts(&self, channel: &str, outcome: &str, count: u64) {
        eventually("the count", SOON, || async {
            let seen = self.counted(channel, outcome);
            (seen == count).then_some(()).ok_or(seen)
        })
        .await;
    }

    /// Waits until nothing is left to tell anybody.
    pub(crate) async fn is_done(&self) {
        eventually("everything told", SOON, || async {
            let channels = self.deliverer.list().await.channels;
            let waiting: u64 = channels.iter().map(|channel| channel.pending).sum();
            (waiting == 0).then_some(()).ok_or(waiting)
        })
        .await;
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

/// A channel of the kind webhook, with further settings.
pub(crate) fn webhook(name: &str, url: &str, more: &str) -> String {
    format!("{{ name = \"{name}\", kind = \"webhook\", url = \"{url}\"{more} }}")
}

/// A notice of an alert that fires. Alerts are named by their number.
pub(crate) fn firing(alert: u64, group: &str) -> Notice {
    Notice {
        alert_id: Uuid::from_u128(u128::from(alert)).to_string(),
        key: format!("{alert:016x}"),
        group: group.to_owned(),
        state: NoticeState::Firing,
        rule: "slow-query".to_owned(),
        severity: "warning".to_owned(),
        project: "shop".to_owned(),
        labels: BTreeMap::from([("database".to_owned(), "orders".to_owned())]),
        summary: "a statement took 1234 ms in database orders".to_owned(),
        value: 1_234.0,
        threshold: 1_000.0,
        since_unix_ms: NOON,
        resolved_unix_ms: 0,
        fingerprint: "00000000000000ff".to_owned(),
        runbook: "docs/runbooks/slow-query.md".to_owned(),
        traces: vec!["0af7651916cd43dd8448eb211c80319c".to_owned()],
    }
}

/// The notice of its end.
pub(crate) fn resolved(alert: u64, group: &str) -> Notice {
    Notice {
        state: NoticeState::Resolved,
        resolved_unix_ms: NOON + 60_000,
        ..firing(alert, group)
    }
}

pub(crate) fn named(alert: u64, state: &str) -> String {
    format!("{} {state}", Uuid::from_u128(u128::from(alert)))
}

/// How many rows a table has.
pub(crate) async fn rows(database: &Database, table: &str) -> String {
    database
        .psql(&format!("select count(*) from weir_monitor.{table}"))
        .await
}
