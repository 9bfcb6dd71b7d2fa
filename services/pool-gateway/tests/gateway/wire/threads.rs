//! Which threads serve whom.

use weir_testkit::eventually;

use super::{Stage, value};
use crate::gateway::PATIENCE;

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

#[tokio::test]
async fn clients_go_on_on_another_thread_and_notice_nothing() {
    let stage = Stage::with(&[("pool_max", "3"), ("workers", "3")]).await;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = stage.client().await;
        client
            .simple_query(&format!("set app.number = '{number}'"))
            .await
            .unwrap();
        clients.push(client);
    }
    // One in a transaction stays where it is until that has ended.
    clients[0].simple_query("begin; select 1").await.unwrap();
    until_serving(&stage, 1.0).await;
    let mut console = stage.console().await;
    console.simple_query("SET workers_min = 3").await.unwrap();
    until_serving(&stage, 3.0).await;
    for _ in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            let seen = value(client, "select current_setting('app.number')").await;
            assert_eq!(seen, Some(number.to_string()));
        }
    }
    clients[0].simple_query("commit").await.unwrap();
    assert_eq!(
        value(&mut clients[0], "select current_setting('app.number')")
            .await
            .as_deref(),
        Some("0")
    );
    let moved = figure(&stage, "weir_client_moves_total");
    assert!(moved >= (CLIENTS / 2) as f64, "{moved} clients have moved");
}
