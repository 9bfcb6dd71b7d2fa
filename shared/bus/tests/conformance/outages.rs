//! What only a server can do: be away, stand still, come back, come back without its data, refuse the login.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, ConsumerOptions, Error, Health, Limits, Message, NatsSettings, Subscription};
use weir_model::Secret;
use weir_testkit::{Nats, Process, eventually, free_port};

use crate::pair::{DEADLINE, LONG, connected, deliver, is_down, is_up, jobs, message, next, store, text};

const REQUESTED: &str = "weir.shop.job.requested";
/// What counts as at once.
const AT_ONCE: Duration = Duration::from_millis(500);

fn patient() -> ConsumerOptions {
    ConsumerOptions {
        ack_wait: LONG,
        ..ConsumerOptions::default()
    }
}

/// A durable message that was lost is sent again after two seconds.
const ONE_TRY: Duration = Duration::from_millis(1_500);

/// Publishes until the subscription hears it: core messages may be lost while a connection finds itself again.
async fn hears(bus: &Bus, subscription: &mut Subscription, subject: &str) {
    let mut again = interval(Duration::from_millis(20));
    let heard = async {
        loop {
            tokio::select! {
                heard = next(subscription) => break heard,
                _ = again.tick() => drop(bus.publish(message(subject, "again")).await),
            }
        }
    };
    let heard = timeout(DEADLINE, heard).await.expect("the subscription hears nothing");
    assert_eq!(heard.subject, subject);
}

fn is_unavailable<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(error @ Error::Unavailable { .. }) if error.is_retryable())
}

/// A server on a port and with a directory of the test's choice.
fn serve(port: u16, dir: &TempDir, more: &[&str]) -> Process {
    let (port, dir) = (port.to_string(), dir.path().to_str().unwrap());
    let args = [
        "--addr",
        "127.0.0.1",
        "--port",
        &port,
        "--jetstream",
        "--store_dir",
        dir,
    ];
    Process::start("nats-server", &[&args[..], more].concat(), &[])
}

#[tokio::test]
async fn the_server_may_start_after_the_bus() {
    let mut nats = Nats::start().await;
    nats.stop().await;
    let bus = Bus::nats(&NatsSettings::new(nats.url(), "test"), Limits::default())
        .await
        .unwrap();
    eventually("a reason", DEADLINE, async || match &*bus.connected().borrow() {
        Health::Down { reason } if reason.contains(&nats.port().to_string()) && reason.contains("refused") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    let began = Instant::now();
    assert!(is_unavailable(&bus.publish(message("a", "x")).await));
    assert!(is_unavailable(
        &bus.publish_durable(&jobs(), "1", message(REQUESTED, "1"), DEADLINE)
            .await
    ));
    assert!(is_unavailable(&bus.ensure_stream(&jobs()).await));
    let mut subscription = bus.subscribe("a", None).await.unwrap();
    let mut consumer = bus.consumer(&jobs(), "worker", &[], patient()).unwrap();
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert_eq!(bus.counts().refused_total, 2);

    let works = async {
        nats.start_again().await;
        is_up(&bus).await;
        store(&bus, REQUESTED, "1").await;
    };
    let (delivery, ()) = tokio::join!(deliver(&mut consumer), works);
    assert_eq!((text(&delivery.message).as_str(), delivery.attempt()), ("1", 1));
    hears(&bus, &mut subscription, "a").await;
    assert_eq!(bus.counts().reconnects_total, 0);
}

#[tokio::test]
async fn nothing_durable_is_lost_or_doubled_over_a_restart() {
    let mut nats = Nats::start().await;
    let (publisher, worker) = (
        connected(&nats.url(), Limits::default()).await,
        connected(&nats.url(), Limits::default()).await,
    );
    // What the server sent into a connection that was just lost comes again after this.
    let options = ConsumerOptions {
        ack_wait: Duration::from_secs(2),
        ..ConsumerOptions::default()
    };
    let mut consumer = worker.consumer(&jobs(), "worker", &[], options).unwrap();
    // Set after the last restart; a few more are published then.
    let total: Cell<Option<usize>> = Cell::new(None);
    let published = Cell::new(0);
    let publish = async {
        while total.get() != Some(published.get()) {
            // As an outbox does: the same id, until it is acknowledged.
            while let Err(error) = publish_quickly(&publisher, published.get()).await {
                assert!(error.is_retryable(), "{error}");
            }
            published.set(published.get() + 1);
        }
    };
    let receive = async {
        let mut received = BTreeSet::new();
        while total.get() != Some(received.len()) {
            let delivery = deliver(&mut consumer).await;
            let is_new = received.insert(text(&delivery.message));
            assert!(
                is_new || delivery.attempt() > 1,
                "{} was stored twice",
                text(&delivery.message)
            );
            // An answer that is lost with the connection is given again.
            while let Err(error) = delivery.ack().await {
                assert!(error.is_retryable(), "{error}");
                is_up(&worker).await;
            }
        }
    };
    let restart = async {
        for _ in 0..2 {
            let before = publisher.counts();
            let goes_on = async || (publisher.counts().published_total > before.published_total + 5).then_some(());
            eventually("progress", DEADLINE, goes_on).await;
            nats.stop().await;
            is_down(&publisher).await;
            let fails = async || (publisher.counts().refused_total > before.refused_total).then_some(());
            eventually("a failure", DEADLINE, fails).await;
            nats.start_again().await;
            is_up(&publisher).await;
        }
        total.set(Some(published.get() + 5));
    };
    tokio::join!(publish, receive, restart);
    let reconnects = || {
        publisher
            .counts()
            .reconnects_total
            .min(worker.counts().reconnects_total)
    };
    eventually("both to have come back twice", DEADLINE, async || {
        (reconnects() >= 2).then_some(())
    })
    .await;
    let operator = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = operator.get_stream("JOBS").await.unwrap();
    assert_eq!(stream.cached_info().state.messages, published.get() as u64);
}

async fn publish_quickly(bus: &Bus, number: usize) -> Result<(), Error> {
    let (id, mut pause) = (number.to_string(), interval(Duration::from_millis(10)));
    pause.tick().await;
    let outcome = bus
        .publish_durable(&jobs(), &id, message(REQUESTED, &id), Duration::from_secs(2))
        .await;
    pause.tick().await;
    outcome
}

#[tokio::test]
async fn core_messages_are_refused_at_once_while_the_server_is_away() {
    let mut nats = Nats::start().await;
    let bus = connected(&nats.url(), Limits::default()).await;
    let mut subscription = bus.subscribe("a", None).await.unwrap();
    hears(&bus, &mut subscription, "a").await;
    nats.stop().await;
    is_down(&bus).await;

    let before = bus.counts();
    let began = Instant::now();
    for _ in 0..10_000 {
        assert!(is_unavailable(&bus.publish(Message::new("a", vec![0; 1000])).await));
    }
    assert!(began.elapsed() < 10 * AT_ONCE, "{:?}", began.elapsed());
    assert_eq!(bus.counts().refused_total - before.refused_total, 10_000);
    let flushed = bus.flush(Duration::from_millis(100)).await;
    assert!(is_unavailable(&flushed), "{flushed:?}");

    nats.start_again().await;
    is_up(&bus).await;
    // Nothing was held back to come now.
    while timeout(Duration::ZERO, subscription.next()).await.is_ok() {}
    bus.publish(message("a", "fresh")).await.unwrap();
    bus.flush(DEADLINE).await.unwrap();
    assert_eq!(text(&next(&mut subscription).await), "fresh");
    assert_eq!(bus.counts().reconnects_total, 1);
}

#[tokio::test]
async fn a_server_that_stands_still_fills_a_bounded_buffer() {
    const BUFFER_BYTES: usize = 256 * 1024;
    let dir = TempDir::new().unwrap();
    let port = free_port();
    let server = serve(port, &dir, &[]);
    let bus = connected(
        &format!("nats://127.0.0.1:{port}"),
        Limits {
            send_buffer_bytes: BUFFER_BYTES,
            ..Limits::default()
        },
    )
    .await;
    let mut subscription = bus.subscribe("b", None).await.unwrap();
    bus.ensure_stream(&jobs()).await.unwrap();
    server.signal("STOP");

    // The kernel's socket buffers fill first; then ours, and then it says so.
    let refusal = eventually("a refusal", DEADLINE, async || {
        loop {
            match bus.publish(Message::new("a", vec![0; 8000])).await {
                Ok(()) if bus.counts().published_total.is_multiple_of(16) => return Err("it takes more"),
                Ok(()) => {}
                Err(error) => return Ok(error),
            }
        }
    })
    .await;
    assert!(
        matches!(refusal, Error::Full { .. }) && refusal.is_retryable(),
        "{refusal}"
    );
    let refused = eventually("a buffer that stays full", DEADLINE, async || {
        let outcomes = [(); 50].map(|()| bus.publish(Message::new("a", vec![0; 8000])));
        let refused = futures_util::future::join_all(outcomes)
            .await
            .into_iter()
            .filter(Result::is_err)
            .count();
        (refused == 50).then_some(refused)
    })
    .await;
    assert_eq!(refused, 50);
    let began = Instant::now();
    let waited = Duration::from_millis(300);
    let outcome = bus.publish_durable(&jobs(), "1", message(REQUESTED, "1"), waited).await;
    assert!(matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}");
    assert!(
        began.elapsed() >= waited && began.elapsed() < waited + AT_ONCE,
        "{:?}",
        began.elapsed()
    );

    server.signal("CONT");
    hears(&bus, &mut subscription, "b").await;
    bus.publish_durable(&jobs(), "1", message(REQUESTED, "1"), DEADLINE)
        .await
        .unwrap();
    // What timed out had arrived after all; its repetition was recognised.
    let mut consumer = bus.consumer(&jobs(), "worker", &[], patient()).unwrap();
    assert_eq!(text(&deliver(&mut consumer).await.message), "1");
    store(&bus, REQUESTED, "2").await;
    assert_eq!(text(&deliver(&mut consumer).await.message), "2");
}

#[tokio::test]
async fn a_server_that_lost_its_data_is_set_up_again() {
    let port = free_port();
    let (first_dir, second_dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = serve(port, &first_dir, &[]);
    let bus = connected(&format!("nats://127.0.0.1:{port}"), Limits::default()).await;
    let mut consumer = bus.consumer(&jobs(), "worker", &[], patient()).unwrap();
    store(&bus, REQUESTED, "before").await;
    let lost = deliver(&mut consumer).await;
    assert_eq!(text(&lost.message), "before");
    first.kill9();
    first.wait_exit(DEADLINE).await;
    is_down(&bus).await;
    assert!(is_unavailable(&lost.ack().await));

    let _second = serve(port, &second_dir, &[]);
    is_up(&bus).await;
    let (delivery, ()) = tokio::join!(deliver(&mut consumer), store(&bus, REQUESTED, "after"));
    assert_eq!((text(&delivery.message).as_str(), delivery.attempt()), ("after", 1));
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_stream_deleted_under_a_consumer_is_made_again() {
    let nats = Nats::start().await;
    let bus = connected(&nats.url(), Limits::default()).await;
    let mut consumer = bus.consumer(&jobs(), "worker", &[], patient()).unwrap();
    store(&bus, REQUESTED, "a").await;
    deliver(&mut consumer).await.ack().await.unwrap();

    let operator = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let delete = async {
        consumer_waits(&operator).await;
        operator.delete_stream("JOBS").await.unwrap();
        store(&bus, REQUESTED, "b").await;
    };
    let (delivery, ()) = tokio::join!(deliver(&mut consumer), delete);
    assert_eq!((text(&delivery.message).as_str(), delivery.attempt()), ("b", 1));
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn an_operators_settings_of_a_stream_stay() {
    let nats = Nats::start().await;
    let bus = connected(&nats.url(), Limits::default()).await;
    let operator = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let config = async || operator.get_stream("JOBS").await.unwrap().cached_info().config.clone();
    bus.ensure_stream(&jobs()).await.unwrap();
    let mut limited = config().await;
    limited.max_messages = 2;
    operator.update_stream(&limited).await.unwrap();

    let longer = weir_bus::StreamSpec {
        max_age: 2 * LONG,
        ..jobs()
    };
    bus.ensure_stream(&longer).await.unwrap();
    let now = config().await;
    assert_eq!(
        (now.max_messages, now.max_age, now.subjects),
        (2, 2 * LONG, jobs().subjects)
    );
    // A full stream refuses: it does not let go of what nobody has dealt with.
    for id in ["1", "2"] {
        bus.publish_durable(&longer, id, message(REQUESTED, id), DEADLINE)
            .await
            .unwrap();
    }
    let full = bus
        .publish_durable(&longer, "3", message(REQUESTED, "3"), DEADLINE)
        .await;
    assert!(is_unavailable(&full), "{full:?}");
    let mut consumer = bus.consumer(&longer, "worker", &[], patient()).unwrap();
    assert_eq!(text(&deliver(&mut consumer).await.message), "1");
}

#[tokio::test]
async fn a_login_that_is_refused_shows_in_the_health() {
    let (port, dir) = (free_port(), TempDir::new().unwrap());
    let _server = serve(port, &dir, &["--user", "weir", "--pass", "right"]);
    let url = format!("nats://127.0.0.1:{port}");
    let open = async |settings: NatsSettings| Bus::nats(&settings, Limits::default()).await.unwrap();
    let with_password = |password: &str| NatsSettings {
        user: Some("weir".to_owned()),
        password: Some(Secret::new(password)),
        ..NatsSettings::new(&url, "test")
    };
    let refused = open(with_password("wrong")).await;
    eventually("the reason", DEADLINE, async || match &*refused.connected().borrow() {
        Health::Down { reason }
            if reason.to_lowercase().contains("authorization violation") && !reason.contains("wrong") =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    })
    .await;
    is_up(&open(with_password("right")).await).await;
    is_up(&open(NatsSettings::new(format!("nats://weir:right@127.0.0.1:{port}"), "test")).await).await;
}

#[tokio::test]
async fn a_token_is_enough_where_the_server_asks_for_one() {
    let (port, dir) = (free_port(), TempDir::new().unwrap());
    let _server = serve(port, &dir, &["--auth", "a-token"]);
    let url = format!("nats://127.0.0.1:{port}");
    let settings = NatsSettings {
        token: Some(Secret::new("a-token")),
        ..NatsSettings::new(url, "test")
    };
    is_up(&Bus::nats(&settings, Limits::default()).await.unwrap()).await;
}

#[tokio::test]
async fn a_consumer_that_waits_for_the_server_stops_when_told() {
    let settings = NatsSettings::new(format!("nats://127.0.0.1:{}", free_port()), "test");
    let bus = Bus::nats(&settings, Limits::default()).await.unwrap();
    let mut consumer = bus.consumer(&jobs(), "worker", &[], patient()).unwrap();
    let stop = CancellationToken::new();
    let told = async {
        let stopping = async {
            is_down(&bus).await;
            stop.cancel();
        };
        tokio::join!(consumer.next(&stop), stopping).0
    };
    assert!(timeout(DEADLINE, told).await.expect("it does not stop").is_none());
}

#[tokio::test]
async fn a_filter_that_changes_delays_messages_for_seconds_at_most() {
    let nats = Nats::start().await;
    let bus = connected(&nats.url(), Limits::default()).await;
    store(&bus, REQUESTED, "a").await;
    let mut before = bus.consumer(&jobs(), "worker", &[REQUESTED], patient()).unwrap();
    deliver(&mut before).await.ack().await.unwrap();

    let started = "weir.shop.job.started";
    let mut after = bus.consumer(&jobs(), "worker", &[started], patient()).unwrap();
    let operator = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let publish = async {
        // NATS 2.9 does not tell a request that waits already.
        consumer_waits(&operator).await;
        store(&bus, started, "b").await;
    };
    let (delivery, ()) = tokio::join!(deliver(&mut after), publish);
    assert_eq!((text(&delivery.message).as_str(), delivery.attempt()), ("b", 1));
}

/// Waits until a consumer's request stands at the server.
async fn consumer_waits(operator: &async_nats::jetstream::Context) {
    eventually("a waiting consumer", DEADLINE, async || {
        let stream = operator.get_stream("JOBS").await.ok()?;
        let consumer = stream.consumer_info("worker").await.ok()?;
        (consumer.num_waiting == 1).then_some(())
    })
    .await;
}

/// Where nobody listens, the server says that there is no stream. Where somebody does, it says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_made_though_somebody_else_hears_the_message() {
    let port = free_port();
    let (first_dir, second_dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = serve(port, &first_dir, &[]);
    let url = format!("nats://127.0.0.1:{port}");
    let bus = connected(&url, Limits::default()).await;
    let listens = connected(&url, Limits::default()).await;
    let mut heard = listens.subscribe("weir.>", None).await.unwrap();
    let tell = async |id: &'static str| {
        let began = Instant::now();
        store(&bus, REQUESTED, id).await;
        began.elapsed()
    };
    let took = tell("first").await;
    assert!(took < ONE_TRY, "{took:?}");
    assert_eq!(text(&next(&mut heard).await), "first");

    first.kill9();
    first.wait_exit(DEADLINE).await;
    is_down(&bus).await;
    is_down(&listens).await;
    let _second = serve(port, &second_dir, &[]);
    is_up(&bus).await;
    is_up(&listens).await;
    hears(&bus, &mut heard, "weir.another").await;
    let took = tell("after-its-data-was-lost").await;
    assert!(took < ONE_TRY, "{took:?}");

    let operator = async_nats::jetstream::new(async_nats::connect(url).await.unwrap());
    operator.delete_stream("JOBS").await.unwrap();
    tell("after-somebody-took-it-away").await;
    let mut consumer = bus.consumer(&jobs(), "worker", &[], patient()).unwrap();
    assert_eq!(
        text(&deliver(&mut consumer).await.message),
        "after-somebody-took-it-away"
    );
}
