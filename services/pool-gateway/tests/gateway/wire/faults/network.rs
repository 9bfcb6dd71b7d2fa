//! The network between the gateway and its server: held up, reset, and silent.

use tokio::time::Instant;
use weir_testkit::eventually;

use super::super::{Stage, value};
use super::crowd::{Crowd, Fate};
use super::proxy::Proxy;
use super::raw::Raw;
use super::{IMPATIENT, assert_whole, holder, outcome, report_recovery};
use crate::gateway::PATIENCE;

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
