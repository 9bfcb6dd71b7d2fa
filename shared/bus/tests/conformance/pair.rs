//! What every test starts from.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Consumer, Delivery, Limits, Message, NatsSettings, StreamSpec, Subscription};
use weir_testkit::{Nats, eventually};

/// Longest wait for anything that must happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// How long a quiet subscription is listened to before its count is looked at.
pub(crate) const QUIET: Duration = Duration::from_millis(20);
/// A time that must not matter in a test.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// Two ends of one bus: two processes' ends over NATS, one and the same in memory.
pub(crate) struct Pair {
    pub(crate) near: Bus,
    pub(crate) far: Bus,
}

/// How a test of the suite opens its pair.
pub(crate) trait Open: AsyncFn(Limits) -> Pair {}
impl<T: AsyncFn(Limits) -> Pair> Open for T {}

impl Pair {
    #[expect(clippy::unused_async, reason = "the other way to open one waits")]
    pub(crate) async fn in_memory(limits: Limits) -> Self {
        let near = Bus::in_memory(limits);
        Self {
            far: near.clone(),
            near,
        }
    }

    pub(crate) async fn over_nats(nats: &Nats, limits: Limits) -> Self {
        Self {
            near: connected(&nats.url(), limits).await,
            far: connected(&nats.url(), limits).await,
        }
    }
}

/// A bus that is connected.
pub(crate) async fn connected(url: &str, limits: Limits) -> Bus {
    let bus = Bus::nats(&NatsSettings::new(url, "test"), limits).await.unwrap();
    is_up(&bus).await;
    bus
}

pub(crate) async fn is_up(bus: &Bus) {
    let mut health = bus.connected();
    timeout(DEADLINE, health.wait_for(weir_bus::Health::is_up))
        .await
        .expect("it never came up")
        .unwrap();
}

pub(crate) async fn is_down(bus: &Bus) {
    let mut health = bus.connected();
    timeout(DEADLINE, health.wait_for(|health| !health.is_up()))
        .await
        .expect("it never went down")
        .unwrap();
}

pub(crate) fn message(subject: &str, text: &str) -> Message {
    Message::new(subject, text.to_owned())
}

pub(crate) fn text(message: &Message) -> String {
    String::from_utf8(message.payload.to_vec()).unwrap()
}

/// The next message of a subscription, which must come.
pub(crate) async fn next(subscription: &mut Subscription) -> Message {
    timeout(DEADLINE, subscription.next())
        .await
        .expect("no message came")
        .expect("the subscription ended")
}

/// The texts of so many messages.
pub(crate) async fn texts(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(text(&next(subscription).await));
    }
    texts
}

/// The next delivery, which must come.
pub(crate) async fn deliver(consumer: &mut Consumer) -> Delivery {
    let stop = CancellationToken::new();
    timeout(DEADLINE, consumer.next(&stop))
        .await
        .expect("no delivery came")
        .expect("it was not told to stop")
}

/// A stream of jobs.
pub(crate) fn jobs() -> StreamSpec {
    StreamSpec {
        name: "JOBS".to_owned(),
        subjects: vec!["weir.*.job.>".to_owned()],
        max_age: LONG,
        duplicate_window: Duration::from_secs(120),
    }
}

/// Stores a message under an id.
pub(crate) async fn store(bus: &Bus, subject: &str, id: &str) {
    bus.publish_durable(&jobs(), id, message(subject, id), DEADLINE)
        .await
        .unwrap();
}

/// Waits until the subscription has dropped so many.
pub(crate) async fn has_dropped(subscription: &Subscription, count: u64) {
    eventually("the drops", DEADLINE, async || {
        let dropped = subscription.dropped();
        if dropped == count {
            Ok(())
        } else {
            Err(format!("{dropped} dropped"))
        }
    })
    .await;
}
