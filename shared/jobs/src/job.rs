//! What is known of a job.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use weir_model::Project;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Asked for; no worker has begun, or the next attempt is awaited.
    Queued,
    /// A worker is at it.
    Running,
    /// Done, for good.
    Succeeded,
    /// Given up, for good.
    Failed,
    /// Stopped by a person or a rule, for good.
    Cancelled,
}

impl JobState {
    const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// The window of time that a job may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// When it ends. None: the job may take as long as it needs.
    pub ends: Option<SystemTime>,
    /// None is open: only what cannot wait for one is to be done.
    pub is_closed: bool,
}

/// A job as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRequest {
    /// Given by the requester: the same request sent twice is one job.
    pub id: Uuid,
    /// On whose behalf.
    pub project: Project,
    /// What to do.
    pub operation: String,
    /// How: a JSON object.
    pub parameters: Value,
    /// Who asked.
    pub requested_by: String,
    /// When it was asked for.
    pub requested_at: SystemTime,
    /// Attempts allowed, at least one.
    pub attempt_max: u32,
    /// Of the jobs of one project and operation with the same key, one runs at a time.
    pub exclusive_key: Option<String>,
    /// Plan only and change nothing.
    pub dry_run: bool,
    /// No attempt begins after this moment.
    pub begin_before: Option<SystemTime>,
    /// When it may work.
    pub window: Window,
    /// The trace that the job continues.
    pub traceparent: Option<String>,
}

/// What every event says of its job.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) id: Uuid,
    pub(crate) project: Project,
    pub(crate) operation: String,
    /// Attempts begun so far.
    pub(crate) attempt: u32,
    pub(crate) traceparent: Option<String>,
}

impl Named {
    pub(crate) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            project: project(row)?,
            operation: row.try_get("operation")?,
            attempt: count(row, "attempt")?,
            traceparent: row.try_get("traceparent")?,
        })
    }
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units done so far.
    pub done: u64,
    /// Units in all; 0 where not known.
    pub total: u64,
    /// What is being done now, for a person.
    pub note: String,
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// On whose behalf.
    pub project: Project,
    /// What is done.
    pub operation: String,
    /// How.
    pub parameters: Value,
    /// Who asked.
    pub requested_by: String,
    /// Plans only and changes nothing.
    pub dry_run: bool,
    /// Where it stands.
    pub state: JobState,
    /// Attempts begun so far.
    pub attempts: u32,
    /// Attempts allowed.
    pub attempt_max: u32,
    /// A stop was asked for; a running job may still be on its way to it.
    pub cancel_requested: bool,
    /// How far it is, once it said so.
    pub progress: Option<Progress>,
    /// What it changed, once it has succeeded.
    pub effect: Option<Value>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// The same as a slug.
    pub slug: Option<String>,
    /// When it was asked for.
    pub requested_at: SystemTime,
    /// When a worker first began it.
    pub started_at: Option<SystemTime>,
    /// When it ended.
    pub ended_at: Option<SystemTime>,
    /// When its worker last said that it lives.
    pub heartbeat_at: Option<SystemTime>,
}

/// What [`Job::read`] expects of a row.
pub(crate) const COLUMNS: &str = "id, project, operation, parameters, requested_by, dry_run, state, attempt, attempt_max, \
     cancel_requested, progress_done, progress_total, progress_note, effect, error, slug, \
     (extract(epoch from requested_at) * 1000)::bigint as requested_unix_ms, \
     (extract(epoch from started_at) * 1000)::bigint as started_unix_ms, \
     (extract(epoch from ended_at) * 1000)::bigint as ended_unix_ms, \
     (extract(epoch from heartbeat_at) * 1000)::bigint as heartbeat_unix_ms";

impl Job {
    pub(crate) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            project: project(row)?,
            operation: row.try_get("operation")?,
            parameters: row.try_get("parameters")?,
            requested_by: row.try_get("requested_by")?,
            dry_run: row.try_get("dry_run")?,
            state: state(row)?,
            attempts: count(row, "attempt")?,
            attempt_max: count(row, "attempt_max")?,
            cancel_requested: row.try_get("cancel_requested")?,
            progress: progress(row)?,
            effect: row.try_get("effect")?,
            error: row.try_get("error")?,
            slug: row.try_get("slug")?,
            requested_at: moment(row, "requested_unix_ms")?.unwrap_or(UNIX_EPOCH),
            started_at: moment(row, "started_unix_ms")?,
            ended_at: moment(row, "ended_unix_ms")?,
            heartbeat_at: moment(row, "heartbeat_unix_ms")?,
        })
    }
}

fn project(row: &PgRow) -> Result<Project, sqlx::Error> {
    let name: String = row.try_get("project")?;
    Project::parse(&name).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn state(row: &PgRow) -> Result<JobState, sqlx::Error> {
    let word: String = row.try_get("state")?;
    JobState::parse(&word).ok_or_else(|| sqlx::Error::Decode(format!("unknown state of a job: {word}").into()))
}

pub(crate) fn count(row: &PgRow, column: &str) -> Result<u32, sqlx::Error> {
    let number: i32 = row.try_get(column)?;
    Ok(u32::try_from(number).unwrap_or_default())
}

fn progress(row: &PgRow) -> Result<Option<Progress>, sqlx::Error> {
    let Some(done) = row.try_get::<Option<i64>, _>("progress_done")? else {
        return Ok(None);
    };
    let total: Option<i64> = row.try_get("progress_total")?;
    let note: Option<String> = row.try_get("progress_note")?;
    Ok(Some(Progress {
        done: u64::try_from(done).unwrap_or_default(),
        total: u64::try_from(total.unwrap_or_default()).unwrap_or_default(),
        note: note.unwrap_or_default(),
    }))
}

pub(crate) fn moment(row: &PgRow, column: &str) -> Result<Option<SystemTime>, sqlx::Error> {
    let unix_ms: Option<i64> = row.try_get(column)?;
    Ok(unix_ms.map(|ms| UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default())))
}
