//! EXPLAIN by the monitor, on a real PostgreSQL: what it finds, what it refuses, what it leaves behind, and what it
//! captures by itself.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod captures;
mod findings;
mod healthy;
mod parameters;
mod refusals;
mod running;
mod texts;

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use prost::Message as _;
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::Channel;
use weir_bus::{Bus, Limits, Message};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::common::v1::{StatementKind, Value, value::Kind};
use weir_proto::events::v1::{QueryBatch, QueryExecuted, QueryShape};
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{Database, eventually, free_port, http_get};

pub(crate) const SOON: Duration = Duration::from_secs(20);
/// When the clocks of these tests stand still, in milliseconds since 1970.
pub(crate) const NOON: i64 = 1_800_000_000_000;

/// One monitor on one database, which is the user's and holds the monitor's own tables.
pub(crate) struct Monitor {
    tasks: Tasks,
    pub(crate) ops_port: u16,
    pub(crate) bus: Bus,
    pub(crate) clock: Clock,
    settings: Vec<(String, String)>,
    reloads: watch::Sender<Sources>,
    pub(crate) client: MonitorServiceClient<Channel>,
}

impl Monitor {
    pub(crate) async fn start(database: &Database) -> Self {
        Self::start_with(database, &[]).await
    }

    pub(crate) async fn start_with(database: &Database, further: &[(&str, &str)]) -> Self {
        let (port, ops_port) = (free_port(), free_port());
        let mut settings = vec![
            ("DATABASE_URL".to_owned(), database.url()),
            ("WEIR_MONITOR__GRPC_LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("WEIR_MONITOR__OPS_LISTEN".to_owned(), format!("127.0.0.1:{ops_port}")),
        ];
        settings.retain(|(name, _)| !further.iter().any(|(other, _)| other == name));
        let further = further.iter().filter(|(_, value)| !value.is_empty());
        settings.extend(further.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let sources = Sources::load(None, settings.clone()).unwrap();
        let (reloads, reloaded) = watch::channel(sources.clone());
        let (tasks, bus) = (Tasks::new(), Bus::in_memory(Limits::default()));
        let clock = Clock::manual(UNIX_EPOCH + Duration::from_millis(NOON.unsigned_abs()));
        let ground = Ground::new(sources, reloaded, tasks.clone(), clock.clone());
        Box::pin(weir_query_monitor::start(ground, bus.clone())).await.unwrap();
        let client = MonitorServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        let monitor = Self {
            tasks,
            ops_port,
            bus,
            clock,
            settings,
            reloads,
            client,
        };
        monitor.is_ready().await;
        monitor
    }

    async fn is_ready(&self) {
        eventually("the monitor to be ready", SOON, || async {
            let answered = http_get(self.ops_port, "/readyz").await;
            let (status, body) = answered.map_err(|error| error.to_string())?;
            (status == 200).then_some(()).ok_or(body)
        })
        .await;
    }

    pub(crate) async fn try_analyze(&self, request: api::AnalyzeRequest) -> Result<api::AnalyzeResponse, Status> {
        Ok(self.client.clone().analyze(request).await?.into_inner())
    }

    pub(crate) async fn analyze(&self, request: api::AnalyzeRequest) -> api::AnalyzeResponse {
        let sql = request.sql.clone();
        self.try_analyze(request)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub(crate) async fn refused(&self, request: api::AnalyzeRequest) -> (String, Status) {
        let sql = request.sql.clone();
        match self.try_analyze(request).await {
            Ok(answer) => panic!("{sql} was explained: {}", answer.plan_text),
            Err(error) => (slug(&error), error),
        }
    }

    /// Tells of statements of the project `shop` that took two seconds.
    pub(crate) async fn slow(&self, database: &str, shapes: &[(u64, &str, StatementKind)]) {
        let event = |(fingerprint, _, kind): &(u64, &str, StatementKind)| QueryExecuted {
            fingerprint: *fingerprint,
            database: database.to_owned(),
            started_unix_ms: NOON,
            server_us: 2_000_000,
            kind: (*kind).into(),
            ..QueryExecuted::default()
        };
        let shape = |(fingerprint, text, kind): &(u64, &str, StatementKind)| QueryShape {
            fingerprint: *fingerprint,
            text: (*text).to_owned(),
            kind: (*kind).into(),
            writes: false,
        };
        let batch = QueryBatch {
            instance: "gateway-1".to_owned(),
            sequence: 1,
            project: "shop".to_owned(),
            events: shapes.iter().map(event).collect(),
            shapes: shapes.iter().map(shape).collect(),
            ..QueryBatch::default()
        };
        let message = Message::new("weir.shop.query.executed", batch.encode_to_vec());
        self.bus.publish(message).await.unwrap();
    }

    pub(crate) async fn plans(&self, fingerprint: u64) -> Vec<api::CapturedPlan> {
        let request = api::ListPlansRequest {
            project: "shop".to_owned(),
            fingerprint: format!("{fingerprint:016x}"),
            ..api::ListPlansRequest::default()
        };
        self.client
            .clone()
            .list_plans(request)
            .await
            .unwrap()
            .into_inner()
            .plans
    }

    /// How many captures ended so.
    pub(crate) async fn captures(&self, outcome: &str) -> u64 {
        let (_, body) = http_get(self.ops_port, "/metrics").await.unwrap();
        let name = format!("weir_monitor_plans_total{{outcome=\"{outcome}\"}} ");
        let value = body.lines().find_map(|line| line.strip_prefix(&name));
        value.map_or(0, |value| value.parse().unwrap())
    }

    pub(crate) fn reload_with(&self, name: &str, value: &str) {
        let mut settings = self.settings.clone();
        settings.push((name.to_owned(), value.to_owned()));
        self.reloads.send_replace(Sources::load(None, settings).unwrap());
    }

    pub(crate) fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

pub(crate) fn slug(error: &Status) -> String {
    let slug = error.metadata().get("weir-error");
    slug.map(|slug| slug.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// A statement that is only planned.
pub(crate) fn planned(sql: &str) -> api::AnalyzeRequest {
    api::AnalyzeRequest {
        sql: sql.to_owned(),
        ..api::AnalyzeRequest::default()
    }
}

/// A statement that is run.
pub(crate) fn run(sql: &str) -> api::AnalyzeRequest {
    api::AnalyzeRequest {
        analyze: true,
        ..planned(sql)
    }
}

/// The same with settings.
pub(crate) fn with(request: api::AnalyzeRequest, settings: &[(&str, &str)]) -> api::AnalyzeRequest {
    let settings = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    api::AnalyzeRequest {
        settings: settings.collect::<BTreeMap<_, _>>(),
        ..request
    }
}

pub(crate) fn text(value: &str) -> Value {
    Value {
        kind: Some(Kind::Text(value.to_owned())),
    }
}

/// The findings of an answer, by name.
pub(crate) fn slugs(answer: &api::AnalyzeResponse) -> Vec<&str> {
    answer.findings.iter().map(|finding| finding.slug.as_str()).collect()
}

/// The one finding of that name.
pub(crate) fn found<'a>(answer: &'a api::AnalyzeResponse, slug: &str) -> &'a api::Finding {
    let mut of_name = answer.findings.iter().filter(|finding| finding.slug == slug);
    match (of_name.next(), of_name.next()) {
        (Some(finding), None) => finding,
        (None, _) => panic!("no {slug} in {:?}\n{}", answer.findings, answer.plan_text),
        (Some(_), Some(_)) => panic!("{slug} more than once in {:?}\n{}", answer.findings, answer.plan_text),
    }
}

/// The type of the node that a finding is about.
pub(crate) fn node_of<'a>(answer: &'a api::AnalyzeResponse, finding: &api::Finding) -> &'a str {
    let id = finding.node.unwrap();
    &answer.nodes.iter().find(|node| node.id == id).unwrap().node_type
}

/// Sessions of the monitor that do something in this cluster.
pub(crate) async fn busy(database: &Database) -> String {
    database
        .psql(
            "select coalesce(string_agg(state || ': ' || query, '; '), '') from pg_stat_activity
             where application_name in ('weir-monitor/explain', 'weir-monitor/capture') and pid <> pg_backend_pid()",
        )
        .await
}

/// Waits until no session of an EXPLAIN is left.
pub(crate) async fn nothing_runs(database: &Database) {
    eventually("no session to be left", SOON, || async {
        let left = busy(database).await;
        left.is_empty().then_some(()).ok_or(left)
    })
    .await;
}
