//! Statements that do not end by themselves.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, IntoRequest as _};
use weir_proto::gateway::v1::{ExecuteRequest, QueryRequest};

use crate::gateway::{Gate, Gateway, PATIENCE, assert_refused, database, request, until_running};

const ENDLESS: &str = "select pg_sleep(600)";

#[tokio::test]
async fn a_caller_who_goes_away_takes_the_statement_along() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2")]).await;
    for _ in 0..3 {
        let calls = [gateway.begin(request(ENDLESS)), gateway.begin(request(ENDLESS))];
        until_running(&database, "pg_sleep", 2).await;
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        until_running(&database, "pg_sleep", 0).await;
    }
    gateway.until_whole(&database).await;
    let pool = gateway.pool().await;
    assert_eq!(pool.opened_total, pool.closed_total + u64::from(pool.total));
}

#[tokio::test]
async fn every_deadline_ends_the_statement_and_says_so() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2"), ("statement_timeout", "1s")]).await;
    let by_field = ExecuteRequest {
        timeout_ms: 200,
        ..request(ENDLESS)
    };
    let mut by_call = request(ENDLESS).into_request();
    by_call.set_timeout(Duration::from_millis(500));
    let by_setting = request(ENDLESS);
    for asked in [by_field.into_request(), by_call, by_setting.into_request()] {
        let refused = timeout(PATIENCE, gateway.execute(asked)).await.unwrap();
        assert_refused(refused, Code::DeadlineExceeded, "statement-timeout");
        until_running(&database, "pg_sleep", 0).await;
    }
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn a_stream_has_the_same_deadline() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let asked = QueryRequest {
        sql: "select generate_series(1, 3), pg_sleep(600)".to_owned(),
        timeout_ms: 200,
        ..QueryRequest::default()
    };
    let begun = tokio::time::Instant::now();
    let mut stream = gateway.client.clone().query(asked).await.unwrap().into_inner();
    let ended = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert_refused(ended, Code::DeadlineExceeded, "statement-timeout");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "the caller's own limit counts for nothing"
    );
    until_running(&database, "pg_sleep", 0).await;
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn shutdown_lets_calls_finish_and_closes_the_connections() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2")]).await;
    let gate = Gate::shut(&database).await;
    let call = gateway.begin(request(Gate::PASS));
    let asked = QueryRequest {
        sql: Gate::PASS.to_owned(),
        ..QueryRequest::default()
    };
    let mut client = gateway.client.clone();
    #[expect(clippy::disallowed_methods, reason = "the test is the caller, not a service")]
    let stream = tokio::spawn(async move {
        let mut parts = 0;
        let mut stream = client.query(asked).await?.into_inner();
        while stream.message().await?.is_some() {
            parts += 1;
        }
        Ok::<_, tonic::Status>(parts)
    });
    until_running(&database, "pg_advisory", 2).await;
    let doors = gateway.ground.tasks.stop_token(weir_runtime::Stage::Doors);
    let stop = gateway.stop();
    let finish = async {
        doors.cancelled().await;
        gate.open().await;
        call.await.unwrap().unwrap();
        assert_eq!(stream.await.unwrap().unwrap(), 3, "columns, rows, summary");
    };
    timeout(PATIENCE, async { tokio::join!(stop, finish) }).await.unwrap();
    let left = "select count(*) from pg_stat_activity where application_name = 'weir' and datname = current_database()";
    weir_testkit::eventually("no connection left", PATIENCE, || async {
        let left = database.psql(left).await;
        if left == "0" { Ok(()) } else { Err(left) }
    })
    .await;
}
