//! `weir.monitor.v1` to reads of the knowledge and of the store, and back. Translates, decides nothing.

mod plans;
mod queries;
mod spans;
mod trends;

use tonic::{Request, Response, Status};
use weir_model::Project;
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_server::MonitorService;
use weir_proto::status::status;

use crate::alert::AlertDesk;
use crate::alert::deliver::Deliverer;
use crate::error::Error;
use crate::keeping::Keeper;
use crate::observe::explain::Explainer;
use crate::observe::server::Servers;

/// Answers questions about statements and alerts.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) keeper: Keeper,
    pub(crate) alerts: AlertDesk,
    pub(crate) deliverer: Deliverer,
    pub(crate) explainer: Explainer,
    pub(crate) servers: Servers,
}

pub(crate) type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl MonitorService for Desk {
    async fn list_queries(&self, request: Request<api::ListQueriesRequest>) -> Answer<api::ListQueriesResponse> {
        self.queries(request).await
    }

    async fn list_alerts(&self, request: Request<api::ListAlertsRequest>) -> Answer<api::ListAlertsResponse> {
        self.alerts.list(request.into_inner()).await
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

    async fn get_forecast(&self, request: Request<api::GetForecastRequest>) -> Answer<api::GetForecastResponse> {
        trends::forecast(&self.keeper.store, &self.keeper.clock, request.into_inner()).await
    }

    async fn list_changes(&self, request: Request<api::ListChangesRequest>) -> Answer<api::ListChangesResponse> {
        trends::changes(&self.keeper.store, request.into_inner()).await
    }

    async fn get_server(&self, request: Request<api::GetServerRequest>) -> Answer<api::GetServerResponse> {
        Ok(Response::new(self.servers.get(request.get_ref())))
    }

    async fn list_activity(&self, request: Request<api::ListActivityRequest>) -> Answer<api::ListActivityResponse> {
        Ok(Response::new(self.servers.activity(request.get_ref())))
    }

    async fn list_blocking(&self, request: Request<api::ListBlockingRequest>) -> Answer<api::ListBlockingResponse> {
        Ok(Response::new(self.servers.blocking(request.get_ref())))
    }

    async fn analyze(&self, request: Request<api::AnalyzeRequest>) -> Answer<api::AnalyzeResponse> {
        plans::analyze(&self.explainer, request.into_inner()).await
    }

    async fn list_plans(&self, request: Request<api::ListPlansRequest>) -> Answer<api::ListPlansResponse> {
        plans::list(&self.keeper.store, request.into_inner()).await
    }

    async fn list_channels(&self, _: Request<api::ListChannelsRequest>) -> Answer<api::ListChannelsResponse> {
        Ok(Response::new(self.deliverer.list().await))
    }

    async fn test_channel(&self, request: Request<api::TestChannelRequest>) -> Answer<api::TestChannelResponse> {
        let tried = self.deliverer.try_channel(&request.into_inner().name).await;
        tried.map(Response::new).map_err(|error| status(&error))
    }

    async fn get_timeline(&self, request: Request<api::GetTimelineRequest>) -> Answer<api::GetTimelineResponse> {
        self.timeline(request).await
    }

    async fn get_heatmap(&self, request: Request<api::GetHeatmapRequest>) -> Answer<api::GetHeatmapResponse> {
        self.heatmap(request).await
    }

    async fn list_rules(&self, _: Request<api::ListRulesRequest>) -> Answer<api::ListRulesResponse> {
        self.alerts.list_rules().await
    }

    async fn put_rule(&self, request: Request<api::PutRuleRequest>) -> Answer<api::PutRuleResponse> {
        self.alerts.put_rule(request.into_inner()).await
    }

    async fn reset_rule(&self, request: Request<api::ResetRuleRequest>) -> Answer<api::ResetRuleResponse> {
        self.alerts.reset_rule(request.into_inner()).await
    }

    async fn list_silences(&self, request: Request<api::ListSilencesRequest>) -> Answer<api::ListSilencesResponse> {
        self.alerts.list_silences(request.into_inner()).await
    }

    async fn put_silence(&self, request: Request<api::PutSilenceRequest>) -> Answer<api::PutSilenceResponse> {
        self.alerts.put_silence(request.into_inner()).await
    }

    async fn expire_silence(&self, request: Request<api::ExpireSilenceRequest>) -> Answer<api::ExpireSilenceResponse> {
        self.alerts.expire_silence(request.into_inner()).await
    }

    async fn acknowledge_alert(
        &self,
        request: Request<api::AcknowledgeAlertRequest>,
    ) -> Answer<api::AcknowledgeAlertResponse> {
        self.alerts.acknowledge(request.into_inner()).await
    }
}

/// A text that the store can be asked for.
fn text_of(field: &'static str, text: String) -> Result<String, Status> {
    if text.contains('\0') {
        let reason = "there is a zero byte in it".to_owned();
        return Err(status(&Error::Field { field, reason }));
    }
    Ok(text)
}

pub(crate) fn project_of(name: &str) -> Result<Project, Status> {
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
