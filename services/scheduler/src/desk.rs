//! What people and programs ask of the scheduler: schedules kept, runs requested, records shown.

use serde_json::Value as Json;
use sqlx::PgConnection;
use uuid::Uuid;
use weir_model::{Clock, Project};
use weir_store::Store;

use crate::error::Error;
use crate::plan::{Stamp, Timetable, of_order};
use crate::request::request_run;
use crate::store::{self, NewRun, NewSchedule, RunRow, ScheduleRow};
use crate::windows::{WindowDesk, opening_of, refusal};

/// Most characters of a name or an operation.
const WORD_MAX: usize = 63;
/// Longest JSON of what an operation is told: a request has to fit into one message of the bus, whatever is added to it.
const PARAMETERS_BYTES_MAX: usize = 64 * 1024;
/// A run that a schedule asked for is not begun later than this, unless the schedule says otherwise. Until then it keeps
/// the next one from being asked for; without an end, one request that no worker takes would silence its schedule for
/// good.
const BEGIN_WITHIN_MS: u32 = 3_600_000;
/// Attempts that a schedule can ask for.
const ATTEMPTS_MAX: u32 = 100;

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
    pub(crate) ignores_windows: bool,
    pub(crate) attempt_max: u32,
    /// 0: the usual time.
    pub(crate) begin_within_ms: u32,
}

/// A run as somebody wants it, now.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) project: String,
    pub(crate) operation: String,
    pub(crate) parameters_json: String,
    pub(crate) dry_run: bool,
    pub(crate) force_window: bool,
}

/// Answers requests about schedules and runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    store: Store,
    clock: Clock,
    pub(crate) windows: WindowDesk,
}

impl Desk {
    pub(crate) fn new(windows: WindowDesk) -> Self {
        let (store, clock) = (windows.store.clone(), windows.clock.clone());
        Self { store, clock, windows }
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
        Ok((found(&mut connection, &new.project, id).await?, created))
    }

    /// Removes a schedule of a project.
    pub(crate) async fn delete(&self, project: &str, id: Uuid) -> Result<(), Error> {
        let project = project_of(project)?;
        let mut connection = self.connection().await?;
        let deleted = store::delete_schedule(&mut connection, project.as_str(), id).await?;
        if deleted { Ok(()) } else { Err(no_schedule(id)) }
    }

    /// Pauses a schedule of a project, or resumes it from its next time on.
    pub(crate) async fn pause(&self, project: &str, id: Uuid, paused: bool) -> Result<ScheduleRow, Error> {
        let project = project_of(project)?;
        let mut connection = self.connection().await?;
        let row = found(&mut connection, project.as_str(), id).await?;
        let next = Timetable::parse(&row.cron, &row.time_zone)?.next_after(self.clock.unix_ms())?;
        store::set_paused(&mut connection, id, paused, next).await?;
        found(&mut connection, project.as_str(), id).await
    }

    /// Requests a run now, with the same row and the same event as a schedule would.
    pub(crate) async fn run_now(&self, order: Order) -> Result<RunRow, Error> {
        let project = project_of(&order.project)?;
        let mut run = NewRun {
            id: Uuid::now_v7(),
            schedule_id: None,
            project: project.to_string(),
            operation: word("operation", order.operation)?,
            parameters: parameters(&order.parameters_json)?,
            requested_by: "operator".to_owned(),
            dry_run: order.dry_run,
            requested_unix_ms: self.clock.unix_ms(),
            begin_before_unix_ms: 0,
            attempt_max: 0,
            stamp: Stamp::default(),
        };
        let mut transaction = self.store.pool().begin().await?;
        if !order.force_window {
            run.stamp = self.stamp_of(&mut transaction, &run).await?;
        }
        request_run(&mut transaction, &project, &run, &self.clock).await?;
        // Read before the commit: a request that is safely stored must not be answered with an error, and asked again.
        let row = found_run(&mut transaction, project.as_str(), run.id).await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// What the request of an operator says of the windows; refused where it needs one.
    async fn stamp_of(&self, connection: &mut PgConnection, run: &NewRun) -> Result<Stamp, Error> {
        let terms = self.windows.terms.borrow().clone();
        if !terms.is_windowed(&run.operation) {
            return Ok(Stamp::default());
        }
        let opening = opening_of(connection, &run.project, &terms, run.requested_unix_ms).await?;
        of_order(&run.operation, run.dry_run, &opening).map_err(|closed| refusal(&run.operation, &closed))
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

    /// One run of a project.
    pub(crate) async fn run(&self, project: &str, id: Uuid) -> Result<RunRow, Error> {
        let project = project_of(project)?;
        let mut connection = self.connection().await?;
        found_run(&mut connection, project.as_str(), id).await
    }
}

/// A schedule as it is stored, if it can be.
pub(crate) fn checked(wanted: Wanted, from_file: bool, now_unix_ms: i64) -> Result<NewSchedule, Error> {
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
        ignores_windows: wanted.ignores_windows,
        attempt_max: attempts(wanted.attempt_max)?,
        begin_within_ms: match wanted.begin_within_ms {
            0 => BEGIN_WITHIN_MS.into(),
            given => given.into(),
        },
    })
}

fn attempts(most: u32) -> Result<i64, Error> {
    if most > ATTEMPTS_MAX {
        let reason = format!("{most} are too many; at most {ATTEMPTS_MAX} are made");
        let field = "attempt_max";
        return Err(Error::Field { field, reason });
    }
    Ok(most.into())
}

/// The project of that name; empty means the default one.
pub(crate) fn project_of(name: &str) -> Result<Project, Error> {
    if name.is_empty() {
        return Ok(Project::default());
    }
    Project::parse(name).map_err(|error| Error::Field {
        field: "project",
        reason: error.to_string(),
    })
}

/// A name, if it can be one.
pub(crate) fn word(field: &'static str, text: String) -> Result<String, Error> {
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
    if json.len() > PARAMETERS_BYTES_MAX {
        let reason = format!("{} bytes are more than {PARAMETERS_BYTES_MAX}", json.len());
        return Err(wrong(reason));
    }
    match serde_json::from_str(json) {
        Ok(Json::Object(map)) => Ok(Json::Object(map)),
        Ok(_) => Err(wrong("an object is expected".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

async fn found_run(connection: &mut PgConnection, project: &str, id: Uuid) -> Result<RunRow, Error> {
    let row = store::find_run(connection, project, id).await?;
    row.ok_or_else(|| Error::NotFound {
        kind: "run",
        id: id.to_string(),
    })
}

async fn found(connection: &mut PgConnection, project: &str, id: Uuid) -> Result<ScheduleRow, Error> {
    store::find_schedule(connection, project, id)
        .await?
        .ok_or_else(|| no_schedule(id))
}

fn no_schedule(id: Uuid) -> Error {
    Error::NotFound {
        kind: "schedule",
        id: id.to_string(),
    }
}
