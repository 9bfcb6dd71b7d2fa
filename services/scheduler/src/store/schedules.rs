//! Rows of `schedules`.

use serde_json::Value as Json;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::plan::Misfire;

/// One schedule.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct ScheduleRow {
    pub(crate) id: Uuid,
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) operation: String,
    pub(crate) cron: String,
    pub(crate) time_zone: String,
    pub(crate) parameters: Json,
    pub(crate) misfire: String,
    pub(crate) jitter_ms: i64,
    pub(crate) paused: bool,
    pub(crate) next_run_unix_ms: i64,
    pub(crate) ignores_windows: bool,
    pub(crate) attempt_max: i64,
    pub(crate) begin_within_ms: i64,
}

impl ScheduleRow {
    pub(crate) fn misfire(&self) -> Misfire {
        if self.misfire == "run_once" {
            Misfire::RunOnce
        } else {
            Misfire::Skip
        }
    }
}

/// A schedule that is due, and whether an earlier run of it has not ended.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct DueRow {
    #[sqlx(flatten)]
    pub(crate) schedule: ScheduleRow,
    pub(crate) running: bool,
}

/// A schedule to be made or changed.
#[derive(Debug, Clone)]
pub(crate) struct NewSchedule {
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) operation: String,
    pub(crate) cron: String,
    pub(crate) time_zone: String,
    pub(crate) parameters: Json,
    pub(crate) misfire: &'static str,
    pub(crate) jitter_ms: i64,
    pub(crate) from_file: bool,
    pub(crate) next_run_unix_ms: i64,
    pub(crate) ignores_windows: bool,
    pub(crate) attempt_max: i64,
    pub(crate) begin_within_ms: i64,
}

/// Makes a schedule, or changes the one of that project and name. True if it is new.
///
/// The next run of an unchanged timetable is kept, so that a restart with the same file misses nothing.
pub(crate) async fn put_schedule(connection: &mut PgConnection, new: &NewSchedule) -> sqlx::Result<(Uuid, bool)> {
    let row = sqlx::query(
        "insert into schedules (id, project, name, operation, cron, time_zone, parameters, misfire, jitter_ms, from_file, next_run_unix_ms,
            ignores_windows, attempt_max, begin_within_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         on conflict (project, name) do update set
            next_run_unix_ms = case
                when schedules.cron = excluded.cron and schedules.time_zone = excluded.time_zone then schedules.next_run_unix_ms
                else excluded.next_run_unix_ms end,
            operation = excluded.operation, cron = excluded.cron, time_zone = excluded.time_zone,
            parameters = excluded.parameters, misfire = excluded.misfire, jitter_ms = excluded.jitter_ms,
            from_file = excluded.from_file, ignores_windows = excluded.ignores_windows,
            attempt_max = excluded.attempt_max, begin_within_ms = excluded.begin_within_ms
         returning id, xmax = 0 as created",
    )
    .bind(Uuid::now_v7())
    .bind(&new.project)
    .bind(&new.name)
    .bind(&new.operation)
    .bind(&new.cron)
    .bind(&new.time_zone)
    .bind(&new.parameters)
    .bind(new.misfire)
    .bind(new.jitter_ms)
    .bind(new.from_file)
    .bind(new.next_run_unix_ms)
    .bind(new.ignores_windows)
    .bind(new.attempt_max)
    .bind(new.begin_within_ms)
    .fetch_one(connection)
    .await?;
    Ok((row.try_get("id")?, row.try_get("created")?))
}

/// Removes the schedules that came from the settings file and are no longer in it.
pub(crate) async fn keep_only_from_file(connection: &mut PgConnection, kept: &[Uuid]) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from schedules where from_file and id <> all($1)")
        .bind(kept)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// One schedule of a project.
pub(crate) async fn find_schedule(
    connection: &mut PgConnection,
    project: &str,
    id: Uuid,
) -> sqlx::Result<Option<ScheduleRow>> {
    sqlx::query_as("select * from schedules where project = $1 and id = $2")
        .bind(project)
        .bind(id)
        .fetch_optional(connection)
        .await
}

/// Schedules of a project in the order of their names.
pub(crate) async fn list_schedules(
    connection: &mut PgConnection,
    project: &str,
    after: Option<(String, Uuid)>,
    size: u32,
) -> sqlx::Result<Vec<ScheduleRow>> {
    sqlx::query_as(
        "select * from schedules where project = $1 and ($2::text is null or (name, id) > ($2, $3))
         order by name, id limit $4",
    )
    .bind(project)
    .bind(after.as_ref().map(|(name, _)| name))
    .bind(after.as_ref().map(|(_, id)| id))
    .bind(i64::from(size))
    .fetch_all(connection)
    .await
}

/// Schedules that are not paused.
pub(crate) async fn unpaused_schedules(connection: &mut PgConnection) -> sqlx::Result<Vec<ScheduleRow>> {
    sqlx::query_as("select * from schedules where not paused")
        .fetch_all(connection)
        .await
}

/// Removes a schedule of a project; its runs stay. False if there was none.
pub(crate) async fn delete_schedule(connection: &mut PgConnection, project: &str, id: Uuid) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from schedules where project = $1 and id = $2")
        .bind(project)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Pauses a schedule, or resumes it with its next run planned. False if there is none.
pub(crate) async fn set_paused(
    connection: &mut PgConnection,
    id: Uuid,
    paused: bool,
    next_run_unix_ms: i64,
) -> sqlx::Result<bool> {
    let done = sqlx::query("update schedules set paused = $2, next_run_unix_ms = $3 where id = $1")
        .bind(id)
        .bind(paused)
        .bind(next_run_unix_ms)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Schedules whose time has come. A run that was requested longer ago than it may wait, and not begun, is never begun; one
/// that was requested in what is now the future does not count for longer either.
pub(crate) async fn due_schedules(connection: &mut PgConnection, now_unix_ms: i64) -> sqlx::Result<Vec<DueRow>> {
    sqlx::query_as(
        "select s.*, exists (
            select 1 from runs r where r.schedule_id = s.id and r.state in ('requested', 'running')
                and (r.state = 'running' or abs($1 - r.requested_unix_ms) <= s.begin_within_ms)) as running
         from schedules s where not paused and next_run_unix_ms <= $1 order by next_run_unix_ms, id",
    )
    .bind(now_unix_ms)
    .fetch_all(connection)
    .await
}

/// Moves a schedule on to its next run. False if somebody else has done so, or changed it, meanwhile.
pub(crate) async fn plan_next(
    connection: &mut PgConnection,
    schedule: &ScheduleRow,
    next_run_unix_ms: i64,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update schedules set next_run_unix_ms = $3 where id = $1 and next_run_unix_ms = $2 and not paused",
    )
    .bind(schedule.id)
    .bind(schedule.next_run_unix_ms)
    .bind(next_run_unix_ms)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}
