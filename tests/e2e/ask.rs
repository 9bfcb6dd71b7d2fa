//! Short ways to ask the services.

use tonic::transport::Channel;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::gateway::v1::{ExecuteRequest, ExecuteResponse};
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_proto::monitor::v1::{
    Alert, GetIntakeRequest, GetIntakeResponse, ListAlertsRequest, ListQueriesRequest, QueryStatistics,
};
use weir_testkit::World;

/// A statement without parameters for a project.
pub(crate) fn statement(project: &str, sql: &str) -> ExecuteRequest {
    ExecuteRequest {
        project: project.to_owned(),
        sql: sql.to_owned(),
        ..ExecuteRequest::default()
    }
}

/// A client of the gateway.
pub(crate) async fn gateway(world: &World) -> GatewayServiceClient<Channel> {
    GatewayServiceClient::connect(world.grpc("pool-gateway")).await.unwrap()
}

/// Runs a statement that must succeed.
pub(crate) async fn execute(world: &World, project: &str, sql: &str) -> ExecuteResponse {
    gateway(world)
        .await
        .execute(statement(project, sql))
        .await
        .unwrap()
        .into_inner()
}

async fn monitor(world: &World) -> MonitorServiceClient<Channel> {
    MonitorServiceClient::connect(world.grpc("query-monitor"))
        .await
        .unwrap()
}

/// The statistics of a project.
pub(crate) async fn queries(world: &World, project: &str) -> Vec<QueryStatistics> {
    let request = ListQueriesRequest {
        project: project.to_owned(),
        ..ListQueriesRequest::default()
    };
    monitor(world)
        .await
        .list_queries(request)
        .await
        .unwrap()
        .into_inner()
        .queries
}

/// The alerts of a project.
pub(crate) async fn alerts(world: &World, project: &str) -> Vec<Alert> {
    let request = ListAlertsRequest {
        project: project.to_owned(),
        ..ListAlertsRequest::default()
    };
    monitor(world)
        .await
        .list_alerts(request)
        .await
        .unwrap()
        .into_inner()
        .alerts
}

/// How complete the statistics are.
pub(crate) async fn intake(world: &World) -> GetIntakeResponse {
    monitor(world)
        .await
        .get_intake(GetIntakeRequest {})
        .await
        .unwrap()
        .into_inner()
}
