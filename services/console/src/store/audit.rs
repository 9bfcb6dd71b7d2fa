//! Rows of `audit`: what was asked, by whom, and what was answered.

use sqlx::PgPool;
use uuid::Uuid;

/// Something that was asked, before it is done.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at_unix_ms: i64,
    pub(crate) actor: String,
    pub(crate) token: Option<Uuid>,
    pub(crate) project: Option<String>,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) remote: String,
    pub(crate) status: Option<i32>,
}

/// An entry as it is shown.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema, sqlx::FromRow)]
#[schema(as = console::AuditEntry)]
pub struct Entry {
    /// Identifies it; later entries have greater numbers.
    pub id: i64,
    /// When it was asked.
    pub at_unix_ms: i64,
    /// Who asked: the name of the token.
    pub actor: String,
    /// The token; null: none was needed.
    pub token: Option<Uuid>,
    /// The project of the token; null: the operator.
    pub project: Option<String>,
    /// What was asked: the method and the pattern of the path.
    pub action: String,
    /// The path as it was.
    pub target: String,
    /// Where from.
    pub remote: String,
    /// What was answered; null: the process ended before it answered.
    pub status: Option<i32>,
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What the action or the target names.
    pub search: Option<String>,
    /// Who asked.
    pub actor: Option<String>,
    /// From when on.
    pub since_unix_ms: i64,
    /// Up to when. 0: now.
    pub until_unix_ms: i64,
    /// Only what was refused.
    pub refused_only: bool,
    /// Only entries before this one.
    pub before: Option<i64>,
    /// Most entries.
    pub limit: i64,
}

pub(crate) async fn add(pool: &PgPool, asked: &Asked) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "insert into audit (at_unix_ms, actor, token, project, action, target, remote, status)
         values ($1, $2, $3, $4, $5, $6, $7, $8) returning id",
    )
    .bind(asked.at_unix_ms)
    .bind(&asked.actor)
    .bind(asked.token)
    .bind(&asked.project)
    .bind(&asked.action)
    .bind(&asked.target)
    .bind(&asked.remote)
    .bind(asked.status)
    .fetch_one(pool)
    .await
}

pub(crate) async fn answered(pool: &PgPool, id: i64, status: i32) -> sqlx::Result<()> {
    sqlx::query("update audit set status = $2 where id = $1")
        .bind(id)
        .bind(status)
        .execute(pool)
        .await
        .map(drop)
}

/// Entries that are wanted, the latest first.
pub(crate) async fn list(pool: &PgPool, wanted: &Wanted) -> sqlx::Result<Vec<Entry>> {
    sqlx::query_as(
        "select * from audit
         where ($1::text is null or position(lower($1) in lower(action || ' ' || target)) > 0)
           and ($2::text is null or actor = $2)
           and at_unix_ms >= $3 and ($4 = 0 or at_unix_ms < $4)
           and (not $5 or status in (401, 403, 429))
           and ($6::bigint is null or id < $6)
         order by id desc limit $7",
    )
    .bind(&wanted.search)
    .bind(&wanted.actor)
    .bind(wanted.since_unix_ms)
    .bind(wanted.until_unix_ms)
    .bind(wanted.refused_only)
    .bind(wanted.before)
    .bind(wanted.limit)
    .fetch_all(pool)
    .await
}

/// Forgets what is older.
pub(crate) async fn forget(pool: &PgPool, before_unix_ms: i64) -> sqlx::Result<u64> {
    let gone = sqlx::query("delete from audit where at_unix_ms < $1")
        .bind(before_unix_ms)
        .execute(pool)
        .await?;
    Ok(gone.rows_affected())
}
