//! One caller's session is not another's.

use tonic::Code;
use weir_proto::common::v1::value::Kind;

use crate::gateway::{Gateway, assert_refused, database};

/// A statement that leaves something behind, what shows it, and what is to be seen.
const TRACES: [(&str, &str, &str); 12] = [
    ("set work_mem = '123kB'", "select current_setting('work_mem')", "4MB"),
    (
        "select set_config('work_mem', '123kB', false)",
        "select current_setting('work_mem')",
        "4MB",
    ),
    (
        "insert into t values (length(set_config('work_mem', '123kB', false)))",
        "select current_setting('work_mem')",
        "4MB",
    ),
    (
        "insert into t values (length(pg_catalog.\"set_config\"('work_mem', '123kB', false)))",
        "select current_setting('work_mem')",
        "4MB",
    ),
    ("set role pg_monitor", "select current_user::text", "postgres"),
    (
        "set session authorization pg_monitor",
        "select session_user::text",
        "postgres",
    ),
    (
        "create temp table mine (a int)",
        "select coalesce(to_regclass('mine')::text, 'none')",
        "none",
    ),
    (
        "select 1 as a into temp mine",
        "select coalesce(to_regclass('mine')::text, 'none')",
        "none",
    ),
    (
        "select pg_advisory_lock(1)",
        "select count(*)::text from pg_locks where locktype = 'advisory'",
        "0",
    ),
    (
        "update t set a = 1 where pg_try_advisory_lock(2)",
        "select count(*)::text from pg_locks where locktype = 'advisory'",
        "0",
    ),
    (
        "prepare p as select 1",
        "select count(*)::text from pg_prepared_statements",
        "0",
    ),
    ("listen news", "select count(*)::text from pg_listening_channels()", "0"),
];

#[tokio::test]
async fn nothing_is_left_of_a_session_for_the_next_caller() {
    let database = database().await;
    database.psql("create table t (a int); insert into t values (0)").await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1"), ("recycle_after", "1d")]).await;
    let process = gateway.value("select pg_backend_pid()").await;
    for (leaves, shows, clean) in TRACES {
        gateway.run(leaves).await.unwrap();
        assert_eq!(gateway.value(shows).await, Kind::Text(clean.to_owned()), "{leaves}");
    }
    assert_eq!(
        gateway.value("select pg_backend_pid()").await,
        process,
        "it was not the same session"
    );
}

#[tokio::test]
async fn a_transaction_left_open_is_rolled_back_and_refused() {
    let database = database().await;
    let gateway = Gateway::start(&database.url(), &[("pool_max", "1")]).await;
    let process = gateway.value("select pg_backend_pid()").await;
    for begin in ["begin", "start transaction isolation level serializable"] {
        let refused = gateway.run(begin).await;
        assert_refused(refused, Code::FailedPrecondition, "transaction-left-open");
        gateway.run("create table t (a int)").await.unwrap();
        assert_eq!(
            database.psql("select to_regclass('t') is not null").await,
            "t",
            "it was not committed"
        );
        gateway.run("drop table t").await.unwrap();
    }
    assert_eq!(gateway.value("select pg_backend_pid()").await, process);
}

#[tokio::test]
async fn an_error_names_its_sqlstate_and_costs_no_connection() {
    let gateway = Gateway::start(&database().await.url(), &[("pool_max", "1")]).await;
    let process = gateway.value("select pg_backend_pid()").await;
    for (sql, sqlstate, code) in [
        ("selec 1", "42601", Code::InvalidArgument),
        ("select 1/0", "22012", Code::InvalidArgument),
        (
            "select 1/(5-a) from generate_series(1, 10000) a",
            "22012",
            Code::InvalidArgument,
        ),
        ("select * from nowhere", "42P01", Code::InvalidArgument),
        (
            "create table pg_catalog.pg_class (a int)",
            "42P07",
            Code::FailedPrecondition,
        ),
        ("select 1; select 2", "42601", Code::InvalidArgument),
    ] {
        let status = gateway.run(sql).await.unwrap_err();
        let found = status
            .metadata()
            .get("weir-sqlstate")
            .map(|state| state.to_str().unwrap());
        assert_eq!((found, status.code()), (Some(sqlstate), code), "{sql}: {status:?}");
        assert!(status.metadata().get("weir-error").is_some(), "{sql}");
        assert_eq!(gateway.value("select pg_backend_pid()").await, process, "{sql}");
    }
    let refused = gateway.run("copy (select 1) to stdout").await;
    assert_refused(refused, Code::InvalidArgument, "upstream-copy");
    assert_eq!(gateway.value("select 1").await, Kind::Int64(1));
}
