//! Clients that go at any byte, and clients whose words come one byte at a time.

use std::time::Duration;

use bytes::BytesMut;
use tokio::time::timeout;
use weir_pgwire::Format;
use weir_pgwire::frontend::{self, Bind, BindValue, Subject};
use weir_proto::common::v1::Pool;
use weir_testkit::eventually;

use super::super::Stage;
use super::crowd::{Crowd, Fate};
use super::raw::{Raw, last_error, query, startup, tags};
use super::{ANSWER_WITHIN, assert_whole};
use crate::gateway::{Gate, PATIENCE, until_running};

/// What is answered to a whole conversation, after the log-in: a prepared statement, a transaction by simple queries, a
/// COPY, and the end of the transaction.
const ANSWERS: &str = "1tT2DCZCZCZGCZCZ";
/// Rows of one conversation, in one transaction.
const ROWS: &str = "3";

fn put_extended(out: &mut BytesMut, sql: &str, value: &str) {
    let what = Bind {
        portal: "door",
        statement: "question",
        ..Bind::default()
    };
    let values = [BindValue {
        format: Format::Text,
        bytes: Some(value.as_bytes()),
    }];
    frontend::parse(out, "question", sql, std::iter::empty()).unwrap();
    frontend::describe(out, Subject::Statement("question")).unwrap();
    frontend::bind(out, &what, values.into_iter()).unwrap();
    frontend::execute(out, "door", 0).unwrap();
    frontend::sync(out);
}

/// What a client says after it has logged in.
fn conversation(number: usize) -> BytesMut {
    let mut out = BytesMut::new();
    put_extended(&mut out, "select $1::int8 + 1", "41");
    out.extend_from_slice(&query("begin"));
    out.extend_from_slice(&query(&format!("insert into t values ({number})")));
    out.extend_from_slice(&query("copy t from stdin"));
    frontend::copy_data(&mut out, format!("{number}\n").as_bytes()).unwrap();
    frontend::copy_data(&mut out, format!("{number}\n").as_bytes()).unwrap();
    frontend::copy_done(&mut out);
    out.extend_from_slice(&query("commit"));
    out
}

/// Says the first bytes of a conversation and goes: with a reset or in peace, at once or after the first answers.
async fn break_off(stage: &Stage, number: usize, bytes: &[u8]) {
    let mut client = Raw::connect(stage.gateway.wire_port).await;
    client.send(bytes).await;
    if number.is_multiple_of(2) {
        let _ = timeout(Duration::from_millis(10), client.until_end()).await;
    }
    if number.is_multiple_of(3) {
        client.reset();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_at_any_byte_leaves_all_of_its_transaction_or_nothing() {
    let stage = Stage::with_pool(3).await;
    stage.database.psql("create table t (a int8)").await;
    let crowd = Crowd::gather(&stage, 2, Fate::Undisturbed).await;
    let head = startup(stage.database.name());
    let whole = head.len() + conversation(100).len();
    for length in 1..=whole {
        let mut bytes = head.clone();
        bytes.extend_from_slice(&conversation(100 + length % 900));
        break_off(&stage, length, &bytes[..length]).await;
    }
    crowd.goes_on().await;
    crowd.go_home().await;
    assert_whole(&stage).await;
    let halves = stage
        .database
        .psql(&format!("select a from t group by a having count(*) % {ROWS} <> 0"))
        .await;
    assert_eq!(halves, "", "transactions that were done in part");
    let open = "select count(*) from pg_stat_activity where application_name = 'weir' and xact_start is not null";
    assert_eq!(stage.database.psql(open).await, "0", "a transaction was left open");
    assert_same_as_ever(&stage).await;
}

/// A cancel that met the first of several requests would let the others be done without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_in_a_pipeline_leaves_nothing_done_without_what_came_before_it() {
    let stage = Stage::with_pool(3).await;
    stage
        .database
        .psql("create table t (a int8); insert into t values (1)")
        .await;
    let gate = Gate::shut(&stage.database).await;
    let mut client = Raw::log_in(&stage).await;
    let first = format!("{}; update t set a = a + 10", Gate::PASS);
    client
        .send(&[query(&first), query("insert into t values (2)")].concat())
        .await;
    until_running(&stage.database, "update t", 1).await;
    drop(client);
    let gone = |pool: &Pool| pool.active == 0;
    stage.gateway.until_pool("that the client has gone", gone).await;
    // Were the first request cancelled, the second would have been done by now.
    assert_eq!(stage.database.psql("select a from t").await, "1");
    gate.open().await;
    until_running(&stage.database, "update t", 0).await;
    let all = "select string_agg(a::text, ' ' order by a) from t";
    eventually("both requests", PATIENCE, || async {
        let found = stage.database.psql(all).await;
        if found == "2 11" { Ok(()) } else { Err(found) }
    })
    .await;
    assert_whole(&stage).await;
}

/// A whole conversation has all its answers.
async fn assert_same_as_ever(stage: &Stage) {
    let mut client = Raw::log_in(stage).await;
    client.send(&conversation(1)).await;
    assert_eq!(answers(&mut client).await, ANSWERS);
}

async fn answers(client: &mut Raw) -> String {
    let mut said = Vec::new();
    while tags(&said).matches('Z').count() < 5 {
        said.push(client.frame().await.expect("the session goes on"));
    }
    assert_eq!(last_error(&said), None);
    tags(&said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_come_byte_by_byte_are_understood() {
    let stage = Stage::with_pool(2).await;
    stage.database.psql("create table t (a int8)").await;
    let crowd = Crowd::gather(&stage, 2, Fate::Undisturbed).await;
    let mut client = Raw::connect(stage.gateway.wire_port).await;
    for byte in startup(stage.database.name()) {
        client.send(&[byte]).await;
    }
    client.until_ready().await;
    for byte in conversation(7) {
        client.send(&[byte]).await;
        // So that each byte is a read of its own.
        tokio::task::yield_now().await;
    }
    let answers = timeout(ANSWER_WITHIN, answers(&mut client)).await.unwrap();
    assert_eq!(answers, ANSWERS);
    assert_eq!(stage.database.psql("select count(*) from t where a = 7").await, ROWS);
    crowd.go_home().await;
    assert_whole(&stage).await;
}
