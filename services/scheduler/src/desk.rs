//! What people and programs ask of the scheduler: schedules kept, runs requested, records shown.

use serde_json::Value as Json;
use sqlx::PgConnection;
use uuid::Uuid;
use weir_model::{Clock, Project};
use weir_store::{Store, Term};

use crate::error::Error;
use crate::plan::Timetable;
use crate::request::request_run;
use crate::settings::FileSchedule;
use crate::store::{self, NewRun, NewSchedule, RunRow, ScheduleRow};

/// Most characters of a name or an operation.
const WORD_MAX: usize = 63;

/// A schedule as somebody wants it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) operation: String,
    pub(crate) cron: String,
    pub(crate) time_zone: String,
    pub(crate) parameters_json: String,
    pub(crate) misfire: &'static str,
    pub(crate) jitter_ms: u32,
}

/// A run as somebody wants it, now.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) project: String,
    pub(crate) operation: String,
    pub(crate) parameters_json: String,
    pub(crate) dry_run: bool,
}

/// Answers requests about schedules and runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    store: Store,
    clock: Clock,
}

impl Desk {
    pub(crate) const fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    async fn connection(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, Error> {
        self.store
            .pool()
            .acquire()
            .await
            .map_err(|error| Error::Store(self.store.error(error).to_string()))
    }

    /// Schedules of a project.
    pub(crate) async fn schedules(
        &self,
        project: &str,
        after: Option<(String, Uuid)>,
        size: u32,
    ) -> Result<Vec<ScheduleRow>, Error> {
        let project = project_of(project)?;
        let mut connection = self.connection().await?;
        Ok(store::list_schedules(&mut connection, project.as_str(), after, size).await?)
    }

    /// Makes or changes a schedule. True if it is new.
    pub(crate) async fn put(&self, wanted: Wanted) -> Result<(ScheduleRow, bool), Error> {
        let new = checked(wanted, false, self.clock.unix_ms())?;
        let mut connection = self.connection().await?;
        let (id, created) = store::put_schedule(&mut connection, &new).await?;
        Ok((found(&mut connection, id).await?, created))
    }

    /// Removes a schedule.
    pub(crate) async fn delete(&self, id: Uuid) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        let deleted = store::delete_schedule(&mut connection, id).await?;
        if deleted { Ok(()) } else { Err(no_schedule(id)) }
    }

    /// Pauses a schedule, or resumes it from its next time on.
    pub(crate) async fn pause(&self, id: Uuid, paused: bool) -> Result<ScheduleRow, Error> {
        let mut connection = self.connection().await?;
        let row = found(&mut connection, id).await?;
        let next = Timetable::parse(&row.cron, &row.time_zone)?.next_after(self.clock.unix_ms())?;
        store::set_paused(&mut connection, id, paused, next).await?;
        found(&mut connection, id).await
    }

    /// Requests a run now, with the same row and the same event as a schedule would.
    pub(crate) async fn run_now(&self, order: Order) -> Result<RunRow, Error> {
        let project = project_of(&order.project)?;
        let run = NewRun {
            id: Uuid::now_v7(),
            schedule_id: None,
            project: project.to_string(),
            operation: word("operation", order.operation)?,
            parameters: parameters(&order.parameters_json)?,
            requested_by: "operator".to_owned(),
            dry_run: order.dry_run,
            requested_unix_ms: self.clock.unix_ms(),
            begin_before_unix_ms: 0,
        };
        let mut transaction = self.store.pool().begin().await?;
        request_run(&mut transaction, &project, &run, &self.clock).await?;
        // Read before the commit: a request that is safely stored must not be answered with an error, and asked again.
        let row = found_run(&mut transaction, run.id).await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// Runs of a project, the latest first.
    pub(crate) async fn runs(
        &self,
        project: &str,
        schedule_id: Option<Uuid>,
        states: &[String],
        after: Option<(i64, Uuid)>,
        size: u32,
    ) -> Result<Vec<RunRow>, Error> {
        let project = project_of(project)?;
        let mut connection = self.connection().await?;
        Ok(store::list_runs(&mut connection, project.as_str(), schedule_id, states, after, size).await?)
    }

    /// One run.
    pub(crate) async fn run(&self, id: Uuid) -> Result<RunRow, Error> {
        let mut connection = self.connection().await?;
        found_run(&mut connection, id).await
    }
}

/// Brings the stored schedules in step with the settings file, as the leader of this term.
pub(crate) async fn follow_file(
    store: &Store,
    term: &Term,
    schedules: &[FileSchedule],
    clock: &Clock,
) -> Result<(), Error> {
    let mut transaction = store.pool().begin().await?;
    let leading = term.check(&mut transaction).await;
    leading.map_err(|error| Error::Store(error.to_string()))?;
    let mut kept = Vec::with_capacity(schedules.len());
    for schedule in schedules {
        let new = from_file(schedule, clock.unix_ms())?;
        kept.push(store::put_schedule(&mut transaction, &new).await?.0);
    }
    store::keep_only_from_file(&mut transaction, &kept).await?;
    Ok(transaction.commit().await?)
}

/// A schedule of the settings file, checked as one that is put would be.
pub(crate) fn from_file(schedule: &FileSchedule, now_unix_ms: i64) -> Result<NewSchedule, Error> {
    checked(wanted(schedule), true, now_unix_ms)
}

fn wanted(schedule: &FileSchedule) -> Wanted {
    Wanted {
        project: schedule.project.clone(),
        name: schedule.name.clone(),
        operation: schedule.operation.clone(),
        cron: schedule.cron.clone(),
        time_zone: schedule.time_zone.clone(),
        parameters_json: schedule.parameters.clone(),
        misfire: if schedule.misfire == "run_once" {
            "run_once"
        } else {
            "skip"
        },
        jitter_ms: schedule.jitter_ms,
    }
}

fn checked(wanted: Wanted, from_file: bool, now_unix_ms: i64) -> Result<NewSchedule, Error> {
    let next_run_unix_ms = Timetable::parse(&wanted.cron, &wanted.time_zone)?.next_after(now_unix_ms)?;
    Ok(NewSchedule {
        project: project_of(&wanted.project)?.to_string(),
        name: word("name", wanted.name)?,
        operation: word("operation", wanted.operation)?,
        cron: wanted.cron,
        time_zone: if wanted.time_zone.is_empty() {
            "UTC".to_owned()
        } else {
            wanted.time_zone
        },
        parameters: parameters(&wanted.parameters_json)?,
        misfire: wanted.misfire,
        jitter_ms: i64::from(wanted.jitter_ms),
        from_file,
        next_run_unix_ms,
    })
}

fn project_of(name: &str) -> Result<Project, Error> {
    if name.is_empty() {
        return Ok(Project::default());
    }
    Project::parse(name).map_err(|error| Error::Field {
        field: "project",
        reason: error.to_string(),
    })
}

fn word(field: &'static str, text: String) -> Result<String, Error> {
    let reason = match text.chars().count() {
        0 => "it is empty".to_owned(),
        length if length > WORD_MAX => format!("it has {length} characters; at most {WORD_MAX} fit"),
        _ if text.contains(char::is_control) => "it has control characters".to_owned(),
        _ => return Ok(text),
    };
    Err(Error::Field { field, reason })
}

fn parameters(json: &str) -> Result<Json, Error> {
    if json.is_empty() {
        return Ok(Json::Object(serde_json::Map::new()));
    }
    let wrong = |reason: String| Error::Field {
        field: "parameters_json",
        reason,
    };
    match serde_json::from_str(json) {
        Ok(Json::Object(map)) => Ok(Json::Object(map)),
        Ok(_) => Err(wrong("an object is expected".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

async fn found_run(connection: &mut PgConnection, id: Uuid) -> Result<RunRow, Error> {
    let row = store::find_run(connection, id).await?;
    row.ok_or_else(|| Error::NotFound {
        kind: "run",
        id: id.to_string(),
    })
}

async fn found(connection: &mut PgConnection, id: Uuid) -> Result<ScheduleRow, Error> {
    store::find_schedule(connection, id)
        .await?
        .ok_or_else(|| no_schedule(id))
}

fn no_schedule(id: Uuid) -> Error {
    Error::NotFound {
        kind: "schedule",
        id: id.to_string(),
    }
}
