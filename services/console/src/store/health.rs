//! Rows of `health_changes` and `health_samples`. What several consoles see is written once.

use serde::Serialize;
use sqlx::{PgPool, Postgres, Transaction};

use crate::health::Change;

/// A change as it is shown.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema, sqlx::FromRow)]
#[schema(as = console::HealthChange)]
pub(crate) struct ChangeRow {
    /// Identifies it.
    pub(crate) id: i64,
    /// When it changed.
    pub(crate) at_unix_ms: i64,
    /// What: `database` is the whole.
    pub(crate) part: String,
    /// `aspect`, `service`, `dependency` or `whole`.
    pub(crate) kind: String,
    /// How it fared from then on: `up`, `degraded`, `down` or `unknown`.
    pub(crate) state: String,
    /// How it fared before.
    pub(crate) previous: String,
    /// Why; may be empty.
    pub(crate) reason: String,
    /// How long its answer took then; null: it gave none, or was not asked itself.
    pub(crate) latency_ms: Option<f64>,
}

/// How it was in one minute.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema, sqlx::FromRow)]
#[schema(as = console::HealthSample)]
pub(crate) struct SampleRow {
    /// When the minute began.
    pub(crate) minute_unix_ms: i64,
    /// How the whole fared: `up`, `degraded`, `down` or `unknown`.
    pub(crate) state: String,
    /// How long a statement took through the gateway; null: none was answered.
    pub(crate) connect_ms: Option<f64>,
    /// Statements in a second; null: nothing is known.
    pub(crate) queries_per_second: Option<f64>,
    /// The part of them that failed, 0 to 1; null: none ran.
    pub(crate) error_ratio: Option<f64>,
    /// 95 of 100 took at most so long; null: none ran.
    pub(crate) p95_ms: Option<f64>,
    /// Parts that were degraded or down.
    pub(crate) not_up: i32,
}

/// Writes changes, and how minutes were. A change that somebody else has written, or that is none any more,
/// is passed over.
pub(crate) async fn keep(pool: &PgPool, changes: &[Change], minutes: &[SampleRow]) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('weir_console.health_changes', 0))")
        .execute(&mut *transaction)
        .await?;
    for change in changes {
        keep_change(&mut transaction, change).await?;
    }
    for sample in minutes {
        keep_sample(&mut transaction, sample).await?;
    }
    transaction.commit().await
}

async fn keep_change(transaction: &mut Transaction<'_, Postgres>, change: &Change) -> sqlx::Result<()> {
    sqlx::query(
        "with last as (
            select at_unix_ms, state from health_changes where kind = $3 and part = $2 order by at_unix_ms desc, id desc limit 1
         )
         insert into health_changes (at_unix_ms, part, kind, state, previous, reason, latency_ms)
         select $1, $2, $3, $4, coalesce((select state from last), 'unknown'), $5, $6
         where not exists (select from last where at_unix_ms >= $1 or state = $4)",
    )
    .bind(change.at_unix_ms)
    .bind(&change.part)
    .bind(change.kind.as_str())
    .bind(change.state.as_str())
    .bind(&change.reason)
    .bind(change.latency_ms)
    .execute(&mut **transaction)
    .await
    .map(drop)
}

async fn keep_sample(transaction: &mut Transaction<'_, Postgres>, sample: &SampleRow) -> sqlx::Result<()> {
    sqlx::query(
        "insert into health_samples (minute_unix_ms, state, connect_ms, queries_per_second, error_ratio, p95_ms, not_up)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (minute_unix_ms) do nothing",
    )
    .bind(sample.minute_unix_ms)
    .bind(&sample.state)
    .bind(sample.connect_ms)
    .bind(sample.queries_per_second)
    .bind(sample.error_ratio)
    .bind(sample.p95_ms)
    .bind(sample.not_up)
    .execute(&mut **transaction)
    .await
    .map(drop)
}

/// The last change of each part, if somebody kept watch up to a moment.
pub(crate) async fn last_changes(pool: &PgPool, watched_unix_ms: i64) -> sqlx::Result<Vec<ChangeRow>> {
    sqlx::query_as(
        "select distinct on (kind, part) * from health_changes
         where exists (select from health_samples where minute_unix_ms >= $1)
         order by kind, part, at_unix_ms desc, id desc",
    )
    .bind(watched_unix_ms)
    .fetch_all(pool)
    .await
}

/// Changes since a moment, the latest first; after a page's last one.
pub(crate) async fn changes(
    pool: &PgPool,
    since_unix_ms: i64,
    before: Option<(i64, i64)>,
    limit: i64,
) -> sqlx::Result<Vec<ChangeRow>> {
    let (at, id) = before.unzip();
    sqlx::query_as(
        "select * from health_changes
         where at_unix_ms >= $1 and ($2::bigint is null or (at_unix_ms, id) < ($2, $3))
         order by at_unix_ms desc, id desc limit $4",
    )
    .bind(since_unix_ms)
    .bind(at)
    .bind(id)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// Samples since a moment in order of time: each so many minutes one.
pub(crate) async fn samples(pool: &PgPool, since_unix_ms: i64, each_minutes: i64) -> sqlx::Result<Vec<SampleRow>> {
    sqlx::query_as(
        "select * from health_samples where minute_unix_ms >= $1 and (minute_unix_ms / 60000) % $2 = 0
         order by minute_unix_ms",
    )
    .bind(since_unix_ms)
    .bind(each_minutes)
    .fetch_all(pool)
    .await
}

/// Forgets what is older.
pub(crate) async fn forget(pool: &PgPool, before_unix_ms: i64) -> sqlx::Result<()> {
    // The last change of a part says since when it is as it is.
    sqlx::query(
        "delete from health_changes old where at_unix_ms < $1 and exists (
            select from health_changes later
            where later.kind = old.kind and later.part = old.part and later.at_unix_ms > old.at_unix_ms)",
    )
    .bind(before_unix_ms)
    .execute(pool)
    .await?;
    let samples = sqlx::query("delete from health_samples where minute_unix_ms < $1").bind(before_unix_ms);
    samples.execute(pool).await.map(drop)
}
