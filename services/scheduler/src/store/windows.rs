//! Rows of `windows`.

use sqlx::PgConnection;

use crate::plan::{Hours, InvalidTimetable, Weekdays, Window, zone_of};

/// Learned from traffic.
pub(crate) const LEARNED: &str = "learned";
/// Of the settings file.
pub(crate) const FILE: &str = "file";
/// Put by an operator.
pub(crate) const OPERATOR: &str = "operator";

/// One window, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct WindowRow {
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) weekdays: i16,
    pub(crate) start_minute: i16,
    pub(crate) end_minute: i16,
    pub(crate) time_zone: String,
    pub(crate) enabled: bool,
    pub(crate) source: String,
}

impl WindowRow {
    /// A window as it is stored.
    pub(crate) fn new(project: &str, window: &Window, enabled: bool, source: &str) -> Self {
        let (start, end) = window.hours.stored();
        let minute = |minute: u16| i16::try_from(minute).unwrap_or_default();
        Self {
            project: project.to_owned(),
            name: window.name.clone(),
            weekdays: window.weekdays.bits(),
            start_minute: minute(start),
            end_minute: minute(end),
            time_zone: window.zone.name().to_owned(),
            enabled,
            source: source.to_owned(),
        }
    }

    /// From when to when it is.
    pub(crate) fn hours(&self) -> Hours {
        let minute = |minute: i16| u16::try_from(minute).unwrap_or_default();
        Hours::of(minute(self.start_minute), minute(self.end_minute))
    }

    /// What it says. An error if its zone is not known any more.
    pub(crate) fn window(&self) -> Result<Window, InvalidTimetable> {
        Ok(Window {
            name: self.name.clone(),
            weekdays: Weekdays::from_bits(self.weekdays),
            hours: self.hours(),
            zone: zone_of(&self.time_zone)?,
        })
    }
}

/// Windows of a project: those that people made, then learned ones; by name.
pub(crate) async fn list_windows(connection: &mut PgConnection, project: &str) -> sqlx::Result<Vec<WindowRow>> {
    sqlx::query_as("select * from windows where project = $1 order by source = 'learned', name")
        .bind(project)
        .fetch_all(connection)
        .await
}

/// One window.
pub(crate) async fn find_window(
    connection: &mut PgConnection,
    project: &str,
    name: &str,
) -> sqlx::Result<Option<WindowRow>> {
    sqlx::query_as("select * from windows where project = $1 and name = $2")
        .bind(project)
        .bind(name)
        .fetch_optional(connection)
        .await
}

/// Makes a window, or changes the one of that project and name. True if it is new.
pub(crate) async fn put_window(connection: &mut PgConnection, row: &WindowRow) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "insert into windows (project, name, weekdays, start_minute, end_minute, time_zone, enabled, source)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (project, name) do update set
            weekdays = excluded.weekdays, start_minute = excluded.start_minute, end_minute = excluded.end_minute,
            time_zone = excluded.time_zone, enabled = excluded.enabled, source = excluded.source
         returning xmax = 0",
    )
    .bind(&row.project)
    .bind(&row.name)
    .bind(row.weekdays)
    .bind(row.start_minute)
    .bind(row.end_minute)
    .bind(&row.time_zone)
    .bind(row.enabled)
    .bind(&row.source)
    .fetch_one(connection)
    .await
}

/// Removes a window that an operator put. False if there is none.
pub(crate) async fn delete_window(connection: &mut PgConnection, project: &str, name: &str) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from windows where project = $1 and name = $2 and source = 'operator'")
        .bind(project)
        .bind(name)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes the windows that came from the settings file and are no longer in it.
pub(crate) async fn keep_only_windows_from_file(
    connection: &mut PgConnection,
    kept: &[(&str, &str)],
) -> sqlx::Result<u64> {
    let (projects, names): (Vec<&str>, Vec<&str>) = kept.iter().copied().unzip();
    let done = sqlx::query(
        "delete from windows where source = 'file'
            and (project, name) not in (select * from unnest($1::text[], $2::text[]))",
    )
    .bind(projects)
    .bind(names)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// Removes the learned windows of projects other than these.
pub(crate) async fn forget_learned(connection: &mut PgConnection, kept: &[String]) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from windows where source = 'learned' and project <> all($1)")
        .bind(kept)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Projects that schedules ask for something for.
pub(crate) async fn projects(connection: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("select distinct project from schedules order by project")
        .fetch_all(connection)
        .await
}

/// Removes the learned windows of a project.
pub(crate) async fn forget_learned_of(connection: &mut PgConnection, project: &str) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from windows where source = 'learned' and project = $1")
        .bind(project)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
