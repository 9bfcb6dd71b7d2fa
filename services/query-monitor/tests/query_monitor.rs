//! The monitor as it runs: batches come in on the bus, statistics and alerts are asked for over gRPC.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, UNIX_EPOCH};

use prost::Message as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use weir_bus::{Bus, Consumer, ConsumerOptions, Limits, Message};
use weir_config::Sources;
use weir_events::{catalogue, decode};
use weir_model::Clock;
use weir_proto::common::v1::PageRequest;
use weir_proto::events::v1::{AlertFiring, AlertResolved, QueryBatch, QueryExecuted, QueryShape};
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_store::outbox;
use weir_testkit::{Postgres, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(20);
/// When the clocks of these tests stand still, in milliseconds since 1970.
const NOON: i64 = 1_800_000_000_000;

/// One monitor, its settings, and a client of it.
struct Monitor {
    tasks: Tasks,
    ops_port: u16,
    settings: Vec<(String, String)>,
    reloads: watch::Sender<Sources>,
    client: MonitorServiceClient<Channel>,
}

fn bus() -> Bus {
    Bus::in_memory(Limits::default())
}

fn clock() -> Clock {
    Clock::manual(UNIX_EPOCH + Duration::from_millis(NOON.unsigned_abs()))
}

impl Monitor {
    async fn start(store_url: &str, bus: &Bus, clock: &Clock) -> Self {
        let monitor = Self::start_before_its_store(store_url, bus, clock).await;
        eventually("the monitor to be ready", SOON, || async {
            let (status, body) = http_get(monitor.ops_port, "/readyz")
                .await
                .map_err(|error| error.to_string())?;
            (status == 200).then_some(()).ok_or(body)
        })
        .await;
        monitor
    }

    async fn start_before_its_store(store_url: &str, bus: &Bus, clock: &Clock) -> Self {
        let (port, ops_port) = (free_port(), free_port());
        let settings = vec![
            ("WEIR_STORE__URL".to_owned(), store_url.to_owned()),
            ("WEIR_STORE__ACQUIRE_TIMEOUT".to_owned(), "1s".to_owned()),
            ("WEIR_MONITOR__GRPC_LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("WEIR_MONITOR__OPS_LISTEN".to_owned(), format!("127.0.0.1:{ops_port}")),
        ];
        let sources = Sources::load(None, settings.clone()).unwrap();
        let (reloads, reloaded) = watch::channel(sources.clone());
        let tasks = Tasks::new();
        let ground = Ground::new(sources, reloaded, tasks.clone(), clock.clone());
        Box::pin(weir_query_monitor::start(ground, bus.clone())).await.unwrap();
        let client = MonitorServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self {
            tasks,
            ops_port,
            settings,
            reloads,
            client,
        }
    }

    fn reload_with(&self, name: &str, value: &str) {
        let mut settings = self.settings.clone();
        settings.push((name.to_owned(), value.to_owned()));
        self.reloads.send_replace(Sources::load(None, settings).unwrap());
    }

    async fn intake(&self) -> api::GetIntakeResponse {
        let answer = self.client.clone().get_intake(api::GetIntakeRequest {}).await;
        answer.unwrap().into_inner()
    }

    async fn has_counted(&self, batches: u64) {
        eventually("the batches counted", SOON, || async {
            let counted = self.intake().await.batches_received_total;
            (counted == batches).then_some(()).ok_or(counted)
        })
        .await;
    }

    async fn queries(&self, request: api::ListQueriesRequest) -> api::ListQueriesResponse {
        self.client.clone().list_queries(request).await.unwrap().into_inner()
    }

    async fn fingerprints(&self, request: api::ListQueriesRequest) -> Vec<u64> {
        let found = self.queries(request).await.queries;
        found.iter().map(|line| number(&line.fingerprint)).collect()
    }

    /// Alerts about shapes; there may be others, about the project as a whole.
    async fn alerts(&self, project: &str, states: &[api::AlertState]) -> Vec<api::Alert> {
        let request = api::ListAlertsRequest {
            project: project.to_owned(),
            states: states.iter().map(|state| (*state).into()).collect(),
            ..api::ListAlertsRequest::default()
        };
        let answer = self.client.clone().list_alerts(request).await.unwrap();
        let alerts = answer.into_inner().alerts.into_iter();
        alerts.filter(|alert| !alert.fingerprint.is_empty()).collect()
    }

    /// Waits until a shape of the project `shop` has an alert in this state.
    async fn alert(&self, fingerprint: u64, state: api::AlertState) -> api::Alert {
        eventually("the alert", SOON, || async {
            let answer = self.client.clone().list_alerts(of_shop()).await;
            let alerts = answer.map_err(|error| error.to_string())?.into_inner().alerts;
            let seen = format!("{alerts:?}");
            let wanted = |alert: &api::Alert| alert.fingerprint == hex(fingerprint) && alert.state() == state;
            alerts.into_iter().find(wanted).ok_or(seen)
        })
        .await
    }

    async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

fn of_shop() -> api::ListAlertsRequest {
    api::ListAlertsRequest {
        project: "shop".to_owned(),
        ..api::ListAlertsRequest::default()
    }
}

fn number(fingerprint: &str) -> u64 {
    u64::from_str_radix(fingerprint, 16).unwrap()
}

fn hex(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

fn statement(fingerprint: u64, took_ms: u64) -> QueryExecuted {
    QueryExecuted {
        fingerprint,
        database: "db".to_owned(),
        started_unix_ms: NOON,
        server_us: took_ms * 1_000,
        rows: 2,
        ..QueryExecuted::default()
    }
}

async fn tell(bus: &Bus, project: &str, sequence: u64, events: Vec<QueryExecuted>) {
    let shape = |event: &QueryExecuted| QueryShape {
        fingerprint: event.fingerprint,
        text: format!("SELECT * FROM t{} WHERE id = $1", event.fingerprint),
        ..QueryShape::default()
    };
    let batch = QueryBatch {
        instance: "gateway-1".to_owned(),
        sequence,
        project: project.to_owned(),
        shapes: events.iter().map(shape).collect(),
        events,
        ..QueryBatch::default()
    };
    tell_batch(bus, project, &batch).await;
}

async fn tell_batch(bus: &Bus, project: &str, batch: &QueryBatch) {
    let subject = format!("weir.{project}.query.executed");
    bus.publish(Message::new(subject, batch.encode_to_vec())).await.unwrap();
}

/// Whoever listens to the alerts of every project. A stream, which recognises repetitions, as outsiders would.
struct Listener(Consumer);

#[derive(Debug)]
enum Heard {
    Firing(AlertFiring),
    Resolved(AlertResolved),
}

impl Heard {
    fn is_about_a_shape(&self) -> bool {
        match self {
            Self::Firing(alert) => !alert.fingerprint.is_empty(),
            Self::Resolved(alert) => !alert.fingerprint.is_empty(),
        }
    }

    fn fingerprint(&self) -> u64 {
        match self {
            Self::Firing(alert) => number(&alert.fingerprint),
            Self::Resolved(alert) => number(&alert.fingerprint),
        }
    }
}

impl Listener {
    fn on(bus: &Bus) -> Self {
        let stream = outbox::stream_spec(&catalogue::ALERTS);
        Self(
            bus.consumer(&stream, "listener", &[], ConsumerOptions::default())
                .unwrap(),
        )
    }

    /// Everything that is told up to the first event about this shape, that one included.
    async fn until(&mut self, fingerprint: u64) -> Vec<Heard> {
        let mut heard = Vec::new();
        while heard
            .last()
            .is_none_or(|last: &Heard| last.fingerprint() != fingerprint)
        {
            let next = tokio::time::timeout(SOON, self.0.next(&CancellationToken::new())).await;
            let Ok(Some(delivery)) = next else {
                panic!("nothing was told of {fingerprint}, only {heard:?}");
            };
            delivery.ack().await.unwrap();
            let (subject, payload) = (&delivery.message.subject, &delivery.message.payload);
            let told = if subject.ends_with("alert.firing") {
                Heard::Firing(decode(subject, payload).unwrap().1)
            } else {
                Heard::Resolved(decode(subject, payload).unwrap().1)
            };
            // There may be alerts about the project as a whole, too.
            heard.extend(told.is_about_a_shape().then_some(told));
        }
        heard
    }
}

/// Waits until the alert of a shape has this value; a figure that goes on is written every ten seconds.
async fn value_is(monitor: &Monitor, fingerprint: u64, clock: &Clock, expected: f64) -> api::Alert {
    eventually("the alert's figure", SOON, || async {
        clock.advance(Duration::from_millis(500));
        let alerts = monitor.alerts("shop", &[]).await;
        let seen = format!("{alerts:?}");
        let found = alerts
            .into_iter()
            .find(|alert| number(&alert.fingerprint) == fingerprint);
        found.filter(|alert| (alert.value - expected).abs() < 1e-9).ok_or(seen)
    })
    .await
}

#[tokio::test]
async fn batches_are_counted_exactly_for_each_project_database_and_shape() {
    let (bus, database) = (bus(), Postgres::shared().await.database().await);
    let monitor = Monitor::start(&database.url(), &bus, &clock()).await;
    for sequence in 1..=100 {
        let failed = QueryExecuted {
            sqlstate: "23505".to_owned(),
            rows: 0,
            ..statement(1, 3)
        };
        let elsewhere = QueryExecuted {
            database: "other".to_owned(),
            ..statement(1, 1)
        };
        tell(
            &bus,
            "shop",
            2 * sequence - 1,
            vec![statement(1, 1), failed, elsewhere, statement(2, 10)],
        )
        .await;
        tell(&bus, "blog", 2 * sequence, vec![statement(1, 1)]).await;
    }
    monitor.has_counted(200).await;

    let of = |project: &str, database: &str| api::ListQueriesRequest {
        project: project.to_owned(),
        database: database.to_owned(),
        ..api::ListQueriesRequest::default()
    };
    let figures = |line: &api::QueryStatistics| (number(&line.fingerprint), line.calls, line.errors, line.rows);
    let shop = monitor.queries(of("shop", "db")).await.queries;
    assert_eq!(
        shop.iter().map(figures).collect::<Vec<_>>(),
        [(2, 100, 0, 200), (1, 200, 100, 200)]
    );
    assert!((shop[0].total_ms - 1_000.0).abs() < 1e-6 && (shop[0].p50_ms - 10.0).abs() < 0.11);
    assert_eq!(shop[0].text, "SELECT * FROM t2 WHERE id = $1");
    let other = monitor.queries(of("shop", "other")).await.queries;
    assert_eq!(other.iter().map(figures).collect::<Vec<_>>(), [(1, 100, 0, 200)]);
    let blog = monitor.queries(of("blog", "")).await.queries;
    assert_eq!(blog.iter().map(figures).collect::<Vec<_>>(), [(1, 100, 0, 200)]);
    assert!(
        monitor.queries(of("", "")).await.queries.is_empty(),
        "the default project saw others' statements"
    );
    let intake = monitor.intake().await;
    assert_eq!(
        (
            intake.events_received_total,
            intake.batches_lost_total,
            intake.distinct_fingerprints
        ),
        (500, 0, 2)
    );
    monitor.stop().await;
}

#[tokio::test]
async fn statements_are_searched_sorted_paged_and_limited_to_a_time() {
    let (bus, database) = (bus(), Postgres::shared().await.database().await);
    let monitor = Monitor::start(&database.url(), &bus, &clock()).await;
    let mut events = Vec::new();
    for fingerprint in 1..=5_u64 {
        // The higher the number, the later, the more calls, and the shorter each of them.
        for _ in 0..fingerprint {
            let mut event = statement(fingerprint, 100 / fingerprint / fingerprint);
            event.started_unix_ms = NOON + fingerprint.cast_signed();
            events.push(event);
        }
    }
    tell(&bus, "shop", 1, events).await;
    monitor.has_counted(1).await;

    let shop = || api::ListQueriesRequest {
        project: "shop".to_owned(),
        ..api::ListQueriesRequest::default()
    };
    let searched = api::ListQueriesRequest {
        search: "from T3 ".to_owned(),
        ..shop()
    };
    assert_eq!(monitor.fingerprints(searched).await, [3]);
    let of_table = |table: &str| api::ListQueriesRequest {
        table: table.to_owned(),
        ..shop()
    };
    assert_eq!(monitor.fingerprints(of_table("public.t4")).await, [4]);
    assert_eq!(monitor.fingerprints(of_table("public.t")).await, [0_u64; 0]);
    let late = api::ListQueriesRequest {
        since_unix_ms: NOON + 4,
        ..shop()
    };
    assert_eq!(monitor.fingerprints(late).await, [4, 5]);
    for (sort, expected) in [
        (api::QuerySort::Unspecified, [1, 2, 3, 4, 5]),
        (api::QuerySort::Calls, [5, 4, 3, 2, 1]),
        (api::QuerySort::Max, [1, 2, 3, 4, 5]),
        (api::QuerySort::LastSeen, [5, 4, 3, 2, 1]),
    ] {
        let sorted = api::ListQueriesRequest {
            sort: sort.into(),
            ..shop()
        };
        assert_eq!(monitor.fingerprints(sorted).await, expected, "{sort:?}");
    }

    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let request = api::ListQueriesRequest {
            page: Some(PageRequest { size: 2, token }),
            ..shop()
        };
        let answer = monitor.queries(request).await;
        assert!(answer.queries.len() <= 2);
        paged.extend(answer.queries.iter().map(|line| number(&line.fingerprint)));
        token = answer.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, [1, 2, 3, 4, 5]);

    let mut client = monitor.client.clone();
    let strange = api::ListQueriesRequest {
        project: "not a project".to_owned(),
        ..shop()
    };
    for strange in [strange, of_table("t4"), of_table(".t4")] {
        let refused = client.list_queries(strange).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    }
    monitor.stop().await;
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_known_at_every_monitor() {
    let (bus, database) = (bus(), Postgres::shared().await.database().await);
    let one = Monitor::start(&database.url(), &bus, &clock()).await;
    let two = Monitor::start(&database.url(), &bus, &clock()).await;
    for sequence in [4, 5, 9, 7] {
        tell(&bus, "shop", sequence, vec![statement(1, 1)]).await;
    }
    bus.publish(Message::new("weir.shop.query.executed", "no protobuf"))
        .await
        .unwrap();
    let other = QueryBatch {
        instance: "gateway-2".to_owned(),
        sequence: 1,
        dropped_total: 17,
        ..QueryBatch::default()
    };
    tell_batch(&bus, "blog", &other).await;
    let mut malformed = 0;
    for monitor in [one, two] {
        monitor.has_counted(5).await;
        let mut intake = monitor.intake().await;
        malformed += intake.batches_malformed_total;
        assert_eq!((intake.batches_lost_total, intake.events_dropped_total), (2, 17));
        intake
            .gateways
            .sort_by(|left, right| left.instance.cmp(&right.instance));
        let gateways = intake.gateways.iter().map(|gateway| {
            (
                gateway.instance.as_str(),
                gateway.batches_received_total,
                gateway.batches_lost_total,
                gateway.events_dropped_total,
            )
        });
        assert_eq!(
            gateways.collect::<Vec<_>>(),
            [("gateway-1", 4, 2, 0), ("gateway-2", 1, 0, 17)]
        );
        monitor.stop().await;
    }
    // Only the one that met it can tell; it names no gateway.
    assert_eq!(malformed, 1);
}

#[tokio::test]
async fn a_slow_shape_has_one_alert_however_often_and_by_whom_it_is_seen() {
    let (bus, database, clock) = (bus(), Postgres::shared().await.database().await, clock());
    let mut listener = Listener::on(&bus);
    let one = Monitor::start(&database.url(), &bus, &clock).await;
    let two = Monitor::start(&database.url(), &bus, &clock).await;
    for sequence in 1..=20 {
        tell(
            &bus,
            "shop",
            sequence,
            vec![statement(1, 999), statement(1, 1_000 + sequence)],
        )
        .await;
    }
    one.has_counted(20).await;
    let alert = value_is(&one, 1, &clock, 1_020.0).await;
    tell(&bus, "shop", 21, vec![statement(2, 5_000)]).await;

    let heard = listener.until(2).await;
    assert_eq!(heard.len(), 2, "{heard:?}");
    let Heard::Firing(firing) = &heard[0] else {
        panic!("{heard:?}");
    };
    assert_eq!(
        (firing.rule.as_str(), firing.project.as_str(), firing.threshold),
        ("slow-query", "shop", 1_000.0)
    );
    assert!(firing.summary.contains("SELECT * FROM t1"), "{}", firing.summary);
    assert_eq!(alert.id, firing.id);
    assert_eq!(two.alerts("shop", &[]).await.len(), 2);
    assert!(one.alerts("blog", &[]).await.is_empty() && one.alerts("", &[]).await.is_empty());
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn an_alert_is_resolved_once_when_its_shape_was_quiet_and_may_fire_again() {
    let (bus, database, clock) = (bus(), Postgres::shared().await.database().await, clock());
    let mut listener = Listener::on(&bus);
    let one = Monitor::start(&database.url(), &bus, &clock).await;
    let two = Monitor::start(&database.url(), &bus, &clock).await;
    // A gateway whose clock is an hour behind: what counts is when it was seen here.
    let behind = QueryExecuted {
        started_unix_ms: NOON - 3_600_000,
        ..statement(1, 2_000)
    };
    tell(&bus, "shop", 1, vec![behind]).await;
    let first = one.alert(1, api::AlertState::Firing).await;

    clock.advance(Duration::from_secs(299));
    tell(&bus, "shop", 2, vec![statement(2, 2_000)]).await;
    one.alert(2, api::AlertState::Firing).await;
    let early = one.alerts("shop", &[api::AlertState::Resolved]).await;
    assert!(early.is_empty(), "it was not quiet for five minutes yet: {early:?}");

    clock.advance(Duration::from_secs(2));
    let resolved = one.alert(1, api::AlertState::Resolved).await;
    assert_eq!(
        (resolved.id.as_str(), resolved.resolved_unix_ms),
        (first.id.as_str(), NOON + 301_000)
    );
    tell(&bus, "shop", 3, vec![statement(1, 2_000)]).await;
    let again = two.alert(1, api::AlertState::Firing).await;
    assert_ne!(again.id, first.id);
    tell(&bus, "shop", 4, vec![statement(3, 2_000)]).await;

    let heard = listener.until(3).await;
    let resolved = heard.iter().filter(|event| matches!(event, Heard::Resolved(_))).count();
    let order: Vec<u64> = heard.iter().map(Heard::fingerprint).collect();
    assert_eq!((resolved, order), (1, vec![1, 2, 1, 1, 3]), "{heard:?}");
    assert!(
        matches!(&heard[2], Heard::Resolved(alert) if alert.id == first.id),
        "{heard:?}"
    );
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn what_was_slow_while_the_store_was_away_is_told_afterwards() {
    let (bus, clock) = (bus(), clock());
    let mut listener = Listener::on(&bus);
    let mut postgres = Postgres::start().await;
    let monitor = Monitor::start(&postgres.url("postgres"), &bus, &clock).await;
    tell(&bus, "shop", 1, vec![statement(1, 2_000)]).await;
    listener.until(1).await;

    postgres.stop().await;
    // A name that PostgreSQL refuses must not keep the others waiting.
    let strange = QueryExecuted {
        database: "d\0b".to_owned(),
        ..statement(2, 2_000)
    };
    tell(&bus, "shop", 2, vec![strange]).await;
    monitor.has_counted(2).await;
    // Each of these waits for the store as long as a flush does, so that one that had a sighting has failed by then.
    for _ in 0..2 {
        let refused = monitor.client.clone().list_alerts(of_shop()).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
    }
    tell(&bus, "shop", 3, vec![statement(2, 3_000), statement(3, 2_000)]).await;
    monitor.has_counted(3).await;
    clock.advance(Duration::from_secs(200));
    postgres.start_again().await;

    let mut told: Vec<u64> = listener.until(3).await.iter().map(Heard::fingerprint).collect();
    told.sort_unstable();
    assert_eq!(told, [2, 2, 3], "one for each database, and none again for the first");
    monitor.stop().await;
}

#[tokio::test]
async fn a_monitor_without_its_store_counts_and_stops_in_order() {
    let bus = bus();
    let away = format!("postgres://nobody@127.0.0.1:{}/none", free_port());
    let monitor = Monitor::start_before_its_store(&away, &bus, &clock()).await;
    tell(&bus, "shop", 1, vec![statement(1, 2_000)]).await;
    monitor.has_counted(1).await;
    monitor.stop().await;
}

#[tokio::test]
async fn a_changed_threshold_counts_from_the_reload_on() {
    let (bus, database) = (bus(), Postgres::shared().await.database().await);
    let mut listener = Listener::on(&bus);
    let monitor = Monitor::start(&database.url(), &bus, &clock()).await;
    tell(&bus, "shop", 1, vec![statement(1, 500)]).await;
    monitor.has_counted(1).await;
    monitor.reload_with("SLOW_QUERY_THRESHOLD_MS", "200");
    let mut sequence = 1;
    eventually("the new threshold to count", SOON, || {
        sequence += 1;
        let (bus, monitor) = (&bus, &monitor);
        async move {
            tell(bus, "shop", sequence, vec![statement(2, 250)]).await;
            let alerts = monitor.alerts("shop", &[]).await;
            (!alerts.is_empty()).then_some(())
        }
    })
    .await;
    let heard = listener.until(2).await;
    let Heard::Firing(firing) = &heard[0] else {
        panic!("{heard:?}");
    };
    assert_eq!((firing.threshold, heard.len()), (200.0, 1));
    monitor.stop().await;
}
