//! One query's journey: gRPC, pool, typed rows, event, statistics, alert, and all of it visible again through gRPC.

use std::time::Duration;

use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;
use weir_proto::events::v1::AlertFiring;
use weir_proto::gateway::v1::Parameter;
use weir_proto::monitor::v1::AlertState;
use weir_testkit::{World, eventually};

use crate::ask::{alerts, execute, gateway, intake, queries, statement};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_query_is_answered_counted_and_a_slow_one_is_told_of() {
    let world = World::new()
        .with("WEIR_MONITOR__SLOW_QUERY_THRESHOLD", "300ms")
        .up()
        .await;
    typed_rows_come_back(&world).await;
    for number in 0..5 {
        execute(&world, "shop", &format!("select {number} as n")).await;
    }
    execute(&world, "other", "select 1 as n").await;

    eventually("the statistics of shop", SOON, async || {
        let lines = queries(&world, "shop").await;
        let line = lines.iter().find(|line| line.text == "select $1 as n")?;
        (line.calls == 5 && line.rows == 5 && line.p99_ms > 0.0).then_some(())
    })
    .await;
    assert!(
        queries(&world, "other").await.iter().all(|line| line.calls == 1),
        "projects are mixed"
    );

    let secret = "a literal that nobody may see";
    execute(&world, "shop", &format!("select pg_sleep(0.4), '{secret}'")).await;
    let alert = eventually("an alert", SOON, async || {
        // A statement that only waits is a violation as well, which is told of beside it.
        let told = alerts(&world, "shop").await;
        told.into_iter().find(|alert| alert.rule == "slow-query")
    })
    .await;
    assert_eq!(alert.state(), AlertState::Firing);
    assert!(
        alert.value >= 400.0 && (alert.threshold - 300.0).abs() < 1e-9,
        "{alert:?}"
    );
    assert!(
        !alert.summary.contains(secret) && alert.summary.contains("pg_sleep"),
        "{alert:?}"
    );
    assert!(
        alerts(&world, "other").await.is_empty(),
        "another project sees the alert"
    );
    assert_eq!(intake(&world).await.batches_lost_total, 0);
}

async fn typed_rows_come_back(world: &World) {
    let mut request = statement(
        "shop",
        "select $1::int8 + 1 as n, 'x'::text as t, null::text as nothing, array[1,2] as list",
    );
    let one = Value {
        kind: Some(Kind::Int64(41)),
    };
    request.parameters = vec![Parameter {
        value: Some(one),
        type_name: String::new(),
    }];
    let reply = gateway(world).await.execute(request).await.unwrap().into_inner();
    let kinds: Vec<Kind> = reply.rows[0]
        .values
        .iter()
        .map(|value| value.kind.clone().unwrap())
        .collect();
    assert_eq!(kinds[0], Kind::Int64(42));
    assert_eq!(kinds[1], Kind::Text("x".to_owned()));
    assert!(matches!(kinds[2], Kind::Null(_)));
    assert!(matches!(&kinds[3], Kind::Array(array) if array.elements.len() == 2));
    assert_eq!(reply.columns[0].type_name, "int8");
}

/// The same through processes of their own and NATS, with the event as an outsider would receive it.
#[tokio::test]
async fn an_outsider_hears_of_the_alert_over_nats_with_its_trace() {
    let mut world = World::new()
        .with("WEIR_MONITOR__SLOW_QUERY_THRESHOLD", "300ms")
        .distributed()
        .await;
    let settings = weir_bus::NatsSettings::new(world.nats().url(), "test");
    let bus = weir_bus::Bus::nats(&settings, weir_bus::Limits::default())
        .await
        .unwrap();
    let mut alerts = bus.subscribe("weir.*.alert.firing", None).await.unwrap();
    let mut health = bus.connected();
    health.wait_for(weir_bus::Health::is_up).await.unwrap();

    let mut request = tonic::Request::new(statement("shop", "select pg_sleep(0.4)"));
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace_id}-b7ad6b7169203331-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    gateway(&world).await.execute(request).await.unwrap();

    let told = tokio::time::timeout(SOON, alerts.next())
        .await
        .expect("no event")
        .unwrap();
    assert_eq!(told.subject, "weir.shop.alert.firing");
    assert_eq!(told.header("ce-type"), Some("weir.alert.firing.v1"));
    let (project, alert) = weir_events::decode::<AlertFiring>(&told.subject, &told.payload).unwrap();
    assert_eq!((project.as_str(), alert.rule.as_str()), ("shop", "slow-query"));
    assert!(alert.traceparent.contains(trace_id), "{alert:?}");
    assert!(
        told.header("traceparent")
            .is_some_and(|parent| parent.contains(trace_id)),
        "{told:?}"
    );
}
