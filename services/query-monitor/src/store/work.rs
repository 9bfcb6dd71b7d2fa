//! Rows of `work_endings`, `work_failures`, `work_dry_runs`, `work_violations` and `work_violations_seen`.
//!
//! Each statement leaves the same rows however often and in whatever order it runs.

use sqlx::PgConnection;

use crate::observe::work::{Ending, Violation};

/// Failures in a row that are counted; there may be more.
const FAILURES_MAX: i64 = 100;
/// Things that are read at most.
const ROWS_MAX: i64 = 10_000;
/// Violations are counted together for so long.
const SPAN_MS: i64 = 10_000;
/// Violations are kept for so long.
const VIOLATIONS_KEPT_MS: i64 = 600_000;
/// An event that comes again does so within this time, and is no older itself.
const SEEN_KEPT_MS: i64 = 2 * 3_600_000;
/// Ids of violations that are kept at most.
const SEEN_MAX: i64 = 500_000;
/// As long as the stream keeps requests, and a day.
const DRY_RUNS_KEPT_MS: i64 = 8 * 24 * 3_600_000;
/// Failures of something that nobody does any more.
const FAILURES_KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// How the jobs of one project and operation ended.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct EndingsRow {
    pub(crate) project: String,
    pub(crate) operation: String,
    pub(crate) last_success_unix_ms: i64,
    pub(crate) error_slug: String,
    /// Failures since the last success.
    pub(crate) failures: i64,
}

/// The broken rules of one kind within a time.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct ViolationsRow {
    pub(crate) project: String,
    pub(crate) rule: String,
    pub(crate) action: String,
    pub(crate) count: i64,
    pub(crate) summary: String,
    pub(crate) traceparent: String,
}

/// Notes that how this job ends proves nothing.
pub(crate) async fn note_dry_run(connection: &mut PgConnection, job_id: &str, now_unix_ms: i64) -> sqlx::Result<()> {
    sqlx::query("insert into work_dry_runs (job_id, seen_unix_ms) values ($1, $2) on conflict do nothing")
        .bind(job_id)
        .bind(now_unix_ms)
        .execute(connection)
        .await
        .map(drop)
}

/// Notes that a job is done, and lets go of the failures before it.
pub(crate) async fn note_success(connection: &mut PgConnection, ending: &Ending) -> sqlx::Result<()> {
    let noted = sqlx::query(
        "insert into work_endings (project, operation, last_success_unix_ms)
         select $1, $2, $3 where not exists (select from work_dry_runs where job_id = $4)
         on conflict (project, operation) do update set
            last_success_unix_ms = greatest(work_endings.last_success_unix_ms, excluded.last_success_unix_ms)",
    )
    .bind(ending.project.as_str())
    .bind(&ending.operation)
    .bind(ending.ended_unix_ms)
    .bind(&ending.job_id)
    .execute(&mut *connection)
    .await?;
    if noted.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query("delete from work_failures where project = $1 and operation = $2 and ended_unix_ms <= $3")
        .bind(ending.project.as_str())
        .bind(&ending.operation)
        .bind(ending.ended_unix_ms)
        .execute(connection)
        .await
        .map(drop)
}

/// Notes that a job failed for good.
pub(crate) async fn note_failure(connection: &mut PgConnection, ending: &Ending, slug: &str) -> sqlx::Result<()> {
    let noted = sqlx::query(
        "insert into work_failures (job_id, project, operation, ended_unix_ms)
         select $1, $2, $3, $4 where not exists (select from work_dry_runs where job_id = $1)
         on conflict do nothing",
    )
    .bind(&ending.job_id)
    .bind(ending.project.as_str())
    .bind(&ending.operation)
    .bind(ending.ended_unix_ms)
    .execute(&mut *connection)
    .await?;
    if noted.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query(
        "insert into work_endings (project, operation, last_failure_unix_ms, error_slug) values ($1, $2, $3, $4)
         on conflict (project, operation) do update set
            error_slug = case when excluded.last_failure_unix_ms >= work_endings.last_failure_unix_ms
                then excluded.error_slug else work_endings.error_slug end,
            last_failure_unix_ms = greatest(work_endings.last_failure_unix_ms, excluded.last_failure_unix_ms)",
    )
    .bind(ending.project.as_str())
    .bind(&ending.operation)
    .bind(ending.ended_unix_ms)
    .bind(slug)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "delete from work_failures where job_id in (
            select job_id from work_failures where project = $1 and operation = $2
            order by ended_unix_ms desc, job_id offset $3)",
    )
    .bind(ending.project.as_str())
    .bind(&ending.operation)
    .bind(FAILURES_MAX)
    .execute(connection)
    .await
    .map(drop)
}

/// Counts a broken rule as often as its event says, and the event once.
pub(crate) async fn note_violation(
    connection: &mut PgConnection,
    violation: &Violation,
    now_unix_ms: i64,
) -> sqlx::Result<()> {
    sqlx::query(
        "with new as (
            insert into work_violations_seen (event_id, seen_unix_ms) values ($1, $2) on conflict do nothing returning 1)
         insert into work_violations (project, rule, action, from_unix_ms, count, summary, traceparent)
         select $3, $4, $5, $6, $9, $7, $8 from new
         on conflict (project, rule, action, from_unix_ms) do update set
            count = work_violations.count + excluded.count, summary = excluded.summary, traceparent = excluded.traceparent",
    )
    .bind(&violation.event_id)
    .bind(now_unix_ms)
    .bind(violation.project.as_str())
    .bind(&violation.rule)
    .bind(violation.action)
    .bind(now_unix_ms.div_euclid(SPAN_MS).saturating_mul(SPAN_MS))
    .bind(&violation.summary)
    .bind(&violation.traceparent)
    .bind(violation.count)
    .execute(connection)
    .await
    .map(drop)
}

/// How jobs ended, of every project and operation.
pub(crate) async fn endings(connection: &mut PgConnection) -> sqlx::Result<Vec<EndingsRow>> {
    sqlx::query_as(
        "select project, operation, last_success_unix_ms, error_slug,
            (select count(*) from work_failures failed
             where failed.project = ended.project and failed.operation = ended.operation
                and failed.ended_unix_ms > ended.last_success_unix_ms) as failures
         from work_endings ended order by project, operation limit $1",
    )
    .bind(ROWS_MAX)
    .fetch_all(connection)
    .await
}

/// The broken rules that were heard of since.
pub(crate) async fn violations(connection: &mut PgConnection, since_unix_ms: i64) -> sqlx::Result<Vec<ViolationsRow>> {
    sqlx::query_as(
        "select project, rule, action, sum(count)::bigint as count,
            (array_agg(summary order by from_unix_ms desc))[1] as summary,
            (array_agg(traceparent order by from_unix_ms desc))[1] as traceparent
         from work_violations where from_unix_ms > $1 group by project, rule, action
         order by project, rule, action limit $2",
    )
    .bind(since_unix_ms.saturating_sub(SPAN_MS))
    .bind(ROWS_MAX)
    .fetch_all(connection)
    .await
}

/// Lets go of what no reading needs any more, some at a time.
pub(crate) async fn forget_work(connection: &mut PgConnection, now_unix_ms: i64) -> sqlx::Result<()> {
    for (statement, kept_ms) in [
        (
            "delete from work_violations where from_unix_ms < $1",
            VIOLATIONS_KEPT_MS,
        ),
        ("delete from work_violations_seen where seen_unix_ms < $1", SEEN_KEPT_MS),
        ("delete from work_dry_runs where seen_unix_ms < $1", DRY_RUNS_KEPT_MS),
        ("delete from work_failures where ended_unix_ms < $1", FAILURES_KEPT_MS),
        // A backup is asked for its age however long it was not made.
        (
            "delete from work_endings where operation not like 'backup%'
             and greatest(last_success_unix_ms, last_failure_unix_ms) < $1",
            FAILURES_KEPT_MS,
        ),
    ] {
        let before_unix_ms = now_unix_ms.saturating_sub(kept_ms);
        sqlx::query(statement)
            .bind(before_unix_ms)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(
        "delete from work_violations_seen where event_id in (
            select event_id from work_violations_seen order by seen_unix_ms desc offset $1 limit 10000)",
    )
    .bind(SEEN_MAX)
    .execute(connection)
    .await
    .map(drop)
}
