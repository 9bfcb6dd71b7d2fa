//! Watches how old the oldest rows are: asks once a minute, remembers how fast ids are used up, and knows the latest.
//!
//! The readings are kept in maintenance's own tables as well, so that a restart forgets no week. A store that is away
//! costs the readings of that time and nothing else; a database that is away is told of once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_footing::Tables;
use weir_model::Clock;
use weir_runtime::{Ground, Stage};
use weir_store::{Store, StoreError, pause};
use weir_upstream::{ConnectOptions, Connection, Target};

use crate::error::Error;
use crate::metrics::Metrics;
use crate::observe::ages::{Census, ages};
use crate::plan::ages::{Eta, Ids, Limit, PerIds};
use crate::plan::freeze::FreezeRule;
use crate::plan::rate::{History, Pace, Reading};
use crate::settings::MaintenanceSettings;
use crate::store;

/// How long a database may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Tables that are remembered of a database: the worst.
const TABLES_MAX: u32 = 100;
/// How often the store is tidied.
const TIDY_MS: i64 = 3_600_000;
/// A horizon that stands for so long, while ids are used, does not move.
const STANDS_STILL: Duration = Duration::from_secs(600);
/// What is further away, or not in sight, is shown as this.
const SHOWN_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// What is known of the ages of all databases. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Wraparound {
    known: Arc<Mutex<Known>>,
    clock: Clock,
    rule: FreezeRule,
}

#[derive(Debug, Default)]
struct Known {
    /// By database.
    latest: BTreeMap<String, Latest>,
    /// By cluster.
    histories: BTreeMap<String, History>,
}

#[derive(Debug)]
struct Latest {
    census: Census,
    at_ms: i64,
    away: Option<String>,
}

/// One database as it was last seen.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub census: Census,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Why nothing newer is known.
    pub away: Option<String>,
    pub paces: PerIds<Arc<Pace>>,
    /// The horizon does not move: for how long it has stood.
    pub cannot_advance: Option<Duration>,
}

/// Starts watching databases, each by a task of its own.
pub(crate) fn start(
    ground: &Ground,
    tables: &Tables,
    targets: Vec<Target>,
    settings: &MaintenanceSettings,
    metrics: Arc<Metrics>,
) -> Wraparound {
    let wraparound = Wraparound {
        known: Arc::default(),
        clock: ground.clock.clone(),
        rule: FreezeRule {
            age_share: settings.freeze_age_percent / 100.0,
            within: settings.freeze_within,
            ..FreezeRule::default()
        },
    };
    for target in targets {
        let watch = Watch {
            target,
            every: settings.ages_every,
            wraparound: wraparound.clone(),
            tables: tables.clone(),
            connection: None,
            is_away: false,
            is_store_away: false,
            is_loaded: false,
            tidied_ms: 0,
        };
        ground
            .tasks
            .spawn(Stage::Work, "ages", |stop| async move { watch.run(stop).await });
    }
    let shown = wraparound.clone();
    ground.registry.before_scrape(move || shown.show(&metrics));
    wraparound
}

impl Wraparound {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When tables are to be frozen.
    pub(crate) const fn rule(&self) -> FreezeRule {
        self.rule
    }

    /// How fast a cluster uses its ids up, as far as that is known now.
    pub(crate) fn paces(&self, cluster: &str) -> PerIds<Arc<Pace>> {
        let now_ms = self.clock.unix_ms();
        let known = self.known();
        let history = known.histories.get(cluster);
        let pace = |ids| Arc::new(history.map_or_else(Pace::unknown, |history| history.pace(ids, now_ms)));
        PerIds {
            transactions: pace(Ids::Transactions),
            multixacts: pace(Ids::Multixacts),
        }
    }

    /// Every database as it was last seen, in the order of their names.
    pub(crate) fn views(&self) -> Vec<View> {
        let latest: Vec<(Census, i64, Option<String>)> = self
            .known()
            .latest
            .values()
            .map(|latest| (latest.census.clone(), latest.at_ms, latest.away.clone()))
            .collect();
        latest
            .into_iter()
            .map(|(census, at_ms, away)| View {
                paces: self.paces(&census.server.cluster),
                cannot_advance: self.stands_still(&census),
                census,
                at_ms,
                away,
            })
            .collect()
    }

    fn stands_still(&self, census: &Census) -> Option<Duration> {
        let known = self.known();
        let still = known.histories.get(&census.server.cluster)?.stands_still();
        still.filter(|still| *still >= STANDS_STILL)
    }

    fn show(&self, metrics: &Metrics) {
        for view in self.views() {
            let database = view.census.server.database.as_str();
            for ids in Ids::ALL {
                let age = view.census.server.age.of(ids) as f64;
                metrics.wraparound_age.with([database, ids.as_str()]).set(age);
                for limit in Limit::ALL {
                    let seconds = view.eta(ids, limit).seconds().min(SHOWN_MAX.as_secs_f64());
                    metrics
                        .wraparound_eta_seconds
                        .with([database, limit.name(ids)])
                        .set(seconds);
                }
            }
        }
    }

    /// Takes a census in. The reading, where it is one to keep.
    fn take(&self, census: Census, at_ms: i64) -> Option<Reading> {
        let reading = census.reading(at_ms);
        let mut known = self.known();
        let history = known.histories.entry(census.server.cluster.clone()).or_default();
        let is_to_keep = history.add(reading);
        let latest = Latest {
            at_ms,
            away: None,
            census,
        };
        known.latest.insert(latest.census.server.database.clone(), latest);
        is_to_keep.then_some(reading)
    }

    /// Puts what the store kept before what was read since the start.
    fn recall(&self, cluster: &str, kept: Vec<Reading>) {
        let mut known = self.known();
        let since = known.histories.remove(cluster).unwrap_or_default();
        known.histories.insert(cluster.to_owned(), since.after(kept));
    }

    fn lose(&self, database: &str, reason: &str) {
        if let Some(latest) = self.known().latest.get_mut(database) {
            latest.away = Some(reason.to_owned());
        }
    }
}

impl View {
    /// Both paces, for a plan.
    pub(crate) fn paces(&self) -> PerIds<&Pace> {
        PerIds {
            transactions: &self.paces.transactions,
            multixacts: &self.paces.multixacts,
        }
    }

    /// When a limit is reached: by the database, or by the table that comes first.
    pub(crate) fn eta(&self, ids: Ids, limit: Limit) -> Eta {
        let whole = self.census.server.eta(ids, limit, self.paces.get(ids));
        if limit != Limit::Autovacuum {
            return whole;
        }
        let tables = self.census.tables.iter();
        let first = tables.map(|table| table.eta(ids, self.paces.get(ids)));
        first.fold(whole, Eta::sooner)
    }
}

/// Watches one database.
struct Watch {
    target: Target,
    every: Duration,
    wraparound: Wraparound,
    tables: Tables,
    connection: Option<Connection>,
    is_away: bool,
    is_store_away: bool,
    is_loaded: bool,
    tidied_ms: i64,
}

impl Watch {
    async fn run(mut self, stop: CancellationToken) -> weir_runtime::TaskResult {
        while stop.run_until_cancelled(self.round()).await.is_some() {
            // Several instances, and several databases, do not ask all at once.
            if !pause(&stop, self.every.mul_f64(0.9 + fastrand::f64() * 0.2)).await {
                break;
            }
        }
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        Ok(())
    }

    async fn round(&mut self) {
        let at_ms = self.wraparound.clock.unix_ms();
        match timeout(ANSWER_WITHIN, self.ask()).await {
            Ok(Ok(census)) => self.learn(census, at_ms).await,
            Ok(Err(error)) => self.miss(&error.to_string()),
            Err(_) => self.miss(&format!("it did not answer within {ANSWER_WITHIN:?}")),
        }
    }

    /// The connection is back in its place only after an answer: one that was given up half-way is not used again.
    async fn ask(&mut self) -> Result<Census, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let census = ages(&mut connection, TABLES_MAX).await?;
        self.connection = Some(connection);
        Ok(census)
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let options = ConnectOptions {
            timeout: Some(ANSWER_WITHIN),
            application_name: Some("weir-maint/ages".to_owned()),
            parameters: vec![
                ("statement_timeout".to_owned(), ANSWER_WITHIN.as_millis().to_string()),
                ("lock_timeout".to_owned(), "1000".to_owned()),
            ],
            ..ConnectOptions::default()
        };
        Ok(Connection::connect(&self.target, options).await?)
    }

    async fn learn(&mut self, census: Census, at_ms: i64) {
        if std::mem::take(&mut self.is_away) {
            tracing::info!(
                database = self.target.database(),
                "the ages of a database are known again"
            );
        }
        let cluster = census.server.cluster.clone();
        let kept = self.wraparound.take(census, at_ms);
        let noted = self.note(&cluster, kept, at_ms).await;
        match noted {
            Ok(()) => self.is_store_away = false,
            Err(error) if !std::mem::replace(&mut self.is_store_away, true) => {
                tracing::warn!(%error, "cannot keep how fast ids are used up; trying again");
            }
            Err(_) => {}
        }
    }

    /// Writes down what is to be kept, once the tables are there and what they hold was read.
    async fn note(&mut self, cluster: &str, kept: Option<Reading>, now_ms: i64) -> Result<(), StoreError> {
        let (never, store) = (CancellationToken::new(), self.tables.store().clone());
        if timeout(Duration::ZERO, self.tables.are_there(&never)).await != Ok(true) {
            return Ok(());
        }
        if !self.is_loaded {
            let known = store::ages::load(&store, cluster, now_ms).await?;
            self.wraparound.recall(cluster, known);
            self.is_loaded = true;
        }
        if let Some(reading) = kept {
            store::ages::keep(&store, cluster, &reading).await?;
        }
        self.tidy(&store, now_ms).await
    }

    async fn tidy(&mut self, store: &Store, now_ms: i64) -> Result<(), StoreError> {
        if now_ms - self.tidied_ms < TIDY_MS {
            return Ok(());
        }
        store::ages::forget(store, now_ms).await?;
        self.tidied_ms = now_ms;
        Ok(())
    }

    fn miss(&mut self, reason: &str) {
        self.connection = None;
        self.wraparound.lose(self.target.database(), reason);
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::warn!(
                database = self.target.database(),
                reason,
                "cannot ask how old the oldest rows are; trying again"
            );
        }
    }
}

#[cfg(test)]
mod tests;
