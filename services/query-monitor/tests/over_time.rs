//! The monitor as it runs: forecasts and changes are asked for over gRPC, durations are sent to a collector.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use weir_bus::{Bus, Limits, Message};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::common::v1::{PageRequest, StatementKind};
use weir_proto::events::v1::{QueryBatch, QueryExecuted};
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{Database, Postgres, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(20);
/// When the clocks of these tests stand still, in milliseconds since 1970: a whole hour.
const NOON: i64 = 1_800_000_000_000;
const HOUR: i64 = 3_600_000;

struct Monitor {
    tasks: Tasks,
    ops_port: u16,
    bus: Bus,
    database: Database,
    client: MonitorServiceClient<Channel>,
}

impl Monitor {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let database = Postgres::shared().await.database().await;
        let (port, ops_port) = (free_port(), free_port());
        let own = [
            ("WEIR_STORE__URL", database.url()),
            ("WEIR_MONITOR__GRPC_LISTEN", format!("127.0.0.1:{port}")),
            ("WEIR_MONITOR__OPS_LISTEN", format!("127.0.0.1:{ops_port}")),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let given = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources::load(None, own.chain(given).collect::<Vec<_>>()).unwrap();
        let (tasks, bus) = (Tasks::new(), Bus::in_memory(Limits::default()));
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_millis(NOON.unsigned_abs()));
        let ground = Ground::new(sources.clone(), watch::channel(sources).1, tasks.clone(), clock);
        Box::pin(weir_query_monitor::start(ground, bus.clone())).await.unwrap();
        eventually("the monitor to be ready", SOON, || async {
            let (status, body) = http_get(ops_port, "/readyz").await.map_err(|error| error.to_string())?;
            (status == 200).then_some(()).ok_or(body)
        })
        .await;
        let client = MonitorServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self {
            tasks,
            ops_port,
            bus,
            database,
            client,
        }
    }

    async fn forecast(&self, request: api::GetForecastRequest) -> Result<api::GetForecastResponse, Status> {
        self.client
            .clone()
            .get_forecast(request)
            .await
            .map(Response::into_inner)
    }

    async fn changes(&self, request: api::ListChangesRequest) -> api::ListChangesResponse {
        self.client.clone().list_changes(request).await.unwrap().into_inner()
    }

    async fn tell(&self, sequence: u64, events: Vec<QueryExecuted>) {
        let batch = QueryBatch {
            instance: "g".to_owned(),
            sequence,
            events,
            ..QueryBatch::default()
        };
        self.bus
            .publish(Message::new("weir.shop.query.executed", batch.encode_to_vec()))
            .await
            .unwrap();
    }

    async fn metrics(&self) -> String {
        http_get(self.ops_port, "/metrics").await.unwrap().1
    }
}

fn of_disk(metric: &str, disk: &str) -> api::GetForecastRequest {
    api::GetForecastRequest {
        metric: metric.to_owned(),
        labels: BTreeMap::from([
            ("disk".to_owned(), disk.to_owned()),
            ("upstream".to_owned(), "primary".to_owned()),
        ]),
        ..api::GetForecastRequest::default()
    }
}

#[tokio::test]
async fn a_forecast_is_answered_with_its_interval_or_with_why_there_is_none() {
    let monitor = Monitor::start(&[]).await;
    let sql = format!(
        "set search_path to weir_monitor; begin;
         insert into series (metric, project, labels) select metric, 'default', labels::jsonb from (values
            ('host.disk_used_bytes', '{{\"upstream\": \"primary\", \"disk\": \"/a\"}}'),
            ('host.disk_total_bytes', '{{\"upstream\": \"primary\", \"disk\": \"/a\"}}'),
            ('host.disk_used_bytes', '{{\"upstream\": \"primary\", \"disk\": \"/b\"}}')) as given (metric, labels);
         insert into series_hours select s.id, {NOON} - (336 - h) * {HOUR}, 9e11 + 1.25e8 * h, 0, 0, 60
            from series s, generate_series(0, 335) h where s.metric like '%used%' and s.labels->>'disk' = '/a';
         insert into series_hours select s.id, {NOON} - 2 * {HOUR}, 1, 1, 1, 60 from series s where s.labels->>'disk' = '/b';
         insert into series_minutes select s.id, {NOON} - {HOUR}, 1e12 from series s where s.metric like '%total%'; commit"
    );
    monitor.database.psql(&sql).await;
    let seen = monitor.forecast(of_disk("host.disk_used_bytes", "/a")).await.unwrap();
    assert_eq!((seen.reason.as_str(), seen.trend_told), ("", true), "{seen:?}");
    assert!(
        (seen.per_day - 3e9).abs() < 1e7 && (seen.watched_days - 13.96).abs() < 0.1,
        "{seen:?}"
    );
    assert!(!seen.points.is_empty() && seen.points.len() <= 500);
    assert!(
        seen.points
            .iter()
            .all(|point| point.low <= point.likely && point.likely <= point.high)
    );
    let ends = seen.runs_out.unwrap();
    assert!(
        ends.expected && (ends.days - 19.4).abs() < 0.3 && ends.low_days <= ends.days,
        "{ends:?}"
    );
    assert!(ends.note.starts_with("full in 19 days, between "), "{ends:?}");

    let little = monitor.forecast(of_disk("host.disk_used_bytes", "/b")).await.unwrap();
    assert_eq!(little.reason, "1 readings are too few, at least 24 are needed");
    assert!(
        little.points.is_empty() && little.runs_out.is_none(),
        "how large the disk is is not known: {little:?}"
    );

    for (request, field) in [
        (of_disk("host.disk_used_bytes", "/c"), "metric"),
        (of_disk("", "/a"), "metric"),
        (
            api::GetForecastRequest {
                horizon_days: 401,
                ..of_disk("host.disk_used_bytes", "/a")
            },
            "horizon_days",
        ),
        (
            api::GetForecastRequest {
                project: "No!".to_owned(),
                ..of_disk("host.disk_used_bytes", "/a")
            },
            "project",
        ),
    ] {
        let refused = monitor.forecast(request).await.unwrap_err();
        assert!(
            refused.code() == Code::InvalidArgument && refused.message().contains(field),
            "{refused:?}"
        );
    }
    assert_eq!(monitor.tasks.descend(SOON).await, Outcome::Clean);
}

#[tokio::test]
async fn changes_are_listed_page_by_page_the_latest_first() {
    let monitor = Monitor::start(&[]).await;
    let sql = format!(
        "insert into weir_monitor.query_changes
         select gen_random_uuid(), case when n < 9 then 'shop' else 'other' end, 'db', n, {NOON} + n, 10, 10 * n, {NOON}
         from generate_series(1, 9) n"
    );
    monitor.database.psql(&sql).await;
    let mut request = api::ListChangesRequest {
        project: "shop".to_owned(),
        since_unix_ms: NOON + 2,
        page: Some(PageRequest {
            size: 4,
            ..PageRequest::default()
        }),
    };
    let mut listed = Vec::new();
    loop {
        let answer = monitor.changes(request.clone()).await;
        listed.extend(answer.changes);
        let token = answer.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
        request.page = Some(PageRequest { size: 4, token });
    }
    let moments: Vec<i64> = listed.iter().map(|change| change.at_unix_ms - NOON).collect();
    assert_eq!(moments, [8, 7, 6, 5, 4, 3, 2]);
    let first = &listed[0];
    assert_eq!(
        (first.fingerprint.as_str(), first.database.as_str()),
        ("0000000000000008", "db")
    );
    assert_eq!((first.before_ms, first.after_ms, first.factor), (10.0, 80.0, 8.0));
    assert_eq!(monitor.tasks.descend(SOON).await, Outcome::Clean);
}

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportMetricsServiceRequest>>>);

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Collector {
    #[expect(clippy::disallowed_methods, reason = "a server of the test, which ends it")]
    fn serve(&self, address: SocketAddr) -> tokio::task::JoinHandle<()> {
        let server = tonic::transport::Server::builder().add_service(MetricsServiceServer::new(self.clone()));
        tokio::spawn(async move { server.serve(address).await.unwrap() })
    }

    /// Calls by the last message, and how many processes have sent any.
    fn last(&self) -> (u64, f64, usize) {
        let sent = self.0.lock().unwrap();
        let instances: std::collections::BTreeSet<_> = sent
            .iter()
            .map(|request| format!("{:?}", request.resource_metrics[0].resource))
            .collect();
        let metric = sent
            .last()
            .map(|request| request.resource_metrics[0].scope_metrics[0].metrics[0].clone());
        match metric.and_then(|metric| metric.data) {
            Some(Data::Histogram(histogram)) => {
                let count = histogram.data_points.iter().map(|point| point.count).sum();
                let sum = histogram.data_points.iter().filter_map(|point| point.sum).sum();
                (count, sum, instances.len())
            }
            _ => (0, 0.0, instances.len()),
        }
    }
}

fn statements(count: usize) -> Vec<QueryExecuted> {
    let one = QueryExecuted {
        database: "db".to_owned(),
        kind: StatementKind::Select.into(),
        queue_wait_us: 1_000,
        server_us: 2_000,
        drain_us: 1_000,
        ..QueryExecuted::default()
    };
    vec![one; count]
}

#[tokio::test]
async fn durations_reach_a_collector_also_one_that_comes_late_and_the_last_at_shutdown() {
    let address: SocketAddr = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    let endpoint = format!("http://{address}");
    let settings = [
        ("WEIR_MONITOR__OTLP_ENDPOINT", endpoint.as_str()),
        ("WEIR_MONITOR__OTLP_EVERY", "1s"),
    ];
    let monitor = Monitor::start(&settings).await;
    monitor.tell(1, statements(3)).await;
    eventually("a failed attempt", SOON, || async {
        let metrics = monitor.metrics().await;
        metrics
            .contains("weir_monitor_otlp_exports_total{outcome=\"failed\"}")
            .then_some(())
            .ok_or(metrics)
    })
    .await;
    let collector = Collector::default();
    let serving = collector.serve(address);
    monitor.tell(2, statements(2)).await;
    eventually("five statements", SOON, || async {
        let (count, sum, instances) = collector.last();
        let all = count == 5 && (sum - 0.02).abs() < 1e-9 && instances == 1;
        all.then_some(()).ok_or(format!("{count} {sum} {instances}"))
    })
    .await;
    monitor.tell(3, statements(4)).await;
    eventually("the last batch counted", SOON, || async {
        let metrics = monitor.metrics().await;
        metrics
            .contains("weir_monitor_events_total{} 9")
            .then_some(())
            .ok_or(metrics)
    })
    .await;
    assert_eq!(monitor.tasks.descend(SOON).await, Outcome::Clean);
    assert_eq!(collector.last().0, 9, "what was counted last is sent before the end");
    serving.abort();
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_the_counting_nor_the_end() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings = [
        ("WEIR_MONITOR__OTLP_ENDPOINT", endpoint.as_str()),
        ("WEIR_MONITOR__OTLP_EVERY", "1s"),
    ];
    let monitor = Monitor::start(&settings).await;
    monitor.tell(1, statements(3)).await;
    eventually("the batch counted", SOON, || async {
        let metrics = monitor.metrics().await;
        metrics
            .contains("weir_monitor_events_total{} 3")
            .then_some(())
            .ok_or(metrics)
    })
    .await;
    assert_eq!(monitor.tasks.descend(Duration::from_secs(8)).await, Outcome::Clean);
}
