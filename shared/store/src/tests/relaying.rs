//! The outbox on a real PostgreSQL, relayed to the bus in memory and to a real NATS.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, ConsumerOptions, Limits, Message, NatsSettings};
use weir_events::{Event, catalogue, decode, gateway, jobs};
use weir_model::{Clock, Project};
use weir_proto::events::v1::{JobRequested, QueryBatch};
use weir_testkit::{Database, Nats, Postgres, eventually};

use super::{DEADLINE, options};
use crate::{LeadershipOptions, OutboxDepth, Relay, RelayOptions, Store, outbox};

fn limits() -> Limits {
    Limits::default()
}

/// Nothing is found by polling: notifications have to do.
fn relay_options() -> RelayOptions {
    let every = Duration::from_millis(100);
    RelayOptions {
        batch: 7,
        poll_every: Duration::from_secs(3600),
        publish_timeout: Duration::from_secs(1),
        leadership: LeadershipOptions {
            retry_every: every,
            check_every: every,
            check_timeout: 5 * every,
        },
        ..RelayOptions::default()
    }
}

fn event(project: &str, job: &str, parameters: &str) -> Event {
    let project = Project::parse(project).unwrap();
    let asked = JobRequested {
        job_id: job.to_owned(),
        project: project.to_string(),
        parameters_json: parameters.to_owned(),
        ..JobRequested::default()
    };
    jobs::requested(&project, &asked, &Clock::system())
}

/// `shop 3`: the project and the number that an event was made with.
fn words(message: &Message) -> String {
    let (project, asked) = decode::<JobRequested>(&message.subject, &message.payload).unwrap();
    format!("{project} {}", asked.job_id)
}

struct World {
    database: Database,
    store: Store,
    bus: Bus,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl World {
    async fn with(bus: Bus) -> Self {
        let database = Postgres::shared().await.database().await;
        let store = Store::connect(options(&database.url()), vec![]).await.unwrap();
        Self {
            database,
            store,
            bus,
            stop: CancellationToken::new(),
            running: JoinSet::new(),
        }
    }

    async fn in_memory() -> Self {
        Self::with(Bus::in_memory(limits())).await
    }

    async fn on_nats(nats: &Nats) -> Self {
        Self::with(
            Bus::nats(&NatsSettings::new(nats.url(), "test"), limits())
                .await
                .unwrap(),
        )
        .await
    }

    fn relay(&mut self, options: RelayOptions) {
        let relay = Relay::new(&self.store, &self.bus, options);
        let stop = self.stop.clone();
        self.running.spawn(async move { relay.run(&stop).await });
    }

    async fn enqueue(&self, event: &Event) {
        let mut transaction = self.store.pool().begin().await.unwrap();
        outbox::enqueue(&mut transaction, event, None).await.unwrap();
        transaction.commit().await.unwrap();
    }

    async fn enqueue_numbers(&self, project: &str, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.enqueue(&event(project, &number.to_string(), "")).await;
        }
    }

    /// Everything that the stream holds until this one comes, in order.
    async fn received_until(&self, last: &str) -> Vec<String> {
        let stream = outbox::stream_spec(&catalogue::JOBS);
        let name = format!("reader-{}", uuid::Uuid::now_v7());
        let mut consumer = self
            .bus
            .consumer(&stream, &name, &[], ConsumerOptions::default())
            .unwrap();
        let mut received = Vec::new();
        while received.last().is_none_or(|latest| latest != last) {
            let next = tokio::time::timeout(DEADLINE, consumer.next(&self.stop)).await;
            let delivery = next
                .unwrap_or_else(|_| panic!("{last} did not come after {received:?}"))
                .unwrap();
            delivery.ack().await.unwrap();
            received.push(words(&delivery.message));
        }
        received
    }

    async fn until_waiting(&self, number: u64) -> OutboxDepth {
        eventually(&format!("{number} waiting"), DEADLINE, async || {
            let depth = outbox::depth(&self.store).await.map_err(|error| error.to_string())?;
            if depth.waiting == number {
                Ok(depth)
            } else {
                Err(format!("{depth:?}"))
            }
        })
        .await
    }

    async fn finish(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
    }
}

fn numbers(project: &str, range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("{project} {number}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_rolled_back_is_never_told_and_what_was_committed_is() {
    let mut world = World::in_memory().await;
    world.relay(relay_options());
    let mut transaction = world.store.pool().begin().await.unwrap();
    outbox::enqueue(&mut transaction, &event("shop", "0", ""), None)
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    let told = event("shop", "1", "{}");
    let mut transaction = world.store.pool().begin().await.unwrap();
    outbox::enqueue(
        &mut transaction,
        &told,
        Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    )
    .await
    .unwrap();
    transaction.commit().await.unwrap();

    let stream = outbox::stream_spec(&catalogue::JOBS);
    let mut consumer = world
        .bus
        .consumer(&stream, "reader", &[], ConsumerOptions::default())
        .unwrap();
    let first = tokio::time::timeout(DEADLINE, consumer.next(&world.stop))
        .await
        .unwrap()
        .unwrap()
        .message;
    assert_eq!(
        (words(&first), first.subject.as_str()),
        ("shop 1".to_owned(), "weir.shop.job.requested")
    );
    assert_eq!(first.payload, told.payload);
    assert_eq!(first.header("ce-id"), Some(told.id.to_string().as_str()));
    assert_eq!(
        first.header("traceparent"),
        Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    );
    world.until_waiting(0).await;
    world.finish().await;
}

#[tokio::test]
async fn an_event_that_may_be_lost_is_not_enqueued() {
    let world = World::in_memory().await;
    let lossy = gateway::query_executed(&Project::default(), &QueryBatch::default(), &Clock::system());
    let mut connection = world.store.pool().acquire().await.unwrap();
    let error = outbox::enqueue(&mut connection, &lossy, None).await.unwrap_err();
    assert!(error.to_string().contains("query.executed may be lost"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nats_is_away_nothing_is_lost_and_the_order_is_kept() {
    let mut nats = Nats::start().await;
    let mut world = World::on_nats(&nats).await;
    world.relay(relay_options());
    world.enqueue_numbers("shop", 0..5).await;
    world.until_waiting(0).await;
    nats.stop().await;
    for number in 5..30 {
        world.enqueue_numbers("shop", number..number + 1).await;
        world.enqueue_numbers("other", number..number + 1).await;
    }
    let tried =
        "select count(*) from weir_test.outbox where published_at is null and attempts > 1 and error is not null";
    eventually("the relay to have tried twice", DEADLINE, async || {
        let tried = world.database.psql(tried).await;
        if tried.trim() == "1" { Ok(()) } else { Err(tried) }
    })
    .await;
    assert_eq!(world.until_waiting(50).await.refused, 0);
    nats.start_again().await;
    world.until_waiting(0).await;
    let received = world.received_until("other 29").await;
    for project in ["shop", "other"] {
        let of_project: Vec<_> = received
            .iter()
            .filter(|words| words.starts_with(project))
            .cloned()
            .collect();
        assert_eq!(
            of_project,
            numbers(project, if project == "shop" { 0..30 } else { 5..30 })
        );
    }
    world.finish().await;
}

/// Publishes, forgets that it did, and publishes again, as one does who dies before it marks what it published.
async fn published_twice_is_stored_once(mut world: World) {
    world.relay(relay_options());
    world.enqueue_numbers("shop", 0..20).await;
    world.until_waiting(0).await;
    world
        .database
        .psql("update weir_test.outbox set published_at = null")
        .await;
    world.enqueue_numbers("shop", 20..21).await;
    world.until_waiting(0).await;
    let again = world
        .database
        .psql("select count(*) from weir_test.outbox where attempts = 2")
        .await;
    assert_eq!(again.trim(), "20", "they were not published again");
    assert_eq!(world.received_until("shop 20").await, numbers("shop", 0..21));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_twice_is_stored_once() {
    published_twice_is_stored_once(World::in_memory().await).await;
    let nats = Nats::start().await;
    published_twice_is_stored_once(World::on_nats(&nats).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_instances_relay_in_order_though_one_of_them_dies() {
    let nats = Nats::start().await;
    let mut world = World::on_nats(&nats).await;
    for _ in 0..3 {
        world.relay(relay_options());
    }
    for part in 0..6 {
        world.enqueue_numbers("shop", part * 25..part * 25 + 25).await;
        let leader = "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())";
        world.database.psql(leader).await;
    }
    world.until_waiting(0).await;
    assert_eq!(world.received_until("shop 149").await, numbers("shop", 0..150));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bus_never_takes_is_set_aside_and_stands_in_nobodys_way() {
    let nats = Nats::start().await;
    let mut world = World::on_nats(&nats).await;
    world.relay(relay_options());
    world.enqueue_numbers("shop", 0..1).await;
    world.enqueue(&event("shop", "huge", &"x".repeat(3 << 20))).await;
    world.enqueue_numbers("shop", 1..2).await;
    assert_eq!(world.received_until("shop 1").await, ["shop 0", "shop 1"]);
    let depth = world.until_waiting(0).await;
    assert_eq!(depth.refused, 1);
    let why = world
        .database
        .psql("select error from weir_test.outbox where refused_at is not null")
        .await;
    assert!(why.contains("larger than"), "{why}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_long_ago_is_forgotten() {
    let mut world = World::in_memory().await;
    world.enqueue_numbers("shop", 0..10).await;
    world.relay(RelayOptions {
        keep_published: Duration::ZERO,
        poll_every: Duration::from_millis(20),
        ..relay_options()
    });
    eventually("an empty outbox", DEADLINE, async || {
        let left = world.database.psql("select count(*) from weir_test.outbox").await;
        if left.trim() == "0" { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(world.received_until("shop 9").await, numbers("shop", 0..10));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_forgets_with_the_process_is_told_again_at_the_next_start() {
    let mut world = World::in_memory().await;
    let forgetful = RelayOptions {
        repeat_at_start: true,
        ..relay_options()
    };
    world.relay(forgetful.clone());
    world.enqueue_numbers("shop", 0..3).await;
    world.until_waiting(0).await;
    world.finish().await;

    world.stop = CancellationToken::new();
    world.bus = Bus::in_memory(limits());
    world.enqueue_numbers("shop", 3..4).await;
    world.relay(forgetful);
    assert_eq!(world.received_until("shop 3").await, numbers("shop", 0..4));
    world.until_waiting(0).await;
    world.finish().await;
}

#[tokio::test]
async fn the_depth_says_how_long_the_oldest_has_waited() {
    let world = World::in_memory().await;
    let empty = OutboxDepth {
        waiting: 0,
        oldest: Duration::ZERO,
        refused: 0,
    };
    assert_eq!(outbox::depth(&world.store).await.unwrap(), empty);
    world.enqueue_numbers("shop", 0..3).await;
    world
        .database
        .psql("update weir_test.outbox set created_at = now() - interval '1 hour' where seq = 1")
        .await;
    let depth = outbox::depth(&world.store).await.unwrap();
    assert_eq!(depth.waiting, 3);
    assert!(depth.oldest >= Duration::from_secs(3600), "{depth:?}");
}
