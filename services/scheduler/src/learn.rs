//! Learns when a project is quiet, from what the query monitor has counted: the leader asks once an hour.
//!
//! Nothing here is needed for anything else. While the monitor is away, what was learned before stays.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use weir_model::Clock;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_proto::monitor::v1::{GetTimelineRequest, GetTimelineResponse};
use weir_store::{Store, Term};

use crate::error::Error;
use crate::plan::{Load, Quiet, Window, quiet_hours};
use crate::store::{self, LEARNED, WindowRow};
use crate::terms::{CurrentTerms, Terms};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(3_600);
/// How soon again, where somebody did not answer.
const RETRY: Duration = Duration::from_secs(300);
/// How far back.
const LOOK_BACK_MS: i64 = 30 * 24 * 3_600_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the monitor may take for one project.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

type Monitor = MonitorServiceClient<Channel>;

/// Why nothing was learned about a project.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error("the query monitor did not answer: {0}")]
    Monitor(Box<tonic::Status>),
    #[error("the query monitor did not answer in time")]
    Late,
    #[error("the query monitor misses figures: {0}")]
    Missing(String),
    #[error(transparent)]
    Store(#[from] Error),
}

/// Learns windows for as long as it is asked to.
#[derive(Debug, Clone)]
pub(crate) struct Learner {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) terms: CurrentTerms,
}

impl Learner {
    /// Looks once an hour, and when the settings have changed. Does not end; the term that it serves does.
    pub(crate) async fn keep(&self, term: &Term) {
        let mut terms = self.terms.clone();
        loop {
            let now = terms.borrow_and_update().clone();
            let looked = self.look(term, &now).await;
            if let Err(error) = &looked {
                tracing::warn!(%error, "windows are not learned now");
            }
            let wait = if looked.unwrap_or_default() { EVERY } else { RETRY };
            tokio::select! {
                () = sleep(wait) => {}
                Ok(()) = terms.changed() => {}
            }
        }
    }

    /// Learns what can be learned about every project. False if that is not everything.
    async fn look(&self, term: &Term, terms: &Terms) -> Result<bool, Error> {
        let mut connection = self.store.pool().acquire().await?;
        let projects = if terms.settings.learn_windows {
            store::projects(&mut connection).await?
        } else {
            Vec::new()
        };
        drop(connection);
        self.forget_others(term, &projects).await?;
        let monitor = monitor_at(&terms.settings.monitor_url)?;
        let mut complete = true;
        for project in projects {
            if let Err(error) = self.learn(term, terms, &monitor, &project).await {
                tracing::warn!(project, dependency = "query-monitor", %error, "windows stay as they were learned");
                complete = false;
            }
        }
        Ok(complete)
    }

    async fn learn(&self, term: &Term, terms: &Terms, monitor: &Monitor, project: &str) -> Result<(), Untold> {
        let now = self.clock.unix_ms();
        let loads = loads_of(monitor, project, now).await?;
        match quiet_hours(&loads, terms.zone, now, terms.learn_within) {
            Quiet::TooEarly { days } => {
                tracing::debug!(project, days, "too few days are known for windows to be learned");
                Ok(())
            }
            Quiet::Known(hours) => {
                let windows = (1..).zip(hours).map(|(number, (weekdays, hours))| Window {
                    name: format!("{LEARNED}-{number}"),
                    weekdays,
                    hours,
                    zone: terms.zone,
                });
                let rows = windows
                    .map(|window| WindowRow::new(project, &window, true, LEARNED))
                    .collect();
                Ok(self.keep_learned(term, project, rows).await?)
            }
        }
    }

    /// Replaces what was learned of a project, if it is something else now.
    async fn keep_learned(&self, term: &Term, project: &str, rows: Vec<WindowRow>) -> Result<(), Error> {
        let mut transaction = self.store.pool().begin().await?;
        check(term, &mut transaction).await?;
        let mut before = store::list_windows(&mut transaction, project).await?;
        before.retain(|row| row.source == LEARNED);
        if before == rows {
            return Ok(());
        }
        store::forget_learned_of(&mut transaction, project).await?;
        for row in &rows {
            store::put_window(&mut transaction, row).await?;
        }
        transaction.commit().await?;
        tracing::info!(project, windows = rows.len(), "windows were learned");
        Ok(())
    }

    async fn forget_others(&self, term: &Term, projects: &[String]) -> Result<(), Error> {
        let mut transaction = self.store.pool().begin().await?;
        check(term, &mut transaction).await?;
        store::forget_learned(&mut transaction, projects).await?;
        Ok(transaction.commit().await?)
    }
}

async fn check(term: &Term, transaction: &mut sqlx::PgConnection) -> Result<(), Error> {
    let leading = term.check(transaction).await;
    leading.map_err(|error| Error::Store(error.to_string()))
}

fn monitor_at(url: &str) -> Result<Monitor, Error> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| Error::Field {
        field: "monitor_url",
        reason: error.to_string(),
    })?;
    Ok(MonitorServiceClient::new(
        endpoint.connect_timeout(CONNECT_TIMEOUT).connect_lazy(),
    ))
}

/// What ran for a project, span by span.
async fn loads_of(monitor: &Monitor, project: &str, now_unix_ms: i64) -> Result<Vec<Load>, Untold> {
    let request = GetTimelineRequest {
        project: project.to_owned(),
        since_unix_ms: now_unix_ms - LOOK_BACK_MS,
        until_unix_ms: now_unix_ms,
        ..GetTimelineRequest::default()
    };
    let mut monitor = monitor.clone();
    let answer = timeout(ANSWER_TIMEOUT, monitor.get_timeline(request)).await;
    let answer = answer.map_err(|_| Untold::Late)?;
    let timeline = answer.map_err(|status| Untold::Monitor(Box::new(status)))?.into_inner();
    if timeline.missing.is_empty() {
        Ok(loads(timeline))
    } else {
        Err(Untold::Missing(timeline.missing))
    }
}

fn loads(timeline: GetTimelineResponse) -> Vec<Load> {
    let load = |span: weir_proto::monitor::v1::TimelineSpan| Load {
        from_unix_ms: span.from_unix_ms,
        to_unix_ms: span.to_unix_ms,
        busy_ms: span
            .statistics
            .map(|statistics| statistics.total_ms)
            .unwrap_or_default(),
    };
    timeline.spans.into_iter().map(load).collect()
}
