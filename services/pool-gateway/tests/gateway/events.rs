//! One event for every statement.

use std::collections::BTreeMap;

use tonic::IntoRequest as _;
use weir_bus::{Bus, Limits, NatsSettings, Subscription};
use weir_proto::common::v1::value::Kind;
use weir_proto::events::v1::{Door, QueryBatch};
use weir_proto::gateway::v1::{ExecuteRequest, QueryRequest};
use weir_testkit::{Nats, eventually, http_get};

use crate::gateway::{Gate, Gateway, PATIENCE, database, events, parameter, request, taken, until_running};

const SUBJECTS: &str = "weir.*.query.executed";

async fn listen(bus: &Bus) -> Subscription {
    bus.subscribe(SUBJECTS, None).await.unwrap()
}

/// A statement under a name of its own, by which its event is found.
fn named(application: &str, sql: &str) -> ExecuteRequest {
    ExecuteRequest {
        application: application.to_owned(),
        ..request(sql)
    }
}

#[tokio::test]
async fn each_statement_has_one_event_however_it_ends_and_none_holds_a_literal() {
    let database = database().await;
    let bus = Bus::in_memory(Limits::default());
    let mut listener = listen(&bus).await;
    let settings = [
        ("pool_max", "1"),
        ("waiting_max", "1"),
        ("acquire_timeout", "1500ms"),
        ("statement_bytes_max", "20000"),
    ];
    let gateway = Gateway::on_bus(bus, &database.url(), &settings).await;

    gateway
        .execute(named("ok", "select 'swordfish' as a, 4711 as b"))
        .await
        .unwrap();
    let _ = gateway.execute(named("error", "select 'swordfish'::int")).await;
    let _ = gateway.execute(named("syntax", "select 'swordfish' from from")).await;
    let timed = ExecuteRequest {
        timeout_ms: 100,
        ..named("timeout", "select pg_sleep(600), 'swordfish'")
    };
    let _ = gateway.execute(timed).await;
    let mut deadline = named("deadline", "select pg_sleep(600), 'swordfish'").into_request();
    deadline.set_timeout(std::time::Duration::from_millis(300));
    let _ = gateway.execute(deadline).await;
    let wrong = ExecuteRequest {
        parameters: vec![parameter(Kind::Text("swordfish".to_owned()), "no_such_type")],
        ..named("parameter", "select $1")
    };
    let _ = gateway.execute(wrong).await;
    let sent = ExecuteRequest {
        parameters: vec![parameter(Kind::Text("swordfish".to_owned()), "")],
        ..named("parameters", "select $1::text")
    };
    gateway.execute(sent).await.unwrap();
    let _ = gateway
        .execute(named("too long", &format!("select '{}'", "swordfish".repeat(3_000))))
        .await;
    gateway
        .execute(named("long", &format!("select '{}'", "swordfish".repeat(1_000))))
        .await
        .unwrap();
    let _ = gateway.execute(named("open", "begin")).await;
    let _ = gateway.execute(named("zero byte", "select 'swordfish\0'")).await;
    let _ = gateway
        .execute(named("too large", "select repeat('swordfish', 10000000)"))
        .await;

    let gone = gateway.begin(named("gone", "select pg_sleep(600), 'swordfish'"));
    until_running(&database, "pg_sleep", 1).await;
    gone.abort();
    until_running(&database, "pg_sleep", 0).await;
    gateway.until_pool("a quiet pool", |pool| pool.active == 0).await;

    let gate = Gate::shut(&database).await;
    let first = gateway.begin(named("gate", Gate::PASS));
    until_running(&database, "pg_advisory", 1).await;
    let waits = gateway.begin(named("waits", "select 'swordfish'"));
    gateway.until_pool("one who waits", |pool| pool.waiting == 1).await;
    let _ = gateway.execute(named("full", "select 'swordfish'")).await;
    waits.await.unwrap().unwrap_err();
    let left = gateway.begin(named("left", "select 'swordfish'"));
    gateway.until_pool("one who waits", |pool| pool.waiting == 1).await;
    left.abort();
    gateway.until_pool("nobody who waits", |pool| pool.waiting == 0).await;
    gate.open().await;
    first.await.unwrap().unwrap();

    let asked = QueryRequest {
        sql: "select generate_series(1, 10)".to_owned(),
        application: "stream".to_owned(),
        ..QueryRequest::default()
    };
    let mut stream = gateway.client.clone().query(asked).await.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
    let asked = QueryRequest {
        sql: "select repeat('x', 1000), generate_series(1, 100000000)".to_owned(),
        application: "reader gone".to_owned(),
        ..QueryRequest::default()
    };
    let mut stream = gateway.client.clone().query(asked).await.unwrap().into_inner();
    stream.message().await.unwrap();
    drop(stream);
    until_running(&database, "generate_series", 0).await;
    gateway.stop().await;

    let batches = taken(&mut listener);
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events(&batches) {
        found.entry(&event.application).or_default().push(&event.sqlstate);
    }
    let expected = [
        ("ok", ""),
        ("error", "22P02"),
        ("syntax", "42601"),
        ("timeout", "57014"),
        ("deadline", "57014"),
        ("parameter", "53000"),
        ("parameters", ""),
        ("too long", "53000"),
        ("long", ""),
        ("open", "53000"),
        ("zero byte", "53000"),
        ("too large", "53000"),
        ("gone", "57014"),
        ("gate", ""),
        ("waits", "53000"),
        ("full", "53000"),
        ("left", "57014"),
        ("stream", ""),
        ("reader gone", "57014"),
    ];
    assert_eq!(found, expected.map(|(name, sqlstate)| (name, vec![sqlstate])).into());
    for (_, batch) in &batches {
        let shown = format!("{batch:?}");
        assert!(!shown.contains("swordfish"), "{shown}");
    }
    let sequences: Vec<u64> = batches.iter().map(|(_, batch)| batch.sequence).collect();
    assert_eq!(sequences, (1..=batches.len() as u64).collect::<Vec<_>>());

    let event = |name: &str| *events(&batches).iter().find(|event| event.application == name).unwrap();
    let (stream, timeout) = (event("stream"), event("timeout"));
    assert_eq!(
        (stream.rows, stream.database.as_str(), stream.door()),
        (10, database.name(), Door::Grpc)
    );
    assert!(stream.bytes_out > 0 && stream.bytes_in > 0 && stream.started_unix_ms > 0);
    assert!(
        timeout.server_us > 50_000,
        "what took longest counts as nothing: {timeout:?}"
    );
    assert!(event("waits").queue_wait_us > 1_000_000 && event("left").queue_wait_us > 0);
    assert_eq!(
        event("long").fingerprint,
        event("waits").fingerprint,
        "a long statement has another shape"
    );
    let shapes: Vec<_> = batches.iter().flat_map(|(_, batch)| &batch.shapes).collect();
    assert!(
        shapes.iter().any(|shape| shape.text == "select $1 as a, $2 as b"),
        "{shapes:?}"
    );
}

#[tokio::test]
async fn projects_are_told_apart_and_events_can_be_switched_off() {
    let database = database().await;
    let bus = Bus::in_memory(Limits::default());
    let mut listener = listen(&bus).await;
    let gateway = Gateway::on_bus(bus.clone(), &database.url(), &[("default_project", "shop")]).await;
    for project in ["", "blog", "blog"] {
        gateway
            .execute(ExecuteRequest {
                project: project.to_owned(),
                ..request("select 1")
            })
            .await
            .unwrap();
    }
    gateway.stop().await;
    let mut told: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (
        _,
        QueryBatch {
            project,
            events,
            shapes,
            ..
        },
    ) in taken(&mut listener)
    {
        let (all, texts) = told.entry(project).or_default();
        (*all, *texts) = (*all + events.len(), *texts + shapes.len());
    }
    assert_eq!(told, [("blog".to_owned(), (2, 1)), ("shop".to_owned(), (1, 1))].into());

    let gateway = Gateway::on_bus(bus, &database.url(), &[("events", "false")]).await;
    gateway.run("select 1").await.unwrap();
    gateway.stop().await;
    assert!(taken(&mut listener).is_empty());
}

#[tokio::test]
async fn no_message_is_larger_than_the_bus_takes_and_shutdown_sends_them_all() {
    let bus = Bus::in_memory(Limits::default());
    let mut listener = listen(&bus).await;
    let settings = [("events_flush_after", "1h"), ("events_batch_max", "5000")];
    let gateway = Gateway::on_bus(bus, &database().await.url(), &settings).await;
    // Each has a long text of its own. That they fail does not matter.
    for number in 0..300 {
        let names: Vec<String> = (0..100)
            .map(|column| format!("{}_{number}_{column}", "c".repeat(55)))
            .collect();
        let refused = gateway.run(&format!("select {} from nowhere", names.join(","))).await;
        refused.unwrap_err();
    }
    gateway.stop().await;
    let batches = taken(&mut listener);
    assert_eq!(events(&batches).len(), 300);
    assert!(batches.len() > 1 && batches.iter().all(|(bytes, _)| *bytes < 1 << 20));
    assert!(batches.iter().all(|(_, batch)| batch.dropped_total == 0));
}

/// Runs statements until a batch like this has come.
async fn last(gateway: &Gateway, listener: &mut Subscription, is_wanted: impl Fn(&QueryBatch) -> bool) -> QueryBatch {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        assert!(tokio::time::Instant::now() < deadline, "no such batch came");
        gateway.run("select 'now'").await.unwrap();
        let batches = taken(listener).into_iter().map(|(_, batch)| batch);
        if let Some(batch) = batches.rev().find(&is_wanted) {
            return batch;
        }
    }
}

#[tokio::test]
async fn a_bus_that_is_away_delays_nothing_and_what_is_dropped_is_counted() {
    let mut nats = Nats::start().await;
    let open = async || {
        Bus::nats(&NatsSettings::new(nats.url(), "test"), Limits::default())
            .await
            .unwrap()
    };
    let (bus, ear) = (open().await, open().await);
    let settings = [
        ("events_buffer_max", "10"),
        ("events_batch_max", "5"),
        ("events_flush_after", "10ms"),
    ];
    let gateway = Gateway::on_bus(bus, &database().await.url(), &settings).await;
    let mut listener = listen(&ear).await;
    assert_eq!(last(&gateway, &mut listener, |_| true).await.dropped_total, 0);

    nats.stop().await;
    let begun = tokio::time::Instant::now();
    for _ in 0..200 {
        gateway.run("select 1").await.unwrap();
    }
    assert!(
        begun.elapsed() < PATIENCE / 4,
        "statements waited for the bus: {:?}",
        begun.elapsed()
    );
    gateway.until_ready(true).await;
    nats.start_again().await;
    let batch = last(&gateway, &mut listener, |batch| batch.dropped_total > 0).await;
    assert!(batch.dropped_total >= 100, "{}", batch.dropped_total);
    eventually("every statement published or counted", PATIENCE, || async {
        let metrics = http_get(gateway.ops_port, "/metrics").await.unwrap().1;
        let sum = |name: &str| {
            let lines = metrics.lines().filter(|line| line.starts_with(name));
            lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>()
        };
        let (run, told) = (sum("weir_queries_total"), sum("weir_events_published_total"));
        let dropped = sum("weir_events_dropped_total");
        if (told + dropped - run).abs() < 0.5 {
            Ok(())
        } else {
            Err(format!("{run} run, {told} told, {dropped} dropped"))
        }
    })
    .await;
}
