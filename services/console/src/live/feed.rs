//! From the bus into the ring.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message, Subscription};
use weir_events::SubjectPattern;
use weir_runtime::{Ground, Stage, StartError, TaskResult};

use super::ring::Audience;
use super::{Hub, telling};

/// How soon what came is told: often enough for people, seldom enough for a thousand viewers.
const WAKE_EVERY: Duration = Duration::from_millis(50);
/// Commits come in thousands; each database's is told so often at most.
const INVALIDATED_EVERY: Duration = Duration::from_millis(500);

pub(crate) async fn start(ground: &Ground, bus: &Bus, hub: &Hub) -> Result<(), StartError> {
    let mut subscriptions = Vec::new();
    for heard in telling::HEARD {
        let pattern = SubjectPattern::of_every_project(heard);
        subscriptions.push(bus.subscribe(pattern.as_str(), None).await?);
    }
    let feed = Feed {
        hub: hub.clone(),
        invalidated: BTreeMap::new(),
    };
    ground
        .tasks
        .spawn(Stage::Work, "live events", |stop| feed.run(subscriptions, stop));
    Ok(())
}

struct Feed {
    hub: Hub,
    /// When each database's was last told.
    invalidated: BTreeMap<String, Instant>,
}

impl Feed {
    async fn run(mut self, subscriptions: Vec<Subscription>, stop: CancellationToken) -> TaskResult {
        let mut messages = stream::select_all(subscriptions.into_iter().map(each));
        let mut ticks = interval(WAKE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = messages.next() => match heard {
                    Some(heard) => self.note(heard),
                    None => return Err("the subscription to what happens ended".into()),
                },
                _ = ticks.tick() => self.hub.wake(),
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn note(&mut self, heard: Heard) {
        if heard.has_lost {
            self.hub.lost();
        }
        let Some(told) = telling::told(&heard.message, self.hub.0.clock.unix_ms()) else {
            return;
        };
        if told.kind == "cache.invalidated" && !self.is_due(&told) {
            return;
        }
        self.hub.tell(told.kind, Audience::Project(told.project), &told.data);
    }

    fn is_due(&mut self, told: &telling::Told) -> bool {
        let database = told.data.pointer("/data/database").and_then(|name| name.as_str());
        let key = format!("{} {}", told.project, database.unwrap_or_default());
        let last = self.invalidated.get(&key);
        let is_due = last.is_none_or(|last| last.elapsed() >= INVALIDATED_EVERY);
        if is_due {
            self.invalidated.insert(key, Instant::now());
        }
        is_due
    }
}

struct Heard {
    message: Message,
    /// Messages before it were dropped, because this receiver was slow.
    has_lost: bool,
}

fn each(subscription: Subscription) -> stream::BoxStream<'static, Heard> {
    stream::unfold((subscription, 0), |(mut subscription, lost)| async move {
        let message = subscription.next().await?;
        let dropped = subscription.dropped();
        let heard = Heard {
            message,
            has_lost: dropped > lost,
        };
        Some((heard, (subscription, dropped)))
    })
    .boxed()
}
