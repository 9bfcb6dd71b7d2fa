//! An upstream that refuses: callers are spared the wait, and served again as soon as it is back.

use std::time::Duration;

use tokio::time::Instant;
use weir_testkit::{Postgres, eventually, http_get};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::super::{Stage, value};
use super::crowd::{Crowd, Fate};
use super::proxy::Proxy;
use super::{ANSWER_WITHIN, BACK_WITHIN, IMPATIENT, assert_whole, code_of, outcome, report_recovery};
use crate::gateway::PATIENCE;

/// Waits until the metrics show the breaker in this state, and in no other.
async fn until_breaker(stage: &Stage, state: &str, deadline: Duration) {
    eventually("the state of the breaker", deadline, || async {
        let metrics = http_get(stage.gateway.ops_port, "/metrics").await.unwrap().1;
        let lines = metrics.lines().filter(|line| line.contains("breaker_state{"));
        let (on, off): (Vec<_>, Vec<_>) = lines.partition(|line| line.ends_with(" 1.0"));
        let wanted = format!("state=\"{state}\"");
        if on.len() == 1 && off.len() == 2 && on[0].contains(&wanted) {
            Ok(())
        } else {
            Err(format!("{on:?} {off:?}"))
        }
    })
    .await;
}

/// Asks in vain until the breaker has to be open. The first time it may have had a connection, which was lost.
async fn knock(stage: &Stage, client: &mut Connection) {
    let first = outcome(client, "select 1").await.unwrap();
    assert!(["08001", "08006"].contains(&first.as_str()), "{first}");
    for _ in 0..5 {
        assert_eq!(outcome(client, "select 1").await.as_deref(), Some("08001"));
    }
    until_breaker(stage, "open", PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_refuses_opens_the_breaker_and_who_is_back_closes_it() {
    let (proxy, stage) = Proxy::with_stage(&IMPATIENT).await;
    let crowd = Crowd::gather(&stage, 3, Fate::MayBeTold).await;
    let mut client = stage.client().await;
    until_breaker(&stage, "closed", PATIENCE).await;
    proxy.refuse(true);
    knock(&stage, &mut client).await;
    // At once: nobody tries to connect.
    let error = client.simple_query("select 2").await.unwrap_err();
    let said = error.server().unwrap();
    assert_eq!((said.severity.as_str(), said.sqlstate.as_str()), ("ERROR", "08001"));
    assert!(
        said.message.contains("did not answer lately") && said.hint.is_some(),
        "{said:?}"
    );
    // One who comes now is told the same, and not asked for a password.
    let elsewhere = stage.target("postgres");
    let stranger = Connection::connect(&elsewhere, ConnectOptions::default());
    let stranger = tokio::time::timeout(ANSWER_WITHIN, stranger).await.unwrap();
    assert_eq!(code_of(&stranger.unwrap_err()), "08001");
    let back = Instant::now();
    proxy.refuse(false);
    until_breaker(&stage, "closed", BACK_WITHIN).await;
    crowd.goes_on().await;
    assert_eq!(value(&mut client, "select 3").await.as_deref(), Some("3"));
    report_recovery("after the upstream was back", back);
    crowd.go_home().await;
    assert_whole(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_found_no_server_has_failed_and_nothing_of_it_happened() {
    let (proxy, stage) = Proxy::with_stage(&IMPATIENT).await;
    stage.database.psql("create table t (a int)").await;
    let mut client = stage.client().await;
    client.simple_query("begin").await.unwrap();
    proxy.refuse(true);
    stage
        .gateway
        .until_pool("the lost connection to be missed", |pool| pool.idle == 0)
        .await;
    assert_eq!(
        outcome(&mut client, "insert into t values (1)").await.as_deref(),
        Some("08001")
    );
    assert_eq!(
        outcome(&mut client, "insert into t values (2)").await.as_deref(),
        Some("25P02")
    );
    assert_eq!(outcome(&mut client, "commit").await, None, "which is a ROLLBACK");
    proxy.refuse(false);
    eventually("an insertion", BACK_WITHIN, || async {
        let mut client = stage.client().await;
        client.simple_query("insert into t values (3)").await
    })
    .await;
    assert_eq!(stage.database.psql("select a from t").await, "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_room_says_so_and_those_who_are_in_stay_in() {
    let server = Postgres::start_with(&[("max_connections", "14")]).await;
    let database = server.database().await;
    let target = Target::parse(&database.url()).unwrap();
    let mut strangers = Vec::new();
    for _ in 0..11 {
        strangers.push(Connection::connect(&target, ConnectOptions::default()).await.unwrap());
    }
    let settings = [("pool_max", "8"), ("pool_min", "0"), ("connect_timeout", "2s")];
    let stage = Stage::before(&database.url(), &database, &settings).await;
    let mut holder = stage.client().await;
    holder.simple_query("begin; select 1").await.unwrap();
    let mut other_holder = stage.client().await;
    other_holder.simple_query("begin; select 1").await.unwrap();
    // There is room for three, two of which are held: four clients share the last one, and none is told of it.
    let crowd = Crowd::gather(&stage, 4, Fate::Undisturbed).await;
    crowd.goes_on().await;
    until_breaker(&stage, "closed", PATIENCE).await;
    // A pool that has nothing to share can only say why.
    let elsewhere = Connection::connect(&stage.target("postgres"), ConnectOptions::default()).await;
    assert_eq!(code_of(&elsewhere.unwrap_err()), "53300");
    assert_eq!(outcome(&mut holder, "select 2").await, None);
    assert_eq!(outcome(&mut other_holder, "rollback").await, None);
    crowd.goes_on().await;
    drop(strangers);
    eventually("a way into the other database", BACK_WITHIN, || async {
        Connection::connect(&stage.target("postgres"), ConnectOptions::default()).await
    })
    .await;
    assert_eq!(outcome(&mut holder, "commit").await, None);
    crowd.go_home().await;
    assert_whole(&stage).await;
}
