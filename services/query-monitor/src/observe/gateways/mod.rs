//! Pools and servers as the gateways find them: from the bus onto the board.
//!
//! Not as one of a group: each monitor hears every gateway, and they agree as far as they heard the same.

mod states;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Message, Subscription};
use weir_events::{decode, gateway};
use weir_model::Clock;
use weir_proto::events::v1::PoolState;
use weir_runtime::{Ground, Stage, StartError, TaskResult};

use super::Board;
use crate::metrics::Metrics;
use states::{Noted, States};

/// The name of the source.
const SOURCE: &str = "gateways";
/// How soon what was told is on the board.
const PUT_EVERY: Duration = Duration::from_millis(200);
/// How often it is put there again though nothing was told: what fades has to go.
const REPEAT_EVERY: Duration = Duration::from_secs(1);
/// How long it counts.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Listens to the gateways from now on.
pub(crate) async fn start(ground: &Ground, bus: &Bus, board: &Board, metrics: &Arc<Metrics>) -> Result<(), StartError> {
    let subscription = bus.subscribe(gateway::every_pool_state().as_str(), None).await?;
    let listener = Listener {
        states: States::default(),
        board: board.clone(),
        metrics: metrics.clone(),
        clock: ground.clock.clone(),
    };
    ground.tasks.spawn(Stage::Work, "observe gateways", |stop| {
        listener.listen(subscription, stop)
    });
    Ok(())
}

/// Knows what the gateways told.
struct Listener {
    states: States,
    board: Board,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Listener {
    async fn listen(mut self, mut subscription: Subscription, stop: CancellationToken) -> TaskResult {
        let mut ticks = interval(PUT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut is_news, mut put) = (true, Instant::now());
        loop {
            tokio::select! {
                received = subscription.next() => match received {
                    Some(message) => {
                        self.note(&message);
                        is_news = true;
                    }
                    None => return Err("the subscription to the states of pools ended".into()),
                },
                _ = ticks.tick() => if is_news || put.elapsed() >= REPEAT_EVERY {
                    self.put();
                    (is_news, put) = (false, Instant::now());
                },
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    fn note(&mut self, message: &Message) {
        let outcome = match decode::<PoolState>(&message.subject, &message.payload) {
            Ok((project, state)) => match self.states.note(&project, state, self.clock.unix_ms()) {
                Noted::Counted => "counted",
                Noted::Late => "late",
                Noted::Crowded => "crowded",
            },
            Err(error) => {
                tracing::warn!(subject = message.subject, error = %error, "a state of pools cannot be read");
                self.metrics.malformed.with([]).inc();
                "malformed"
            }
        };
        self.metrics.pool_states.with([outcome]).inc();
    }

    fn put(&mut self) {
        let now_unix_ms = self.clock.unix_ms();
        self.states.fade(now_unix_ms);
        self.board.put(SOURCE, self.states.readings(now_unix_ms), FRESH_FOR);
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use tokio::sync::watch;
    use weir_bus::Limits;
    use weir_config::Sources;
    use weir_proto::events::v1::{BreakerState, UpstreamHealth};
    use weir_runtime::{Outcome, Tasks};
    use weir_telemetry::Registry;
    use weir_testkit::eventually;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn what_a_gateway_tells_is_on_the_board_within_a_moment_and_goes_with_it() {
        let sources = Sources::load(None, []).unwrap();
        let (_reloads, reloaded) = watch::channel(sources.clone());
        let ground = Ground::new(sources, reloaded, Tasks::new(), Clock::system());
        let (bus, registry) = (Bus::in_memory(Limits::default()), Registry::default());
        let (board, metrics) = (Board::new(ground.clock.clone()), Arc::new(Metrics::register(&registry)));
        start(&ground, &bus, &board, &metrics).await.unwrap();
        let tell = async |state: PoolState| {
            let message = Message::new("weir.acme.pool.state", state.encode_to_vec());
            bus.publish(message).await.unwrap();
        };
        let open = UpstreamHealth {
            upstream: "db:5432".to_owned(),
            breaker: BreakerState::Open.into(),
            ..UpstreamHealth::default()
        };
        let state = PoolState {
            instance: "gateway-1".to_owned(),
            at_unix_ms: ground.clock.unix_ms(),
            upstreams: vec![open],
            ..PoolState::default()
        };
        bus.publish(Message::new("weir.acme.pool.state", "no protobuf"))
            .await
            .unwrap();
        tell(state.clone()).await;
        let begun = Instant::now();
        let of_gateways = || async {
            let sheet = board.read().remove(SOURCE).unwrap_or_default();
            sheet
                .readings
                .first()
                .map(|reading| (reading.project.to_string(), reading.value))
        };
        let found = eventually("an open breaker", SOON, of_gateways).await;
        assert_eq!(found, ("acme".to_owned(), 1.0));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let end = PoolState { leaving: true, ..state };
        tell(end).await;
        eventually("an empty board", SOON, || async {
            of_gateways().await.is_none().then_some(())
        })
        .await;
        let shown = registry.encode();
        for line in [
            "pool_states_total{outcome=\"counted\"} 2",
            "pool_states_total{outcome=\"malformed\"} 1",
        ] {
            assert!(shown.contains(line), "{line} is not in {shown}");
        }
        assert_eq!(ground.tasks.descend(SOON).await, Outcome::Clean);
    }
}
