//! Many statements in one call.

use tonic::{Code, IntoRequest as _};
use weir_bus::{Bus, Limits};
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::statement_result::Outcome;
use weir_proto::gateway::v1::{BatchRequest, BatchResponse, Statement};

use crate::gateway::{Gateway, assert_refused, database, events, parameter, taken, until_running};

pub(crate) fn statement(sql: &str) -> Statement {
    Statement {
        sql: sql.to_owned(),
        ..Statement::default()
    }
}

pub(crate) fn batch(statements: &[&str]) -> BatchRequest {
    BatchRequest {
        statements: statements.iter().map(|sql| statement(sql)).collect(),
        ..BatchRequest::default()
    }
}

/// The same in one transaction.
fn together(statements: &[&str], savepoints: bool) -> BatchRequest {
    BatchRequest {
        transaction: true,
        savepoints,
        ..batch(statements)
    }
}

pub(crate) async fn run(gateway: &Gateway, request: BatchRequest) -> Result<BatchResponse, tonic::Status> {
    let answer = gateway.client.clone().batch(request).await;
    answer.map(tonic::Response::into_inner)
}

/// Each result in a word: its command's tag, or the SQLSTATE or slug of its error.
fn told(answer: &BatchResponse) -> Vec<&str> {
    let word = |outcome: &'_ Outcome| -> String {
        match outcome {
            Outcome::Answer(answer) => answer.command_tag.clone(),
            Outcome::Error(error) if error.sqlstate.is_empty() => error.slug.clone(),
            Outcome::Error(error) => error.sqlstate.clone(),
        }
    };
    answer
        .results
        .iter()
        .map(|result| &*word(result.outcome.as_ref().unwrap()).leak())
        .collect()
}

#[tokio::test]
async fn each_by_itself_stands_or_fails_by_itself() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let statements = [
        "create table t (a int primary key)",
        "insert into t values (1)",
        "insert into t values (1)",
        "selec",
        "select a, 'x' from t",
    ];
    let answer = run(&gateway, batch(&statements)).await.unwrap();
    assert_eq!(
        told(&answer),
        ["CREATE TABLE", "INSERT 0 1", "23505", "42601", "SELECT 1"]
    );
    let Some(Outcome::Answer(rows)) = &answer.results[4].outcome else {
        panic!("no rows")
    };
    let values: Vec<_> = rows.rows[0]
        .values
        .iter()
        .map(|value| value.kind.clone().unwrap())
        .collect();
    assert_eq!(values, [Kind::Int64(1), Kind::Text("x".to_owned())]);
    assert_eq!(
        (
            rows.columns.len(),
            rows.columns[0].type_name.as_str(),
            rows.fingerprint.len()
        ),
        (2, "int4", 16)
    );
    let Some(Outcome::Error(error)) = &answer.results[2].outcome else {
        panic!("no error")
    };
    assert_eq!((error.slug.as_str(), error.retry.as_str()), ("postgres-conflict", "no"));
    assert!(answer.total_us > 0 && answer.token.is_empty() && !answer.replayed);
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn all_or_nothing_names_the_one_that_failed() {
    let database = database().await;
    database
        .psql("create table t (a int unique deferrable initially deferred)")
        .await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let good = together(&["insert into t values (1)", "select count(*) from t"], false);
    assert_eq!(told(&run(&gateway, good).await.unwrap()), ["INSERT 0 1", "SELECT 1"]);
    let process = gateway.value("select pg_backend_pid()").await;
    let bad = together(
        &["insert into t values (2)", "select 1/0", "insert into t values (3)"],
        false,
    );
    let status = assert_refused(
        run(&gateway, bad).await,
        Code::InvalidArgument,
        "postgres-invalid-input",
    );
    let entry = |key: &str| status.metadata().get(key).unwrap().to_str().unwrap();
    assert_eq!(
        (entry("weir-batch-index"), entry("weir-sqlstate"), entry("weir-retry")),
        ("1", "22012", "no")
    );
    let at_commit = together(&["insert into t values (4)", "insert into t values (1)"], false);
    let status = assert_refused(
        run(&gateway, at_commit).await,
        Code::FailedPrecondition,
        "postgres-conflict",
    );
    assert!(
        status.metadata().get("weir-batch-index").is_none(),
        "COMMIT is none of the statements"
    );
    assert_eq!(database.psql("select string_agg(a::text, ',') from t").await, "1");
    assert_eq!(
        gateway.value("select pg_backend_pid()").await,
        process,
        "a failure cost a connection"
    );
}

#[tokio::test]
async fn with_savepoints_only_what_fails_is_undone() {
    let database = database().await;
    database.psql("create table t (a int primary key)").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let statements = [
        "selec",
        "insert into t values (1)",
        "insert into t values (2), (1)",
        "select 1/0",
        "insert into t values (3)",
        "insert into t values (3)",
    ];
    let answer = run(&gateway, together(&statements, true)).await.unwrap();
    assert_eq!(
        told(&answer),
        ["42601", "INSERT 0 1", "23505", "22012", "INSERT 0 1", "23505"]
    );
    assert_eq!(
        database.psql("select string_agg(a::text, ',' order by a) from t").await,
        "1,3"
    );
    let transactions = database.psql("select count(distinct xmin::text) >= 1 from t").await;
    assert_eq!(transactions, "t");
    gateway.until_whole(&database).await;
}

#[tokio::test]
async fn a_thousand_writes_share_one_plan_and_one_round_trip() {
    let database = database().await;
    database.psql("create table t (a int, b text)").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    for (transaction, savepoints) in [(false, false), (true, false), (true, true)] {
        database.psql("truncate t").await;
        let statements = (0..1_000)
            .map(|number| Statement {
                parameters: vec![
                    parameter(Kind::Int64(number), "int4"),
                    parameter(Kind::Text("x".repeat(1_000)), "text"),
                ],
                ..statement("insert into t values ($1, $2)")
            })
            .collect();
        let asked = BatchRequest {
            statements,
            transaction,
            savepoints,
            ..BatchRequest::default()
        };
        let answer = run(&gateway, asked).await.unwrap();
        assert!(told(&answer).iter().all(|tag| *tag == "INSERT 0 1"));
        assert_eq!(
            database.psql("select count(distinct a), sum(length(b)) from t").await,
            "1000|1000000"
        );
        let shared = database.psql("select count(distinct xmin::text) from t").await;
        assert_eq!(shared == "1", transaction && !savepoints, "{shared}");
    }
    assert_eq!(
        gateway
            .value("select count(*) from pg_prepared_statements where name <> ''")
            .await,
        Kind::Int64(1)
    );
    // What is created on the way can be used on the way, however often.
    let asked = together(
        &[
            "create table u (a int)",
            "insert into u values (1)",
            "insert into u values (1)",
            "alter table u add b int",
            "select * from u",
            "select * from u",
        ],
        false,
    );
    assert_eq!(
        told(&run(&gateway, asked).await.unwrap()),
        [
            "CREATE TABLE",
            "INSERT 0 1",
            "INSERT 0 1",
            "ALTER TABLE",
            "SELECT 2",
            "SELECT 2"
        ]
    );
    // And what was changed since it was prepared is no error.
    let twice = batch(&["select * from u", "select * from u"]);
    assert_eq!(
        told(&run(&gateway, twice.clone()).await.unwrap()),
        ["SELECT 2", "SELECT 2"]
    );
    database.psql("alter table u add c int").await;
    assert_eq!(told(&run(&gateway, twice).await.unwrap()), ["SELECT 2", "SELECT 2"]);
}

#[tokio::test]
async fn what_does_not_fit_a_batch_is_refused_before_anything_runs() {
    let database = database().await;
    database.psql("create table t (a int)").await;
    let settings = [
        ("batch_statements_max", "3"),
        ("batch_bytes_max", "100000"),
        ("statement_bytes_max", "1000"),
        ("reply_bytes_max", "100000"),
        ("pool_max", "1"),
    ];
    let gateway = Gateway::start(&database.url(), &settings).await;
    let insert = "insert into t values (1)";
    for (request, slug, index) in [
        (batch(&[insert; 4]), "batch-too-large", None),
        (batch(&[insert, &"x".repeat(100_001)]), "batch-too-large", None),
        (batch(&[insert, &"x".repeat(1_001)]), "statement-too-long", Some("1")),
        (batch(&[insert, "commit"]), "transaction-control", Some("1")),
        (
            together(&[insert, "savepoint weir_batch"], true),
            "transaction-control",
            Some("1"),
        ),
        (batch(&["copy t from stdin", insert]), "upstream-copy", Some("0")),
        (batch(&[]), "request-invalid", None),
        (
            BatchRequest {
                savepoints: true,
                ..batch(&[insert])
            },
            "request-invalid",
            None,
        ),
        (
            BatchRequest {
                min_token: "x".to_owned(),
                ..batch(&[insert])
            },
            "request-invalid",
            None,
        ),
        (
            BatchRequest {
                operation: "x".repeat(129),
                ..batch(&[insert])
            },
            "request-invalid",
            None,
        ),
    ] {
        let status = assert_refused(run(&gateway, request).await, Code::InvalidArgument, slug);
        let found = status
            .metadata()
            .get("weir-batch-index")
            .map(|index| index.to_str().unwrap());
        assert_eq!(found, index, "{slug}");
    }
    assert_eq!(database.psql("select count(*) from t").await, "0");
    let rows = "select repeat('x', 1000) from generate_series(1, 60)";
    let refused = run(&gateway, together(&[insert, rows, rows], false)).await;
    let status = assert_refused(refused, Code::ResourceExhausted, "reply-too-large");
    assert_eq!(status.metadata().get("weir-batch-index").unwrap(), "2");
    let cut = BatchRequest {
        max_rows: 2,
        ..batch(&[rows, rows])
    };
    assert_eq!(told(&run(&gateway, cut).await.unwrap()), ["SELECT 60", "SELECT 60"]);
    gateway.until_whole(&database).await;
    assert_eq!(
        database.psql("select count(*) from t").await,
        "0",
        "it was not rolled back"
    );
}

#[tokio::test]
async fn a_deadline_and_a_caller_who_goes_away_end_it_all() {
    let database = database().await;
    database.psql("create table t (a int)").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1"), ("statement_timeout", "3s")]).await;
    let slow = together(
        &[
            "insert into t values (1)",
            "select pg_sleep(600)",
            "insert into t values (2)",
        ],
        false,
    );
    let by_field = BatchRequest {
        timeout_ms: 200,
        ..slow.clone()
    };
    let mut by_call = slow.clone().into_request();
    by_call.set_timeout(std::time::Duration::from_secs(1));
    let last_one = BatchRequest {
        timeout_ms: 200,
        ..together(
            &["insert into t values (3)", "insert into t select 4 from pg_sleep(600)"],
            true,
        )
    };
    for asked in [
        by_field.into_request(),
        by_call,
        slow.clone().into_request(),
        last_one.into_request(),
    ] {
        let ended = gateway.client.clone().batch(asked).await;
        assert_refused(ended, Code::DeadlineExceeded, "statement-timeout");
        until_running(&database, "pg_sleep", 0).await;
    }
    let mut client = gateway.client.clone();
    #[expect(clippy::disallowed_methods, reason = "the test is the caller, not a service")]
    let call = tokio::spawn(async move { client.batch(slow).await });
    until_running(&database, "pg_sleep", 1).await;
    call.abort();
    until_running(&database, "pg_sleep", 0).await;
    gateway.until_whole(&database).await;
    assert_eq!(database.psql("select count(*) from t").await, "0");
}

#[tokio::test]
async fn every_statement_of_a_batch_has_its_event() {
    let database = database().await;
    let bus = Bus::in_memory(Limits::default());
    let mut listener = bus.subscribe("weir.*.query.executed", None).await.unwrap();
    let gateway = Gateway::on_bus(bus, &database.url(), &[("pool_max", "1")]).await;
    let named = |application: &str, request| BatchRequest {
        application: application.to_owned(),
        ..request
    };
    run(
        &gateway,
        named("each", batch(&["select 1", "select 1/0", "select 2, 3"])),
    )
    .await
    .unwrap();
    run(
        &gateway,
        named(
            "savepoints",
            together(&["select 1/0", "select generate_series(1, 7)"], true),
        ),
    )
    .await
    .unwrap();
    run(
        &gateway,
        named("all", together(&["select 1", "select 1/0", "select 2"], false)),
    )
    .await
    .unwrap_err();
    run(&gateway, named("refused", batch(&["select 1", "commit"])))
        .await
        .unwrap_err();
    gateway.stop().await;
    let batches = taken(&mut listener);
    let of = |application: &str| -> Vec<(String, u64)> {
        let mine = events(&batches)
            .into_iter()
            .filter(|event| event.application == application);
        mine.map(|event| (event.sqlstate.clone(), event.rows)).collect()
    };
    let expected = |states: &[(&str, u64)]| -> Vec<(String, u64)> {
        states
            .iter()
            .map(|(state, rows)| ((*state).to_owned(), *rows))
            .collect()
    };
    assert_eq!(of("each"), expected(&[("", 1), ("22012", 0), ("", 1)]));
    assert_eq!(of("savepoints"), expected(&[("22012", 0), ("", 7)]));
    assert_eq!(of("all"), expected(&[("", 1), ("22012", 0), ("53000", 0)]));
    assert_eq!(of("refused"), expected(&[("53000", 0), ("53000", 0)]));
}
