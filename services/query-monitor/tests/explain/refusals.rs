//! What is not explained, and that it leaves no trace.

use tonic::Code;
use weir_testkit::Postgres;

use crate::{Monitor, nothing_runs, planned, run};

#[tokio::test]
async fn a_text_that_is_not_one_statement_is_refused_and_leaves_no_trace() {
    let database = Postgres::shared().await.database().await;
    database
        .psql("create table t (a int); insert into t values (1); create function f() returns int language sql as 'select 1'")
        .await;
    let monitor = Monitor::start(&database).await;
    let hostile = [
        "select 1; drop table t".to_owned(),
        "select 1;; delete from t".to_owned(),
        "select 1; commit; drop table t".to_owned(),
        "commit".to_owned(),
        "rollback".to_owned(),
        "begin".to_owned(),
        "explain analyze delete from t".to_owned(),
        "explain (analyze) delete from t".to_owned(),
        "analyze delete from t".to_owned(),
        "analyze t".to_owned(),
        "verbose select 1".to_owned(),
        "(analyze) delete from t".to_owned(),
        "(format text) select 1".to_owned(),
        "/* explain */ analyze t".to_owned(),
        "-- select 1\ndrop table t".to_owned(),
        "select 1 /* ".to_owned(),
        "select 1 /* */ */ ; drop table t".to_owned(),
        "select 'a\\'; drop table t; --'".to_owned(),
        "select $$a$$; drop table t; select $$b$$".to_owned(),
        "drop table t".to_owned(),
        "truncate t".to_owned(),
        "create table u (a int)".to_owned(),
        "create view v as select 1".to_owned(),
        "create function g() returns int language sql begin atomic; select 1; delete from t; end".to_owned(),
        "copy t to program 'touch /tmp/weir-explain-was-here'".to_owned(),
        "copy (select 1) to stdout".to_owned(),
        "call p()".to_owned(),
        "do $$begin delete from t; end$$".to_owned(),
        "prepare p as delete from t".to_owned(),
        "execute p".to_owned(),
        "set role postgres".to_owned(),
        "vacuum t".to_owned(),
        "refresh materialized view m".to_owned(),
        "listen x".to_owned(),
        "show all".to_owned(),
        "select * from".to_owned(),
        "nonsense".to_owned(),
        String::new(),
        ";".to_owned(),
        "  -- nothing".to_owned(),
        "select 1\0; drop table t".to_owned(),
        "\0".to_owned(),
        format!("select 1{}", " ".repeat(1024 * 1024)),
        format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("select {}1", "not ".repeat(100_000)),
        format!("{}select 1{}", "(".repeat(30_000), ")".repeat(30_000)),
        "select 1;".repeat(50_000),
    ];
    for sql in hostile {
        for request in [planned(&sql), run(&sql)] {
            let mut request = request;
            request.allow_writes = request.analyze;
            let (slug, error) = monitor.refused(request).await;
            let head: String = sql.chars().take(60).collect();
            assert!(
                ["explain-statement", "monitor-field"].contains(&slug.as_str()),
                "{head}: {slug} {error}"
            );
            assert_eq!(error.code(), Code::InvalidArgument, "{head}: {error}");
            assert!(error.message().len() < 400, "{head}: {error}");
        }
    }
    assert!(!std::path::Path::new("/tmp/weir-explain-was-here").exists());
    assert_eq!(database.psql("select count(*) from t").await, "1");
    // None of them reached the server, and what is only odd still does.
    for sql in [
        "select 1;",
        "select 1 -- a comment",
        "/* /* */ */ select 1",
        "(select 1)",
        "select 'a;b', ';'",
        "((values (1)))",
    ] {
        monitor.analyze(run(sql)).await;
    }
    // A text of nearly 1 MiB is looked at; what its depth is too much for, the server says.
    let long = format!("select 1 where 1 in (1{})", ",1".repeat(500_000));
    assert!(monitor.analyze(planned(&long)).await.plan_text.contains("Result"));
    // A list of two megabytes as a parameter is in the plan several times, and the answer is still one that can be read.
    database
        .psql("create table big (a int primary key); insert into big select generate_series(1, 1000)")
        .await;
    let ids: Vec<String> = (1..300_000).map(|id| id.to_string()).collect();
    let only_bitmaps = [("enable_seqscan", "off"), ("enable_indexscan", "off")];
    let mut request = crate::with(run("select * from big where a = any ($1)"), &only_bitmaps);
    request.parameters = vec![crate::text(&format!("{{{}}}", ids.join(",")))];
    let answer = monitor.analyze(request).await;
    assert!(
        answer.plan_json.is_empty() && answer.plan_text.ends_with('…'),
        "{}",
        answer.plan_text.len()
    );
    assert!(
        answer.nodes.len() > 1 && answer.nodes[0].actual_rows == Some(1000.0),
        "{}",
        answer.nodes.len()
    );
    let deep = format!("select 1{}", "+1".repeat(60_000));
    let (slug, _) = monitor.refused(planned(&deep)).await;
    assert_eq!(slug, "postgres-exhausted");
    nothing_runs(&database).await;
    monitor.stop().await;
}

#[tokio::test]
async fn fields_that_cannot_be_are_refused_by_name() {
    let database = Postgres::shared().await.database().await;
    let monitor = Monitor::start(&database).await;
    let odd = |change: fn(&mut weir_proto::monitor::v1::AnalyzeRequest)| {
        let mut request = run("select 1");
        change(&mut request);
        request
    };
    for (request, expected) in [
        (odd(|request| request.database = "a\0b".to_owned()), "database"),
        (
            crate::with(run("select 1"), &[("session_replication_role", "replica")]),
            "settings",
        ),
        (
            crate::with(run("select 1"), &[("transaction_read_only", "off")]),
            "settings",
        ),
        (crate::with(run("select 1"), &[("role", "postgres")]), "settings"),
        (odd(|request| request.parameters = vec![crate::text("1")]), "parameters"),
        (odd(|request| request.sql = "select $1::int".to_owned()), "parameters"),
    ] {
        let (slug, error) = monitor.refused(request).await;
        assert_eq!(slug, "monitor-field", "{error}");
        assert!(error.message().starts_with(expected), "{error}");
    }
    for (request, expected, code) in [
        (
            odd(|request| request.database = "no_such".to_owned()),
            "postgres-not-found",
            Code::NotFound,
        ),
        (
            crate::with(run("select 1"), &[("work_mem", "much")]),
            "postgres-invalid-input",
            Code::InvalidArgument,
        ),
        (
            run("select * from no_such"),
            "postgres-invalid-input",
            Code::InvalidArgument,
        ),
        (run("select 1 / 0"), "postgres-invalid-input", Code::InvalidArgument),
    ] {
        let (slug, error) = monitor.refused(request).await;
        assert_eq!((slug.as_str(), error.code()), (expected, code), "{error}");
    }
    nothing_runs(&database).await;
    monitor.stop().await;
}

#[tokio::test]
async fn another_database_of_the_server_can_be_named() {
    let postgres = Postgres::shared().await;
    let (database, other) = (postgres.database().await, postgres.database().await);
    other.psql("create table only_here (a int)").await;
    let monitor = Monitor::start(&database).await;
    let mut request = run("select * from only_here");
    let (slug, _) = monitor.refused(request.clone()).await;
    assert_eq!(slug, "postgres-invalid-input");
    request.database = other.name().to_owned();
    assert!(monitor.analyze(request).await.plan_text.contains("only_here"));
    monitor.stop().await;
}

#[tokio::test]
async fn without_a_database_it_says_what_is_missing() {
    let database = Postgres::shared().await.database().await;
    let monitor = Monitor::start_with(&database, &[("DATABASE_URL", ""), ("WEIR_STORE__URL", &database.url())]).await;
    let (slug, error) = monitor.refused(run("select 1")).await;
    assert_eq!(slug, "explain-no-database", "{error}");
    monitor.stop().await;
}
