//! Writes that are sent again, what was written seen again, and calls that others cancel.

use tonic::Code;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::{BatchRequest, CancelRequest, ExecuteRequest, QueryRequest};
use weir_testkit::Postgres;
use weir_upstream::{ConnectOptions, Connection, Target};

use crate::batch::{batch, run};
use crate::gateway::{Gateway, assert_refused, database, only_value, request, until_running};

fn keyed(key: &str, sql: &str) -> ExecuteRequest {
    ExecuteRequest {
        idempotency_key: key.to_owned(),
        ..request(sql)
    }
}

#[tokio::test]
async fn a_write_that_is_sent_again_is_answered_and_not_done_again() {
    let database = database().await;
    database.psql("create table t (a serial, b int)").await;
    let gateway = Gateway::start(&database.url(), &[("idempotency_create", "true")]).await;
    let write = ExecuteRequest {
        want_token: true,
        ..keyed("order-1", "insert into t (b) values (7) returning a")
    };
    let first = gateway.execute(write.clone()).await.unwrap();
    let second = gateway.execute(write).await.unwrap();
    assert_eq!(
        (only_value(&first), first.replayed, first.command_tag.as_str()),
        (Kind::Int64(1), false, "INSERT 0 1")
    );
    assert_eq!(
        (only_value(&second), second.replayed, second.command_tag.as_str()),
        (Kind::Int64(1), true, "INSERT 0 1")
    );
    assert!(!first.token.is_empty() && !second.token.is_empty());
    let other = gateway
        .execute(keyed("order-1", "insert into t (b) values (8) returning a"))
        .await;
    assert_refused(other, Code::FailedPrecondition, "idempotency-mismatch");
    let elsewhere = ExecuteRequest {
        project: "blog".to_owned(),
        ..keyed("order-1", "insert into t (b) values (9)")
    };
    assert!(
        !gateway.execute(elsewhere).await.unwrap().replayed,
        "another project's key is another key"
    );
    let failed = gateway
        .execute(keyed("order-2", "insert into t (b) values (1/0)"))
        .await;
    assert_refused(failed, Code::InvalidArgument, "postgres-invalid-input");
    assert!(
        !gateway
            .execute(keyed("order-2", "insert into t (b) values (1)"))
            .await
            .unwrap()
            .replayed,
        "what failed left its key"
    );
    assert_eq!(
        database.psql("select string_agg(b::text, ',' order by a) from t").await,
        "7,9,1"
    );
    gateway.until_whole(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_with_one_key_write_once() {
    let database = database().await;
    database.psql("create table t (a serial)").await;
    let gateway = Gateway::start(&database.url(), &[("idempotency_create", "true"), ("pool_max", "8")]).await;
    let calls: Vec<_> = (0..200)
        .map(|number| {
            gateway.begin(keyed(
                &format!("key-{}", number % 4),
                "insert into t default values returning a",
            ))
        })
        .collect();
    let mut fresh = 0;
    for call in calls {
        fresh += usize::from(!call.await.unwrap().unwrap().replayed);
    }
    assert_eq!(
        (fresh, database.psql("select count(*) from t").await.as_str()),
        (4, "4")
    );
}

#[tokio::test]
async fn an_answer_that_got_lost_is_given_again() {
    let mut server = Postgres::start().await;
    let database = server.database().await;
    database.psql("create table t (a int)").await;
    let gateway = Gateway::start(&database.url(), &[("idempotency_create", "true"), ("pool_max", "2")]).await;
    gateway.execute(keyed("warm", "select 1")).await.unwrap();
    // The caller goes away while the write waits for a lock, and sends it again while the first is still there.
    let target = Target::parse(&database.url()).unwrap();
    let mut holder = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
    holder.simple_query("begin; lock table t").await.unwrap();
    let gone = gateway.begin(keyed("key", "insert into t values (1)"));
    until_running(&database, "insert into t", 1).await;
    gone.abort();
    let again = gateway.begin(keyed("key", "insert into t values (1)"));
    holder.simple_query("commit").await.unwrap();
    again.await.unwrap().unwrap();
    assert_eq!(database.psql("select count(*) from t").await, "1");
    // A server that is killed in the middle: the status says that it may be sent again, and it is.
    let mut holder = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
    holder.simple_query("begin; lock table t").await.unwrap();
    let cut = gateway.begin(keyed("cut", "insert into t values (2)"));
    let plain = gateway.begin(request("insert into t values (3)"));
    until_running(&database, "insert into t", 2).await;
    server.stop().await;
    let retry = |status: &tonic::Status| {
        status
            .metadata()
            .get("weir-retry")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(retry(&cut.await.unwrap().unwrap_err()), "after-1000");
    assert_eq!(retry(&plain.await.unwrap().unwrap_err()), "no");
    server.start_again().await;
    gateway.until_ready(true).await;
    gateway.until_whole(&database).await;
    gateway.execute(keyed("cut", "insert into t values (2)")).await.unwrap();
    assert!(
        gateway
            .execute(keyed("cut", "insert into t values (2)"))
            .await
            .unwrap()
            .replayed
    );
    assert_eq!(
        database.psql("select string_agg(a::text, ',' order by a) from t").await,
        "1,2"
    );
}

#[tokio::test]
async fn a_batch_is_remembered_whole_and_old_outcomes_go() {
    let database = database().await;
    database.psql("create table t (a int primary key)").await;
    let gateway = Gateway::start(
        &database.url(),
        &[("idempotency_create", "true"), ("idempotency_keep", "1h")],
    )
    .await;
    let asked = |savepoints| BatchRequest {
        transaction: true,
        savepoints,
        idempotency_key: format!("batch-{savepoints}"),
        ..batch(&["insert into t values (1)", "insert into t values (2) returning a"])
    };
    let first = run(&gateway, asked(false)).await.unwrap();
    let again = run(&gateway, asked(false)).await.unwrap();
    assert_eq!(
        (first.results == again.results, first.replayed, again.replayed),
        (true, false, true)
    );
    let mixed = run(&gateway, asked(true)).await.unwrap();
    let again = run(&gateway, asked(true)).await.unwrap();
    assert_eq!(
        (
            mixed.results == again.results,
            again.replayed,
            mixed.results == first.results
        ),
        (true, true, false)
    );
    database
        .psql("update weir_idempotency set created_at = now() - interval '2 hours' where key = 'batch-true'")
        .await;
    gateway.execute(keyed("other", "select 1")).await.unwrap();
    assert_eq!(
        database
            .psql("select string_agg(key, ',' order by key) from weir_idempotency")
            .await,
        "batch-false,other"
    );
    let each = BatchRequest {
        idempotency_key: "x".to_owned(),
        ..batch(&["select 1"])
    };
    assert_refused(
        run(&gateway, each).await,
        Code::FailedPrecondition,
        "idempotency-unavailable",
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_kept_is_refused_and_nothing_runs() {
    let database = database().await;
    database.psql("create table t (a int)").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let refused = gateway.execute(keyed("key", "insert into t values (1)")).await;
    let status = assert_refused(refused, Code::FailedPrecondition, "idempotency-unavailable");
    assert!(status.message().contains("gateway.idempotency_create"), "{status:?}");
    let long = gateway
        .execute(keyed(&"k".repeat(201), "insert into t values (1)"))
        .await;
    assert_refused(long, Code::InvalidArgument, "request-invalid");
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1"), ("idempotency_create", "true")]).await;
    let large = gateway
        .execute(keyed(
            "large",
            "insert into t values (1) returning repeat('x', 2000000)",
        ))
        .await;
    assert_refused(large, Code::FailedPrecondition, "idempotency-unavailable");
    let control = gateway.execute(keyed("commit", "commit")).await;
    assert_refused(control, Code::InvalidArgument, "transaction-control");
    assert_eq!(database.psql("select count(*) from t").await, "0");
    assert_eq!(database.psql("select count(*) from weir_idempotency").await, "0");
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn a_token_is_behind_what_was_written() {
    let database = database().await;
    database.psql("create table t (a int)").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let mut last = String::from("0/0");
    for number in 0..3 {
        let write = ExecuteRequest {
            want_token: true,
            ..request(&format!("insert into t values ({number})"))
        };
        let answer = gateway.execute(write).await.unwrap();
        let order = format!(
            "select '{}'::pg_lsn > '{last}'::pg_lsn and '{}'::pg_lsn <= pg_current_wal_insert_lsn()",
            answer.token, answer.token
        );
        assert_eq!(
            gateway.value(&order).await,
            Kind::Bool(true),
            "{} after {last}",
            answer.token
        );
        last = answer.token;
    }
    let read = ExecuteRequest {
        min_token: last.clone(),
        ..request("select count(*) from t")
    };
    assert_eq!(only_value(&gateway.execute(read).await.unwrap()), Kind::Int64(3));
    let written = BatchRequest {
        want_token: true,
        transaction: true,
        ..batch(&["insert into t values (9)"])
    };
    assert!(run(&gateway, written).await.unwrap().token > last);
    let stream = QueryRequest {
        sql: "select 1".to_owned(),
        want_token: true,
        min_token: last,
        ..QueryRequest::default()
    };
    let mut stream = gateway.client.clone().query(stream).await.unwrap().into_inner();
    let mut token = String::new();
    while let Some(message) = stream.message().await.unwrap() {
        if let Some(weir_proto::gateway::v1::query_response::Part::Summary(summary)) = message.part {
            token = summary.token;
        }
    }
    assert!(token.contains('/'), "{token}");
    let wrong = ExecuteRequest {
        min_token: "yesterday".to_owned(),
        ..request("select 1")
    };
    assert_refused(gateway.execute(wrong).await, Code::InvalidArgument, "request-invalid");
}

#[tokio::test]
async fn a_call_is_cancelled_by_its_operation_in_its_project_only() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "3")]).await;
    let slow = |project: &str| ExecuteRequest {
        project: project.to_owned(),
        operation: "report".to_owned(),
        ..request("select pg_sleep(600)")
    };
    let calls = [gateway.begin(slow("")), gateway.begin(slow(""))];
    let other = gateway.begin(slow("blog"));
    until_running(&database, "pg_sleep", 3).await;
    let cancel = |project: &str, operation: &str| {
        let (mut client, request) = (
            gateway.client.clone(),
            CancelRequest {
                project: project.to_owned(),
                operation: operation.to_owned(),
            },
        );
        async move { client.cancel(request).await.map(|answer| answer.into_inner().cancelled) }
    };
    assert_eq!(cancel("", "other").await.unwrap(), 0);
    assert_eq!(cancel("", "report").await.unwrap(), 2);
    for call in calls {
        assert_refused(call.await.unwrap(), Code::Cancelled, "operation-cancelled");
    }
    until_running(&database, "pg_sleep", 1).await;
    assert_eq!(cancel("blog", "report").await.unwrap(), 1);
    assert_refused(other.await.unwrap(), Code::Cancelled, "operation-cancelled");
    assert_refused(cancel("", "").await, Code::InvalidArgument, "request-invalid");
    assert_eq!(cancel("", "report").await.unwrap(), 0);
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn an_error_says_whether_to_send_it_again() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[]).await;
    for (code, hint) in [
        ("40001", "safe"),
        ("40P01", "safe"),
        ("55P03", "after-100"),
        ("53300", "after-1000"),
        ("23505", "no"),
        ("57P01", "no"),
    ] {
        let raise = format!("do $$ begin raise exception using errcode = '{code}'; end $$");
        let status = gateway.run(&raise).await.unwrap_err();
        assert_eq!(status.metadata().get("weir-retry").unwrap(), hint, "{code}");
    }
}
