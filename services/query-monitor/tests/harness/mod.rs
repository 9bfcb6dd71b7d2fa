//! A monitor in this process, and gateways that tell it what they are told to.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use prost::Message as _;
use tokio::sync::watch;
use tonic::transport::Channel;
use weir_bus::{Bus, Limits, Message};
use weir_config::Sources;
use weir_model::Clock;
use weir_proto::events::v1::{QueryBatch, QueryExecuted, QueryShape};
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_testkit::{eventually, free_port, http_get};

pub(crate) const SOON: Duration = Duration::from_secs(20);
/// When the clocks of these tests stand still at first, in milliseconds since 1970: a full hour.
pub(crate) const NOON: i64 = 1_800_000_000_000;

pub(crate) fn bus() -> Bus {
    Bus::in_memory(Limits::default())
}

pub(crate) fn clock() -> Clock {
    Clock::manual(UNIX_EPOCH + Duration::from_millis(NOON.unsigned_abs()))
}

/// One monitor and a client of it.
pub(crate) struct Monitor {
    pub(crate) tasks: Tasks,
    pub(crate) ops_port: u16,
    pub(crate) client: MonitorServiceClient<Channel>,
    _reloads: watch::Sender<Sources>,
}

impl Monitor {
    /// Starts one that writes its statistics every 100 milliseconds, with other settings on top.
    pub(crate) async fn start(store_url: &str, bus: &Bus, clock: &Clock, settings: &[(&str, &str)]) -> Self {
        let (port, ops_port) = (free_port(), free_port());
        let mut all = vec![
            ("WEIR_STORE__URL".to_owned(), store_url.to_owned()),
            ("WEIR_STORE__ACQUIRE_TIMEOUT".to_owned(), "1s".to_owned()),
            ("WEIR_MONITOR__GRPC_LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("WEIR_MONITOR__OPS_LISTEN".to_owned(), format!("127.0.0.1:{ops_port}")),
            ("WEIR_MONITOR__FLUSH_EVERY".to_owned(), "100ms".to_owned()),
        ];
        all.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let sources = Sources::load(None, all).unwrap();
        let (reloads, reloaded) = watch::channel(sources.clone());
        let tasks = Tasks::new();
        let ground = Ground::new(sources, reloaded, tasks.clone(), clock.clone());
        Box::pin(weir_query_monitor::start(ground, bus.clone())).await.unwrap();
        let client = MonitorServiceClient::connect(format!("http://127.0.0.1:{port}")).await;
        eventually("the monitor to be ready", SOON, || async {
            let (status, body) = http_get(ops_port, "/readyz").await.map_err(|error| error.to_string())?;
            (status == 200).then_some(()).ok_or(body)
        })
        .await;
        Self {
            tasks,
            ops_port,
            client: client.unwrap(),
            _reloads: reloads,
        }
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }

    /// Ends it as a kill would: nothing is written any more.
    pub(crate) async fn kill(self) {
        self.tasks.cut_off();
        self.tasks.shut_down();
        self.tasks.descend(Duration::ZERO).await;
    }

    pub(crate) async fn intake(&self) -> api::GetIntakeResponse {
        let answer = self.client.clone().get_intake(api::GetIntakeRequest {}).await;
        answer.unwrap().into_inner()
    }

    /// Waits until this many events are counted, by all monitors together.
    pub(crate) async fn has_counted(&self, events: u64) {
        eventually("the events counted", SOON, || async {
            let counted = self.intake().await.events_received_total;
            (counted == events).then_some(()).ok_or(counted)
        })
        .await;
    }

    /// Waits until nothing that was counted waits to be written.
    pub(crate) async fn has_written(&self) {
        eventually("everything to be written", SOON, || async {
            let waiting = self.metric("weir_monitor_lines_unwritten").await;
            (waiting == 0.0).then_some(()).ok_or(waiting)
        })
        .await;
    }

    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let (_, body) = http_get(self.ops_port, "/metrics").await.unwrap();
        let of_name = |line: &&str| line.split([' ', '{']).next() == Some(name);
        let line = body.lines().find(of_name).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) async fn queries(&self, request: api::ListQueriesRequest) -> api::ListQueriesResponse {
        self.client.clone().list_queries(request).await.unwrap().into_inner()
    }

    /// Calls of each shape of the project `shop` since a moment.
    pub(crate) async fn calls_since(&self, since_unix_ms: i64) -> BTreeMap<u64, u64> {
        let request = api::ListQueriesRequest {
            since_unix_ms,
            ..of_shop()
        };
        let answer = self.queries(request).await;
        assert_eq!(answer.missing, "");
        let lines = answer.queries.iter();
        lines.map(|line| (number(&line.fingerprint), line.calls)).collect()
    }
}

pub(crate) fn of_shop() -> api::ListQueriesRequest {
    api::ListQueriesRequest {
        project: "shop".to_owned(),
        ..api::ListQueriesRequest::default()
    }
}

pub(crate) fn number(fingerprint: &str) -> u64 {
    u64::from_str_radix(fingerprint, 16).unwrap()
}

/// A statement that ended at a moment.
pub(crate) fn statement(fingerprint: u64, took_ms: u64, at_unix_ms: i64) -> QueryExecuted {
    QueryExecuted {
        fingerprint,
        database: "db".to_owned(),
        started_unix_ms: at_unix_ms - took_ms.cast_signed(),
        server_us: took_ms * 1_000,
        rows: 2,
        ..QueryExecuted::default()
    }
}

/// A gateway, as far as the bus knows one.
pub(crate) struct Gateway {
    bus: Bus,
    instance: String,
    sequence: u64,
    events: u64,
}

impl Gateway {
    pub(crate) fn new(bus: &Bus, instance: &str) -> Self {
        Self {
            bus: bus.clone(),
            instance: instance.to_owned(),
            sequence: 0,
            events: 0,
        }
    }

    /// Tells of statements of the project `shop`.
    pub(crate) async fn tell(&mut self, events: Vec<QueryExecuted>) {
        let batch = self.batch(events);
        let message = Message::new("weir.shop.query.executed", batch.encode_to_vec());
        self.bus.publish(message).await.unwrap();
    }

    /// Loses what it would have told.
    pub(crate) fn lose(&mut self, events: Vec<QueryExecuted>) {
        self.batch(events);
    }

    fn batch(&mut self, events: Vec<QueryExecuted>) -> QueryBatch {
        let shape = |event: &QueryExecuted| QueryShape {
            fingerprint: event.fingerprint,
            text: format!("SELECT * FROM t{} WHERE id = $1", event.fingerprint),
            ..QueryShape::default()
        };
        self.sequence += 1;
        let events_before = self.events;
        self.events += events.len() as u64;
        QueryBatch {
            instance: self.instance.clone(),
            sequence: self.sequence,
            project: "shop".to_owned(),
            shapes: events.iter().map(shape).collect(),
            events,
            events_before,
            ..QueryBatch::default()
        }
    }
}
