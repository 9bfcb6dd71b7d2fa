//! Durable messages: kept until a consumer has dealt with them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Consumer, ConsumerOptions, Error, Limits, StreamSpec};

use crate::pair::{DEADLINE, LONG, Open, Pair, deliver, jobs, message, next, store, text};

const REQUESTED: &str = "weir.shop.job.requested";
/// Short enough to wait for, long enough for a busy machine.
const ACK_WAIT: Duration = Duration::from_secs(1);

fn consumer(bus: &Bus, name: &str, options: ConsumerOptions) -> Consumer {
    bus.consumer(&jobs(), name, &[], options).unwrap()
}

fn patient() -> ConsumerOptions {
    ConsumerOptions {
        ack_wait: LONG,
        ..ConsumerOptions::default()
    }
}

fn hasty() -> ConsumerOptions {
    ConsumerOptions {
        ack_wait: ACK_WAIT,
        ..ConsumerOptions::default()
    }
}

async fn stored(open: &impl Open, ids: &[&str]) -> Pair {
    let pair = open(Limits::default()).await;
    for id in ids {
        store(&pair.near, REQUESTED, id).await;
    }
    pair
}

/// The text of the next delivery, and which time it came.
async fn came(consumer: &mut Consumer) -> (String, u32) {
    let delivery = deliver(consumer).await;
    (text(&delivery.message), delivery.attempt())
}

fn first(id: &str) -> (String, u32) {
    (id.to_owned(), 1)
}

fn second(id: &str) -> (String, u32) {
    (id.to_owned(), 2)
}

pub(crate) async fn messages_come_in_order_and_acknowledged_ones_once(open: &impl Open) {
    let pair = stored(open, &["a", "b", "c"]).await;
    let mut consumer = consumer(&pair.far, "worker", hasty());
    for id in ["a", "b"] {
        let delivery = deliver(&mut consumer).await;
        assert_eq!((text(&delivery.message), delivery.attempt()), first(id));
        assert_eq!(delivery.message.subject, REQUESTED);
        delivery.ack().await.unwrap();
        delivery.ack().await.unwrap();
    }
    // Only what nobody acknowledged comes again.
    assert_eq!(came(&mut consumer).await, first("c"));
    assert_eq!(came(&mut consumer).await, second("c"));
    assert_eq!(came(&mut consumer).await, ("c".to_owned(), 3));
}

pub(crate) async fn headers_travel_with_durable_messages(open: &impl Open) {
    let pair = open(Limits::default()).await;
    let sent = message(REQUESTED, "x")
        .with_header("ce-id", "7")
        .with_header("traceparent", "00-1-2-01");
    pair.near
        .publish_durable(&jobs(), "7", sent.clone(), DEADLINE)
        .await
        .unwrap();
    let delivery = deliver(&mut consumer(&pair.far, "worker", patient())).await;
    assert_eq!(delivery.message, sent);
}

pub(crate) async fn a_delivery_without_answer_comes_again_after_ack_wait(open: &impl Open) {
    let pair = stored(open, &["a"]).await;
    let mut consumer = consumer(&pair.far, "worker", hasty());
    let began = Instant::now();
    drop(deliver(&mut consumer).await);
    let again = deliver(&mut consumer).await;
    assert_eq!((text(&again.message), again.attempt()), second("a"));
    assert!(began.elapsed() >= ACK_WAIT, "after {:?}", began.elapsed());
    again.ack().await.unwrap();
    store(&pair.near, REQUESTED, "b").await;
    assert_eq!(came(&mut consumer).await, first("b"));
}

pub(crate) async fn a_late_acknowledgement_still_counts(open: &impl Open) {
    let pair = stored(open, &["a", "b"]).await;
    let mut consumer = consumer(&pair.far, "worker", hasty());
    let late = deliver(&mut consumer).await;
    assert_eq!(came(&mut consumer).await, first("b"));
    assert_eq!(came(&mut consumer).await, second("a"));
    late.ack().await.unwrap();
    assert_eq!(came(&mut consumer).await, second("b"));
    assert_eq!(came(&mut consumer).await, ("b".to_owned(), 3));
}

pub(crate) async fn retry_after_waits_as_long_as_asked(open: &impl Open) {
    let pair = stored(open, &["a", "b"]).await;
    let mut consumer = consumer(&pair.far, "worker", patient());
    let wait = Duration::from_millis(400);
    let delivery = deliver(&mut consumer).await;
    let began = Instant::now();
    delivery.retry_after(wait).await.unwrap();
    // It stands in nobody's way meanwhile.
    assert_eq!(came(&mut consumer).await, first("b"));
    assert_eq!(came(&mut consumer).await, second("a"));
    assert!(began.elapsed() >= wait, "after {:?}", began.elapsed());
}

pub(crate) async fn retry_after_for_ever_is_no_fault(open: &impl Open) {
    let pair = stored(open, &["a", "b"]).await;
    let mut consumer = consumer(&pair.far, "worker", hasty());
    deliver(&mut consumer).await.retry_after(Duration::MAX).await.unwrap();
    assert_eq!(came(&mut consumer).await, first("b"));
    assert_eq!(came(&mut consumer).await, second("b"));
    assert_eq!(came(&mut consumer).await, ("b".to_owned(), 3));
}

pub(crate) async fn in_progress_puts_the_next_delivery_off(open: &impl Open) {
    let pair = stored(open, &["a", "b"]).await;
    let mut consumer = consumer(&pair.far, "worker", hasty());
    let long_work = deliver(&mut consumer).await;
    assert_eq!(came(&mut consumer).await, first("b"));
    let mut heartbeat = interval(ACK_WAIT / 5);
    // Three times over the other comes again, which is more than two waits.
    for attempt in 2..=4 {
        let the_other = async {
            loop {
                tokio::select! {
                    came = came(&mut consumer) => break came,
                    _ = heartbeat.tick() => long_work.in_progress().await.unwrap(),
                }
            }
        };
        let came = timeout(DEADLINE, the_other).await.expect("nothing came again");
        assert_eq!(came, ("b".to_owned(), attempt));
    }
    long_work.ack().await.unwrap();
}

pub(crate) async fn a_message_comes_max_deliver_times_at_most(open: &impl Open) {
    let pair = stored(open, &["poison", "b"]).await;
    let mut consumer = consumer(
        &pair.far,
        "worker",
        ConsumerOptions {
            max_deliver: 2,
            ..hasty()
        },
    );
    assert_eq!(came(&mut consumer).await, first("poison"));
    assert_eq!(came(&mut consumer).await, first("b"));
    for _ in 0..2 {
        let (id, attempt) = came(&mut consumer).await;
        assert_eq!(attempt, 2, "{id}");
    }
    // What came too often is left: only what is new comes, and that twice.
    store(&pair.near, REQUESTED, "c").await;
    assert_eq!(came(&mut consumer).await, first("c"));
    assert_eq!(came(&mut consumer).await, second("c"));
}

pub(crate) async fn a_rejected_message_does_not_come_again(open: &impl Open) {
    let pair = stored(open, &["bad", "b"]).await;
    let mut consumer = consumer(&pair.far, "worker", hasty());
    deliver(&mut consumer).await.reject().await.unwrap();
    for attempt in 1..=3 {
        assert_eq!(came(&mut consumer).await, ("b".to_owned(), attempt));
    }
}

pub(crate) async fn the_same_id_is_stored_once(open: &impl Open) {
    let pair = open(Limits::default()).await;
    for text in ["one", "two", "three"] {
        let repeated = message("weir.shop.job.started", text);
        pair.near
            .publish_durable(&jobs(), "same-id", repeated, DEADLINE)
            .await
            .unwrap();
    }
    store(&pair.near, REQUESTED, "next").await;
    let mut consumer = consumer(&pair.far, "worker", patient());
    assert_eq!(came(&mut consumer).await, first("one"));
    assert_eq!(came(&mut consumer).await, first("next"));
}

pub(crate) async fn an_id_is_forgotten_after_the_window(open: &impl Open) {
    let pair = open(Limits::default()).await;
    let spec = StreamSpec {
        duplicate_window: Duration::from_millis(300),
        ..jobs()
    };
    let mut consumer = pair.far.consumer(&spec, "worker", &[], patient()).unwrap();
    let publish = || {
        pair.near
            .publish_durable(&spec, "id", message(REQUESTED, "x"), DEADLINE)
    };
    publish().await.unwrap();
    deliver(&mut consumer).await.ack().await.unwrap();
    let mut again = interval(Duration::from_millis(50));
    let anew = async {
        loop {
            tokio::select! {
                delivery = deliver(&mut consumer) => break delivery,
                _ = again.tick() => publish().await.unwrap(),
            }
        }
    };
    let delivery = timeout(DEADLINE, anew).await.expect("the id was never forgotten");
    assert_eq!(delivery.attempt(), 1);
}

pub(crate) async fn consumers_of_one_name_share_the_work(open: &impl Open) {
    const COUNT: usize = 40;
    let pair = open(Limits::default()).await;
    for number in 0..COUNT {
        store(&pair.near, REQUESTED, &number.to_string()).await;
    }
    let (mut one, mut two) = (
        consumer(&pair.near, "workers", patient()),
        consumer(&pair.far, "workers", patient()),
    );
    let mut seen = BTreeSet::new();
    for _ in 0..COUNT / 2 {
        for consumer in [&mut one, &mut two] {
            let delivery = deliver(consumer).await;
            assert!(
                seen.insert(text(&delivery.message)),
                "{} came twice",
                text(&delivery.message)
            );
            delivery.ack().await.unwrap();
        }
    }
    assert_eq!(seen.len(), COUNT);
}

pub(crate) async fn each_name_gets_everything(open: &impl Open) {
    let pair = stored(open, &["a", "b"]).await;
    for name in ["maintenance", "backup"] {
        let mut consumer = consumer(&pair.far, name, patient());
        for id in ["a", "b"] {
            let delivery = deliver(&mut consumer).await;
            assert_eq!((text(&delivery.message), delivery.attempt()), first(id), "{name}");
            delivery.ack().await.unwrap();
        }
    }
}

pub(crate) async fn a_consumer_goes_on_where_its_name_stopped(open: &impl Open) {
    let pair = stored(open, &["a", "b"]).await;
    deliver(&mut consumer(&pair.near, "worker", patient()))
        .await
        .ack()
        .await
        .unwrap();
    assert_eq!(came(&mut consumer(&pair.far, "worker", patient())).await, first("b"));
}

pub(crate) async fn a_name_can_change_what_it_does(open: &impl Open) {
    let pair = stored(open, &["a"]).await;
    let started = "weir.shop.job.started";
    let mut before = pair.far.consumer(&jobs(), "worker", &[REQUESTED], patient()).unwrap();
    deliver(&mut before).await.ack().await.unwrap();
    let changed = ConsumerOptions {
        max_in_flight: 7,
        max_deliver: 3,
        ..hasty()
    };
    let mut after = pair.far.consumer(&jobs(), "worker", &[started], changed).unwrap();
    let (delivery, ()) = tokio::join!(deliver(&mut after), async {
        store(&pair.near, REQUESTED, "b").await;
        store(&pair.near, started, "c").await;
    });
    assert_eq!((text(&delivery.message), delivery.attempt()), first("c"));
    // The new ack_wait holds as well.
    assert_eq!(came(&mut after).await, second("c"));
}

pub(crate) async fn filters_choose_messages(open: &impl Open) {
    let pair = open(Limits::default()).await;
    for (number, event) in [
        "requested",
        "started",
        "requested",
        "progress",
        "succeeded",
        "requested",
    ]
    .iter()
    .enumerate()
    {
        store(&pair.near, &format!("weir.shop.job.{event}"), &number.to_string()).await;
    }
    for (name, filters, expected) in [
        ("one", &["weir.*.job.requested"][..], &["0", "2", "5"][..]),
        ("two", &["weir.*.job.started", "weir.*.job.succeeded"], &["1", "4"]),
        ("all", &[], &["0", "1", "2", "3", "4", "5"]),
    ] {
        let mut consumer = pair.far.consumer(&jobs(), name, filters, patient()).unwrap();
        for id in expected {
            let delivery = deliver(&mut consumer).await;
            assert_eq!((text(&delivery.message), delivery.attempt()), first(id), "{name}");
            delivery.ack().await.unwrap();
        }
    }
}

pub(crate) async fn no_more_are_out_than_allowed(open: &impl Open) {
    let pair = stored(open, &["a", "b", "c"]).await;
    let mut narrow = consumer(
        &pair.far,
        "narrow",
        ConsumerOptions {
            max_in_flight: 2,
            ..patient()
        },
    );
    let mut wide = consumer(&pair.far, "wide", patient());
    let held = deliver(&mut narrow).await;
    assert_eq!(came(&mut narrow).await, first("b"));
    let acknowledged = AtomicBool::new(false);
    let third = async {
        assert_eq!(came(&mut narrow).await, first("c"));
        assert!(
            acknowledged.load(Ordering::SeqCst),
            "a third was given out while two were"
        );
    };
    let acknowledge = async {
        // By the time that another consumer has seen all of them, this one would have too.
        for id in ["a", "b", "c"] {
            assert_eq!(came(&mut wide).await, first(id));
        }
        acknowledged.store(true, Ordering::SeqCst);
        held.ack().await.unwrap();
    };
    tokio::join!(third, acknowledge);
}

pub(crate) async fn next_ends_when_told_to_stop(open: &impl Open) {
    let pair = stored(open, &["a"]).await;
    let mut consumer = consumer(&pair.far, "worker", patient());
    deliver(&mut consumer).await.ack().await.unwrap();
    let stop = CancellationToken::new();
    let told = async { tokio::join!(consumer.next(&stop), async { stop.cancel() }).0 };
    assert!(timeout(DEADLINE, told).await.expect("it does not stop").is_none());
    store(&pair.near, REQUESTED, "b").await;
    assert!(consumer.next(&stop).await.is_none(), "it was stopped");
}

pub(crate) async fn a_call_of_next_that_is_given_up_loses_nothing(open: &impl Open) {
    let pair = open(Limits::default()).await;
    let mut consumer = consumer(
        &pair.far,
        "worker",
        ConsumerOptions {
            max_deliver: 1,
            ..patient()
        },
    );
    let stop = CancellationToken::new();
    for number in 0..20 {
        // Given up at various moments: before, while and after the message arrives.
        let given_up = async { store(&pair.near, REQUESTED, &number.to_string()).await };
        let early = tokio::select! {
            biased;
            delivery = consumer.next(&stop) => delivery,
            () = given_up => None,
        };
        let delivery = match early {
            Some(early) => early,
            None => deliver(&mut consumer).await,
        };
        assert_eq!(
            (text(&delivery.message), delivery.attempt()),
            first(&number.to_string())
        );
        delivery.ack().await.unwrap();
    }
}

pub(crate) async fn listeners_hear_durable_messages_and_streams_keep_core_ones(open: &impl Open) {
    let pair = open(Limits::default()).await;
    pair.near.ensure_stream(&jobs()).await.unwrap();
    let mut listener = pair.far.subscribe("weir.>", None).await.unwrap();
    let mut consumer = consumer(&pair.far, "worker", patient());
    store(&pair.near, REQUESTED, "durable").await;
    pair.near.publish(message(REQUESTED, "core")).await.unwrap();
    for expected in ["durable", "core"] {
        let heard = next(&mut listener).await;
        assert_eq!((text(&heard).as_str(), heard.headers.len()), (expected, 0));
        assert_eq!(came(&mut consumer).await, first(expected));
    }
}

pub(crate) async fn a_stream_can_change_and_none_may_take_from_another(open: &impl Open) {
    let pair = stored(open, &["a"]).await;
    let wider = StreamSpec {
        subjects: vec!["weir.*.job.>".to_owned(), "weir.*.task.>".to_owned()],
        ..jobs()
    };
    for _ in 0..2 {
        pair.near.ensure_stream(&wider).await.unwrap();
    }
    pair.near
        .publish_durable(&wider, "t", message("weir.shop.task.done", "t"), DEADLINE)
        .await
        .unwrap();
    let mut consumer = pair.far.consumer(&wider, "worker", &[], patient()).unwrap();
    assert_eq!(came(&mut consumer).await, first("a"));
    assert_eq!(came(&mut consumer).await, first("t"));

    let other = StreamSpec {
        name: "OTHER".to_owned(),
        ..jobs()
    };
    let error = pair.near.ensure_stream(&other).await.unwrap_err();
    assert!(
        matches!(error, Error::Refused { .. }) && error.to_string().contains("overlap"),
        "{error}"
    );
    assert!(!error.is_retryable());
}

pub(crate) async fn what_no_stream_could_keep_is_refused(open: &impl Open) {
    let pair = open(Limits::default()).await;
    let jobs = jobs();
    let publish = |subject, id| pair.near.publish_durable(&jobs, id, message(subject, "x"), DEADLINE);
    for (subject, id) in [
        ("weir.shop.alert.firing", "1"),
        ("weir.shop.job.*", "1"),
        (REQUESTED, ""),
        (REQUESTED, "a b"),
    ] {
        assert!(
            matches!(publish(subject, id).await, Err(Error::Invalid { .. })),
            "{subject} {id:?}"
        );
    }
    for (name, filter) in [("a.b", REQUESTED), ("worker", "weir.*.alert.>"), ("worker", "weir.>")] {
        assert!(
            pair.near.consumer(&jobs, name, &[filter], patient()).is_err(),
            "{name} {filter}"
        );
    }
    let nameless = StreamSpec {
        name: String::new(),
        ..jobs.clone()
    };
    assert!(pair.near.ensure_stream(&nameless).await.is_err());
    let empty = StreamSpec {
        subjects: Vec::new(),
        ..jobs.clone()
    };
    assert!(pair.near.ensure_stream(&empty).await.is_err());
    assert_eq!(pair.near.counts().refused_total, 4);
}
