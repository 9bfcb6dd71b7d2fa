//! What becomes of the sessions of a process that has handed over.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use arrow_flight::sql::EndTransaction;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures_util::future::join;
use tokio::net::TcpStream;
use tonic::transport::Channel;
use weir_testkit::{eventually, free_port};

use super::{Site, ends_well, stays};
use crate::gateway::PATIENCE;
use crate::wire::{code, value};

/// Runs a statement that ends by a cancel only, cancels it, and sees that it was.
async fn is_cancelled(site: &Site, client: &mut weir_upstream::Connection, mark: &str) {
    let token = client.cancel_token();
    let statement = format!("select pg_sleep(60) /* {mark} */");
    let (seen, ()) = join(code(client, &statement), async {
        let running = format!("select count(*) from pg_stat_activity where state = 'active' and query = '{statement}'");
        eventually("the statement runs", PATIENCE, async || {
            (site.database.psql(&running).await == "1").then_some(())
        })
        .await;
        token.cancel().await.unwrap();
    })
    .await;
    assert_eq!(seen, "57014");
}

#[tokio::test]
async fn sessions_end_where_they_began_and_a_cancel_finds_them_there() {
    let site = Site::new().await;
    site.database.psql("create table kept (n int)").await;
    let first = site.first().await;
    let mut early = site.client("early").await;
    early.simple_query("begin; insert into kept values (1)").await.unwrap();
    let mut busy = site.client("busy").await;

    let second = site.next(&first, &[], "early").await;
    is_cancelled(&site, &mut busy, "one further").await;
    let late = site.client("late").await;
    let third = site.next(&second, &[], "late").await;
    is_cancelled(&site, &mut busy, "two further").await;
    busy.close().await;
    late.close().await;
    // The second has nobody left, but the way to the first leads through it.
    stays(&second).await;
    early.simple_query("insert into kept values (2); commit").await.unwrap();
    early.simple_query("select 1").await.unwrap();
    assert_eq!(first.exit_status(), None);
    early.close().await;
    ends_well(&first).await;
    ends_well(&second).await;
    assert_eq!(site.database.psql("select sum(n) from kept").await, "3");
    let mut client = site.client("new").await;
    is_cancelled(&site, &mut client, "none further").await;
    third.term();
    ends_well(&third).await;
}

#[tokio::test]
async fn who_has_not_gone_in_time_is_told_and_a_transaction_is_finished_first() {
    let site = Site::new().await;
    let first = site.first_with(&[("WEIR_GATEWAY__HANDOVER_DRAIN", "1s")]).await;
    let mut idle = site.client("idle").await;
    let mut open = site.client("open").await;
    open.simple_query("begin; select 1").await.unwrap();
    let _second = site.next(&first, &[], "open").await;
    idle.simple_query("select 1").await.unwrap();
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Err(error) = idle.simple_query("select 1").await {
                return error;
            }
        }
    });
    let told = told.await.unwrap();
    let code = told.server().map(|server| server.sqlstate.as_str());
    assert_eq!(code, Some("57P01"), "{told}");
    assert_eq!(value(&mut open, "select 7").await.as_deref(), Some("7"));
    open.simple_query("commit").await.unwrap();
    ends_well(&first).await;
}

#[tokio::test]
async fn a_door_that_has_moved_is_served_where_it_is_now() {
    let site = Site::new().await;
    let first = site.first().await;
    assert_eq!(
        std::fs::metadata(site.socket()).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let elsewhere = Site {
        wire: free_port(),
        database: site.database.clone(),
        directory: tempfile::tempdir().unwrap(),
        ..site
    };
    let socket = site.directory.path().join("handover");
    let second = elsewhere.begin(&[("WEIR_GATEWAY__HANDOVER", socket.to_str().unwrap())]);
    ends_well(&first).await;
    let mut client = elsewhere.client("new").await;
    assert_eq!(value(&mut client, "select 7").await.as_deref(), Some("7"));
    let old = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(("127.0.0.1", site.wire))).await;
    assert!(old.unwrap().is_err(), "nobody serves the old one: {}", second.output());
}

#[tokio::test]
async fn a_transaction_that_spans_calls_goes_on_where_it_was_begun() {
    let site = Site::new().await;
    site.database.psql("create table kept (n int)").await;
    let first = site.first().await;
    let channel = Channel::from_shared(format!("http://127.0.0.1:{}", site.grpc)).unwrap();
    let mut caller = FlightSqlServiceClient::new(channel.connect().await.unwrap());
    let id = caller.begin_transaction().await.unwrap();
    let insert = "insert into kept values (1)".to_owned();
    assert_eq!(
        caller.execute_update(insert.clone(), Some(id.clone())).await.unwrap(),
        1
    );
    let stays = site.client("stays").await;
    let second = site.next(&first, &[], "stays").await;
    assert_eq!(
        caller.execute_update(insert.clone(), Some(id.clone())).await.unwrap(),
        1
    );
    caller.end_transaction(id, EndTransaction::Commit).await.unwrap();
    stays.close().await;
    ends_well(&first).await;
    assert_eq!(site.database.psql("select sum(n) from kept").await, "2");
    assert_eq!(
        caller.execute_update(insert, None).await.unwrap(),
        1,
        "the channel goes on"
    );
    second.term();
    ends_well(&second).await;
}

/// The copies of the sockets that wait for a next process must not keep clients waiting at doors that nobody opens.
#[tokio::test]
async fn a_shutdown_shuts_the_doors_at_once() {
    let site = Site::new().await;
    let first = site.first().await;
    let mut open = site.client("open").await;
    open.simple_query("begin; select 1").await.unwrap();
    first.term();
    eventually("nobody listens any more", PATIENCE, async || {
        let connected = TcpStream::connect(("127.0.0.1", site.wire)).await;
        connected.is_err().then_some(())
    })
    .await;
    assert!(!site.socket().exists());
    open.simple_query("commit").await.unwrap();
    ends_well(&first).await;
}
