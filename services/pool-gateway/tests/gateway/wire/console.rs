//! The virtual database `weir`.

use weir_upstream::{ConnectOptions, Connection};

use super::{Stage, code, value};
use crate::gateway::PATIENCE;

async fn console(stage: &Stage) -> Connection {
    Connection::connect(&stage.target("weir"), ConnectOptions::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn it_shows_pools_and_clients_and_ends_one() {
    let stage = Stage::with_pool(1).await;
    let mut client = stage.client().await;
    client.simple_query("begin; select 1").await.unwrap();
    let mut console = console(&stage).await;
    let rows = console.simple_query("SHOW CLIENTS").await.unwrap();
    let state = rows.first().unwrap().text("state").unwrap();
    assert_eq!(state, "idle in transaction");
    let rows = console.simple_query("show pools").await.unwrap();
    assert!(rows.iter().any(|row| row.text("sv_active").unwrap() == "1"), "{rows:?}");
    let config = console.simple_query("show config").await.unwrap();
    assert!(
        config
            .iter()
            .any(|row| row.get("key") == Some("gateway.pool_max") && row.get("value") == Some("1"))
    );
    console
        .simple_query(&format!("KILL {}", client.process_id()))
        .await
        .unwrap();
    assert!(client.simple_query("select 1").await.is_err());
    assert_eq!(code(&mut console, "select 1").await, "42601");
    assert_eq!(code(&mut console, "show nothing").await, "42704");
}

#[tokio::test]
async fn pause_holds_clients_and_resume_lets_them_go_on() {
    let stage = Stage::with_pool(2).await;
    let (mut client, mut console) = (stage.client().await, console(&stage).await);
    console.simple_query("PAUSE").await.unwrap();
    let mut asked = std::pin::pin!(value(&mut client, "select 9"));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut asked).await;
    assert!(early.is_err(), "a paused pool answered");
    console.simple_query("RESUME").await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap();
    assert_eq!(answer.as_deref(), Some("9"));
    assert_eq!(code(&mut console, "PAUSE nowhere").await, "3D000");
}
