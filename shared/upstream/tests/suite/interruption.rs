//! What is cut short: by a cancel request, by a caller who leaves, by a server that goes.

use std::time::Duration;

use tokio::time::timeout;
use weir_model::{Coded as _, ErrorClass};
use weir_testkit::{Database, Postgres, PostgresOptions, eventually};
use weir_upstream::{Connection, Error};

use crate::certificates::{Certificates, EC};
use crate::relay::Relay;
use crate::{connect, connected, rows, works};

const LONG: &str = "select pg_sleep(600)";
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until a process is in a statement, and in this wait.
async fn is_waiting(database: &Database, process: i32, event: &str) {
    let sql =
        format!("select 1 from pg_stat_activity where pid = {process} and state = 'active' and wait_event = '{event}'");
    eventually("the server to wait", DEADLINE, async || {
        (database.psql(&sql).await == "1").then_some(())
    })
    .await;
}

async fn cancelled_while_another_goes_on(mut first: Connection, mut second: Connection, database: &Database) {
    let (cancel, bystander) = (first.cancel_token(), second.cancel_token());
    let (slow, other) = (first.process_id(), second.process_id());
    let canceller = async {
        is_waiting(database, slow, "PgSleep").await;
        is_waiting(database, other, "PgSleep").await;
        cancel.cancel().await.unwrap();
        let gone = format!("select 1 from pg_stat_activity where pid = {slow} and state = 'idle'");
        eventually("the cancelled one to end", DEADLINE, async || {
            (database.psql(&gone).await == "1").then_some(())
        })
        .await;
        is_waiting(database, other, "PgSleep").await;
        bystander.cancel().await.unwrap();
    };
    let (first_end, second_end, ()) = tokio::join!(rows(&mut first, LONG), rows(&mut second, LONG), canceller);
    for (end, connection) in [(first_end, &mut first), (second_end, &mut second)] {
        let error = end.unwrap_err();
        assert_eq!(
            (error.server().unwrap().sqlstate.as_str(), error.class()),
            ("57014", ErrorClass::Cancelled)
        );
        works(connection).await;
    }
}

#[tokio::test]
async fn a_cancel_request_hits_its_own_query() {
    let (first, database) = connected().await;
    let second = connect(&database.url()).await.unwrap();
    cancelled_while_another_goes_on(first, second, &database).await;
}

#[tokio::test]
async fn a_cancel_request_is_encrypted_as_its_connection() {
    let own = Certificates::new().self_signed("localhost", EC);
    let rules = PostgresOptions::new()
        .tls(&own.certificate, &own.key)
        .hba("hostssl all all 127.0.0.1/32 trust");
    let postgres = rules.start().await;
    let database = postgres.database().await;
    let relay = Relay::to(postgres.port());
    let url = format!("postgres://postgres@127.0.0.1:{}/{}", relay.port, database.name());
    let (first, second) = (connect(&url).await.unwrap(), connect(&url).await.unwrap());
    assert!(first.is_encrypted() && second.is_encrypted());
    cancelled_while_another_goes_on(first, second, &database).await;
    // Each of the four connections asked for TLS before anything else.
    assert_eq!(relay.openings(), [*b"\0\0\0\x08\x04\xd2\x16\x2f"; 4]);
}

#[tokio::test]
async fn a_late_cancel_request_does_no_harm() {
    let (mut connection, _database) = connected().await;
    let cancel = connection.cancel_token();
    works(&mut connection).await;
    cancel.cancel().await.unwrap();
    works(&mut connection).await;
    connection.close().await;
    cancel.cancel().await.unwrap();
}

async fn assert_out_of_step(connection: &mut Connection) {
    assert!(connection.is_broken() && !connection.is_clean());
    for error in [
        rows(connection, "select 1").await.unwrap_err(),
        connection.simple_query("select 1").await.unwrap_err(),
        connection.ping().await.unwrap_err(),
        connection.reset().await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::OutOfStep { .. }), "{error}");
        assert_eq!(error.slug(), "upstream-out-of-step");
    }
}

#[tokio::test]
async fn a_future_dropped_in_mid_reply_leaves_the_connection_broken() {
    let (mut connection, database) = connected().await;
    let (cancel, process) = (connection.cancel_token(), connection.process_id());
    tokio::select! {
        found = rows(&mut connection, LONG) => panic!("{found:?}"),
        () = is_waiting(&database, process, "PgSleep") => {}
    }
    assert_out_of_step(&mut connection).await;
    cancel.cancel().await.unwrap();
    connection.close().await;
    let gone = format!("select count(*) from pg_stat_activity where pid = {process}");
    eventually("the session to end", DEADLINE, async || {
        (database.psql(&gone).await == "0").then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_call_dropped_before_its_end_leaves_the_connection_broken() {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(connect(&database.url()).await.unwrap());
    }
    postgres.pause();
    let moment = Duration::from_millis(20);
    assert!(timeout(moment, connections[0].ping()).await.is_err());
    assert!(timeout(moment, connections[1].simple_query("select 1")).await.is_err());
    assert!(timeout(moment, connections[2].query("select 1", &[])).await.is_err());
    assert!(timeout(moment, connections[3].reset()).await.is_err());
    postgres.resume();
    for connection in &mut connections {
        assert_out_of_step(connection).await;
    }
}

#[tokio::test]
async fn rows_that_were_not_read_leave_the_connection_broken_and_finish_does_not() {
    let (mut connection, _database) = connected().await;
    let sql = "select repeat('x', 1000) from generate_series(1, 5000)";
    let mut stream = connection.query(sql, &[]).await.unwrap();
    assert!(stream.next_batch().await.unwrap().unwrap().len() < 5000);
    assert_eq!(stream.finish().await.unwrap().rows, Some(5000));
    works(&mut connection).await;
    let mut stream = connection.query(sql, &[]).await.unwrap();
    stream.next_batch().await.unwrap().unwrap();
    drop(stream);
    assert_out_of_step(&mut connection).await;
}

#[tokio::test]
async fn a_statement_whose_end_was_not_read_is_not_over() {
    let (mut connection, _database) = connected().await;
    let mut stream = connection.query("select 1", &[]).await.unwrap();
    assert_eq!(stream.next_batch().await.unwrap().unwrap().len(), 1);
    assert!(stream.completion().is_none());
    drop(stream);
    assert_out_of_step(&mut connection).await;
}

#[tokio::test]
async fn a_server_is_not_read_faster_than_its_rows_are_pulled() {
    let (mut connection, database) = connected().await;
    let process = connection.process_id();
    let mut stream = connection
        .query("select repeat('x', 1000), generate_series(1, 100000000)", &[])
        .await
        .unwrap();
    stream.next_batch().await.unwrap().unwrap();
    is_waiting(&database, process, "ClientWrite").await;
    stream.next_batch().await.unwrap().unwrap();
    is_waiting(&database, process, "ClientWrite").await;
}

#[tokio::test]
async fn an_ended_session_says_why() {
    let (mut connection, database) = connected().await;
    let end = format!("select pg_terminate_backend({})", connection.process_id());
    let process = connection.process_id();
    let ender = async {
        is_waiting(&database, process, "PgSleep").await;
        database.psql(&end).await;
    };
    let (found, ()) = tokio::join!(rows(&mut connection, LONG), ender);
    let error = found.unwrap_err();
    assert_eq!(
        (error.server().unwrap().sqlstate.as_str(), error.class()),
        ("57P01", ErrorClass::Unavailable)
    );
    assert!(error.server().unwrap().is_fatal());
    assert_out_of_step(&mut connection).await;
}

#[tokio::test]
async fn a_session_that_ended_while_idle_is_found_out() {
    let (mut connection, database) = connected().await;
    let process = connection.process_id();
    database.psql(&format!("select pg_terminate_backend({process})")).await;
    let gone = format!("select count(*) from pg_stat_activity where pid = {process}");
    eventually("the session to end", DEADLINE, async || {
        (database.psql(&gone).await == "0").then_some(())
    })
    .await;
    let error = connection.ping().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    assert!(connection.is_broken());
    connection.close().await;
}

#[tokio::test]
async fn a_server_killed_in_mid_query_is_lost() {
    let mut postgres = Postgres::start().await;
    let database = postgres.database().await;
    let mut connection = connect(&database.url()).await.unwrap();
    let process = connection.process_id();
    let killer = async {
        is_waiting(&database, process, "PgSleep").await;
        postgres.stop().await;
    };
    let (found, ()) = tokio::join!(rows(&mut connection, LONG), killer);
    let error = found.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    assert_out_of_step(&mut connection).await;
    assert!(connect(&database.url()).await.is_err());
    postgres.start_again().await;
    works(&mut connect(&database.url()).await.unwrap()).await;
}

#[tokio::test]
async fn closing_ends_the_session_at_once() {
    let (connection, database) = connected().await;
    let gone = format!(
        "select count(*) from pg_stat_activity where pid = {}",
        connection.process_id()
    );
    assert_eq!(database.psql(&gone).await, "1");
    connection.close().await;
    eventually("the session to end", DEADLINE, async || {
        (database.psql(&gone).await == "0").then_some(())
    })
    .await;
}
