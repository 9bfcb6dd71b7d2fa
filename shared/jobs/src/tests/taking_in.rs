//! Requests come from the bus, and reports go back to it.

use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_bus::{Bus, ConsumerOptions, Limits, Message, NatsSettings};
use weir_events::{Event, catalogue, jobs as events};
use weir_model::{Clock, Project};
use weir_proto::events::v1::JobRequested;
use weir_store::{Relay, RelayOptions, outbox};
use weir_testkit::{Nats, Postgres, eventually};

use super::world::{DEADLINE, World, does, options, words};
use crate::{JobContext, JobError, JobState, Work, Works, intake};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn works() -> Works {
    does("analyze", |job| {
        async move { Ok(json!({"table": job.parameters()["table"]})) }.boxed()
    })
}

fn asked(id: &str) -> JobRequested {
    JobRequested {
        job_id: id.to_owned(),
        project: "shop".to_owned(),
        operation: "analyze".to_owned(),
        parameters_json: r#"{"table":"public.orders"}"#.to_owned(),
        requested_by: "schedule".to_owned(),
        dry_run: true,
        ..JobRequested::default()
    }
}

fn event(asked: &JobRequested) -> Event {
    events::requested(&Project::parse("shop").unwrap(), asked, &Clock::system())
}

async fn publish(bus: &Bus, event: &Event) {
    let headers = event
        .headers()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let trace = ("traceparent".to_owned(), TRACE.to_owned());
    let message = Message {
        subject: event.subject.to_string(),
        headers: headers.chain([trace]).collect(),
        payload: event.payload.clone(),
    };
    let stream = outbox::stream_spec(&catalogue::JOBS);
    bus.publish_durable(&stream, &event.id.to_string(), message, DEADLINE)
        .await
        .unwrap();
}

/// Says when a request has been read.
struct Signals(mpsc::UnboundedSender<()>);

impl Work for Signals {
    fn operation(&self) -> &str {
        "analyze"
    }
    fn exclusive_key(&self, _parameters: &Value) -> Option<String> {
        self.0.send(()).unwrap();
        None
    }
    async fn run(&self, _job: &JobContext) -> Result<Value, JobError> {
        Ok(json!({}))
    }
}

/// Takes requests in, in the background.
fn start_intake(world: &mut World, bus: &Bus) {
    start_intake_for(world, bus, works());
}

fn start_intake_for(world: &mut World, bus: &Bus, works: Works) {
    let stream = outbox::stream_spec(&catalogue::JOBS);
    let requests = events::every_request();
    let quick = ConsumerOptions {
        ack_wait: Duration::from_secs(5),
        max_deliver: 3,
        ..ConsumerOptions::default()
    };
    let mut consumer = bus
        .consumer(&stream, "maintenance", &[requests.as_str()], quick)
        .unwrap();
    let (jobs, stop) = (world.jobs.clone(), world.stop.clone());
    world
        .running
        .spawn(async move { intake(&mut consumer, &jobs, &works, &stop).await });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_becomes_a_job_once_with_all_that_was_asked() {
    let mut world = World::new().await;
    let bus = Bus::in_memory(Limits::default());
    start_intake(&mut world, &bus);
    let id = Uuid::now_v7();
    let mut wanted = asked(&id.to_string());
    wanted.deadline_unix_ms = 4_000_000_000_000;
    publish(&bus, &event(&wanted)).await;
    // The scheduler was restarted and asks again: another event, the same job.
    publish(&bus, &event(&asked(&id.to_string()))).await;
    let after = Uuid::now_v7();
    publish(&bus, &event(&asked(&after.to_string()))).await;
    world.until(after, JobState::Queued).await;
    let job = world.job(id).await;
    assert_eq!(
        (job.operation.as_str(), job.parameters),
        ("analyze", json!({"table": "public.orders"}))
    );
    assert_eq!(
        (job.requested_by.as_str(), job.dry_run, job.attempt_max),
        ("schedule", true, 3)
    );
    assert!(
        job.requested_at > SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        "{:?}",
        job.requested_at
    );
    let row: (String, bool) = sqlx::query_as("select traceparent, begin_before > now() from jobs where id = $1")
        .bind(id)
        .fetch_one(world.store.pool())
        .await
        .unwrap();
    assert_eq!(row, (TRACE.to_owned(), true));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_for_this_worker_or_cannot_be_read_does_not_hold_up_the_rest() {
    let mut world = World::new().await;
    let bus = Bus::in_memory(Limits::default());
    let id = || Uuid::now_v7().to_string();
    let foreign = JobRequested {
        operation: "backup".to_owned(),
        ..asked(&id())
    };
    let nameless = asked("job seven");
    let odd = JobRequested {
        parameters_json: "[1]".to_owned(),
        ..asked(&id())
    };
    let unstorable = JobRequested {
        parameters_json: r#"{"table":"\u0000"}"#.to_owned(),
        ..asked(&id())
    };
    let stolen = JobRequested {
        project: "other".to_owned(),
        ..asked(&id())
    };
    for bad in [&foreign, &nameless, &odd, &unstorable, &stolen] {
        publish(&bus, &event(bad)).await;
    }
    publish(
        &bus,
        &Event {
            payload: vec![0xff, 0xff].into(),
            ..event(&nameless)
        },
    )
    .await;
    start_intake(&mut world, &bus);
    let good = Uuid::now_v7();
    publish(&bus, &event(&asked(&good.to_string()))).await;
    world.until(good, JobState::Queued).await;
    let stored: i64 = sqlx::query_scalar("select count(*) from jobs")
        .fetch_one(world.store.pool())
        .await
        .unwrap();
    assert_eq!(stored, 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_outlives_the_absence_of_the_database() {
    let mut postgres = Postgres::start().await;
    let mut world = World::at(&postgres.url("postgres")).await;
    let bus = Bus::in_memory(Limits::default());
    postgres.stop().await;
    start_intake(&mut world, &bus);
    let ids: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
    for id in &ids {
        publish(&bus, &event(&asked(&id.to_string()))).await;
    }
    postgres.start_again().await;
    eventually("every job to be stored", DEADLINE, async || {
        let stored: i64 = sqlx::query_scalar("select count(*) from jobs")
            .fetch_one(world.store.pool())
            .await
            .ok()?;
        (stored == 5).then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_could_not_be_stored_before_a_stop_is_left_to_the_next_worker() {
    let mut postgres = Postgres::start().await;
    let mut world = World::at(&postgres.url("postgres")).await;
    let bus = Bus::in_memory(Limits::default());
    postgres.stop().await;
    let (signal, mut signals) = mpsc::unbounded_channel();
    start_intake_for(&mut world, &bus, Works::builder().with(Signals(signal)).build());
    let id = Uuid::now_v7();
    publish(&bus, &event(&asked(&id.to_string()))).await;
    signals.recv().await.unwrap();
    world.finish().await;

    postgres.start_again().await;
    world.stop = CancellationToken::new();
    start_intake(&mut world, &bus);
    eventually("the job to be stored", DEADLINE, async || {
        world.jobs.get(id).await.ok().flatten()
    })
    .await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_travels_from_its_request_over_nats_to_its_report() {
    let nats = Nats::start().await;
    let bus = Bus::nats(&NatsSettings::new(nats.url(), "test"), Limits::default())
        .await
        .unwrap();
    let mut world = World::new().await;
    start_intake(&mut world, &bus);
    world.runner(works(), options()).await;
    let relay = Relay::new(&world.store, &bus, RelayOptions::default());
    let stop = world.stop.clone();
    world.running.spawn(async move { relay.run(&stop).await });

    let reports = events::every_report();
    let filters: Vec<&str> = reports.iter().map(|report| report.as_str()).collect();
    let stream = outbox::stream_spec(&catalogue::JOBS);
    let mut scheduler = bus
        .consumer(&stream, "scheduler", &filters, ConsumerOptions::default())
        .unwrap();
    let id = Uuid::now_v7();
    publish(&bus, &event(&asked(&id.to_string()))).await;
    for expected in ["started 1", r#"succeeded 1 {"table":"public.orders"}"#] {
        let next = tokio::time::timeout(DEADLINE, scheduler.next(&world.stop)).await;
        let delivery = next.expect("a report in time").unwrap();
        delivery.ack().await.unwrap();
        let (job, said) = words(&delivery.message.subject, delivery.message.payload.to_vec());
        assert_eq!((job, said.as_str()), (id.to_string(), expected));
        assert_eq!(delivery.message.header("traceparent"), Some(TRACE));
    }
    world.finish().await;
}
