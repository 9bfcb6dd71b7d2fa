//! The network between the gateway and its server: held up, reset, and silent.

use bytes::BytesMut;
use tokio::time::Instant;
use weir_pgwire::frontend::{self, Bind, BindValue};
use weir_testkit::eventually;

use super::super::{Stage, value};
use super::crowd::{Crowd, Fate};
use super::proxy::Proxy;
use super::raw::{Raw, last_error, query, tags};
use super::{IMPATIENT, assert_whole, holder, outcome, report_recovery};
use crate::gateway::{PATIENCE, until_running};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_resets_everything_costs_each_client_one_answer_at_most() {
    let (proxy, stage) = Proxy::with_stage(&IMPATIENT).await;
    let crowd = Crowd::gather(&stage, 6, Fate::MayBeTold).await;
    for _ in 0..3 {
        let mut client = holder(&stage).await.unwrap();
        proxy.reset();
        assert!(outcome(&mut client, "select 2").await.is_some());
        crowd.goes_on().await;
    }
    crowd.go_home().await;
    assert_whole(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_stands_still_times_out_and_goes_on() {
    let (proxy, stage) = Proxy::with_stage(&IMPATIENT).await;
    let crowd = Crowd::gather(&stage, 4, Fate::MayBeTold).await;
    let mut client = holder(&stage).await.unwrap();
    proxy.stall(true);
    assert_eq!(outcome(&mut client, "select 2").await.as_deref(), Some("08006"));
    let back = Instant::now();
    proxy.stall(false);
    crowd.goes_on().await;
    report_recovery("after the network went on", back);
    crowd.go_home().await;
    assert_whole(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_without_a_word_are_found_out_and_replaced() {
    let (proxy, stage) = Proxy::with_stage(&IMPATIENT).await;
    let crowd = Crowd::gather(&stage, 4, Fate::MayBeTold).await;
    let mut client = holder(&stage).await.unwrap();
    proxy.silence();
    assert_eq!(outcome(&mut client, "select 2").await.as_deref(), Some("08006"));
    crowd.goes_on().await;
    assert_eq!(value(&mut stage.client().await, "select 3").await.as_deref(), Some("3"));
    crowd.go_home().await;
    assert_whole(&stage).await;
}

/// Runs a statement in the extended protocol.
fn put(out: &mut BytesMut, sql: &str) {
    let none: [BindValue<'_>; 0] = [];
    frontend::parse(out, "", sql, std::iter::empty()).unwrap();
    frontend::bind(out, &Bind::default(), none.into_iter()).unwrap();
    frontend::execute(out, "", 0).unwrap();
}

/// What a client is told whose server is lost while this is under way, the last of which sleeps for so long.
async fn told_of_the_loss(proxy: &Proxy, stage: &Stage, request: &[u8], sleep: &str) -> (Option<String>, bool) {
    let mut client = Raw::log_in(stage).await;
    client.send(request).await;
    until_running(&stage.database, sleep, 1).await;
    proxy.reset();
    let said = client.until_ready().await;
    let (severity, code) = last_error(&said).unzip();
    assert_eq!(code.as_deref(), Some("08006"), "{said:?}");
    (severity, tags(&said).ends_with('Z'))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_owed_more_than_one_answer_is_sent_home_with_its_server() {
    let (proxy, stage) = Proxy::with_stage(&[("pool_max", "2"), ("pool_min", "0")]).await;
    let fatal = (Some("FATAL".to_owned()), false);
    let one = query("select pg_sleep(31)");
    let (severity, goes_on) = told_of_the_loss(&proxy, &stage, &one, "pg_sleep(31)").await;
    assert_eq!((severity.as_deref(), goes_on), (Some("ERROR"), true));
    let several = [query("select pg_sleep(32)"), query("select 2")].concat();
    let found = told_of_the_loss(&proxy, &stage, &several, "pg_sleep(32)").await;
    assert_eq!(found, fatal, "two answers are owed");
    let mut begun = BytesMut::new();
    put(&mut begun, "select 1");
    begun.extend_from_slice(b"H\0\0\0\x04");
    put(&mut begun, "select pg_sleep(33)");
    frontend::sync(&mut begun);
    let found = told_of_the_loss(&proxy, &stage, &begun, "pg_sleep(33)").await;
    assert_eq!(found, fatal, "it has a part of the answer");
    let mut console = stage.console().await;
    console.simple_query("SET pool_mode = session").await.unwrap();
    let kept = query("select pg_sleep(34)");
    let found = told_of_the_loss(&proxy, &stage, &kept, "pg_sleep(34)").await;
    assert_eq!(found, fatal, "its session was the server's");
    let left = "select count(pg_terminate_backend(pid)) from pg_stat_activity where query like 'select%pg_sleep(3_)'";
    stage.database.psql(left).await;
}

/// The timer of a connection from this port to that one, as the kernel shows it: `02` where the peer is going to be
/// asked whether it is still there.
fn timer(from: u16, to: u16) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (own, peer, _) = (words.next()?.to_owned(), words.next()?.to_owned(), words.next()?);
        let timer = words.nth(1)?.split(':').next()?.to_owned();
        let is_it = own.ends_with(&format!(":{from:04X}")) && peer.ends_with(&format!(":{to:04X}"));
        is_it.then_some(timer)
    };
    table.lines().find_map(ends)
}

#[tokio::test]
async fn a_client_that_is_silent_for_long_is_asked_whether_it_is_still_there() {
    let stage = Stage::with_pool(1).await;
    let client = Raw::log_in(&stage).await;
    let port = client.stream.local_addr().unwrap().port();
    eventually("a timer of the connection", PATIENCE, || async {
        match timer(stage.gateway.wire_port, port) {
            Some(timer) if timer == "02" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
