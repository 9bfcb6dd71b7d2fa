//! What the bus is told of pools and servers, while all is well and while it is not.

use tokio::time::{Duration, Instant, timeout};
use weir_bus::{Bus, Limits, NatsSettings, Subscription};
use weir_proto::events::v1::{BreakerState, PoolState, PoolUse, UpstreamHealth};
use weir_testkit::{Nats, eventually, http_get};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::super::Stage;
use super::proxy::Proxy;
use super::{IMPATIENT, holder, outcome};
use crate::gateway::{Gateway, PATIENCE, database};

/// What is told, and for which project.
type Told = (String, PoolState);

struct Ear(Subscription);

impl Ear {
    async fn on(bus: &Bus) -> Self {
        let pattern = weir_events::gateway::every_pool_state();
        Self(bus.subscribe(pattern.as_str(), None).await.unwrap())
    }

    /// The next message that is like this.
    async fn until(&mut self, what: &str, is_wanted: impl Fn(&Told) -> bool) -> Told {
        let found = timeout(PATIENCE, async {
            loop {
                let message = self.0.next().await.unwrap();
                let (project, state) = weir_events::decode::<PoolState>(&message.subject, &message.payload).unwrap();
                let told = (project.to_string(), state);
                if is_wanted(&told) {
                    return told;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("nothing was told of {what}"))
    }

    async fn of(&mut self, project: &str) -> PoolState {
        self.until(project, |(told, _)| told == project).await.1
    }
}

fn in_memory() -> Bus {
    Bus::in_memory(Limits::default())
}

/// The share of a pool that was in use between two messages.
fn share(before: &PoolUse, after: &PoolUse) -> f64 {
    let busy = after.busy_us_total - before.busy_us_total;
    busy as f64 / (after.capacity_us_total - before.capacity_us_total) as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_project_hears_of_its_pools_how_much_of_them_is_used_and_who_waits() {
    let (bus, database) = (in_memory(), database().await);
    let mut ear = Ear::on(&bus).await;
    let settings = [
        ("pool_max", "4"),
        ("pool_state_every", "500ms"),
        ("rules", "user=postgres : project=acme"),
    ];
    let gateway = Gateway::on_bus(bus, &database.url(), &settings).await;
    let stage = Stage { gateway, database };

    let whole = ear.of("default").await;
    assert_eq!((whole.pools.len(), whole.next_after_ms), (0, 500), "{whole:?}");
    let [server] = whole.upstreams.as_slice() else {
        panic!("{whole:?}");
    };
    assert_eq!(
        (server.breaker(), server.opened_total, server.primary),
        (BreakerState::Closed, 0, true)
    );
    assert!(server.since_unix_ms > 0 && server.last_error.is_empty(), "{server:?}");

    let [mut first, mut second] = [holder(&stage).await.unwrap(), holder(&stage).await.unwrap()];
    let idle = ear.of("acme").await;
    assert_eq!(idle.instance, whole.instance);
    assert_eq!((idle.pools.len(), idle.uses.len(), idle.upstreams.len()), (1, 1, 0));
    assert_eq!(
        (idle.pools[0].upstream.as_str(), idle.pools[0].role.as_str()),
        (server.upstream.as_str(), "postgres")
    );
    // Two of four are held from here on.
    let before = ear.of("acme").await.uses[0].clone();
    ear.of("acme").await;
    let after = ear.of("acme").await.uses[0].clone();
    let used = share(&before, &after);
    assert!((0.4..=0.6).contains(&used), "{used}: {before:?} {after:?}");
    assert_eq!(
        (after.reason.as_str(), after.waits_total, after.longest_wait_us),
        ("", 0, 0)
    );

    let mut others = [holder(&stage).await.unwrap(), holder(&stage).await.unwrap()];
    let mut client = stage.client().await;
    let waits = async { client.simple_query("select 1").await.unwrap() };
    let look = async {
        let waited_long = |told: &Told| told.1.uses.iter().any(|used| used.longest_wait_us > 300_000);
        let (_, state) = ear.until("one who waits", waited_long).await;
        let reason = &state.uses[0].reason;
        assert!(
            reason.starts_with("4 of 4 servers are busy: ") && reason.ends_with("; 1 wait"),
            "{reason}"
        );
        assert_eq!((state.pools[0].waiting, state.uses[0].waits_total), (1, 0), "{state:?}");
        first.simple_query("commit").await.unwrap();
    };
    tokio::join!(waits, look);
    let over = |told: &Told| told.1.uses.iter().any(|used| used.waits_total == 1);
    let waited = ear.until("the end of the wait", over).await.1.uses[0].clone();
    assert!(
        waited.wait_us_total > 300_000 && waited.longest_wait_us == 0,
        "{waited:?}"
    );

    for holder in others.iter_mut().chain([&mut second]) {
        holder.simple_query("commit").await.unwrap();
    }
    stage.gateway.stop().await;
    for project in ["acme", "default"] {
        let is_end = |(told, state): &Told| told == project && state.leaving;
        let (_, end) = ear.until("the end", is_end).await;
        assert_eq!((end.instance, end.pools.len()), (whole.instance.clone(), 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_that_turns_is_told_at_once_and_why() {
    let (bus, database) = (in_memory(), database().await);
    let mut ear = Ear::on(&bus).await;
    let proxy = Proxy::before(&database).await;
    // Nothing is told regularly, so that what comes is what was told at once.
    let settings = [
        &IMPATIENT[..],
        &[("pool_state_every", "0s"), ("default_project", "acme")],
    ]
    .concat();
    let gateway = Gateway::on_bus(bus, &proxy.url(&database), &settings).await;
    let stage = Stage { gateway, database };
    let mut client = stage.client().await;
    proxy.refuse(true);
    let begun = Instant::now();
    let knock = async {
        loop {
            outcome(&mut client, "select 1").await.unwrap();
        }
    };
    let is_open = |(_, state): &Told| {
        state
            .upstreams
            .iter()
            .any(|server| server.breaker() == BreakerState::Open)
    };
    let (project, state) = tokio::select! {
        told = ear.until("an open breaker", is_open) => told,
        () = knock => unreachable!(),
    };
    let [server] = state.upstreams.as_slice() else {
        panic!("{state:?}");
    };
    let UpstreamHealth {
        opened_total,
        last_error,
        since_unix_ms,
        ..
    } = server;
    assert_eq!(
        (project.as_str(), *opened_total, last_error.as_str()),
        ("acme", 1, "upstream-unreachable")
    );
    assert_eq!(
        (state.pools.len(), state.next_after_ms),
        (0, 0),
        "it is news of the server only"
    );
    assert!(
        server.last_error_unix_ms > 0 && state.at_unix_ms - since_unix_ms < 1_000,
        "{state:?}"
    );
    assert!(begun.elapsed() < PATIENCE / 2);

    proxy.refuse(false);
    let is_closed = |(_, state): &Told| {
        state
            .upstreams
            .iter()
            .any(|server| server.breaker() == BreakerState::Closed)
    };
    let (_, state) = ear.until("a closed breaker", is_closed).await;
    assert_eq!(
        (
            state.upstreams[0].opened_total,
            state.upstreams[0].last_error.is_empty()
        ),
        (1, false)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_bus_is_away_states_are_lost_and_counted_and_nothing_waits_for_them() {
    let mut nats = Nats::start().await;
    let settings = NatsSettings::new(nats.url(), "test");
    let [bus, ear] = [
        Bus::nats(&settings, Limits::default()).await.unwrap(),
        Bus::nats(&settings, Limits::default()).await.unwrap(),
    ];
    let mut ear = Ear::on(&ear).await;
    let database = database().await;
    let gateway = Gateway::on_bus(bus, &database.url(), &[("pool_state_every", "100ms")]).await;
    ear.of("default").await;

    nats.stop().await;
    let states = async |outcome: &str| {
        let metrics = http_get(gateway.ops_port, "/metrics").await.unwrap().1;
        let name = format!("weir_pool_states_total{{outcome=\"{outcome}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        count.map_or(0_u64, |count| count.parse().unwrap())
    };
    eventually("states that were lost", PATIENCE, || async {
        let lost = states("lost").await;
        (lost >= 10).then_some(()).ok_or(lost)
    })
    .await;
    gateway.run("select 1").await.unwrap();
    nats.start_again().await;
    let since = gateway.ground.clock.unix_ms();
    let is_new = |(_, state): &Told| state.at_unix_ms >= since;
    let (_, state) = ear.until("the pools again", is_new).await;
    assert_eq!(state.pools.len(), 1);
    // Whoever comes now is told of now: what was lost does not follow.
    let told = states("told").await;
    let mut last = state.at_unix_ms;
    for _ in 0..3 {
        let is_next = |(_, state): &Told| state.at_unix_ms > last;
        last = ear.until("the next", is_next).await.1.at_unix_ms;
    }
    assert!(states("told").await <= told + 6, "what was lost was told after all");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_often_is_changed_while_it_runs_and_a_project_without_pools_hears_so_once() {
    let (bus, database) = (in_memory(), database().await);
    let mut ear = Ear::on(&bus).await;
    let settings = [("pool_state_every", "0s"), ("idle_timeout", "100ms"), ("pool_min", "0")];
    let gateway = Gateway::on_bus(bus, &database.url(), &settings).await;
    let stage = Stage { gateway, database };
    let other = Target::parse(&format!(
        "postgres://postgres@127.0.0.1:{}/postgres",
        stage.gateway.wire_port
    ))
    .unwrap();
    let mut console = stage.console().await;
    console
        .simple_query("SET rules = 'database=postgres : project=acme'")
        .await
        .unwrap();
    let mut client = Connection::connect(&other, ConnectOptions::default()).await.unwrap();
    client.simple_query("select 1").await.unwrap();
    console.simple_query("SET pool_state_every = '200ms'").await.unwrap();
    let state = ear.of("acme").await;
    assert_eq!(
        (state.pools[0].database.as_str(), state.next_after_ms),
        ("postgres", 200)
    );
    client.close().await;
    // Its connection is closed, its pool forgotten, and it is told so.
    let is_empty = |(project, state): &Told| project == "acme" && state.pools.is_empty();
    ear.until("no pool any more", is_empty).await;
    let next = timeout(Duration::from_millis(700), ear.of("acme")).await;
    assert!(next.is_err(), "it was told more than once: {next:?}");
}
