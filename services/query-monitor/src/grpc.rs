//! `weir.monitor.v1` to reads of the knowledge and of the store, and back. Translates, decides nothing.

mod queries;

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_model::{Fingerprint, Project};
use weir_proto::common::v1::Severity;
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_server::MonitorService;
use weir_proto::page::Page;
use weir_proto::status::status;
use weir_store::Store;

use crate::alert::{labels, runbook};
use crate::error::Error;
use crate::keeping::Keeper;
use crate::store::{self, AlertRow};

/// Answers questions about statements and alerts.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) keeper: Keeper,
    pub(crate) store: Store,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl MonitorService for Desk {
    async fn list_queries(&self, request: Request<api::ListQueriesRequest>) -> Answer<api::ListQueriesResponse> {
        self.queries(request).await
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
        Ok(Response::new(self.keeper.shared.with(|knowledge| {
            let totals = knowledge.statistics.totals();
            api::GetIntakeResponse {
                events_received_total: totals.events,
                batches_received_total: totals.batches,
                batches_lost_total: totals.batches_lost,
                events_dropped_total: totals.events_dropped,
                batches_malformed_total: knowledge.malformed,
                distinct_fingerprints: knowledge.statistics.shapes.count() as u64,
                gateways: knowledge.statistics.gateways(),
                events_lost_total: totals.events_lost,
            }
        })))
    }

    async fn get_timeline(&self, request: Request<api::GetTimelineRequest>) -> Answer<api::GetTimelineResponse> {
        self.timeline(request).await
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
