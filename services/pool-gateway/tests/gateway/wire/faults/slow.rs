//! Clients that take nothing, and answers that end in the middle of a row.

use std::time::Duration;

use bytes::BytesMut;
use rustix::process::Signal;
use tokio::time::timeout;
use weir_pgwire::backend::tag;
use weir_pgwire::frontend;
use weir_proto::common::v1::Pool;
use weir_upstream::{ConnectOptions, Connection};

use super::super::Stage;
use super::crowd::{Crowd, Fate};
use super::large::Own;
use super::raw::{ROW_HEAD_BYTES, Raw, last_error, query, tags};
use super::{ANSWER_WITHIN, assert_whole, signal};
use crate::gateway::{PATIENCE, until_blocked};

/// What a client that takes nothing may cost, beside what the kernel holds.
const COST_KIB_MAX: u64 = 8 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_costs_little_and_loses_its_server_in_the_end() {
    let settings = [
        ("POOL_MAX", "2"),
        ("STATEMENT_TIMEOUT", "3s"),
        ("CONNECT_TIMEOUT", "1s"),
    ];
    let own = Own::start(&settings).await;
    let mut other = own.client().await;
    other.simple_query("select repeat('x', 4000000)").await.unwrap();
    let before = own.kib("VmRSS");
    let mut deaf = own.raw().await;
    deaf.send(&query("select repeat('x', 1000), generate_series(1, 1000000)"))
        .await;
    // The server cannot go on, and others are served.
    until_blocked(&own.database, 1).await;
    for number in 0..200 {
        let rows = other.simple_query(&format!("select {number}")).await.unwrap();
        assert_eq!(rows[0].values().next(), Some(Some(number.to_string().as_str())));
    }
    let grown = own.kib("VmRSS").saturating_sub(before);
    assert!(grown < COST_KIB_MAX, "{grown} KiB for one that takes nothing");
    until_blocked(&own.database, 0).await;
    let said = timeout(PATIENCE, deaf.until_ready()).await.unwrap();
    let told = last_error(&said);
    let told = told.as_ref().map(|(severity, code)| (severity.as_str(), code.as_str()));
    if said.last().is_some_and(|(last, _)| *last == tag::READY_FOR_QUERY) {
        // The server came to write once more, heard the cancel, and the session goes on.
        assert_eq!(told, Some(("ERROR", "57014")));
    } else {
        // It could not be cancelled. Where the last row was whole the client is told why.
        assert!(told.is_none_or(|told| told == ("FATAL", "57014")), "{told:?}");
    }
}

/// A pool that opens a connection for nobody but a client.
const IDLE_POOL: [(&str, &str); 2] = [("pool_max", "2"), ("pool_min", "0")];

/// A client that holds a server, which has this process.
async fn with_a_server(stage: &Stage) -> (Raw, String) {
    let mut client = Raw::log_in(stage).await;
    client.send(&query("begin")).await;
    client.until_ready().await;
    client.send(&query("select pg_backend_pid()")).await;
    let said = client.until_ready().await;
    let row = said.iter().find(|(own, _)| *own == tag::DATA_ROW).unwrap();
    let pid = String::from_utf8_lossy(&row.1[6..]).into_owned();
    (client, pid)
}

/// A client that asks for a long row and has begun to read it.
async fn in_the_middle_of_a_row(stage: &Stage) -> (Raw, String) {
    let (mut client, pid) = with_a_server(stage).await;
    // More than all buffers on the way hold, and the half of it is not there yet.
    client.send(&query("select repeat('x', 64000000)")).await;
    assert_eq!(client.frame().await.unwrap().0, tag::ROW_DESCRIPTION);
    client.stream.readable().await.unwrap();
    (client, pid)
}

/// Nothing but the row's own bytes came before the end.
async fn assert_no_false_row(client: &mut Raw) {
    let said = timeout(PATIENCE, client.until_end()).await.unwrap();
    assert_eq!(tags(&said), "", "something was made of half a row");
    let strange = client
        .fragment()
        .iter()
        .skip(ROW_HEAD_BYTES)
        .find(|byte| **byte != b'x');
    assert_eq!(strange, None, "something else stands in the row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_breaks_off_is_not_filled_up_with_an_error() {
    let (_server, stage) = super::own_server(&IDLE_POOL).await;
    let (mut client, pid) = in_the_middle_of_a_row(&stage).await;
    signal(&pid, Signal::KILL);
    assert_no_false_row(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_ended_in_the_middle_of_a_row_gets_no_error_into_it() {
    let stage = Stage::with_pool(2).await;
    let (mut client, _) = in_the_middle_of_a_row(&stage).await;
    let mut console = Connection::connect(&stage.target("weir"), ConnectOptions::default())
        .await
        .unwrap();
    let name = stage.database.name();
    console.simple_query(&format!("KILL {name}")).await.unwrap();
    assert_no_false_row(&mut client).await;
    assert_whole(&stage).await;
}

/// Freezes a server whose client takes nothing, so that it hears no cancel, and waits until it is given up. Nobody is
/// in a hurry before it is frozen.
async fn until_given_up(stage: &Stage, pid: &str) {
    until_blocked(&stage.database, 1).await;
    signal(pid, Signal::STOP);
    let mut console = stage.console().await;
    for limit in ["SET connect_timeout = '1s'", "SET statement_timeout = '100ms'"] {
        console.simple_query(limit).await.unwrap();
    }
    let given_up = |pool: &Pool| pool.active == 0;
    stage.gateway.until_pool("the server to be given up", given_up).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hears_no_cancel_is_given_up_although_its_client_takes_nothing() {
    let (_server, stage) = super::own_server(&IDLE_POOL).await;
    let (mut deaf, pid) = with_a_server(&stage).await;
    // Notices go on as a whole, so that the client is never in the middle of one and can be told why it has to go.
    let endless = "do $$ begin loop raise notice '%', repeat('x', 1000); end loop; end $$";
    deaf.send(&query(endless)).await;
    until_given_up(&stage, &pid).await;
    let said = timeout(PATIENCE, deaf.until_end()).await.unwrap();
    assert_eq!(last_error(&said), Some(("FATAL".to_owned(), "57014".to_owned())));
    assert!(tags(&said).ends_with("NE"), "something came behind the error");
    signal(&pid, Signal::CONT);
    assert_whole(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_server_is_given_up_in_the_middle_of_a_row_gets_no_error_into_it() {
    let (_server, stage) = super::own_server(&IDLE_POOL).await;
    let (mut deaf, pid) = in_the_middle_of_a_row(&stage).await;
    until_given_up(&stage, &pid).await;
    assert_no_false_row(&mut deaf).await;
    signal(&pid, Signal::CONT);
    assert_whole(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_only_sends_is_not_listened_to_without_end() {
    let stage = Stage::with_pool(1).await;
    let crowd = Crowd::gather(&stage, 2, Fate::Undisturbed).await;
    let mut syncs = BytesMut::new();
    (0..10_000).for_each(|_| frontend::sync(&mut syncs));
    let mut deaf = Raw::log_in(&stage).await;
    // Each is answered with six bytes that nobody takes; in the end the gateway takes no more either.
    let stuck = async {
        loop {
            let write = timeout(Duration::from_millis(500), deaf.send(&syncs)).await;
            if write.is_err() {
                return;
            }
        }
    };
    timeout(ANSWER_WITHIN, stuck)
        .await
        .expect("it is listened to without end");
    crowd.goes_on().await;
    crowd.go_home().await;
}
