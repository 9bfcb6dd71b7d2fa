//! What a token opens.

use std::time::{Duration, UNIX_EPOCH};

use tonic::Code;
use weir_bus::{Bus, Limits};
use weir_model::Clock;
use weir_proto::common::v1::value::Kind;
use weir_proto::events::v1::QueryExecuted;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::{SessionOutcome, StatementState};
use weir_testkit::eventually;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::{Scene, text, value};
use crate::gateway::{Gateway, PATIENCE, assert_refused, events, taken, until_running};

/// Whole words: tokens as they are, flags instead of times, roles as an array, a grant that ends.
const SCHEMA: &str = "
    create table people (id uuid primary key, nick text, active boolean, roles text[]);
    create table tokens (token uuid, owner uuid, until timestamptz, dead boolean);
    create table grants (owner uuid, permission text, until timestamptz);
    insert into people values
        ('00000000-0000-0000-0000-000000000001', 'Ada', true, '{a,b,a,NULL}'),
        ('00000000-0000-0000-0000-000000000002', 'Ben', false, '{a}'),
        ('00000000-0000-0000-0000-000000000003', 'Cid', null, '{a}'),
        ('00000000-0000-0000-0000-000000000004', 'Dan', true, null);
    insert into tokens select ('10000000-0000-0000-0000-00000000000' || n)::uuid,
        ('00000000-0000-0000-0000-00000000000' || n)::uuid, '2030-01-01 00:00:01.5+00', false from generate_series(1, 5) n;
    insert into tokens values
        ('20000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', 'infinity', false),
        ('20000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001', null, false),
        ('20000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-000000000001', 'infinity', true),
        ('20000000-0000-0000-0000-000000000004', '00000000-0000-0000-0000-000000000001', 'infinity', null),
        ('20000000-0000-0000-0000-000000000005', null, 'infinity', false),
        ('20000000-0000-0000-0000-000000000006', '00000000-0000-0000-0000-000000000001', 'infinity', false),
        ('20000000-0000-0000-0000-000000000006', '00000000-0000-0000-0000-000000000002', 'infinity', false),
        ('20000000-0000-0000-0000-000000000007', '00000000-0000-0000-0000-000000000001', '-infinity', false);
    insert into grants values
        ('00000000-0000-0000-0000-000000000001', 'read', 'infinity'),
        ('00000000-0000-0000-0000-000000000001', 'write', '2030-01-01 00:00:01+00'),
        ('00000000-0000-0000-0000-000000000001', 'read', 'infinity'),
        ('00000000-0000-0000-0000-000000000001', 'never', null)";
const BOOK: &str = r#"
[statements.session]
sql = "select owner, until, dead from tokens where token = :key"
expires_at = "until"
parameters.key = { type = "uuid" }

[statements.person]
sql = "select nick, roles, not active as disabled from people where id = :id"

[statements.grants]
sql = "select permission, until from grants where owner = :id order by permission"
expires_at = "until"

[resolve_session.session]
statement = "session"
token = "key"
user_id = "owner"
revoked = "dead"

[resolve_session.user]
statement = "person"
user_id = "id"
disabled = "disabled"

[resolve_session.permissions]
statement = "grants"
user_id = "id"
permissions = "permission"
"#;

/// A moment before what ends in the tests.
fn eve() -> Clock {
    Clock::manual(UNIX_EPOCH + Duration::from_secs(1_893_456_000))
}

async fn scene(clock: Clock) -> Scene {
    Scene::with(SCHEMA, BOOK, clock, Bus::in_memory(Limits::default()), &[]).await
}

fn numbered(kind: u8, number: u8) -> String {
    format!("{kind}0000000-0000-0000-0000-00000000000{number}")
}

#[tokio::test]
async fn each_token_has_its_outcome_and_only_a_good_one_tells_more() {
    use SessionOutcome::{Expired, Revoked, Unknown, UserDisabled, UserUnknown, Valid};
    let scene = scene(eve()).await;
    for (token, outcome) in [
        (numbered(1, 1), Valid),
        (numbered(1, 2), UserDisabled),
        (numbered(1, 3), UserDisabled),
        (numbered(1, 4), Valid),
        (numbered(1, 5), UserUnknown),
        (numbered(1, 9), Unknown),
        (numbered(2, 1), Valid),
        (numbered(2, 2), Expired),
        (numbered(2, 3), Revoked),
        (numbered(2, 4), Revoked),
        (numbered(2, 5), UserUnknown),
        (numbered(2, 7), Expired),
        // What was never given out.
        (String::new(), Unknown),
        ("no uuid at all".to_owned(), Unknown),
        ("with a \0 byte".to_owned(), Unknown),
        ("' or true --".to_owned(), Unknown),
        ("x".repeat(100_000), Unknown),
    ] {
        let found = scene.resolve(&token).await.unwrap();
        assert_eq!(
            (found.outcome(), found.found),
            (outcome, outcome == Valid),
            "{token:.40}"
        );
        if !found.found {
            let bare = api::ResolveSessionResponse {
                outcome: outcome.into(),
                ..api::ResolveSessionResponse::default()
            };
            assert_eq!(found, bare, "more is told than has to be");
        }
    }
    let status = assert_refused(
        scene.resolve(&numbered(2, 6)).await,
        Code::FailedPrecondition,
        "session-ambiguous",
    );
    assert!(status.message().contains("2 sessions of one token"), "{status:?}");
    scene.gateway.until_whole(&scene.database).await;
}

#[tokio::test]
async fn a_good_token_tells_user_roles_and_permissions() {
    let clock = eve();
    let scene = scene(clock.clone()).await;
    let found = scene.resolve(&numbered(1, 1)).await.unwrap();
    assert_eq!(found.roles, ["a", "b"]);
    assert_eq!(found.permissions, ["read", "write"]);
    assert_eq!(found.expires_unix_ms, 1_893_456_001_500);
    let user = found.user.unwrap();
    assert_eq!(
        (user.columns[0].name.as_str(), &user.row.unwrap().values[0]),
        ("nick", &text("Ada"))
    );
    let session = found.session.unwrap();
    assert_eq!(session.row.unwrap().values[2], value(Kind::Bool(false)));
    let without = scene.resolve(&numbered(1, 4)).await.unwrap();
    assert!(without.found && without.roles.is_empty() && without.permissions.is_empty());
    let endless = scene.resolve(&numbered(2, 1)).await.unwrap();
    assert_eq!((endless.found, endless.expires_unix_ms), (true, 0));
    // A permission ends before its session, in its own moment.
    clock.advance(Duration::from_micros(999_999));
    assert_eq!(
        scene.resolve(&numbered(1, 1)).await.unwrap().permissions,
        ["read", "write"]
    );
    clock.advance(Duration::from_micros(1));
    assert_eq!(scene.resolve(&numbered(1, 1)).await.unwrap().permissions, ["read"]);
}

#[tokio::test]
async fn a_session_ends_in_the_moment_that_it_names() {
    let clock = eve();
    let scene = scene(clock.clone()).await;
    let token = numbered(1, 1);
    assert!(scene.resolve(&token).await.unwrap().found);
    clock.advance(Duration::from_micros(1_499_999));
    assert!(scene.resolve(&token).await.unwrap().found);
    clock.advance(Duration::from_micros(1));
    assert_eq!(scene.resolve(&token).await.unwrap().outcome(), SessionOutcome::Expired);
    clock.advance(Duration::from_secs(86_400));
    assert_eq!(scene.resolve(&token).await.unwrap().outcome(), SessionOutcome::Expired);
    // By the gateway's clock, whatever that of PostgreSQL says.
    assert!(scene.database.psql("select now() < '2030-01-01'").await == "t");
}

#[tokio::test]
async fn what_changes_is_seen_by_the_next_call() {
    let scene = scene(eve()).await;
    let token = numbered(1, 1);
    for (sql, outcome) in [
        (
            "update people set active = false where nick = 'Ada'",
            SessionOutcome::UserDisabled,
        ),
        (
            "update people set active = true where nick = 'Ada'",
            SessionOutcome::Valid,
        ),
        ("update tokens set dead = true", SessionOutcome::Revoked),
        ("update tokens set dead = false", SessionOutcome::Valid),
        ("delete from people where nick = 'Ada'", SessionOutcome::UserUnknown),
        ("delete from tokens", SessionOutcome::Unknown),
    ] {
        scene.database.psql(sql).await;
        assert_eq!(scene.resolve(&token).await.unwrap().outcome(), outcome, "{sql}");
    }
}

#[tokio::test]
async fn each_of_the_three_is_told_of_and_bounded_like_any_other() {
    let bus = Bus::in_memory(Limits::default());
    let mut listener = bus.subscribe("weir.*.query.executed", None).await.unwrap();
    let scene = Scene::with(SCHEMA, BOOK, eve(), bus, &[("pool_max", "1")]).await;
    scene.until("grants", StatementState::Prepared).await;
    let ask = |token: String, application: &str| api::ResolveSessionRequest {
        token,
        application: application.to_owned(),
        ..api::ResolveSessionRequest::default()
    };
    scene.resolve_as(ask(numbered(1, 1), "good")).await.unwrap();
    scene.resolve_as(ask(numbered(1, 9), "unknown")).await.unwrap();
    scene.resolve_as(ask("bad".to_owned(), "bad")).await.unwrap();
    let target = Target::parse(&scene.database.url()).unwrap();
    let mut holder = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
    holder.simple_query("begin; lock table grants").await.unwrap();
    let timed = api::ResolveSessionRequest {
        timeout_ms: 300,
        ..ask(numbered(1, 1), "timed")
    };
    assert_refused(
        scene.resolve_as(timed).await,
        Code::DeadlineExceeded,
        "statement-timeout",
    );
    let cancelled = api::ResolveSessionRequest {
        operation: "op".to_owned(),
        ..ask(numbered(1, 1), "cancelled")
    };
    until_running(&scene.database, "from grants", 0).await;
    let cancel = async {
        until_running(&scene.database, "from grants", 1).await;
        let asked = api::CancelRequest {
            operation: "op".to_owned(),
            ..api::CancelRequest::default()
        };
        scene.gateway.client.clone().cancel(asked).await.unwrap()
    };
    let (resolved, _) = tokio::join!(scene.resolve_as(cancelled), cancel);
    assert_refused(resolved, Code::Cancelled, "operation-cancelled");
    holder.simple_query("rollback").await.unwrap();
    assert!(scene.resolve(&numbered(1, 1)).await.unwrap().found);
    scene.gateway.stop().await;
    let batches = taken(&mut listener);
    let all = events(&batches);
    let told = |application: &str| -> Vec<(&str, u64)> {
        let own = all.iter().filter(|event| event.application == application);
        own.map(|event: &&QueryExecuted| (event.sqlstate.as_str(), event.rows))
            .collect()
    };
    let mut good = told("good");
    good.sort_unstable();
    assert_eq!(good, [("", 1), ("", 1), ("", 4)]);
    assert_eq!(told("unknown"), [("", 0)]);
    assert_eq!(told("bad").len(), 1);
    assert_eq!(told("timed").len(), 3);
    // Its connection was new, and what was waited for was to be prepared.
    assert_eq!(told("cancelled").len(), 1);
    assert!(
        told("timed").iter().any(|(state, _)| *state == "57014"),
        "{:?}",
        told("timed")
    );
}

#[tokio::test]
async fn it_is_for_the_projects_of_its_statements_and_says_what_is_broken() {
    let book = BOOK.replace("[statements.grants]", "[statements.grants]\nprojects = [\"shop\"]");
    let scene = Scene::with(SCHEMA, &book, eve(), Bus::in_memory(Limits::default()), &[]).await;
    let of = |project: &str, database: &str| api::ResolveSessionRequest {
        project: project.to_owned(),
        database: database.to_owned(),
        token: numbered(1, 1),
        ..api::ResolveSessionRequest::default()
    };
    assert!(scene.resolve_as(of("shop", "")).await.unwrap().found);
    assert_refused(
        scene.resolve_as(of("blog", "")).await,
        Code::NotFound,
        "statement-unknown",
    );
    assert!(scene.list("shop").await.resolves_sessions && !scene.list("blog").await.resolves_sessions);
    // Another database has no such tables: that is no unknown session.
    let elsewhere = scene.resolve_as(of("shop", "postgres")).await;
    assert_refused(elsewhere, Code::FailedPrecondition, "statement-broken");
    let said = async |words: &str| {
        eventually(words, PATIENCE, || async {
            match scene.resolve_as(of("shop", "")).await {
                Ok(found) if found.found && words == "mended" => Ok(()),
                Err(status) if status.message().contains(words) => {
                    assert_refused::<()>(Err(status), Code::FailedPrecondition, "statement-broken");
                    Ok(())
                }
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    };
    for (change, words) in [
        ("alter table grants rename permission to p", "column \"permission\""),
        (
            "alter table grants rename p to permission; alter table tokens drop dead",
            "column \"dead\"",
        ),
        ("alter table tokens add dead boolean default false", "mended"),
        // It prepares, but what it returns is of no use.
        ("alter table tokens alter until type timestamp", "no timestamptz"),
        ("alter table tokens alter until type timestamptz", "mended"),
    ] {
        scene.database.psql(change).await;
        said(words).await;
    }
    // What is prepared no longer fits, and nobody notices.
    scene
        .database
        .psql("alter table people alter nick type varchar(9)")
        .await;
    assert!(scene.resolve_as(of("shop", "")).await.unwrap().found);
}

#[tokio::test]
async fn an_outage_is_an_error_and_no_outcome() {
    let scene = scene(eve()).await;
    assert!(scene.resolve(&numbered(1, 1)).await.unwrap().found);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("statements.toml");
    std::fs::write(&path, BOOK).unwrap();
    let settings = [
        ("statements_file", path.to_str().unwrap()),
        ("acquire_timeout", "500ms"),
        ("pool_max", "1"),
    ];
    let gateway = Gateway::start(&scene.database.url(), &settings).await;
    let gate = crate::gateway::Gate::shut(&scene.database).await;
    let first = gateway.begin(crate::gateway::request(crate::gateway::Gate::PASS));
    gateway.until_pool("a full pool", |pool| pool.active == 1).await;
    let asked = api::ResolveSessionRequest {
        token: numbered(1, 1),
        ..api::ResolveSessionRequest::default()
    };
    let resolved = gateway.client.clone().resolve_session(asked).await;
    assert_refused(resolved, Code::ResourceExhausted, "pool-timeout");
    gate.open().await;
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_asked_for_while_the_server_is_lost_is_asked_for_again() {
    let bus = Bus::in_memory(Limits::default());
    let scene = Scene::with(SCHEMA, BOOK, eve(), bus, &[("pool_max", "1")]).await;
    assert!(scene.resolve(&numbered(1, 1)).await.unwrap().found);
    let target = Target::parse(&scene.database.url()).unwrap();
    let mut holder = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
    holder.simple_query("begin; lock table grants").await.unwrap();
    let lose = async {
        until_running(&scene.database, "from grants", 1).await;
        let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'weir'
                    and datname = current_database()";
        assert_eq!(scene.database.psql(kill).await, "1");
        holder.simple_query("rollback").await.unwrap();
    };
    let token = numbered(1, 1);
    let (found, ()) = tokio::join!(scene.resolve(&token), lose);
    assert!(found.unwrap().found);
    scene.gateway.until_whole(&scene.database).await;
}
