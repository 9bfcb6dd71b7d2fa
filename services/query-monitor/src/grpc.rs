//! `weir.monitor.v1` to reads of the knowledge and of the store, and back. Translates, decides nothing.

mod trends;

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_model::{Clock, Fingerprint, Project};
use weir_proto::common::v1::Severity;
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_server::MonitorService;
use weir_proto::page::Page;
use weir_proto::status::status;
use weir_store::Store;

use crate::aggregate::{Cell, Key, Statistics};
use crate::alert::{labels, runbook};
use crate::error::Error;
use crate::observe::Shared;
use crate::store::{self, AlertRow};

/// Answers questions about statements and alerts.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) shared: Shared,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl MonitorService for Desk {
    async fn list_queries(&self, request: Request<api::ListQueriesRequest>) -> Answer<api::ListQueriesResponse> {
        let request = request.into_inner();
        let project = project_of(&request.project)?;
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        // Statistics move between two pages; the token is therefore the number of lines to leave out.
        let skipped = page
            .after::<usize, String>()
            .map_err(|error| status(&error))?
            .map_or(0, |(skipped, _)| skipped);
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let lines = self
            .shared
            .with(|knowledge| lines(&knowledge.statistics, &project, &request));
        let queries: Vec<_> = lines.into_iter().skip(skipped).take(size).collect();
        let next = skipped + queries.len();
        let page = Some(page.answer(&queries, |line| (next, line.fingerprint.clone())));
        Ok(Response::new(api::ListQueriesResponse { queries, page }))
    }

    async fn list_alerts(&self, request: Request<api::ListAlertsRequest>) -> Answer<api::ListAlertsResponse> {
        let request = request.into_inner();
        let project = project_of(&request.project)?;
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        let after = page.after::<i64, Uuid>().map_err(|error| status(&error))?;
        let states: Vec<String> = request.states().filter_map(state_name).map(str::to_owned).collect();
        let rows = self
            .alerts(&project, &states, after, page.size)
            .await
            .map_err(|error| status(&error))?;
        let page = Some(page.answer(&rows, |row| (row.since_unix_ms, row.id)));
        Ok(Response::new(api::ListAlertsResponse {
            alerts: rows.into_iter().map(alert_of).collect(),
            page,
        }))
    }

    async fn get_intake(&self, _: Request<api::GetIntakeRequest>) -> Answer<api::GetIntakeResponse> {
        Ok(Response::new(self.shared.with(|knowledge| {
            let totals = knowledge.statistics.totals();
            api::GetIntakeResponse {
                events_received_total: totals.events,
                batches_received_total: totals.batches,
                batches_lost_total: totals.batches_lost,
                events_dropped_total: totals.events_dropped,
                batches_malformed_total: knowledge.malformed,
                distinct_fingerprints: knowledge.statistics.fingerprints() as u64,
                gateways: knowledge.statistics.gateways().collect(),
            }
        })))
    }

    async fn get_forecast(&self, request: Request<api::GetForecastRequest>) -> Answer<api::GetForecastResponse> {
        trends::forecast(&self.store, &self.clock, request.into_inner()).await
    }

    async fn list_changes(&self, request: Request<api::ListChangesRequest>) -> Answer<api::ListChangesResponse> {
        trends::changes(&self.store, request.into_inner()).await
    }
}

impl Desk {
    async fn alerts(
        &self,
        project: &Project,
        states: &[String],
        after: Option<(i64, Uuid)>,
        size: u32,
    ) -> Result<Vec<AlertRow>, Error> {
        let failed = |error| Error::Store(self.store.error(error).to_string());
        let mut connection = self.store.pool().acquire().await.map_err(failed)?;
        store::list_alerts(&mut connection, project.as_str(), states, after, size)
            .await
            .map_err(failed)
    }
}

fn project_of(name: &str) -> Result<Project, Status> {
    let project = if name.is_empty() {
        Ok(Project::default())
    } else {
        Project::parse(name)
    };
    project.map_err(|error| {
        status(&Error::Field {
            field: "project",
            reason: error.to_string(),
        })
    })
}

/// The lines that a request asks for, in its order.
fn lines(statistics: &Statistics, project: &Project, request: &api::ListQueriesRequest) -> Vec<api::QueryStatistics> {
    let search = request.search.to_lowercase();
    let wanted = |key: &Key, cell: &Cell| {
        key.project == *project
            && (request.database.is_empty() || request.database == key.database)
            && cell.last_seen_unix_ms >= request.since_unix_ms
    };
    let lines = statistics.lines().filter(|(key, cell)| wanted(key, cell));
    let lines = lines.map(|(key, cell)| line_of(statistics, key, cell));
    let mut lines: Vec<_> = lines
        .filter(|line| line.text.to_lowercase().contains(&search))
        .collect();
    let sort = request.sort();
    lines.sort_by(|left, right| {
        let order = sort_key(right, sort).total_cmp(&sort_key(left, sort));
        order.then_with(|| (&left.fingerprint, &left.database).cmp(&(&right.fingerprint, &right.database)))
    });
    lines
}

fn line_of(statistics: &Statistics, key: &Key, cell: &Cell) -> api::QueryStatistics {
    let shape = statistics.shape(key.fingerprint).cloned().unwrap_or_default();
    api::QueryStatistics {
        fingerprint: key.fingerprint.to_string(),
        text: shape.text,
        kind: shape.kind.into(),
        database: key.database.clone(),
        calls: cell.calls,
        errors: cell.errors,
        rows: cell.rows,
        p50_ms: cell.quantile_ms(0.50),
        p95_ms: cell.quantile_ms(0.95),
        p99_ms: cell.quantile_ms(0.99),
        mean_ms: cell.mean_ms(),
        max_ms: cell.max_ms,
        total_ms: cell.total_ms,
        wait_ms: cell.wait_ms,
        first_seen_unix_ms: cell.first_seen_unix_ms,
        last_seen_unix_ms: cell.last_seen_unix_ms,
        cache_hits: cell.cache_hits,
    }
}

const fn sort_key(line: &api::QueryStatistics, sort: api::QuerySort) -> f64 {
    use api::QuerySort as Sort;
    match sort {
        Sort::Unspecified | Sort::Total => line.total_ms,
        Sort::Calls => line.calls as f64,
        Sort::Mean => line.mean_ms,
        Sort::P95 => line.p95_ms,
        Sort::P99 => line.p99_ms,
        Sort::Max => line.max_ms,
        Sort::Errors => line.errors as f64,
        Sort::Rows => line.rows as f64,
        Sort::Wait => line.wait_ms,
        Sort::LastSeen => line.last_seen_unix_ms as f64,
    }
}

const fn state_name(state: api::AlertState) -> Option<&'static str> {
    match state {
        api::AlertState::Unspecified => None,
        api::AlertState::Firing => Some("firing"),
        api::AlertState::Resolved => Some("resolved"),
    }
}

fn alert_of(row: AlertRow) -> api::Alert {
    let state = if row.state == "firing" {
        api::AlertState::Firing
    } else {
        api::AlertState::Resolved
    };
    let severity = if row.severity == "critical" {
        Severity::Critical
    } else {
        Severity::Warning
    };
    api::Alert {
        labels: labels(&row),
        id: row.id.to_string(),
        rule: row.rule,
        severity: severity.into(),
        state: state.into(),
        project: row.project,
        summary: row.summary,
        value: row.value_ms,
        threshold: row.threshold_ms,
        since_unix_ms: row.since_unix_ms,
        resolved_unix_ms: row.resolved_unix_ms,
        fingerprint: Fingerprint::new(row.fingerprint.cast_unsigned()).to_string(),
        runbook: runbook().to_owned(),
    }
}
