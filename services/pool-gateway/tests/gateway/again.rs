//! Servers that are lost under statements: plain reads are answered all the same, and nothing else is done twice.

use std::time::Duration;

use futures_util::future::join_all;
use tonic::Code;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::query_response::Part;
use weir_proto::gateway::v1::{Begin, ExecuteRequest, QueryRequest};
use weir_testkit::{Database, Postgres, eventually, http_get};

use crate::gateway::{Gateway, PATIENCE, database, only_value, request, until_running};
use crate::transaction::Caller;

/// More than any test loses servers.
const OFTEN: (&str, &str) = ("read_retries", "30");

/// Ends the gateway's sessions that run a statement with this text, as an administrator would. How many there were.
async fn end_sessions(database: &Database, text: &str) -> u32 {
    let sql = format!(
        "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where application_name = 'weir' \
         and state = 'active' and datname = current_database() and query like '%{text}%'"
    );
    database.psql(&sql).await.parse().unwrap()
}

/// Waits for a statement with this text and ends its session.
async fn end_session_of(database: &Database, text: &str) {
    until_running(database, text, 1).await;
    assert_eq!(end_sessions(database, text).await, 1);
}

/// How many reads that were asked again came to this.
async fn asked_again(gateway: &Gateway, outcome: &str) -> u32 {
    let (_, metrics) = http_get(gateway.ops_port, "/metrics").await.unwrap();
    let name = format!("weir_reads_asked_again_total{{outcome=\"{outcome}\"}} ");
    let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
    count.map_or(0, |count| count.parse().unwrap())
}

/// The first values of a streamed result.
async fn streamed(gateway: &Gateway, sql: &str) -> Result<Vec<Kind>, tonic::Status> {
    let request = QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    };
    let mut stream = gateway.client.clone().query(request).await?.into_inner();
    let mut values = Vec::new();
    while let Some(response) = stream.message().await? {
        if let Some(Part::Rows(batch)) = response.part {
            values.extend(batch.rows.into_iter().map(|row| row.values[0].kind.clone().unwrap()));
        }
    }
    Ok(values)
}

/// A function that counts how often it was run, whatever became of its transaction, and then takes its time.
async fn with_counter() -> Database {
    let database = database().await;
    database
        .psql(
            "create sequence runs; create table t (a int); \
             create function counts() returns int language plpgsql as \
             $$begin perform nextval('runs'); perform pg_sleep(20); return 1; end$$; \
             create view counted as select counts() as a",
        )
        .await;
    database
}

async fn runs(database: &Database) -> String {
    database
        .psql("select case when is_called then last_value else 0 end from runs")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_under_load_do_not_notice_that_sessions_are_ended() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "6"), OFTEN]).await;
    let callers = (0..8_i64).map(async |caller| {
        for round in 0..12 {
            let number = caller * 100 + round;
            let sql = format!("select {number}::int8 from pg_sleep(0.1)");
            let found = if round % 2 == 0 {
                only_value(&gateway.run(&sql).await.unwrap())
            } else {
                let mut values = streamed(&gateway, &sql).await.unwrap();
                assert_eq!(values.len(), 1);
                values.remove(0)
            };
            assert_eq!(found, Kind::Int64(number));
        }
    });
    let ends = async {
        let mut ended = 0;
        for _ in 0..8 {
            until_some_run(&database).await;
            ended += end_sessions(&database, "from pg_sleep").await;
        }
        ended
    };
    let (_, ended) = tokio::join!(join_all(callers), ends);
    assert!(ended > 0, "no session was ended");
    let [answered, failed] = [
        asked_again(&gateway, "answered").await,
        asked_again(&gateway, "failed").await,
    ];
    assert!(
        answered > 0 && answered <= ended && failed == 0,
        "{answered} {failed} {ended}"
    );
    gateway.until_whole(&database).await;
}

async fn until_some_run(database: &Database) {
    let running = "select count(*) from pg_stat_activity where application_name = 'weir' and state = 'active' \
                   and datname = current_database() and query like '%from pg_sleep%'";
    // Near the end there may be none any more.
    let _ = tokio::time::timeout(
        Duration::from_secs(1),
        eventually("a read", PATIENCE, || async {
            let running = database.psql(running).await;
            if running == "0" { Err(running) } else { Ok(()) }
        }),
    )
    .await;
}

#[tokio::test]
async fn what_was_read_of_an_answer_before_is_not_in_it_twice() {
    let database = database().await;
    let settings = [("pool_max", "2"), ("reply_bytes_max", "600000")];
    let gateway = Gateway::start(&database.url(), &settings).await;
    // The server sends what it has before it sleeps; of two such answers one is too large.
    let sql = "select g::int8, repeat('x', 1000), pg_sleep(case when g = 390 then 2 else 0 end) \
               from generate_series(1, 400) g";
    let call = gateway.begin(request(sql));
    end_session_of(&database, "g = 390").await;
    let answer = call.await.unwrap().unwrap();
    let numbers = answer.rows.iter().map(|row| row.values[0].kind.clone().unwrap());
    assert!(numbers.eq((1..=400).map(Kind::Int64)), "{} rows", answer.rows.len());
    assert_eq!(asked_again(&gateway, "answered").await, 1);

    // Of a stream that has begun the caller has seen something.
    let sql = "select g::int8, repeat('y', 1000), pg_sleep(case when g = 390 then 20 else 0 end) \
               from generate_series(1, 400) g";
    let (lost, ()) = tokio::join!(streamed(&gateway, sql), end_session_of(&database, "then 20"));
    assert_eq!(lost.unwrap_err().code(), Code::Unavailable);
    assert_eq!(
        (
            asked_again(&gateway, "answered").await,
            asked_again(&gateway, "failed").await
        ),
        (1, 0)
    );
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn what_writes_calls_something_unknown_or_hides_it_is_done_once() {
    let database = with_counter().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2"), OFTEN]).await;
    let statements = [
        "insert into t values (nextval('runs')) returning pg_sleep(20)",
        "select counts() as mine",
        // It looks like a read. That it is none shows when it is asked again, where it may not write.
        "select a from counted",
    ];
    for (before, sql) in statements.into_iter().enumerate() {
        let call = gateway.begin(request(sql));
        let text = sql.replace('\'', "''");
        end_session_of(&database, &text).await;
        let lost = call.await.unwrap().unwrap_err();
        let found = lost.metadata().get("weir-retry").map(|hint| hint.to_str().unwrap());
        assert_eq!((lost.code(), found), (Code::Unavailable, Some("no")), "{sql}: {lost:?}");
        assert_eq!(runs(&database).await, (before + 1).to_string(), "{sql}");
    }
    assert_eq!(
        (
            asked_again(&gateway, "answered").await,
            asked_again(&gateway, "failed").await
        ),
        (0, 1)
    );
    assert_eq!(database.psql("select count(*) from t").await, "0");
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn within_a_transaction_nothing_is_asked_again() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "2"), OFTEN]).await;
    let mut caller = Caller::begin(&gateway, Begin::default()).await;
    let step = weir_proto::gateway::v1::TransactionStatement {
        sql: "select 1 from pg_sleep(20)".to_owned(),
        ..Default::default()
    };
    caller
        .send(weir_proto::gateway::v1::transaction_request::Step::Execute(step))
        .await;
    end_session_of(&database, "from pg_sleep").await;
    assert_eq!(caller.next().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(
        (
            asked_again(&gateway, "answered").await,
            asked_again(&gateway, "failed").await
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn reads_outlast_a_restart_of_the_server_as_often_as_the_setting_says_and_as_long_as_their_callers() {
    let mut server = Postgres::start().await;
    let database = server.database().await;
    let settings = [("pool_max", "4"), ("connect_timeout", "1s"), OFTEN];
    let gateway = Gateway::start(&database.url(), &settings).await;
    let calls: Vec<_> = (0..4)
        .map(|number| gateway.begin(request(&format!("select {number}::int8 from pg_sleep(1)"))))
        .collect();
    until_running(&database, "from pg_sleep", 4).await;
    server.stop().await;
    server.start_again().await;
    for (number, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap().unwrap();
        assert_eq!(only_value(&answer), Kind::Int64(i64::try_from(number).unwrap()));
    }
    assert_eq!(asked_again(&gateway, "answered").await, 4);

    let impatient = gateway.begin(ExecuteRequest {
        timeout_ms: 1_500,
        ..request("select 1 from pg_sleep(1)")
    });
    until_running(&database, "from pg_sleep", 1).await;
    server.stop().await;
    let lost = tokio::time::timeout(Duration::from_secs(5), impatient).await.unwrap();
    let lost = lost.unwrap().unwrap_err();
    assert!(
        matches!(lost.code(), Code::Unavailable | Code::DeadlineExceeded),
        "{lost:?}"
    );
    server.start_again().await;
    gateway.until_ready(true).await;
    gateway.stop().await;

    let gateway = Gateway::start(&database.url(), &[("pool_max", "2"), ("read_retries", "0")]).await;
    let call = gateway.begin(request("select 1 from pg_sleep(20)"));
    end_session_of(&database, "from pg_sleep").await;
    assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
}
