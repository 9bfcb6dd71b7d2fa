//! Batches that are answered before they are ended: Flush asks for the answers, and only Sync commits.

use bytes::BytesMut;
use weir_pgwire::frontend;

use super::described::frame;
use super::faults::raw::{Raw, tags};
use super::{Stage, value};

const FLUSH: &[u8] = b"H\0\0\0\x04";

/// A statement that is parsed and, if the text is good, described.
fn described(name: &str, sql: &str) -> BytesMut {
    let mut out = frame(b'P', format!("{name}\0{sql}\0\0\0").as_bytes());
    out.extend_from_slice(&frame(b'D', format!("S{name}\0").as_bytes()));
    out
}

/// A statement that is run.
fn run(sql: &str) -> BytesMut {
    let mut out = frame(b'P', format!("\0{sql}\0\0\0").as_bytes());
    out.extend_from_slice(&frame(b'B', b"\0\0\0\0\0\0\0\0"));
    out.extend_from_slice(&frame(b'E', b"\0\0\0\0\0"));
    out
}

fn sync() -> BytesMut {
    let mut out = BytesMut::new();
    frontend::sync(&mut out);
    out
}

/// The tags of so many answers to these frames.
async fn answers(client: &mut Raw, request: &[&[u8]], count: usize) -> String {
    client.send(&request.concat()).await;
    let mut said = Vec::new();
    for _ in 0..count {
        said.push(client.frame().await.expect("the session goes on"));
    }
    tags(&said)
}

async fn ready(client: &mut Raw, request: &[&[u8]]) -> String {
    client.send(&request.concat()).await;
    tags(&client.until_ready().await)
}

#[tokio::test]
async fn what_was_not_ended_is_not_committed_by_others() {
    let stage = Stage::with_pool(2).await;
    stage.database.psql("create table t (a int)").await;
    let (mut client, mut other) = (Raw::log_in(&stage).await, stage.client().await);
    let insert = run("insert into t values (1)");
    assert_eq!(answers(&mut client, &[&insert, FLUSH], 3).await, "12C");
    for _ in 0..3 {
        assert_eq!(value(&mut other, "select count(*) from t").await.as_deref(), Some("0"));
    }
    assert_eq!(ready(&mut client, &[&sync()]).await, "Z");
    assert_eq!(value(&mut other, "select count(*) from t").await.as_deref(), Some("1"));
    // One who goes without an end has done nothing.
    assert_eq!(answers(&mut client, &[&insert, FLUSH], 3).await, "12C");
    client.reset();
    stage
        .gateway
        .until_pool("nobody with a connection", |pool| pool.active == 0)
        .await;
    for _ in 0..3 {
        assert_eq!(value(&mut other, "select count(*) from t").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn what_comes_between_an_error_and_the_end_of_its_batch_is_not_heard() {
    let stage = Stage::with_pool(1).await;
    let (mut client, mut other) = (Raw::log_in(&stage).await, stage.client().await);
    for round in 0..3 {
        let wrong = described("wrong", "select 1; select 2");
        assert_eq!(answers(&mut client, &[&wrong, FLUSH], 1).await, "E", "round {round}");
        let late = described("late", "select 3");
        assert_eq!(ready(&mut client, &[&late, FLUSH, &sync()]).await, "Z", "round {round}");
        assert_eq!(value(&mut other, "select 4").await.as_deref(), Some("4"));
        let right = described(&format!("right{round}"), "select 5");
        assert_eq!(answers(&mut client, &[&right, FLUSH], 3).await, "1tT", "round {round}");
        assert_eq!(ready(&mut client, &[&sync()]).await, "Z", "round {round}");
    }
}

#[tokio::test]
async fn a_copy_goes_on_to_the_end_that_follows_its_data() {
    let stage = Stage::with_pool(2).await;
    stage.database.psql("create table t (a int)").await;
    let (mut client, mut other) = (Raw::log_in(&stage).await, stage.client().await);
    let copy = run("copy t from stdin");
    assert_eq!(answers(&mut client, &[&copy, &sync()], 3).await, "12G");
    let data = [&frame(b'd', b"1\n2\n")[..], &frame(b'c', b"")].concat();
    assert_eq!(answers(&mut client, &[&data, FLUSH], 1).await, "C");
    for _ in 0..3 {
        assert_eq!(value(&mut other, "select count(*) from t").await.as_deref(), Some("0"));
    }
    assert_eq!(ready(&mut client, &[&sync()]).await, "Z");
    assert_eq!(value(&mut other, "select count(*) from t").await.as_deref(), Some("2"));
}
