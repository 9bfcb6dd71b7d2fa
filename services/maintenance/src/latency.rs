//! What users' statements take at this moment, as the gateways tell it on the bus.
//!
//! Every gateway tells of every statement a tenth of a second after its end. The monitor makes figures of ten seconds
//! of it, which are written and asked for later still; whoever has to stop within seconds listens for himself. It is a
//! subscription of its own, so no monitor misses what is heard here. Of an event only what counts is read, where it lies.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Health, Message, Subscription};
use weir_events::{Wait, Waits, gateway, project_of};
use weir_proto::events::v1::QueryBatch;
use weir_runtime::{Ground, Stage, TaskResult};

use crate::plan::{Traffic, Users};

/// Figures are made of so much time.
pub(crate) const STEP: Duration = Duration::from_secs(5);

/// What is heard. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Latency(Arc<Ear>);

#[derive(Debug)]
struct Ear {
    traffic: Mutex<Traffic>,
    since: Instant,
    health: watch::Receiver<Health>,
}

/// Work that runs: what is heard meanwhile is not usual. It ends with the drop.
#[derive(Debug)]
pub(crate) struct Working(Latency);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.with(Traffic::end);
    }
}

/// Listens from now on.
pub(crate) async fn start(ground: &Ground, bus: &Bus) -> Result<Latency, weir_bus::Error> {
    let latency = Latency::new(STEP, bus);
    let subscription = subscribe(bus).await?;
    let heard = latency.clone();
    ground.tasks.spawn(Stage::Work, "latency", |stop| async move {
        heard.listen(subscription, stop).await
    });
    Ok(latency)
}

async fn subscribe(bus: &Bus) -> Result<Subscription, weir_bus::Error> {
    bus.subscribe(gateway::every_query_executed().as_str(), None).await
}

impl Latency {
    fn new(step: Duration, bus: &Bus) -> Self {
        Self(Arc::new(Ear {
            traffic: Mutex::new(Traffic::new(step)),
            since: Instant::now(),
            health: bus.connected(),
        }))
    }

    /// Counts until told to stop.
    async fn listen(&self, mut subscription: Subscription, stop: CancellationToken) -> TaskResult {
        let mut steps = interval(self.with(|traffic| traffic.step()));
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                received = subscription.next() => match received {
                    Some(message) => self.take(&message),
                    None => return Err("the subscription to query events ended".into()),
                },
                // Steps end where nothing comes as well.
                _ = steps.tick() => self.with(|_| ()),
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
        self.with(|traffic| {
            for of_one in heard.statements.chunk_by(|one, next| one.database == next.database) {
                let database = of_one.first().map(|call| &*call.database).unwrap_or_default();
                let Ok(database) = str::from_utf8(database) else {
                    continue;
                };
                let counted = of_one.iter().filter(|call| call.counts()).map(Wait::took_us);
                traffic.count(project.as_str(), database, counted);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Traffic) -> T) -> T {
        let mut traffic = self.0.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        traffic.roll(self.0.since.elapsed());
        act(&mut traffic)
    }

    /// Says that work runs, for as long as the answer is kept.
    pub(crate) fn working(&self) -> Working {
        self.with(Traffic::begin);
        Working(self.clone())
    }

    /// How many steps have passed.
    pub(crate) fn steps(&self) -> u64 {
        self.with(|traffic| traffic.steps())
    }

    /// How long a step is.
    pub(crate) fn step(&self) -> Duration {
        self.with(|traffic| traffic.step())
    }

    /// The users of a database.
    pub(crate) fn users(&self, database: &str) -> Vec<Users> {
        self.with(|traffic| traffic.users(database))
    }

    /// Why nothing is heard at present, if that is known.
    pub(crate) fn deaf(&self) -> Option<String> {
        let health = self.0.health.borrow();
        health.check().err().map(|reason| format!("the bus is away: {reason}"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use tokio::task::JoinSet;
    use weir_bus::Limits;
    use weir_model::{Clock, Project};
    use weir_proto::events::v1::{CacheOutcome, QueryExecuted};
    use weir_testkit::eventually;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// An ear with steps of this length on a bus within the process, and what tells it of statements.
    pub(crate) struct Told {
        pub(crate) bus: Bus,
        pub(crate) latency: Latency,
        /// It listens until the drop.
        _tasks: JoinSet<()>,
    }

    impl Told {
        pub(crate) async fn new(step: Duration) -> Self {
            let bus = Bus::in_memory(Limits::default());
            let latency = Latency::new(step, &bus);
            let subscription = subscribe(&bus).await.unwrap();
            let (heard, stopped) = (latency.clone(), CancellationToken::new());
            let mut tasks = JoinSet::new();
            tasks.spawn(async move { heard.listen(subscription, stopped).await.unwrap() });
            Self {
                bus,
                latency,
                _tasks: tasks,
            }
        }

        /// Tells of these, as a gateway does.
        pub(crate) async fn tell(&self, project: &str, events: Vec<QueryExecuted>) {
            let project = Project::parse(project).unwrap();
            let batch = QueryBatch {
                project: project.to_string(),
                events,
                ..QueryBatch::default()
            };
            let event = gateway::query_executed(&project, &batch, &Clock::system());
            let message = Message::new(event.subject.to_string(), event.payload);
            self.bus.publish(message).await.unwrap();
        }
    }

    pub(crate) fn call(database: &str, ms: u64) -> QueryExecuted {
        QueryExecuted {
            fingerprint: 7,
            text_hash: 9,
            database: database.to_owned(),
            user: "app".to_owned(),
            application: "shop-api".to_owned(),
            queue_wait_us: 100,
            server_us: ms * 1_000,
            drain_us: 5_000_000,
            rows: 1,
            upstream: "db:5432".to_owned(),
            traceparent: "00-aa-bb-01".to_owned(),
            ..QueryExecuted::default()
        }
    }

    #[tokio::test]
    async fn what_a_gateway_tells_is_counted_by_database_and_project() {
        let told = Told::new(Duration::from_millis(20)).await;
        let failed = QueryExecuted {
            sqlstate: "57014".to_owned(),
            ..call("shop", 900)
        };
        let hit = QueryExecuted {
            cache: CacheOutcome::Hit.into(),
            ..call("shop", 0)
        };
        let miss = QueryExecuted {
            cache: CacheOutcome::Miss.into(),
            ..call("shop", 5)
        };
        let own = QueryExecuted {
            application: "weir-maint/1".to_owned(),
            ..call("shop", 900)
        };
        let events = vec![call("shop", 3), failed, hit, own, call("other", 70), miss];
        told.tell("shop", events).await;
        told.tell("bank", vec![call("shop", 40)]).await;
        let found = eventually("what was told", SOON, async || {
            let mut found = told.latency.users("shop");
            found.retain(|users| users.live.is_some());
            (found.len() == 2).then_some(found)
        })
        .await;
        let of = |project: &str| {
            found
                .iter()
                .find(|users| users.project == project)
                .unwrap()
                .live
                .clone()
                .unwrap()
        };
        assert_eq!((of("shop").span.count(), of("bank").span.count()), (2, 1));
        assert!((of("shop").span.quantile_us(1.0) / 5_100.0 - 1.0).abs() < 0.01);
    }

    #[tokio::test]
    async fn what_is_no_batch_changes_nothing() {
        let told = Told::new(Duration::from_millis(20)).await;
        let subject = "weir.shop.query.executed";
        told.bus.publish(Message::new(subject, vec![0xff; 40])).await.unwrap();
        told.tell("shop", vec![call("shop", 3)]).await;
        eventually("the batch behind it", SOON, async || {
            told.latency.users("shop").pop().and_then(|users| users.live)
        })
        .await;
    }
}
