//! What holds in memory only: bounds that a server has on its disk, and time that a test can move.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Memory;
use crate::durable::ConsumerSpec;
use crate::{ConsumerOptions, Delivery, Error, Limits, Message, StreamSpec};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn jobs() -> StreamSpec {
    StreamSpec {
        name: "JOBS".to_owned(),
        subjects: vec!["job.>".to_owned()],
        max_age: 7 * DAY,
        duplicate_window: Duration::from_secs(120),
    }
}

fn memory(stream_messages: usize) -> Memory {
    Memory::new(Limits {
        stream_messages,
        ..Limits::default()
    })
}

fn store(memory: &Memory, subject: &str, id: &str) -> Result<(), Error> {
    memory.publish_durable(&jobs(), id, Message::new(subject, id.to_owned()))
}

fn consumer(memory: &Memory, name: &str, filters: &[&str]) -> super::Consumer {
    let options = ConsumerOptions {
        ack_wait: 30 * DAY,
        ..ConsumerOptions::default()
    };
    memory
        .consumer(ConsumerSpec::new(&jobs(), name, filters, options).unwrap())
        .unwrap()
}

async fn take(consumer: &mut super::Consumer) -> Delivery {
    consumer.next(&CancellationToken::new()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_refuses_and_loses_nothing() {
    let memory = memory(3);
    let mut worker = consumer(&memory, "worker", &[]);
    for id in ["a", "b", "c"] {
        store(&memory, "job.requested", id).unwrap();
    }
    let full = store(&memory, "job.requested", "d").unwrap_err();
    assert!(matches!(full, Error::Full { .. }) && full.is_retryable(), "{full}");
    assert!(memory.publish(Message::new("job.requested", "core")).is_err());

    // A repetition needs no room.
    store(&memory, "job.requested", "a").unwrap();
    let first = take(&mut worker).await;
    assert!(
        store(&memory, "job.requested", "d").is_err(),
        "what is being dealt with was let go"
    );
    first.ack().await.unwrap();
    store(&memory, "job.requested", "d").unwrap();
    assert!(store(&memory, "job.requested", "e").is_err());
    for id in ["b", "c", "d"] {
        assert_eq!(take(&mut worker).await.message.payload, id);
    }
}

#[tokio::test(start_paused = true)]
async fn room_is_made_only_of_what_all_have_dealt_with() {
    let memory = memory(2);
    let (mut one, mut two) = (
        consumer(&memory, "one", &["job.requested"]),
        consumer(&memory, "two", &["job.>"]),
    );
    store(&memory, "job.requested", "a").unwrap();
    store(&memory, "job.failed", "b").unwrap();
    take(&mut one).await.ack().await.unwrap();
    assert!(
        store(&memory, "job.requested", "c").is_err(),
        "the other one has not seen it"
    );
    take(&mut two).await.ack().await.unwrap();
    store(&memory, "job.requested", "c").unwrap();
    take(&mut two).await.reject().await.unwrap();
    store(&memory, "job.requested", "d").unwrap();
    assert_eq!(take(&mut one).await.message.payload, "c");
}

#[tokio::test(start_paused = true)]
async fn what_concerns_nobody_yet_stays_for_who_comes_later() {
    let memory = memory(3);
    let mut elsewhere = consumer(&memory, "elsewhere", &["job.failed"]);
    for (subject, id) in [("job.failed", "x"), ("job.requested", "a"), ("job.requested", "b")] {
        store(&memory, subject, id).unwrap();
    }
    take(&mut elsewhere).await.ack().await.unwrap();
    store(&memory, "job.requested", "c").unwrap();
    assert!(store(&memory, "job.requested", "d").is_err());
    let mut late = consumer(&memory, "late", &[]);
    for id in ["a", "b", "c"] {
        assert_eq!(take(&mut late).await.message.payload, id);
    }
}

#[tokio::test(start_paused = true)]
async fn age_ends_what_nobody_dealt_with() {
    let memory = memory(2);
    let mut worker = consumer(&memory, "worker", &[]);
    store(&memory, "job.requested", "a").unwrap();
    let held = take(&mut worker).await;
    store(&memory, "job.requested", "b").unwrap();
    tokio::time::advance(8 * DAY).await;
    for id in ["c", "d"] {
        store(&memory, "job.requested", id).unwrap();
    }
    held.retry_after(Duration::ZERO).await.unwrap();
    for id in ["c", "d"] {
        assert_eq!(take(&mut worker).await.message.payload, id);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_given_out_too_often_no_longer_takes_room() {
    let memory = memory(1);
    let options = ConsumerOptions {
        max_deliver: 1,
        ack_wait: Duration::from_secs(30),
        ..ConsumerOptions::default()
    };
    let spec = ConsumerSpec::new(&jobs(), "worker", &[], options).unwrap();
    let mut worker = memory.consumer(spec).unwrap();
    store(&memory, "job.requested", "poison").unwrap();
    drop(take(&mut worker).await);
    assert!(store(&memory, "job.requested", "b").is_err());
    let stop = CancellationToken::new();
    let waited = tokio::time::timeout(Duration::from_secs(31), worker.next(&stop)).await;
    assert!(waited.is_err(), "it came again");
    store(&memory, "job.requested", "b").unwrap();
}
