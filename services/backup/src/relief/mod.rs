//! Relief for users while their server is read: what their statements take is heard on the bus, as the gateways tell
//! it, and work is slowed down beyond what the settings let it cost.

mod load;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message, Subscription};
use weir_events::{Wait, Waits, gateway, project_of};
use weir_proto::events::v1::QueryBatch;
use weir_runtime::{Ground, Stage, TaskResult};

use crate::engine::pace::Pace;
use load::{Load, STEP, next_limit};

pub(crate) use load::Rule;

/// What is heard, and what users have to bear. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Relief(Arc<Ear>);

#[derive(Debug)]
struct Ear {
    rule: Rule,
    load: Mutex<Load>,
    since: Instant,
}

/// Work that runs: what is heard meanwhile is not usual. It ends with the drop.
#[derive(Debug)]
struct Working<'a>(&'a Relief);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.with(Load::end);
    }
}

/// Listens from now on.
pub(crate) async fn start(ground: &Ground, bus: &Bus, rule: Rule) -> Result<Relief, weir_bus::Error> {
    let relief = Relief::new(rule);
    if rule.factor > 0.0 {
        let subscription = bus.subscribe(gateway::every_query_executed().as_str(), None).await?;
        let heard = relief.clone();
        ground.tasks.spawn(Stage::Work, "relief", |stop| async move {
            heard.listen(subscription, stop).await
        });
    }
    Ok(relief)
}

impl Relief {
    pub(crate) fn new(rule: Rule) -> Self {
        Self(Arc::new(Ear {
            rule,
            load: Mutex::default(),
            since: Instant::now(),
        }))
    }

    async fn listen(&self, mut subscription: Subscription, stop: CancellationToken) -> TaskResult {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                received = subscription.next() => match received {
                    Some(message) => self.take(&message),
                    None => return Err("the subscription to query events ended".into()),
                },
            }
        }
    }

    /// Counts one message. What cannot be read is the monitor's to complain of.
    fn take(&self, message: &Message) {
        let Ok(project) = project_of::<QueryBatch>(&message.subject) else {
            return;
        };
        let Ok(heard) = Waits::read(message.payload.clone()) else {
            return;
        };
        let counted = heard.statements.iter().filter(|call| call.counts()).map(Wait::took_us);
        self.with(|load| load.count(project.as_str(), counted));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Load) -> T) -> T {
        let mut load = self.0.load.lock().unwrap_or_else(PoisonError::into_inner);
        load.roll(self.0.since.elapsed());
        act(&mut load)
    }

    /// Slows work down while users suffer, for as long as it is not dropped. `most` is what was ordered, `rate` how
    /// fast it is.
    pub(crate) async fn keep(&self, pace: &Pace, most: u64, rate: impl Fn() -> u64) -> Infallible {
        self.with(Load::begin);
        let _working = Working(self);
        let mut steps = interval(STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut limit = most;
        loop {
            steps.tick().await;
            let suffering = self.suffering();
            let next = next_limit(limit, most, rate(), suffering.is_some());
            if next != limit {
                tracing::info!(
                    bytes_per_second = next,
                    project = suffering,
                    "pace changed for the users' sake"
                );
                pace.limit(next);
                limit = next;
            }
        }
    }

    /// A project whose statements take longer than they may.
    fn suffering(&self) -> Option<String> {
        let rule = self.0.rule;
        if rule.factor <= 0.0 {
            return None;
        }
        self.with(|load| load.suffering(&rule).first().map(|project| (*project).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;
    use weir_bus::Limits;
    use weir_model::{Clock, Project};
    use weir_proto::events::v1::QueryExecuted;

    use super::*;
    use crate::engine::progress::Progress;

    async fn told(bus: &Bus, ms: u64, more: &QueryExecuted) {
        let project = Project::parse("shop").unwrap();
        let event = QueryExecuted {
            server_us: ms * 1_000,
            ..more.clone()
        };
        let batch = QueryBatch {
            project: project.to_string(),
            events: vec![event; 40],
            ..QueryBatch::default()
        };
        let event = gateway::query_executed(&project, &batch, &Clock::system());
        let message = Message::new(event.subject.to_string(), event.payload);
        bus.publish(message).await.unwrap();
        // In this still time, whoever listens has heard it once everybody waits for the next moment.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_backup_goes_slower_while_users_suffer_and_recovers() {
        let bus = Bus::in_memory(Limits::default());
        let rule = Rule {
            factor: 1.5,
            margin: Duration::from_millis(20),
        };
        let relief = Relief::new(rule);
        let subscription = bus
            .subscribe(gateway::every_query_executed().as_str(), None)
            .await
            .unwrap();
        let mut tasks = JoinSet::new();
        let heard = relief.clone();
        tasks.spawn(async move { heard.listen(subscription, CancellationToken::new()).await.unwrap() });
        let own = QueryExecuted {
            application: "weir-backup".to_owned(),
            ..QueryExecuted::default()
        };
        for _ in 0..10 {
            told(&bus, 4, &QueryExecuted::default()).await;
            told(&bus, 900, &own).await;
        }
        let pace = Pace::new(0, CancellationToken::new(), Progress::default());
        let (kept, shared) = (relief.clone(), pace.clone());
        tasks.spawn(async move { match kept.keep(&shared, 0, || 64 << 20).await {} });
        for _ in 0..10 {
            told(&bus, 4, &own).await;
            told(&bus, 4, &QueryExecuted::default()).await;
        }
        assert_eq!(pace.limited_to(), 0, "nobody suffered");
        for _ in 0..14 {
            told(&bus, 90, &QueryExecuted::default()).await;
        }
        let slowed = pace.limited_to();
        assert!((1..=32 << 20).contains(&slowed), "{slowed}");
        for _ in 0..240 {
            told(&bus, 4, &QueryExecuted::default()).await;
        }
        assert_eq!(pace.limited_to(), 0);
    }
}
