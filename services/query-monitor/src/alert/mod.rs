//! Readings to alerts: rows that fire and resolve, each with its event and its notices in the same transaction.
//!
//! - One monitor judges: the leader. It ticks four times a second on what lies on the board ([`judge`]).
//! - What became of alerts is queued, and another task writes it ([`rows`]), so that a slow store delays no judgement.
//! - While the store is away nobody else can become leader; the last one goes on from memory and tells channels directly.

pub(crate) mod deliver;
mod desk;
mod judge;
mod mind;
mod notice;
mod outbound;
mod rows;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use weir_config::Error;
use weir_footing::Tables;
use weir_model::Clock;
use weir_runtime::{Ground, Stage, TaskResult};
use weir_store::{Leadership, LeadershipOptions, Store, Term, pause};

use crate::detect::{Layers, Objectives, ProjectOutcomes, Severity};
use crate::metrics::Metrics;
use crate::observe::{Board, Shared};
use crate::settings::MonitorSettings;
use crate::store;

pub(crate) use desk::AlertDesk;
pub(crate) use notice::{Notice, NoticeState};
pub(crate) use outbound::Outbound;

use judge::Judge;
use mind::Memory;
use rows::Rows;

/// What the leader of the monitors leads.
const LEADER: &str = "alerts";
/// How often the alerts are counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How long the store may take for that.
const COUNT_WITHIN: Duration = Duration::from_secs(5);
/// How long an alert that was resolved, and a silence that ended, are kept.
const KEEP_MS: i64 = 30 * 24 * 3_600_000;

/// Where the windows of objectives come from: those of every project at this moment (milliseconds since 1970).
pub(crate) type OutcomesAt = Arc<dyn Fn(i64) -> Vec<ProjectOutcomes> + Send + Sync>;

/// What alerts are made of.
pub(crate) struct Parts {
    pub(crate) shared: Shared,
    pub(crate) board: Board,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) outcomes: OutcomesAt,
    pub(crate) outbound: Arc<dyn Outbound>,
}

/// What the file says of alerts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) layers: Layers,
    pub(crate) objectives: Objectives,
    pub(crate) resolve_after: Duration,
}

impl Said {
    /// What these settings say.
    pub(crate) fn of(settings: &MonitorSettings) -> Self {
        Self {
            layers: Layers {
                slow_query_ms: settings.slow_query_threshold.as_secs_f64() * 1e3,
                file: settings.rules.0.clone(),
                grpc: Vec::new(),
            },
            objectives: Objectives::new(settings.objectives.0.clone()),
            resolve_after: settings.slow_query_resolve_after,
        }
    }

    /// Whether rules and objectives can be.
    pub(crate) fn check(settings: &MonitorSettings) -> Result<(), Error> {
        let wrong = |key, reason| Error::invalid(key, weir_config::Origin::File, reason);
        crate::detect::check_rules(&Self::of(settings).layers).map_err(|reason| wrong("monitor.rules", reason))?;
        Objectives::check(&settings.objectives.0).map_err(|reason| wrong("monitor.objectives", reason))
    }
}

/// Starts all that alerts need, and returns whom to ask about them.
pub(crate) fn start(ground: &Ground, tables: &Tables, settings: &MonitorSettings, parts: Parts) -> AlertDesk {
    let (say, said) = watch::channel(Said::of(settings));
    follow_reloads(ground, say);
    let (lead, term) = watch::channel(None);
    let (memory, news) = (Memory::default(), Arc::new(Notify::new()));
    let judge = Judge::new(&parts, &memory, &news, said.clone(), ground.clock.clone());
    ground.tasks.spawn(Stage::Work, "alerts", |stop| judge.run(stop));
    let leadership = Leadership::new(tables.store(), LEADER, LeadershipOptions::default());
    let rows = Rows {
        holder: leadership.holder().to_owned(),
        store: tables.store().clone(),
        clock: ground.clock.clone(),
        memory,
        news,
        term,
        said: said.clone(),
        outbound: parts.outbound,
    };
    let written = CancellationToken::new();
    let guard = written.clone().drop_guard();
    write(ground, tables.clone(), rows, guard);
    stand(ground, tables.clone(), leadership, lead, written);
    count(ground, tables.clone(), parts.metrics);
    AlertDesk {
        store: tables.store().clone(),
        clock: ground.clock.clone(),
        said,
    }
}

/// What the file says of rules and objectives counts from the reload on.
fn follow_reloads(ground: &Ground, say: watch::Sender<Said>) {
    let mut reloads = ground.reloads.clone();
    ground.tasks.spawn(Stage::Work, "alert settings", |stop| async move {
        while let Some(Ok(())) = stop.run_until_cancelled(reloads.changed()).await {
            // A reload that does not pass the check never gets here.
            if let Ok(settings) = crate::settings::check(&reloads.borrow_and_update()) {
                say.send_replace(Said::of(&settings));
            }
        }
        stop.cancelled().await;
        Ok(())
    });
}

/// Writes rows until told to stop, and then once more; only then may another lead, which dropping the guard says.
fn write(ground: &Ground, tables: Tables, rows: Rows, guard: DropGuard) {
    ground.tasks.spawn(Stage::Work, "alert rows", |stop| async move {
        let _guard = guard;
        if tables.are_there(&stop).await {
            rows.run(stop).await;
        }
        Ok(())
    });
}

/// Stands for leader until all is written.
fn stand(
    ground: &Ground,
    tables: Tables,
    leadership: Leadership,
    lead: watch::Sender<Option<Term>>,
    written: CancellationToken,
) {
    ground.tasks.spawn(Stage::Work, "alert leader", |stop| async move {
        if tables.are_there(&stop).await {
            leadership.lead(&written, |term| serve(term, &lead, &written)).await;
        }
        stop.cancelled().await;
        Ok(())
    });
}

/// Shows the term while it lasts, whichever way it ends.
async fn serve(term: Term, lead: &watch::Sender<Option<Term>>, written: &CancellationToken) {
    struct Shown<'a>(&'a watch::Sender<Option<Term>>);
    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            self.0.send_replace(None);
        }
    }
    lead.send_replace(Some(term));
    let _shown = Shown(lead);
    written.cancelled().await;
}

/// Counts the alerts for the metrics, every few seconds, and forgets those of long ago.
fn count(ground: &Ground, tables: Tables, metrics: Arc<Metrics>) {
    let clock = ground.clock.clone();
    ground.tasks.spawn(Stage::Watch, "count alerts", |stop| async move {
        if tables.are_there(&stop).await {
            count_until(tables.store(), &clock, &metrics, &stop).await
        } else {
            Ok(())
        }
    });
}

async fn count_until(store: &Store, clock: &Clock, metrics: &Metrics, stop: &CancellationToken) -> TaskResult {
    while pause(stop, COUNT_EVERY).await {
        let Ok(Ok(counts)) = timeout(COUNT_WITHIN, count_once(store, clock)).await else {
            continue;
        };
        for severity in Severity::ALL {
            for state in ["pending", "firing", "resolved"] {
                let is = |row: &&(String, String, i64)| row.0 == severity.as_str() && row.1 == state;
                let count = counts.iter().find(is).map_or(0, |row| row.2);
                metrics.alerts.with([severity.as_str(), state]).set(count as f64);
            }
        }
    }
    Ok(())
}

async fn count_once(store: &Store, clock: &Clock) -> sqlx::Result<Vec<(String, String, i64)>> {
    let mut connection = store.pool().acquire().await?;
    let before = clock.unix_ms() - KEEP_MS;
    store::forget_resolved(&mut connection, before).await?;
    store::forget_silences(&mut connection, before).await?;
    store::count_by_state(&mut connection).await
}

#[cfg(test)]
mod tests;
