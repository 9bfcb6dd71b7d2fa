//! The server: killed, restarted, frozen.

use rustix::process::Signal;
use tokio::time::{Instant, timeout};
use weir_pgwire::backend::{TransactionStatus, tag};
use weir_upstream::ConnectOptions;

use super::super::{Stage, value};
use super::crowd::{Crowd, Fate};
use super::raw::{Raw, last_error, query, tags};
use super::{ANSWER_WITHIN, IMPATIENT, assert_whole, backend, outcome, own_server, report_recovery, signal};
use crate::gateway::{PATIENCE, until_running};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backend_takes_all_with_it_and_all_come_back() {
    let (server, stage) = own_server(&[("pool_max", "4"), ("pool_min", "0")]).await;
    server.psql(stage.database.name(), "create table t (a int)").await;
    let crowd = Crowd::gather(&stage, 4, Fate::MayBeTold).await;
    let (mut victim, mut waiting) = (stage.client().await, stage.client().await);
    assert_eq!(outcome(&mut waiting, "insert into t values (1)").await, None);
    victim.simple_query("begin; insert into t values (2)").await.unwrap();
    let pid = backend(&mut victim).await;
    signal(&pid, Signal::KILL);
    // PostgreSQL ends all its sessions when one of them crashes.
    let told = outcome(&mut victim, "commit").await;
    assert!(
        told.is_some(),
        "a COMMIT of a transaction that was lost was acknowledged"
    );
    let killed = Instant::now();
    crowd.goes_on().await;
    report_recovery("after the crash", killed);
    crowd.go_home().await;
    assert_whole(&stage).await;
    assert_eq!(stage.database.psql("select a from t").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_used_again_at_once() {
    let (mut server, stage) = own_server(&[("pool_max", "4"), ("pool_min", "2"), ("connect_timeout", "1s")]).await;
    let crowd = Crowd::gather(&stage, 4, Fate::MayBeTold).await;
    let mut cut_off = stage.client().await;
    let mut idle = stage.client().await;
    let running = async {
        until_running(&stage.database, "pg_sleep(60)", 1).await;
        server.stop().await;
    };
    let (told, ()) = tokio::join!(outcome(&mut cut_off, "select pg_sleep(60)"), running);
    assert!(told.is_some());
    // Who comes while it is away hears of that, and not that the password is wrong.
    for _ in 0..6 {
        assert_eq!(outcome(&mut idle, "select 1").await.as_deref(), Some("08001"));
    }
    server.start_again().await;
    let back = Instant::now();
    crowd.goes_on().await;
    report_recovery("after the server was back", back);
    assert_eq!(value(&mut idle, "select 2").await.as_deref(), Some("2"));
    assert_eq!(value(&mut stage.client().await, "select 3").await.as_deref(), Some("3"));
    crowd.go_home().await;
    assert_whole(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_frozen_backend_holds_up_its_own_client_and_that_not_for_ever() {
    let (_server, stage) = own_server(&IMPATIENT).await;
    stage.database.psql("create table t (a int)").await;
    let mut frozen = stage.client().await;
    frozen.simple_query("begin; insert into t values (1)").await.unwrap();
    let pid = backend(&mut frozen).await;
    let crowd = Crowd::gather(&stage, 4, Fate::Undisturbed).await;
    signal(&pid, Signal::STOP);
    let cancel = frozen.cancel_token();
    let (told, asked) = tokio::join!(outcome(&mut frozen, "insert into t values (2)"), cancel.cancel());
    asked.unwrap();
    assert_eq!(told.as_deref(), Some("08006"), "no word of what became of it");
    crowd.goes_on().await;
    signal(&pid, Signal::CONT);
    crowd.go_home().await;
    assert_whole(&stage).await;
    assert_eq!(stage.database.psql("select count(*) from t").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_times_everybody_out_and_serves_them_when_it_thaws() {
    let (server, stage) = own_server(&IMPATIENT).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = stage.client().await;
        assert_eq!(outcome(&mut client, "select 1").await, None);
        clients.push(client);
    }
    // Its session differs from the others', so that a connection has to be made to fit it.
    let mut other = stage.client().await;
    other.simple_query("set work_mem = '7MB'").await.unwrap();
    let crowd = Crowd::gather(&stage, 2, Fate::MayBeTold).await;
    server.pause();
    let asked = clients.iter_mut().map(|client| outcome(client, "select 2"));
    let (told, fitted) = tokio::join!(
        futures_util::future::join_all(asked),
        outcome(&mut other, "show work_mem")
    );
    assert!(
        told.iter().all(Option::is_some) && fitted.is_some(),
        "{told:?} {fitted:?}"
    );
    // One who comes now is not kept waiting either, whether it is known already or not.
    let stranger = timeout(ANSWER_WITHIN, stage.try_client(ConnectOptions::default())).await;
    if let Ok(mut stranger) = stranger.unwrap() {
        assert!(outcome(&mut stranger, "select 3").await.is_some());
    }
    server.resume();
    let back = Instant::now();
    crowd.goes_on().await;
    report_recovery("after the thaw", back);
    assert_eq!(value(&mut stage.client().await, "select 3").await.as_deref(), Some("3"));
    crowd.go_home().await;
    assert_whole(&stage).await;
}

/// A client whose BEGIN was answered and whose first statement is on a frozen server, which is then killed.
async fn lost_with_its_begin(stage: &Stage) -> Vec<super::raw::Said> {
    let mut first = stage.client().await;
    let pid = backend(&mut first).await;
    let mut client = Raw::log_in(stage).await;
    client.send(&query("begin")).await;
    assert_eq!(tags(&client.until_ready().await), "CZ");
    signal(&pid, Signal::STOP);
    client.send(&query("select 1")).await;
    let busy = |pool: &weir_proto::common::v1::Pool| pool.active == 1;
    stage.gateway.until_pool("a statement under way", busy).await;
    signal(&pid, Signal::KILL);
    client.until_ready().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_in_a_transaction_is_not_told_that_it_is_in_none() {
    let (_server, stage) = own_server(&[("pool_max", "1"), ("pool_min", "0"), ("idle_timeout", "1h")]).await;
    let said = timeout(PATIENCE, lost_with_its_begin(&stage)).await.unwrap();
    assert_eq!(last_error(&said), Some(("FATAL".to_owned(), "08006".to_owned())));
    let ready = said.iter().find(|(own, _)| *own == tag::READY_FOR_QUERY);
    assert!(
        ready.is_none(),
        "it may go on as if it had not begun anything: {said:?}"
    );
}

/// A cancel would meet the BEGIN that goes ahead of the statement, and the statement would be committed by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_meets_the_first_statement_of_a_transaction_and_not_its_begin() {
    let (_server, stage) = own_server(&[("pool_max", "1"), ("pool_min", "0"), ("idle_timeout", "1h")]).await;
    let mut client = stage.client().await;
    let pid = backend(&mut client).await;
    client.simple_query("begin").await.unwrap();
    signal(&pid, Signal::STOP);
    let cancel = client.cancel_token();
    let asked = async {
        let busy = |pool: &weir_proto::common::v1::Pool| pool.active == 1;
        stage.gateway.until_pool("a statement under way", busy).await;
        cancel.cancel().await.unwrap();
        // The gateway has heard it, so that whatever it sends at once is there before the server goes on.
        stage.gateway.until_pool("a statement under way", busy).await;
        signal(&pid, Signal::CONT);
    };
    let run = timeout(PATIENCE, outcome(&mut client, "select pg_sleep(600)"));
    let (told, ()) = tokio::join!(run, asked);
    assert_eq!(told.unwrap().as_deref(), Some("57014"));
    assert_eq!(client.transaction_status(), TransactionStatus::Failed);
    client.simple_query("rollback").await.unwrap();
    assert_whole(&stage).await;
}
