//! Statements with parameters: with their values, and without.

use weir_proto::common::v1::{Array, Null, TypedText, Value, value::Kind};
use weir_proto::monitor::v1 as api;
use weir_testkit::Postgres;

use crate::findings::make_events;
use crate::{Monitor, planned, run, text};

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn typed(type_name: &str, text: &str) -> Value {
    value(Kind::Typed(TypedText {
        type_name: type_name.to_owned(),
        text: text.to_owned(),
    }))
}

fn given(request: api::AnalyzeRequest, parameters: &[Value]) -> api::AnalyzeRequest {
    api::AnalyzeRequest {
        parameters: parameters.to_vec(),
        ..request
    }
}

#[tokio::test]
async fn values_make_the_plan_that_the_server_would_make_for_them() {
    let database = Postgres::shared().await.database().await;
    make_events(&database).await;
    database
        .psql("create type mood as enum ('good', 'bad'); create table moods (m mood, j jsonb, n numeric, b bytea, x text)")
        .await;
    let monitor = Monitor::start(&database).await;
    let sql = "select * from events where id < $1";
    let few = monitor.analyze(given(run(sql), &[text("10")])).await;
    assert!(
        few.plan_text.contains("Index Cond: (events.id < 10)"),
        "{}",
        few.plan_text
    );
    assert!((few.nodes[0].actual_rows.unwrap() - 9.0).abs() < 0.1 && !few.generic);
    let many = monitor.analyze(given(run(sql), &[value(Kind::Int64(150_000))])).await;
    assert!(many.plan_text.contains("Seq Scan"), "{}", many.plan_text);
    assert_ne!(few.plan_shape, many.plan_shape);
    assert_eq!(
        few.plan_shape,
        monitor.analyze(given(planned(sql), &[text("11")])).await.plan_shape
    );

    let null = value(Kind::Null(Null {}));
    for (sql, parameter) in [
        ("select * from moods where m = $1", typed("mood", "bad")),
        ("select * from moods where m = $1", typed("public.mood", "bad")),
        ("select * from moods where m = $1", text("bad")),
        ("select * from moods where m = $1", null.clone()),
        ("select * from moods where m = $1", Value::default()),
        ("select * from events where id = any ($1)", typed("int4[]", "{1,2}")),
        ("select * from events where id = any ($1)", text("{1,2}")),
        (
            "select * from moods where j @> $1",
            value(Kind::Json("{\"a\": 1}".to_owned())),
        ),
        (
            "select * from moods where n = $1",
            value(Kind::Numeric("1.50".to_owned())),
        ),
        (
            "select * from moods where b = $1",
            value(Kind::Bytes(vec![0, 255].into())),
        ),
        ("select * from moods where x = $1", text("it's; drop table moods --")),
        ("select * from moods where $1", value(Kind::Bool(true))),
        ("select * from moods where n > $1", value(Kind::Double(1.5))),
        ("create table copied as select * from events where id = $1", text("3")),
    ] {
        let answer = monitor
            .analyze(given(planned(sql), std::slice::from_ref(&parameter)))
            .await;
        assert!(!answer.generic && !answer.nodes.is_empty(), "{sql} {parameter:?}");
    }
    for (parameters, expected) in [
        (
            vec![text("1"), text("2")],
            "the statement has 1 parameters, and 2 are given",
        ),
        (vec![value(Kind::Array(Array::default()))], "typed text"),
        (vec![typed("no_such_type", "1")], "does not exist: no_such_type"),
    ] {
        let (slug, error) = monitor.refused(given(planned(sql), &parameters)).await;
        assert!(slug == "monitor-field" && error.message().contains(expected), "{error}");
    }
    let (slug, _) = monitor.refused(given(planned(sql), &[text("no number")])).await;
    assert_eq!(slug, "postgres-invalid-input");
    let (_, error) = monitor.refused(given(planned(sql), &[text("a\0b")])).await;
    assert!(
        error.message().contains("0x00") || error.message().contains("zero byte"),
        "{error}"
    );
    monitor.stop().await;
}

#[tokio::test]
async fn without_values_the_plan_is_generic_and_nothing_is_run() {
    let database = Postgres::shared().await.database().await;
    make_events(&database).await;
    let monitor = Monitor::start(&database).await;
    for sql in [
        "select * from events where id = $1 and c = $2",
        "update events set a = $1 where id = $2",
        "insert into events (id, a) values ($1, $2)",
        "delete from events where id = $1",
    ] {
        let answer = monitor.analyze(planned(sql)).await;
        assert!(
            answer.generic && answer.warnings[0].contains("generic plan"),
            "{sql}: {:?}",
            answer.warnings
        );
        assert!(answer.plan_json.contains("$1"), "{sql}: {}", answer.plan_text);
        let mut request = run(sql);
        request.allow_writes = true;
        let (slug, error) = monitor.refused(request).await;
        assert!(
            slug == "monitor-field" && error.message().contains("to run it"),
            "{error}"
        );
    }
    assert_eq!(
        database.psql("select count(*), sum(a) from events").await,
        "200000|9900000"
    );
    // Partitions are not cut away for a value that nobody gave.
    database
        .psql(
            "create table parts (k int, v int) partition by list (k);
             create table parts_1 partition of parts for values in (1); create table parts_2 partition of parts for values in (2);",
        )
        .await;
    let is_new = database
        .psql("select current_setting('server_version_num')::int >= 160000")
        .await
        == "t";
    let answer = monitor.analyze(planned("select * from parts where k = $1")).await;
    assert!(!is_new || answer.plan_text.contains("parts_2"), "{}", answer.plan_text);
    monitor.stop().await;
}
