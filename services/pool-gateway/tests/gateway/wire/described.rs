//! What a client was told its rows look like, and what it hears when they look otherwise.

use bytes::BytesMut;
use weir_pgwire::frontend;

use super::Stage;
use super::faults::raw::{Raw, last_error, tags};

/// A frame of the extended protocol.
pub(super) fn frame(tag: u8, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    let length = u32::try_from(body.len() + 4).unwrap();
    out.extend_from_slice(&[tag]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// Runs the statement `s`, and has its rows described or not.
fn run(described: bool) -> BytesMut {
    let mut out = frame(b'B', b"\0s\0\0\0\0\0\0\0");
    if described {
        out.extend_from_slice(&frame(b'D', b"P\0"));
    }
    out.extend_from_slice(&frame(b'E', b"\0\0\0\0\0"));
    frontend::sync(&mut out);
    out
}

fn prepare() -> BytesMut {
    let mut out = frame(b'P', b"s\0select * from t\0\0\0");
    out.extend_from_slice(&frame(b'D', b"Ss\0"));
    frontend::sync(&mut out);
    out
}

async fn answer(client: &mut Raw, request: &[u8]) -> (String, Option<String>) {
    client.send(request).await;
    let said = client.until_ready().await;
    (tags(&said), last_error(&said).map(|(_, code)| code))
}

#[tokio::test]
async fn one_who_goes_by_an_old_description_hears_that_it_is_old() {
    let stage = Stage::with_pool(1).await;
    stage.database.psql("create table t as select 1 as a").await;
    let mut client = Raw::log_in(&stage).await;
    assert_eq!(answer(&mut client, &prepare()).await, ("1tTZ".to_owned(), None));
    assert_eq!(answer(&mut client, &run(false)).await, ("2DCZ".to_owned(), None));
    stage
        .client()
        .await
        .simple_query("alter table t add b int")
        .await
        .unwrap();
    let (said, code) = answer(&mut client, &run(false)).await;
    assert_eq!((said.as_str(), code.as_deref()), ("EZ", Some("0A000")));
    let mut anew = frame(b'C', b"Ss\0");
    anew.extend_from_slice(&prepare());
    assert_eq!(answer(&mut client, &anew).await, ("31tTZ".to_owned(), None));
    assert_eq!(answer(&mut client, &run(false)).await, ("2DCZ".to_owned(), None));
}

#[tokio::test]
async fn one_who_asks_how_the_rows_look_never_hears_of_old_plans() {
    let stage = Stage::with_pool(1).await;
    stage.database.psql("create table t as select 1 as a").await;
    let mut client = Raw::log_in(&stage).await;
    assert_eq!(answer(&mut client, &prepare()).await, ("1tTZ".to_owned(), None));
    for alter in ["alter table t add b int", "alter table t drop b"] {
        assert_eq!(answer(&mut client, &run(true)).await, ("2TDCZ".to_owned(), None));
        stage.database.psql(alter).await;
        assert_eq!(
            answer(&mut client, &run(true)).await,
            ("2TDCZ".to_owned(), None),
            "{alter}"
        );
    }
}

#[tokio::test]
async fn one_who_prepares_what_another_had_prepared_before_a_change_hears_of_the_new_rows_alone() {
    let stage = Stage::with_pool(1).await;
    stage.database.psql("create table t as select 1 as a").await;
    let (mut one, mut other) = (Raw::log_in(&stage).await, Raw::log_in(&stage).await);
    assert_eq!(answer(&mut one, &prepare()).await, ("1tTZ".to_owned(), None));
    stage.database.psql("alter table t add b int").await;
    assert_eq!(answer(&mut other, &prepare()).await, ("1tTZ".to_owned(), None));
    assert_eq!(answer(&mut other, &run_by_formats()).await, ("2TDCZ".to_owned(), None));
}

/// Runs the statement `s` with a format for each of two columns, and has its rows described all the same.
fn run_by_formats() -> BytesMut {
    let mut out = frame(b'B', b"\0s\0\0\0\0\0\0\x02\0\x01\0\x01");
    out.extend_from_slice(&frame(b'D', b"P\0"));
    out.extend_from_slice(&frame(b'E', b"\0\0\0\0\0"));
    frontend::sync(&mut out);
    out
}

#[tokio::test]
async fn one_who_names_a_format_for_each_column_goes_by_an_old_description() {
    let stage = Stage::with_pool(1).await;
    stage.database.psql("create table t as select 1 as a, 2 as b").await;
    let mut client = Raw::log_in(&stage).await;
    assert_eq!(answer(&mut client, &prepare()).await, ("1tTZ".to_owned(), None));
    let found = answer(&mut client, &run_by_formats()).await;
    assert_eq!(found, ("2TDCZ".to_owned(), None));
    stage.database.psql("alter table t drop b").await;
    let (said, code) = answer(&mut client, &run_by_formats()).await;
    assert_eq!((said.as_str(), code.as_deref()), ("EZ", Some("0A000")));
}

/// Runs a text of its own, of which it asks nothing but the rows.
fn run_anew() -> BytesMut {
    let mut out = frame(b'P', b"\0select * from t\0\0\0");
    out.extend_from_slice(&frame(b'B', b"\0\0\0\0\0\0\0\0"));
    out.extend_from_slice(&frame(b'E', b"\0\0\0\0\0"));
    frontend::sync(&mut out);
    out
}

#[tokio::test]
async fn one_who_sends_the_text_again_never_hears_of_old_plans() {
    let stage = Stage::with_pool(1).await;
    stage.database.psql("create table t as select 1 as a").await;
    let mut client = Raw::log_in(&stage).await;
    for alter in ["alter table t add b int", "alter table t drop b"] {
        assert_eq!(answer(&mut client, &run_anew()).await, ("12DCZ".to_owned(), None));
        stage.database.psql(alter).await;
        let found = answer(&mut client, &run_anew()).await;
        assert_eq!(found, ("12DCZ".to_owned(), None), "{alter}");
    }
}
