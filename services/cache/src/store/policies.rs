//! Rows of `policies`, and the number that grows when they change.

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::policy::WrittenRule;

/// One rule as its row has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct PolicyRow {
    pub(crate) id: Uuid,
    pub(crate) project: String,
    pub(crate) subject: String,
    /// Read by hand: a newer version may have written what this one does not know.
    pub(crate) rule: Json<serde_json::Value>,
}

/// A number that grows with every change of a rule.
pub(crate) async fn generation(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select generation from policy_generation")
        .fetch_one(connection)
        .await
}

/// Makes the change of this transaction known, to be greater than `above` too. Changes wait for each other here.
pub(crate) async fn revise(transaction: &mut PgConnection, above: i64) -> sqlx::Result<()> {
    sqlx::query("update policy_generation set generation = greatest(generation, $1) + 1")
        .bind(above)
        .execute(transaction)
        .await
        .map(|_| ())
}

/// Makes known that the rules of the file are others, if they are.
pub(crate) async fn take_file(connection: &mut PgConnection, digest: &str, above: i64) -> sqlx::Result<()> {
    sqlx::query(
        "update policy_generation set generation = greatest(generation, $2) + 1, file_digest = $1
         where file_digest <> $1",
    )
    .bind(digest)
    .bind(above)
    .execute(connection)
    .await
    .map(|_| ())
}

/// All rules that were put.
pub(crate) async fn policies(connection: &mut PgConnection) -> sqlx::Result<Vec<PolicyRow>> {
    sqlx::query_as("select id, project, subject, rule from policies order by project, subject")
        .fetch_all(connection)
        .await
}

/// How many rules a project has, other than the one about this.
pub(crate) async fn count_policies(connection: &mut PgConnection, project: &str, but: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from policies where project = $1 and subject <> $2")
        .bind(project)
        .bind(but)
        .fetch_one(connection)
        .await
}

/// Puts a rule in place of the one about the same, if there is one. Its id, and whether it is new.
pub(crate) async fn put_policy(
    transaction: &mut PgConnection,
    (project, subject): (&str, &str),
    rule: &WrittenRule,
    now_unix_ms: i64,
) -> sqlx::Result<(Uuid, bool)> {
    sqlx::query_as(
        "insert into policies (id, project, subject, rule, updated_unix_ms) values ($1, $2, $3, $4, $5)
         on conflict (project, subject) do update set rule = excluded.rule, updated_unix_ms = excluded.updated_unix_ms
         returning id, xmax = 0",
    )
    .bind(Uuid::now_v7())
    .bind(project)
    .bind(subject)
    .bind(Json(rule))
    .bind(now_unix_ms)
    .fetch_one(transaction)
    .await
}

/// Removes a rule; false if there is none.
pub(crate) async fn delete_policy(transaction: &mut PgConnection, id: Uuid) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from policies where id = $1")
        .bind(id)
        .execute(transaction)
        .await?;
    Ok(done.rows_affected() > 0)
}
