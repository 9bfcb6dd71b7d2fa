//! Servers and clients that go away.

use weir_proto::events::v1::Door;
use weir_testkit::eventually;

use super::{Stage, extended, value};
use crate::gateway::PATIENCE;

#[tokio::test]
async fn a_connection_that_died_while_idle_is_not_handed_out() {
    let stage = Stage::with_pool(2).await;
    let mut client = stage.client().await;
    for _ in 0..3 {
        let pid = value(&mut client, "select pg_backend_pid()").await.unwrap();
        stage
            .database
            .psql(&format!("select pg_terminate_backend({pid}, 5000)"))
            .await;
        assert!(value(&mut client, "select 1").await.is_some());
    }
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing_open() {
    let stage = Stage::with_pool(1).await;
    stage.database.psql("create table t (a int)").await;
    let mut gone = stage.client().await;
    gone.simple_query("begin; insert into t values (1)").await.unwrap();
    drop(gone);
    let mut other = stage.client().await;
    assert_eq!(value(&mut other, "select count(*) from t").await.as_deref(), Some("0"));
    // In the middle of an answer.
    let mut gone = stage.client().await;
    let _ = tokio::time::timeout(
        std::time::Duration::from_millis(100),
        gone.simple_query("select repeat('x', 1000) from generate_series(1, 10000000)"),
    )
    .await;
    drop(gone);
    assert_eq!(value(&mut other, "select 1").await.as_deref(), Some("1"));
    let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%repeat%' and pid <> pg_backend_pid()";
    eventually("the end of the abandoned statement", PATIENCE, || async {
        let count = stage.database.psql(running).await;
        if count == "0" { Ok(()) } else { Err(count) }
    })
    .await;
}

#[tokio::test]
async fn every_statement_is_told_of_once() {
    let bus = weir_bus::Bus::in_memory(weir_bus::Limits::default());
    let pattern = weir_events::gateway::every_query_executed();
    let mut events = bus.subscribe(pattern.as_str(), None).await.unwrap();
    let database = crate::gateway::database().await;
    let gateway = crate::gateway::Gateway::on_bus(bus, &database.url(), &[]).await;
    let stage = Stage { gateway, database };
    let mut client = stage.client().await;
    for number in 0..20 {
        value(&mut client, &format!("select 'secret {number}'")).await;
        extended(&mut client, "select 'secret' || 1").await.unwrap();
    }
    let _ = client.simple_query("select 1/0").await;
    let mut told = Vec::new();
    eventually("41 events", PATIENCE, || {
        told.extend(crate::gateway::taken(&mut events).into_iter().map(|(_, batch)| batch));
        let count: usize = told.iter().map(|batch| batch.events.len()).sum();
        async move { if count == 41 { Ok(()) } else { Err(count.to_string()) } }
    })
    .await;
    let events: Vec<_> = told.iter().flat_map(|batch| &batch.events).collect();
    assert!(
        events
            .iter()
            .all(|event| event.door == i32::from(Door::Wire) && event.user == "postgres")
    );
    assert_eq!(events.iter().filter(|event| event.sqlstate == "22012").count(), 1);
    assert_eq!(events.iter().map(|event| event.rows).sum::<u64>(), 40);
    assert!(!format!("{told:?}").contains("secret"), "a literal was told");
}

#[tokio::test]
async fn a_shutdown_lets_transactions_end_and_sends_everybody_else_home() {
    let stage = Stage::with_pool(2).await;
    let (mut idle, mut busy) = (stage.client().await, stage.client().await);
    idle.simple_query("select 1").await.unwrap();
    busy.simple_query("begin; select 1").await.unwrap();
    // One that has said nothing yet holds nobody up.
    let _silent = tokio::net::TcpStream::connect(("127.0.0.1", stage.gateway.wire_port))
        .await
        .unwrap();
    let stop = stage.gateway.stop();
    let finish = async {
        let told = idle.simple_query("select 2").await.unwrap_err();
        assert_eq!(told.server().unwrap().sqlstate, "57P01");
        assert_eq!(value(&mut busy, "select 3").await.as_deref(), Some("3"));
        busy.simple_query("commit").await.unwrap();
        assert!(
            busy.simple_query("select 4").await.is_err(),
            "it was served after the end"
        );
    };
    tokio::join!(stop, finish);
}
