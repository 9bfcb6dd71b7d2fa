//! NATS stopped under load: queries go on, events wait within a bound, what does not fit is counted, nothing durable is lost.
//!
//! `WEIR_SOAK_SECONDS` lengthens the outage (`just soak`); the short form is enough to fill the buffer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use weir_proto::events::v1::AlertFiring;
use weir_testkit::{World, eventually};

use crate::ask::{alerts, execute, gateway, intake, statement};

const SOON: Duration = Duration::from_secs(60);
/// Small, so that an outage of seconds overflows it.
const BUFFER: &str = "200";

fn outage() -> Duration {
    let asked = std::env::var("WEIR_SOAK_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(asked.unwrap_or(4))
}

/// Statements run one after the other until told to stop; how many, and the longest.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    longest_ms: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    async fn start(world: &World) -> Self {
        let (stop, done, longest_ms) = (
            Arc::<AtomicBool>::default(),
            Arc::<AtomicU64>::default(),
            Arc::<AtomicU64>::default(),
        );
        let mut client = gateway(world).await;
        let (stopped, counted, longest) = (stop.clone(), done.clone(), longest_ms.clone());
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let begun = tokio::time::Instant::now();
                client
                    .execute(statement("load", "select 1"))
                    .await
                    .expect("a query failed");
                let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
                longest.fetch_max(took, Ordering::Relaxed);
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            done,
            longest_ms,
            task,
        }
    }

    async fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        (
            self.done.load(Ordering::Relaxed),
            self.longest_ms.load(Ordering::Relaxed),
        )
    }
}

#[tokio::test]
async fn queries_go_on_events_are_bounded_and_durable_ones_survive() {
    let plan = World::new().with("WEIR_MONITOR__SLOW_QUERY_THRESHOLD", "300ms");
    let mut world = plan.with("WEIR_GATEWAY__EVENTS_BUFFER_MAX", BUFFER).distributed().await;
    let load = Load::start(&world).await;
    eventually("events flow", SOON, async || {
        (intake(&world).await.events_received_total > 0).then_some(())
    })
    .await;

    // A slow statement that the monitor has seen, so that its alert begins while NATS is away.
    world.nats().stop().await;
    let before = load.done.load(Ordering::Relaxed);
    let requested = world.weir(&["jobs", "run", "analyze", "--json"]).await;
    assert!(
        requested.succeeded,
        "a job cannot be requested while NATS is away: {requested:?}"
    );
    let job: serde_json::Value = serde_json::from_str(&requested.text).unwrap();
    let away_until = tokio::time::Instant::now() + outage();
    eventually("the buffer overflows", outage() + SOON, async || {
        let dropped = world.metric("pool-gateway", "weir_events_dropped_total").await;
        (dropped > 0.0 && tokio::time::Instant::now() >= away_until).then_some(())
    })
    .await;
    assert!(load.done.load(Ordering::Relaxed) > before, "queries stopped with NATS");
    assert!(world.metric("scheduler", "weir_outbox_waiting").await >= 1.0);

    world.nats().start_again().await;
    eventually("the job is done", SOON, async || {
        let shown = world
            .weir(&["jobs", "show", job["id"].as_str().unwrap(), "--json"])
            .await;
        if shown.text.contains("\"succeeded\"") {
            Ok(())
        } else {
            Err(shown.text)
        }
    })
    .await;
    let (done, longest_ms) = load.end().await;
    assert!(longest_ms < 5_000, "a query waited for NATS: {longest_ms} ms");

    eventually("every event is counted or known to be lost", SOON, async || {
        // The load's, and what the console asks on its own meanwhile.
        let ran_before = statements(&world).await;
        let seen = intake(&world).await;
        let ran_after = statements(&world).await;
        let dropped = seen.events_dropped_total;
        let known = seen.events_received_total + dropped;
        // A message that was on its way when the server died took up to a batch with it.
        let lost_at_most = seen.batches_lost_total * 512;
        if done <= ran_before && dropped > 0 && known <= ran_after && ran_before <= known + lost_at_most {
            Ok(())
        } else {
            Err(format!("{done} of {ran_before} to {ran_after}: {seen:?}"))
        }
    })
    .await;
}

/// How many statements the gateway has run for anyone.
async fn statements(world: &World) -> u64 {
    world.metric("pool-gateway", "weir_queries_total").await as u64
}

#[tokio::test]
async fn an_alert_that_begins_while_nats_is_away_is_told_once_afterwards() {
    let mut world = World::new()
        .with("WEIR_MONITOR__SLOW_QUERY_THRESHOLD", "300ms")
        .with("WEIR_MONITOR__SLOW_QUERY_RESOLVE_AFTER", "10s")
        .distributed()
        .await;
    execute(&world, "shop", "select pg_sleep(0.4)").await;
    eventually("the alert's row", SOON, async || alerts(&world, "shop").await.pop()).await;
    world.nats().stop().await;
    // The event of its beginning may have left already; that of its end is written while nobody can hear it.
    eventually("an event waits in the outbox", SOON, async || {
        (world.metric("query-monitor", "weir_outbox_waiting").await >= 1.0).then_some(())
    })
    .await;
    world.nats().start_again().await;

    let settings = weir_bus::NatsSettings::new(world.nats().url(), "test");
    let bus = weir_bus::Bus::nats(&settings, weir_bus::Limits::default())
        .await
        .unwrap();
    let stream = weir_bus::StreamSpec {
        name: "WEIR_ALERTS".to_owned(),
        subjects: vec!["weir.*.alert.>".to_owned()],
        max_age: Duration::from_secs(7 * 24 * 3600),
        duplicate_window: Duration::from_secs(120),
    };
    let mut consumer = bus
        .consumer(&stream, "test", &[], weir_bus::ConsumerOptions::default())
        .unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let mut told = Vec::new();
    while told.len() < 2 {
        let delivery = tokio::time::timeout(SOON, consumer.next(&stop))
            .await
            .expect("an alert event was lost")
            .unwrap();
        told.push((
            delivery.message.subject.clone(),
            delivery.message.header("ce-id").unwrap().to_owned(),
        ));
        if let Ok((_, alert)) = weir_events::decode::<AlertFiring>(&delivery.message.subject, &delivery.message.payload)
        {
            assert_eq!(alert.project, "shop");
        }
        delivery.ack().await.unwrap();
    }
    let subjects: Vec<&str> = told.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["weir.shop.alert.firing", "weir.shop.alert.resolved"]);
    assert_ne!(told[0].1, told[1].1);
}
