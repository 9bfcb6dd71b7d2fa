//! A pool whose connections are all held.

use std::time::Duration;

use tokio::time::Instant;
use weir_bus::{Bus, Limits, Subscription};
use weir_model::Secret;
use weir_proto::common::v1::Pool;
use weir_proto::events::v1::{PoolPressure, PoolState};
use weir_testkit::{Postgres, PostgresOptions, eventually, http_get};
use weir_upstream::{ConnectOptions, Connection, Credentials};

use super::{Stage, code, value};
use crate::gateway::{Gateway, PATIENCE};

/// Much less than anybody waits for a connection in these tests.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// A server where `postgres` is trusted and `app` has a password.
async fn server() -> Postgres {
    let options = PostgresOptions::new().user("app", "secret");
    let options = options.hba("host all postgres 127.0.0.1/32 trust");
    options.hba("host all app 127.0.0.1/32 scram-sha-256").start().await
}

fn app() -> ConnectOptions {
    ConnectOptions {
        user: Some("app".to_owned()),
        credentials: Some(Credentials::Password(Secret::new("secret"))),
        ..ConnectOptions::default()
    }
}

/// A session that holds a connection.
async fn holder(stage: &Stage, options: ConnectOptions) -> Connection {
    let mut client = stage.try_client(options).await.unwrap();
    client.simple_query("begin; select 1").await.unwrap();
    client
}

/// Comes in as `app`, with a setting that nobody has had before.
async fn come_in(stage: &Stage, digits: u32) -> Connection {
    let begun = Instant::now();
    let options = ConnectOptions {
        parameters: vec![("extra_float_digits".to_owned(), digits.to_string())],
        ..app()
    };
    let client = stage.try_client(options).await.unwrap();
    assert!(begun.elapsed() < AT_ONCE, "it waited {:?} to come in", begun.elapsed());
    client
}

/// How many look-ups came to this.
async fn looked_up(stage: &Stage, outcome: &str) -> u64 {
    let metrics = http_get(stage.gateway.ops_port, "/metrics").await.unwrap().1;
    let name = format!("weir_client_lookups_total{{outcome=\"{outcome}\"}} ");
    let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn clients_come_in_although_others_hold_every_connection() {
    let mut server = server().await;
    let database = server.database().await;
    let settings = [
        ("pool_max", "1"),
        ("acquire_timeout", "1s"),
        ("idle_timeout", "2500ms"),
        ("connect_timeout", "1s"),
    ];
    let gateway = Gateway::start(&database.url(), &settings).await;
    let stage = Stage { gateway, database };
    let own = holder(&stage, ConnectOptions::default()).await;
    let apps = holder(&stage, app()).await;

    let mut client = come_in(&stage, 1).await;
    let error = client.simple_query("select 1").await.unwrap_err();
    let refused = error.server().unwrap();
    assert_eq!(refused.sqlstate, "53300");
    assert!(refused.message.contains("1 of 1"), "{}", refused.message);
    let mut console = stage.console().await;
    let pools = console.simple_query("SHOW POOLS").await.unwrap();
    assert_eq!(pools.len(), 2, "{pools:?}");

    // A connection that was lost is opened again without anybody noticing.
    let door =
        "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where application_name = 'weir door'";
    assert_eq!(server.psql("postgres", door).await, "1");
    come_in(&stage, 2).await;
    let metrics = http_get(stage.gateway.ops_port, "/metrics").await.unwrap().1;
    for wanted in [
        "weir_door_connections_opened_total{purpose=\"verifier\"} 2",
        "weir_door_connections_opened_total{purpose=\"welcome\"} 2",
        "weir_client_lookups_total{outcome=\"asked\"} 3",
        "weir_door_connections{} 1",
    ] {
        assert!(metrics.contains(wanted), "{wanted} is not in {metrics}");
    }
    let left = door.replace("pg_terminate_backend(pid, 5000)", "*");
    eventually("the end of the door's connection", PATIENCE, || async {
        let left = server.psql("postgres", &left).await;
        if left == "0" { Ok(()) } else { Err(left) }
    })
    .await;
    let metrics = http_get(stage.gateway.ops_port, "/metrics").await.unwrap().1;
    assert!(metrics.contains("weir_door_connections{} 0"), "{metrics}");
    // Those who come together share an answer.
    let crowd = futures_util::future::join_all((0..12).map(|_| come_in(&stage, 1))).await;
    assert!(looked_up(&stage, "shared").await > 0 && looked_up(&stage, "failed").await == 0);
    assert_eq!(looked_up(&stage, "asked").await + looked_up(&stage, "shared").await, 15);
    // A server that says nothing keeps nobody waiting for long, and is asked again afterwards.
    server.pause();
    let begun = Instant::now();
    assert!(stage.try_client(app()).await.is_err() && begun.elapsed() < PATIENCE / 2);
    server.resume();
    eventually("a way in", PATIENCE, || stage.try_client(app())).await;
    drop((own, apps, crowd));
    let begun = Instant::now();
    server.stop().await;
    assert!(stage.try_client(app()).await.is_err() && begun.elapsed() < PATIENCE);
    assert!(looked_up(&stage, "failed").await >= 1);
}

#[tokio::test]
async fn a_starved_pool_says_who_holds_it_and_a_leak_is_told_of_once() {
    let bus = Bus::in_memory(Limits::default());
    let pattern = weir_events::gateway::every_pool_state();
    let mut states = bus.subscribe(pattern.as_str(), None).await.unwrap();
    let settings = [
        ("pool_max", "2"),
        ("acquire_timeout", "1500ms"),
        ("leak_after", "1s"),
        ("pool_state_every", "0s"),
        ("rules", "user=postgres : project=acme"),
    ];
    let database = crate::gateway::database().await;
    let gateway = Gateway::on_bus(bus, &database.url(), &settings).await;
    let stage = Stage { gateway, database };
    let named = |application: &str| ConnectOptions {
        application_name: Some(application.to_owned()),
        ..ConnectOptions::default()
    };
    let mut billing = holder(&stage, named("billing")).await;
    value(&mut billing, "select 'secret'  ||  $$word$$").await;
    // One that only keeps its connection is no leak.
    let mut keeper = stage.try_client(named("keeper")).await.unwrap();
    keeper.simple_query("create temp table mine (a int)").await.unwrap();

    let state = next_state(&mut states).await;
    assert_eq!(state.pressure(), PoolPressure::High);
    assert_eq!(
        (state.pools.len(), state.pools[0].active, state.pools[0].max),
        (1, 2, 2)
    );
    assert!(!state.instance.is_empty() && state.at_unix_ms > 0, "{state:?}");
    let mut third = stage.client().await;
    let error = third.simple_query("select 1").await.unwrap_err();
    let said = &error.server().unwrap().message;
    for reason in [said, &state.reason] {
        for part in [
            "2 of 2 servers are busy: 1 idle in transaction, 1 kept by sessions that are idle, held longest by user \
             postgres, application billing (client 127.0.0.1:",
            "last statement: select $1",
        ] {
            assert!(reason.contains(part), "{part:?} is not in {reason:?}");
        }
        assert!(!reason.contains("secret"), "{reason}");
    }
    assert!(said.ends_with("; 1 wait"), "{said}");
    let refused = stage.gateway.run("select 1").await.unwrap_err();
    assert!(refused.message().contains("application billing"), "{refused:?}");
    let metrics = http_get(stage.gateway.ops_port, "/metrics").await.unwrap().1;
    let leaks: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("weir_pool_leaks_total{"))
        .collect();
    assert!(leaks.len() == 1 && leaks[0].ends_with("} 1"), "{leaks:?}");
    let pressure = metrics.lines().find(|line| line.starts_with("weir_pool_pressure{"));
    assert!(pressure.unwrap().ends_with(" 1.0"), "{pressure:?}");

    let asks = value(&mut third, "select 2");
    let look = async {
        let mut console = stage.console().await;
        stage
            .gateway
            .until_pool("one who waits", |pool| pool.waiting == 1)
            .await;
        let rows = console.simple_query("SHOW POOLS").await.unwrap();
        let reason = rows[0].get("reason").unwrap().to_owned();
        assert!(
            reason.contains("application billing") && reason.ends_with("; 1 wait"),
            "{reason}"
        );
        billing.simple_query("commit").await.unwrap();
    };
    let (answer, ()) = tokio::join!(asks, look);
    assert_eq!(answer.as_deref(), Some("2"));
    assert_eq!(next_state(&mut states).await.pressure(), PoolPressure::Normal);
}

async fn next_state(states: &mut Subscription) -> PoolState {
    let message = tokio::time::timeout(PATIENCE, states.next()).await.unwrap().unwrap();
    let (project, state) = weir_events::decode::<PoolState>(&message.subject, &message.payload).unwrap();
    assert_eq!(project.as_str(), "acme");
    state
}

/// What one is told who waits in vain.
async fn told(client: &mut Connection) -> String {
    let error = client.simple_query("select 1").await.unwrap_err();
    error.server().unwrap().message.clone()
}

#[tokio::test]
async fn the_reason_is_that_of_the_moment_and_of_the_pool() {
    let stage = Stage::with(&[("pool_max", "1"), ("acquire_timeout", "1s")]).await;
    let other = format!("other_{}", stage.database.name());
    stage
        .database
        .psql(&format!("create role {other} login superuser"))
        .await;
    let options = |user: &str, application: &str| ConnectOptions {
        user: Some(user.to_owned()),
        application_name: Some(application.to_owned()),
        ..ConnectOptions::default()
    };
    let stranger = holder(&stage, options(&other, "stranger")).await;
    let mut first = holder(&stage, options("postgres", "first")).await;
    let mut client = stage.client().await;
    let said = told(&mut client).await;
    assert!(
        said.contains("busy: 1 idle in transaction, held longest by user postgres, application first"),
        "{said}"
    );
    first.simple_query("commit").await.unwrap();
    // What runs is told, and not what ran before.
    let mut second = holder(&stage, options("postgres", "second")).await;
    let cancel = second.cancel_token();
    let ask = async {
        let said = told(&mut client).await;
        cancel.cancel().await.unwrap();
        said
    };
    let (said, ended) = tokio::join!(ask, code(&mut second, "select pg_sleep(20)::text"));
    assert_eq!(ended, "57014");
    for part in [
        "busy: 1 running statements, held longest by user postgres, application second",
        "last statement: select pg_sleep($1)",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
    second.simple_query("rollback").await.unwrap();
    stage.console().await.simple_query("PAUSE").await.unwrap();
    let said = told(&mut client).await;
    assert!(said.contains("it is paused (RESUME lets it go on)"), "{said}");
    drop(stranger);
}

#[tokio::test]
async fn a_pool_that_may_be_larger_serves_those_who_wait() {
    let stage = Stage::with(&[("pool_max", "1"), ("pool_min", "0")]).await;
    let _first = holder(&stage, ConnectOptions::default()).await;
    let grow = async {
        let waits = |pool: &Pool| pool.waiting == 1;
        stage.gateway.until_pool("one who waits", waits).await;
        stage.console().await.simple_query("SET pool_max = 4").await.unwrap();
    };
    let (_second, ()) = tokio::join!(holder(&stage, ConnectOptions::default()), grow);
    let _third = holder(&stage, ConnectOptions::default()).await;
    // The size that it finds for itself begins half way, and grows because somebody waits.
    let mut console = stage.console().await;
    console.simple_query("SET pool_autoscale = true").await.unwrap();
    stage.gateway.until_pool("a limit", |pool| pool.max == 3).await;
    let fourth = holder(&stage, ConnectOptions::default());
    tokio::time::timeout(PATIENCE, fourth).await.unwrap();
}

#[tokio::test]
async fn a_pool_finds_its_size_itself() {
    let settings = [
        ("pool_max", "12"),
        ("pool_min", "1"),
        ("pool_autoscale", "true"),
        ("idle_timeout", "1s"),
    ];
    let stage = Stage::with(&settings).await;
    eventually("the beginning half way", PATIENCE, || async {
        let now = stage.gateway.pool().await.max;
        if now < 12 { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    // Sleeping costs the server nothing, so that statements take no longer however many there are.
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(stage.client().await);
    }
    let asking = clients.iter_mut().map(async |client| {
        loop {
            value(client, "select pg_sleep(1)::text").await;
        }
    });
    let grows = eventually("ten or more", PATIENCE, || async {
        let now = stage.gateway.pool().await.max;
        if now >= 10 { Ok(now) } else { Err(now.to_string()) }
    });
    let grown = tokio::select! {
        grown = grows => grown,
        _ = futures_util::future::join_all(asking) => 0,
    };
    drop(clients);
    let metrics = http_get(stage.gateway.ops_port, "/metrics").await.unwrap().1;
    let limit = metrics.lines().find(|line| line.starts_with("weir_pool_limit{"));
    assert!(limit.is_some_and(|line| !line.ends_with(" 0.0")), "{limit:?}");
    eventually("fewer again", PATIENCE, || async {
        let now = stage.gateway.pool().await.max;
        if now < grown { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    stage
        .console()
        .await
        .simple_query("SET pool_autoscale = false")
        .await
        .unwrap();
    eventually("the settings' own", PATIENCE, || async {
        let now = stage.gateway.pool().await.max;
        if now == 12 { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}
