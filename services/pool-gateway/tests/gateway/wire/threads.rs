//! Which threads serve whom.

use weir_testkit::eventually;
use weir_upstream::Connection;

use super::{Stage, value};
use crate::gateway::{PATIENCE, request, until_running};

const CLIENTS: usize = 6;

/// A figure of the gateway's metrics.
fn figure(stage: &Stage, name: &str) -> f64 {
    let text = stage.gateway.ground.registry.encode();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or_default()
}

async fn serve_with(stage: &Stage, threads: u8) {
    let mut console = stage.console().await;
    let sql = format!("SET workers_min = {threads}");
    console.simple_query(&sql).await.unwrap();
    until_serving(stage, threads.into()).await;
}

async fn until_serving(stage: &Stage, threads: f64) {
    eventually("so many threads serve", PATIENCE, || async {
        let serving = figure(stage, "weir_wire_workers");
        if serving == threads {
            Ok(())
        } else {
            Err(serving.to_string())
        }
    })
    .await;
}

/// Asks each client for the setting that only it has.
async fn assert_themselves(clients: &mut [Connection]) {
    for (number, client) in clients.iter_mut().enumerate() {
        let seen = value(client, "select current_setting('app.number')").await;
        assert_eq!(seen, Some(number.to_string()));
    }
}

#[tokio::test]
async fn clients_go_on_on_another_thread_and_notice_nothing() {
    let stage = Stage::with(&[("pool_max", "6"), ("workers", "3")]).await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = stage.client().await;
        let sql = format!("set app.number = '{number}'");
        client.simple_query(&sql).await.unwrap();
        // Some hold a server, the others have only said that a transaction begins.
        client.simple_query("begin").await.unwrap();
        if number % 2 == 0 {
            value(&mut client, "select 1").await;
        }
        clients.push(client);
    }
    until_serving(&stage, 1.0).await;
    serve_with(&stage, 3).await;
    for _ in 0..2 {
        assert_themselves(&mut clients).await;
    }
    let moved = figure(&stage, "weir_client_moves_total");
    assert_eq!(moved, 0.0, "clients have moved in a transaction");
    for client in &mut clients {
        client.simple_query("commit").await.unwrap();
    }
    for _ in 0..2 {
        assert_themselves(&mut clients).await;
    }
    let moved = figure(&stage, "weir_client_moves_total");
    assert!(moved >= (CLIENTS / 2) as f64, "{moved} clients have moved");
}

#[tokio::test]
async fn calls_of_one_connection_that_run_on_several_threads_are_all_answered_before_those_end() {
    let stage = Stage::with(&[("pool_max", "6"), ("workers", "3")]).await;
    serve_with(&stage, 3).await;
    let calls: Vec<_> = (0..6)
        .map(|number| stage.gateway.begin(request(&format!("select pg_sleep(1), {number}"))))
        .collect();
    until_running(&stage.database, "pg_sleep", 6).await;
    let Stage { gateway, .. } = stage;
    gateway.stop().await;
    for call in calls {
        call.await.unwrap().unwrap();
    }
}
