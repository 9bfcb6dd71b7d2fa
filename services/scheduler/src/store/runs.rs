//! Rows of `runs`.

use serde_json::Value as Json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::plan::Stamp;

/// One run.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct RunRow {
    pub(crate) id: Uuid,
    pub(crate) schedule_id: Option<Uuid>,
    pub(crate) project: String,
    pub(crate) operation: String,
    pub(crate) parameters: Json,
    pub(crate) requested_by: String,
    pub(crate) dry_run: bool,
    pub(crate) state: String,
    pub(crate) requested_unix_ms: i64,
    pub(crate) started_unix_ms: i64,
    pub(crate) ended_unix_ms: i64,
    pub(crate) progress_done: i64,
    pub(crate) progress_total: i64,
    pub(crate) progress_note: String,
    pub(crate) attempts: i64,
    pub(crate) effect: Option<Json>,
    pub(crate) error: String,
    pub(crate) error_slug: String,
    pub(crate) window_ends_unix_ms: i64,
    pub(crate) outside_window: bool,
}

/// A run to be asked for.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    pub(crate) id: Uuid,
    pub(crate) schedule_id: Option<Uuid>,
    pub(crate) project: String,
    pub(crate) operation: String,
    pub(crate) parameters: Json,
    pub(crate) requested_by: String,
    pub(crate) dry_run: bool,
    pub(crate) requested_unix_ms: i64,
    /// It is not begun later than this. 0: no limit.
    pub(crate) begin_before_unix_ms: i64,
    /// Attempts at most. 0: the worker's choice.
    pub(crate) attempt_max: u32,
    /// How the windows stand.
    pub(crate) stamp: Stamp,
}

/// Writes the record of a run that is asked for.
pub(crate) async fn insert_run(connection: &mut PgConnection, new: &NewRun) -> sqlx::Result<()> {
    sqlx::query(
        "insert into runs (id, schedule_id, project, operation, parameters, requested_by, dry_run, state, requested_unix_ms,
            window_ends_unix_ms, outside_window)
         values ($1, $2, $3, $4, $5, $6, $7, 'requested', $8, $9, $10)",
    )
    .bind(new.id)
    .bind(new.schedule_id)
    .bind(&new.project)
    .bind(&new.operation)
    .bind(&new.parameters)
    .bind(&new.requested_by)
    .bind(new.dry_run)
    .bind(new.requested_unix_ms)
    .bind(new.stamp.window_ends_unix_ms)
    .bind(new.stamp.outside_window)
    .execute(connection)
    .await?;
    Ok(())
}

/// One run of a project.
pub(crate) async fn find_run(connection: &mut PgConnection, project: &str, id: Uuid) -> sqlx::Result<Option<RunRow>> {
    sqlx::query_as("select * from runs where project = $1 and id = $2")
        .bind(project)
        .bind(id)
        .fetch_optional(connection)
        .await
}

/// Runs of a project, the latest first; of one schedule and in some states where these are given.
pub(crate) async fn list_runs(
    connection: &mut PgConnection,
    project: &str,
    schedule_id: Option<Uuid>,
    states: &[String],
    after: Option<(i64, Uuid)>,
    size: u32,
) -> sqlx::Result<Vec<RunRow>> {
    sqlx::query_as(
        "select * from runs
         where project = $1 and ($2::uuid is null or schedule_id = $2) and (cardinality($3::text[]) = 0 or state = any($3))
            and ($4::bigint is null or (requested_unix_ms, id) < ($4, $5))
         order by requested_unix_ms desc, id desc limit $6",
    )
    .bind(project)
    .bind(schedule_id)
    .bind(states)
    .bind(after.map(|(requested, _)| requested))
    .bind(after.map(|(_, id)| id))
    .bind(i64::from(size))
    .fetch_all(connection)
    .await
}

/// Forgets runs that ended before that moment, some at a time. Ids hold the time of their making, so that the primary
/// key leads to the oldest.
pub(crate) async fn forget_runs(connection: &mut PgConnection, before_unix_ms: i64) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "delete from runs where id in (
            select id from runs where id < $1 and ended_unix_ms between 1 and $2 order by id limit 1000)",
    )
    .bind(first_id_at(before_unix_ms))
    .bind(before_unix_ms)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// The least of the ids of version 7 that were made at that moment.
fn first_id_at(unix_ms: i64) -> Uuid {
    let milliseconds = u128::try_from(unix_ms).unwrap_or_default();
    Uuid::from_u128(milliseconds << 80)
}

/// What a worker told of a run.
#[derive(Debug, Clone)]
pub(crate) enum Report {
    /// A worker began, for the n-th time.
    Started { at_unix_ms: i64, attempt: i64 },
    /// It got this far.
    Progress { done: i64, total: i64, note: String },
    /// It is done.
    Succeeded {
        at_unix_ms: i64,
        effect: Json,
        attempts: i64,
    },
    /// It failed; for good, or another attempt follows.
    Failed {
        at_unix_ms: i64,
        error: String,
        slug: String,
        attempts: i64,
        ended: Option<&'static str>,
    },
}

/// The run that a report may change: one of the project that it came from, in a state in which it can still change.
macro_rules! open {
    () => {
        "id = $1 and project = $2 and state in ('requested', 'running')"
    };
}

/// Writes a report into the run's record. A run that has ended is never changed again, so a report that comes late or
/// twice does no harm. False if there was nothing to change.
pub(crate) async fn record(
    connection: &mut PgConnection,
    project: &str,
    id: Uuid,
    report: &Report,
) -> sqlx::Result<bool> {
    let query = match report {
        Report::Started { at_unix_ms, attempt } => sqlx::query(concat!(
            "update runs set state = 'running', attempts = greatest(attempts, $4),
                started_unix_ms = case when started_unix_ms = 0 then $3 else started_unix_ms end
             where ",
            open!()
        ))
        .bind(id)
        .bind(project)
        .bind(at_unix_ms)
        .bind(attempt),
        Report::Progress { done, total, note } => sqlx::query(concat!(
            "update runs set progress_done = $3, progress_total = $4, progress_note = $5 where ",
            open!()
        ))
        .bind(id)
        .bind(project)
        .bind(done)
        .bind(total)
        .bind(note),
        Report::Succeeded {
            at_unix_ms,
            effect,
            attempts,
        } => sqlx::query(concat!(
            "update runs set state = 'succeeded', ended_unix_ms = $3, effect = $4, error = '', error_slug = '',
                attempts = greatest(attempts, $5)
             where ",
            open!()
        ))
        .bind(id)
        .bind(project)
        .bind(at_unix_ms)
        .bind(effect)
        .bind(attempts),
        Report::Failed { at_unix_ms, error, slug, attempts, ended } => sqlx::query(concat!(
            "update runs set state = coalesce($7, state), error = $4, error_slug = $5, attempts = greatest(attempts, $6),
                ended_unix_ms = case when $7::text is null then 0 else $3 end
             where ",
            open!()
        ))
        .bind(id)
        .bind(project)
        .bind(at_unix_ms)
        .bind(error)
        .bind(slug)
        .bind(attempts)
        .bind(ended),
    };
    Ok(query.execute(connection).await?.rows_affected() > 0)
}
