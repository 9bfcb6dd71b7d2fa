//! What every service offers on its ports: probes, metrics, gRPC health and reflection; and spans at a collector.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use weir_testkit::{World, eventually, free_port, http_get};

use crate::ask::{execute, gateway, statement};

const SOON: Duration = Duration::from_secs(40);

const SERVICES: [(&str, &str, &str); 6] = [
    ("pool-gateway", "weir.gateway.v1.GatewayService", "weir_queries_total"),
    (
        "query-monitor",
        "weir.monitor.v1.MonitorService",
        "weir_monitor_events_total",
    ),
    ("cache", "weir.cache.v1.CacheService", "weir_outbox_waiting"),
    (
        "scheduler",
        "weir.scheduler.v1.SchedulerService",
        "weir_scheduler_leader",
    ),
    (
        "maintenance",
        "weir.maintenance.v1.MaintenanceService",
        "weir_outbox_waiting",
    ),
    ("backup", "weir.backup.v1.BackupService", "weir_outbox_waiting"),
];

#[tokio::test]
async fn every_service_has_probes_metrics_health_and_reflection() {
    let world = World::new().up().await;
    execute(&world, "", "select 1").await;
    for (binary, service, metric) in SERVICES {
        for path in ["/livez", "/readyz", "/startupz"] {
            assert_eq!(
                http_get(world.ops(binary), path).await.unwrap().0,
                200,
                "{binary} {path}"
            );
        }
        eventually(&format!("{metric} of {binary}"), SOON, async || {
            http_get(world.ops(binary), "/metrics")
                .await
                .unwrap()
                .1
                .contains(metric)
                .then_some(())
        })
        .await;
        assert_eq!(
            serving(&world, binary, service).await,
            ServingStatus::Serving,
            "{binary}"
        );
        assert!(
            reflected(&world, binary).await.contains(&service.to_owned()),
            "{binary} does not reflect {service}"
        );
    }
}

async fn channel(world: &World, binary: &str) -> Channel {
    Channel::from_shared(world.grpc(binary))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

async fn serving(world: &World, binary: &str, service: &str) -> ServingStatus {
    let mut health = HealthClient::new(channel(world, binary).await);
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    health.check(request).await.unwrap().into_inner().status()
}

async fn reflected(world: &World, binary: &str) -> Vec<String> {
    let mut reflection = ServerReflectionClient::new(channel(world, binary).await);
    let ask = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ask),
    };
    let replies = reflection
        .server_reflection_info(tokio_stream::iter([request]))
        .await
        .unwrap();
    let reply = replies.into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = reply.message_response else {
        return Vec::new();
    };
    list.service.into_iter().map(|service| service.name).collect()
}

/// A collector that keeps the names and trace ids of the spans it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, String)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request
            .into_inner()
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans);
        let spans = spans.flat_map(|scope| scope.spans);
        let hex = |id: Vec<u8>| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.0
            .lock()
            .unwrap()
            .extend(spans.map(|span| (span.name, hex(span.trace_id))));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test]
async fn spans_reach_a_collector_under_the_callers_trace() {
    let collector = Collector::default();
    let address = format!("127.0.0.1:{}", free_port());
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(collector.clone()));
    tokio::spawn(server.serve(address.parse().unwrap()));
    let world = World::new()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
        .up()
        .await;

    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let mut request = Request::new(statement("", "select 1"));
    request.metadata_mut().insert(
        "traceparent",
        format!("00-{trace_id}-b7ad6b7169203331-01").parse().unwrap(),
    );
    gateway(&world).await.execute(request).await.unwrap();

    let wanted = (
        "/weir.gateway.v1.GatewayService/Execute".to_owned(),
        trace_id.to_owned(),
    );
    eventually("the span of the call", SOON, async || {
        let spans = collector.0.lock().unwrap();
        if spans.contains(&wanted) {
            Ok(())
        } else {
            Err(format!("{spans:?}"))
        }
    })
    .await;
}
