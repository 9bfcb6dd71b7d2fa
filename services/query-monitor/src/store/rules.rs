//! Rows of `alert_rules`, `silences` and `alert_revision`.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::detect::RulePatch;

/// One silence as its row has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct SilenceRow {
    pub(crate) id: Uuid,
    pub(crate) matchers: Json<BTreeMap<String, String>>,
    pub(crate) starts_unix_ms: i64,
    pub(crate) ends_unix_ms: i64,
    pub(crate) author: String,
    pub(crate) comment: String,
}

/// A number that grows with every change of a rule or a silence.
pub(crate) async fn revision(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select revision from alert_revision")
        .fetch_one(connection)
        .await
}

/// Makes the change of this transaction known. Changes wait for each other here, so that each is checked against all
/// that went before.
pub(crate) async fn revise(transaction: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("update alert_revision set revision = revision + 1")
        .execute(transaction)
        .await
        .map(|_| ())
}

/// What was put of rules, in an order that does not change.
pub(crate) async fn rules(connection: &mut PgConnection) -> sqlx::Result<Vec<RulePatch>> {
    let rows: Vec<Json<RulePatch>> = sqlx::query_scalar("select patch from alert_rules order by name, project")
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Puts what is said of a rule in place of what was.
pub(crate) async fn put_rule(transaction: &mut PgConnection, patch: &RulePatch, now_unix_ms: i64) -> sqlx::Result<()> {
    sqlx::query(
        "insert into alert_rules (name, project, patch, updated_unix_ms) values ($1, $2, $3, $4)
         on conflict (name, project) do update set patch = excluded.patch, updated_unix_ms = excluded.updated_unix_ms",
    )
    .bind(&patch.name)
    .bind(&patch.project)
    .bind(Json(patch))
    .bind(now_unix_ms)
    .execute(transaction)
    .await
    .map(|_| ())
}

/// Takes back what was said of a rule; false if nothing was.
pub(crate) async fn remove_rule(transaction: &mut PgConnection, name: &str, project: &str) -> sqlx::Result<bool> {
    let removed = sqlx::query("delete from alert_rules where name = $1 and project = $2")
        .bind(name)
        .bind(project)
        .execute(transaction)
        .await?;
    Ok(removed.rows_affected() > 0)
}

/// Silences that end after that moment, the last to end first. With a project, only those of that alone.
pub(crate) async fn silences(
    connection: &mut PgConnection,
    after_unix_ms: i64,
    project: &str,
) -> sqlx::Result<Vec<SilenceRow>> {
    sqlx::query_as(
        "select * from silences where ends_unix_ms > $1 and ($2 = '' or matchers ->> 'project' = $2)
         order by ends_unix_ms desc, id limit 1000",
    )
    .bind(after_unix_ms)
    .bind(project)
    .fetch_all(connection)
    .await
}

/// How many silences have not ended.
pub(crate) async fn count_silences(connection: &mut PgConnection, now_unix_ms: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from silences where ends_unix_ms > $1")
        .bind(now_unix_ms)
        .fetch_one(connection)
        .await
}

/// Begins or changes a silence.
pub(crate) async fn put_silence(transaction: &mut PgConnection, silence: &SilenceRow) -> sqlx::Result<()> {
    sqlx::query(
        "insert into silences (id, matchers, starts_unix_ms, ends_unix_ms, author, comment)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (id) do update set matchers = excluded.matchers, starts_unix_ms = excluded.starts_unix_ms,
            ends_unix_ms = excluded.ends_unix_ms, author = excluded.author, comment = excluded.comment",
    )
    .bind(silence.id)
    .bind(&silence.matchers)
    .bind(silence.starts_unix_ms)
    .bind(silence.ends_unix_ms)
    .bind(&silence.author)
    .bind(&silence.comment)
    .execute(transaction)
    .await
    .map(|_| ())
}

/// Ends a silence now; false if there is none that could end. With a project, only if it is of that alone.
pub(crate) async fn expire_silence(
    transaction: &mut PgConnection,
    (id, project): (Uuid, &str),
    now_unix_ms: i64,
) -> sqlx::Result<bool> {
    let ended = sqlx::query(
        "update silences set ends_unix_ms = $2
         where id = $1 and ends_unix_ms > $2 and ($3 = '' or matchers ->> 'project' = $3)",
    )
    .bind(id)
    .bind(now_unix_ms)
    .bind(project)
    .execute(transaction)
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// Forgets silences that ended before that moment.
pub(crate) async fn forget_silences(connection: &mut PgConnection, before_unix_ms: i64) -> sqlx::Result<()> {
    sqlx::query("delete from silences where ends_unix_ms < $1")
        .bind(before_unix_ms)
        .execute(connection)
        .await
        .map(|_| ())
}

/// The newest term of whoever judges, and who began it.
pub(crate) async fn newest_term(connection: &mut PgConnection, leader: &str) -> sqlx::Result<Option<(i64, String)>> {
    sqlx::query_as("select epoch, holder from leaders where name = $1")
        .bind(leader)
        .fetch_optional(connection)
        .await
}
