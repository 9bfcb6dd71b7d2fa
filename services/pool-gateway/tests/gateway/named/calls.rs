//! Statements that are called by their names.

use std::time::{Duration, UNIX_EPOCH};

use tonic::Code;
use weir_bus::{Bus, Limits};
use weir_model::Clock;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::StatementState;

use super::{Scene, column, in_order, named, text, value};
use crate::gateway::{assert_refused, events, only_value, taken};

const TABLE: &str = "create table t (id int primary key, name text, at timestamptz);
    insert into t select n, 'name ' || n, '2030-01-01 00:00:00+00'::timestamptz + n * interval '1 second'
    from generate_series(1, 5) n";
const BOOK: &str = r#"
[statements.one]
sql = "select id, name from t where id = :id and name <> :other and id <> :id + 1"
parameters.id = { type = "int8" }

[statements.numbered]
sql = "select $1::int - $2::int as n"

[statements.digest]
sql = "select :bytes as bytes, :hex as hex"
parameters.bytes = { digest = "sha256" }
parameters.hex = { digest = "sha256", type = "text" }

[statements.living]
sql = "select id, at from t order by id"
expires_at = "at"

[statements.put]
sql = "insert into t (id, name) values (:id, :name) returning id"
read = false

[statements.of_blog]
sql = "select 'blog' as n"
projects = ["blog"]

[statements.elsewhere]
sql = "select current_database()::text as n"
database = "postgres"

[statements.slow]
sql = "select pg_sleep(:seconds)"
"#;

#[tokio::test]
async fn parameters_come_by_name_or_in_order() {
    let scene = Scene::set(TABLE, BOOK).await;
    let int = |number| value(Kind::Int64(number));
    for request in [
        named("one", [("id", int(3)), ("other", text("x"))]),
        in_order("one", [int(3), text("x")]),
    ] {
        let answer = scene.call(request).await.unwrap();
        assert_eq!(column(&answer, "name"), [Kind::Text("name 3".to_owned())]);
        assert_eq!((answer.command_tag.as_str(), answer.rows_affected), ("SELECT 1", 1));
        assert_eq!(answer.columns[0].type_name, "int4");
        assert!(answer.timing.unwrap().total_us > 0 && answer.fingerprint.len() == 16);
    }
    let answer = scene.call(in_order("numbered", [int(5), int(7)])).await.unwrap();
    assert_eq!(only_value(&answer), Kind::Int64(-2));
    let answer = scene
        .call(named("numbered", [("2", int(5)), ("1", int(7))]))
        .await
        .unwrap();
    assert_eq!(only_value(&answer), Kind::Int64(2));
    let digests = named("digest", [("bytes", text("abc")), ("hex", text("abc"))]);
    let answer = scene.call(digests).await.unwrap();
    let hex = scene.database.psql("select encode(sha256('abc'), 'hex')").await;
    let Kind::Bytes(bytes) = &column(&answer, "bytes")[0] else {
        panic!("{answer:?}")
    };
    let read: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((column(&answer, "hex"), read), (vec![Kind::Text(hex.clone())], hex));
}

#[tokio::test]
async fn what_does_not_fit_is_said_and_told() {
    let bus = Bus::in_memory(Limits::default());
    let mut listener = bus.subscribe("weir.*.query.executed", None).await.unwrap();
    let scene = Scene::with(TABLE, BOOK, Clock::system(), bus, &[]).await;
    let int = |number| value(Kind::Int64(number));
    for (request, slug, words) in [
        (
            named("one", [("id", int(3))]),
            "parameter-invalid",
            "parameter $2: other is missing",
        ),
        (
            named("one", [("id", int(3)), ("other", text("x")), ("odd", int(1))]),
            "request-invalid",
            "no parameter \"odd\"",
        ),
        (
            in_order("one", [int(3)]),
            "request-invalid",
            "has 2 parameters, and 1 are given",
        ),
        (
            named("one", [("id", text("three")), ("other", text("x"))]),
            "postgres-invalid-input",
            "three",
        ),
        (
            named("digest", [("bytes", int(1)), ("hex", text("x"))]),
            "parameter-invalid",
            "give text or bytes",
        ),
    ] {
        let request = api::CallStatementRequest {
            application: words.to_owned(),
            ..request
        };
        let status = assert_refused(scene.call(request).await, Code::InvalidArgument, slug);
        assert!(status.message().contains(words), "{status:?}");
    }
    let wrong = api::CallStatementRequest {
        consistency: "fresh".to_owned(),
        ..in_order("numbered", [int(1), int(2)])
    };
    assert_refused(scene.call(wrong).await, Code::InvalidArgument, "request-invalid");
    let good = api::CallStatementRequest {
        application: "good".to_owned(),
        ..in_order("numbered", [int(1), int(2)])
    };
    scene.call(good).await.unwrap();
    scene.gateway.stop().await;
    let batches = taken(&mut listener);
    let mut told: Vec<_> = events(&batches)
        .into_iter()
        .map(|event| (event.application.clone(), event.sqlstate.clone()))
        .collect();
    told.sort();
    // PostgreSQL keeps 63 characters of an application's name.
    let expected = [
        ("give text or bytes", "53000"),
        ("good", ""),
        ("has 2 parameters, and 1 are given", "53000"),
        ("no parameter \"odd\"", "53000"),
        ("parameter $2: other is missing", "53000"),
        ("three", "22P02"),
    ];
    assert_eq!(told, expected.map(|(name, state)| (name.to_owned(), state.to_owned())));
}

#[tokio::test]
async fn a_statement_is_prepared_once_on_each_connection() {
    let scene = Scene::with(
        TABLE,
        BOOK,
        Clock::system(),
        Bus::in_memory(Limits::default()),
        &[("pool_max", "1")],
    )
    .await;
    scene.until("numbered", StatementState::Prepared).await;
    for number in 0..5 {
        let numbers = [value(Kind::Int64(number)), value(Kind::Int64(0))];
        scene.call(in_order("numbered", numbers)).await.unwrap();
    }
    let uses = "select generic_plans + custom_plans from pg_prepared_statements where statement ~ '\\$1::int - '";
    assert_eq!(scene.gateway.value(uses).await, Kind::Int64(5));
}

#[tokio::test]
async fn each_project_calls_its_own_and_each_statement_its_database() {
    let scene = Scene::set(TABLE, BOOK).await;
    let of = |project: &str, name: &str, database: &str| api::CallStatementRequest {
        project: project.to_owned(),
        database: database.to_owned(),
        ..in_order(name, [])
    };
    let answer = scene.call(of("blog", "of_blog", "")).await.unwrap();
    assert_eq!(only_value(&answer), Kind::Text("blog".to_owned()));
    for (project, name) in [("", "of_blog"), ("shop", "of_blog"), ("blog", "nothing")] {
        assert_refused(
            scene.call(of(project, name, "")).await,
            Code::NotFound,
            "statement-unknown",
        );
    }
    let names = |listed: api::ListStatementsResponse| -> Vec<String> {
        listed.statements.into_iter().map(|named| named.name).collect()
    };
    let (blog, shop) = (names(scene.list("blog").await), names(scene.list("shop").await));
    assert!(blog.contains(&"of_blog".to_owned()) && !shop.contains(&"of_blog".to_owned()));
    assert_eq!(blog.len(), shop.len() + 1);
    for database in ["", "postgres"] {
        let answer = scene.call(of("", "elsewhere", database)).await.unwrap();
        assert_eq!(only_value(&answer), Kind::Text("postgres".to_owned()));
    }
    let own = scene.database.name().to_owned();
    assert_refused(
        scene.call(of("", "elsewhere", &own)).await,
        Code::InvalidArgument,
        "request-invalid",
    );
    // Where the statement names none, the call does: there is no table t in that one.
    let status = scene.call(of("", "living", "postgres")).await;
    let status = assert_refused(status, Code::FailedPrecondition, "statement-broken");
    assert!(
        status.message().contains("in database postgres") && status.message().contains("\"t\""),
        "{status:?}"
    );
    assert_eq!(scene.call(of("", "living", "")).await.unwrap().rows.len(), 5);
}

#[tokio::test]
async fn the_rules_of_a_statements_own_database_hold_for_its_callers() {
    let bus = Bus::in_memory(Limits::default());
    let mut listener = bus.subscribe("weir.*.query.executed", None).await.unwrap();
    let settings = [("rules", "['database=postgres : project=acme']")];
    let book = format!("{BOOK}[statements.of_shop]\nsql = 'select 1'\ndatabase = 'postgres'\nprojects = ['shop']\n");
    let scene = Scene::with(TABLE, &book, Clock::system(), bus, &settings).await;
    scene.call(in_order("elsewhere", [])).await.unwrap();
    for (name, code, slug) in [
        ("elsewhere", Code::PermissionDenied, "project-fixed"),
        ("of_shop", Code::PermissionDenied, "project-fixed"),
    ] {
        let request = api::CallStatementRequest {
            project: "shop".to_owned(),
            ..in_order(name, [])
        };
        assert_refused(scene.call(request).await, code, slug);
    }
    scene.gateway.stop().await;
    let batches = taken(&mut listener);
    let told: Vec<_> = batches.iter().map(|(_, batch)| batch.project.as_str()).collect();
    assert_eq!(told, ["acme"]);
}

#[tokio::test]
async fn a_row_ends_in_the_moment_that_it_names() {
    let clock = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_893_456_000));
    let bus = Bus::in_memory(Limits::default());
    let scene = Scene::with(TABLE, BOOK, clock.clone(), bus, &[]).await;
    scene
        .database
        .psql("insert into t values (6, '', null), (7, '', 'infinity'), (8, '', '-infinity')")
        .await;
    let living = async || {
        let answer = scene.call(in_order("living", [])).await.unwrap();
        assert_eq!(answer.rows.len() as u64, answer.rows_affected);
        assert_eq!(answer.command_tag, format!("SELECT {}", answer.rows.len()));
        let ids = column(&answer, "id").into_iter();
        ids.map(|kind| {
            if let Kind::Int64(id) = kind {
                id
            } else {
                panic!("{kind:?}")
            }
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(living().await, [1, 2, 3, 4, 5, 7]);
    clock.advance(Duration::from_micros(1_999_999));
    assert_eq!(living().await, [2, 3, 4, 5, 7]);
    clock.advance(Duration::from_micros(1));
    assert_eq!(living().await, [3, 4, 5, 7]);
    clock.advance(Duration::from_secs(60));
    assert_eq!(living().await, [7]);
}

#[tokio::test]
async fn writes_by_name_have_tokens_and_are_done_once() {
    let settings = [("idempotency_create", "true")];
    let scene = Scene::with(
        TABLE,
        BOOK,
        Clock::system(),
        Bus::in_memory(Limits::default()),
        &settings,
    )
    .await;
    let put = |id: i64, key: &str| api::CallStatementRequest {
        want_token: true,
        idempotency_key: key.to_owned(),
        ..named("put", [("id", value(Kind::Int64(id))), ("name", text("new"))])
    };
    let first = scene.call(put(10, "a")).await.unwrap();
    assert!(!first.replayed && first.token.contains('/'), "{first:?}");
    let again = scene.call(put(10, "a")).await.unwrap();
    assert!(again.replayed && again.rows == first.rows);
    assert_refused(
        scene.call(put(11, "a")).await,
        Code::FailedPrecondition,
        "idempotency-mismatch",
    );
    assert_refused(
        scene.call(put(10, "")).await,
        Code::FailedPrecondition,
        "postgres-conflict",
    );
    let read = api::CallStatementRequest {
        min_token: first.token,
        ..in_order("living", [])
    };
    scene.call(read).await.unwrap();
    let wrong = api::CallStatementRequest {
        min_token: "x".to_owned(),
        ..in_order("living", [])
    };
    assert_refused(scene.call(wrong).await, Code::InvalidArgument, "request-invalid");
    assert_eq!(
        scene.database.psql("select count(*) from t where name = 'new'").await,
        "1"
    );
}

#[tokio::test]
async fn it_keeps_the_limits_of_any_other_call() {
    let scene = Scene::set(TABLE, BOOK).await;
    let slow = || named("slow", [("seconds", value(Kind::Double(600.0)))]);
    let timed = api::CallStatementRequest {
        timeout_ms: 200,
        ..slow()
    };
    assert_refused(scene.call(timed).await, Code::DeadlineExceeded, "statement-timeout");
    let cancelled = api::CallStatementRequest {
        operation: "op".to_owned(),
        ..slow()
    };
    let cancel = async {
        crate::gateway::until_running(&scene.database, "pg_sleep", 1).await;
        let asked = api::CancelRequest {
            operation: "op".to_owned(),
            ..api::CancelRequest::default()
        };
        scene
            .gateway
            .client
            .clone()
            .cancel(asked)
            .await
            .unwrap()
            .into_inner()
            .cancelled
    };
    let (called, cancelled) = tokio::join!(scene.call(cancelled), cancel);
    assert_refused(called, Code::Cancelled, "operation-cancelled");
    assert_eq!(cancelled, 1);
    let few = api::CallStatementRequest {
        max_rows: 2,
        ..in_order("living", [])
    };
    let answer = scene.call(few).await.unwrap();
    assert!(answer.truncated && answer.rows.len() == 2);
}
