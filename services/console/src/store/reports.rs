//! Rows of `reports`.

use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use crate::bench::Report;

/// Reports that are kept; older ones are forgotten.
const KEPT: i64 = 200;

pub(crate) async fn put(pool: &PgPool, id: Uuid, report: &Report) -> sqlx::Result<()> {
    sqlx::query(
        "insert into reports (id, started_unix_ms, report) values ($1, $2, $3)
         on conflict (id) do update set report = excluded.report",
    )
    .bind(id)
    .bind(report.started_unix_ms)
    .bind(Json(report))
    .execute(pool)
    .await?;
    sqlx::query(
        "delete from reports where id not in (select id from reports order by started_unix_ms desc, id desc limit $1)",
    )
    .bind(KEPT)
    .execute(pool)
    .await
    .map(drop)
}

pub(crate) async fn find(pool: &PgPool, id: Uuid) -> sqlx::Result<Option<Report>> {
    let found: Option<Json<Report>> = sqlx::query_scalar("select report from reports where id = $1")
        .bind(id)
        .fetch_optional(pool)
        .await?;
    Ok(found.map(|found| found.0))
}

/// The latest first; every one that is kept fits into one page.
pub(crate) async fn list(pool: &PgPool) -> sqlx::Result<Vec<Report>> {
    let found: Vec<Json<Report>> =
        sqlx::query_scalar("select report from reports order by started_unix_ms desc, id desc")
            .fetch_all(pool)
            .await?;
    Ok(found.into_iter().map(|found| found.0).collect())
}

/// Whether there was one.
pub(crate) async fn delete(pool: &PgPool, id: Uuid) -> sqlx::Result<bool> {
    let gone = sqlx::query("delete from reports where id = $1")
        .bind(id)
        .execute(pool)
        .await?;
    Ok(gone.rows_affected() > 0)
}
