//! The example under `deploy/auth`, as it is delivered.

use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::{SessionOutcome, StatementState};

use super::{Scene, column, named, text, value};

const SCHEMA: &str = include_str!("../../../../../deploy/auth/schema.sql");
const SEED: &str = include_str!("../../../../../deploy/auth/seed.sql");
pub(super) const BOOK: &str = include_str!("../../../../../deploy/auth/statements.toml");

pub(super) fn sql() -> String {
    format!("{SCHEMA}{SEED}")
}

#[tokio::test]
async fn its_statements_prepare_and_its_tokens_open_what_they_should() {
    let scene = Scene::set(&sql(), BOOK).await;
    let listed = scene.list("").await;
    assert!(listed.resolves_sessions && listed.statements.len() == 5);
    for statement in &listed.statements {
        scene.until(&statement.name, StatementState::Prepared).await;
    }
    let administrator = scene.resolve("demo-token-1").await.unwrap();
    assert!(administrator.found && administrator.outcome() == SessionOutcome::Valid);
    assert_eq!(administrator.roles, ["administrator", "member"]);
    assert_eq!(
        administrator.permissions,
        [
            "article.read",
            "comment.write",
            "profile.write",
            "role.write",
            "user.disable",
            "user.write"
        ]
    );
    assert_eq!(administrator.user_id, Some(value(Kind::Int64(1))));
    let user = administrator.user.unwrap();
    let place = user.columns.iter().position(|column| column.name == "email").unwrap();
    assert_eq!(user.row.unwrap().values[place], text("user1@auth.example"));
    assert!(administrator.expires_unix_ms > scene.gateway.ground.clock.unix_ms());
    for (number, outcome) in [
        (2, SessionOutcome::Valid),
        (13, SessionOutcome::UserDisabled),
        (14, SessionOutcome::Revoked),
        (15, SessionOutcome::Expired),
        (1_001, SessionOutcome::Unknown),
    ] {
        let found = scene.resolve(&format!("demo-token-{number}")).await.unwrap();
        assert_eq!(
            (found.outcome(), found.found),
            (outcome, outcome == SessionOutcome::Valid),
            "{number}"
        );
    }
}

#[tokio::test]
async fn who_logs_in_is_known_until_the_log_out() {
    let scene = Scene::set(&sql(), BOOK).await;
    let token = ("token", text("a new one"));
    let log_in = named(
        "log_in",
        [
            token.clone(),
            ("user_id", value(Kind::Int64(10))),
            ("seconds", value(Kind::Double(60.0))),
        ],
    );
    scene.call(log_in).await.unwrap();
    let found = scene.resolve("a new one").await.unwrap();
    assert_eq!(found.roles, ["editor", "member"]);
    let sessions = scene.call(named("sessions", [token.clone()])).await.unwrap();
    assert_eq!(column(&sessions, "user_id"), [Kind::Int64(10)]);
    let ended = scene.call(named("log_out", [token])).await.unwrap();
    assert_eq!(ended.rows_affected, 1);
    let found = scene.resolve("a new one").await.unwrap();
    assert_eq!(
        found,
        api::ResolveSessionResponse {
            outcome: SessionOutcome::Revoked.into(),
            ..api::ResolveSessionResponse::default()
        }
    );
}

#[tokio::test]
async fn every_key_that_is_asked_for_is_told_by_the_log() {
    let scene = Scene::set(&sql(), BOOK).await;
    // Columns of the replica identity, as row tags need them.
    let told = "select string_agg(c.relname || '.' || a.attname, ' ' order by c.relname, a.attnum)
        from pg_class c join pg_index i on i.indrelid = c.oid and i.indisprimary
        join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
        where c.relnamespace = 'auth'::regnamespace and c.relreplident = 'd'";
    assert_eq!(
        scene.database.psql(told).await,
        "role_permissions.role_id role_permissions.permission roles.id sessions.token_digest \
         user_roles.user_id user_roles.role_id users.id"
    );
}
