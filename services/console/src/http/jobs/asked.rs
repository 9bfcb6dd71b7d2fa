//! Work found, stopped and awaited, whoever does it.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};
use uuid::Uuid;
use weir_model::Project;
use weir_proto::scheduler::v1::{GetRunRequest, RunNowRequest};
use weir_proto::{backup::v1 as backup, maintenance::v1 as maintenance};

use super::job::{Job, Worker};
use crate::http::{Console, Problem, Scoped};

/// Nobody is kept waiting longer; then the answer is as without waiting.
const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// A job is looked at so often at first, and then ever less often.
const LOOK_FIRST: Duration = Duration::from_millis(100);
const LOOK_CAP: Duration = Duration::from_secs(1);
/// Calls that can wait at a time; more are answered as without waiting.
const WAITING_MAX: usize = 200;

static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);

/// What somebody orders.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) operation: String,
    pub(crate) parameters: Value,
    pub(crate) dry_run: bool,
    pub(crate) force_window: bool,
}

/// Has the scheduler ask for it.
pub(crate) async fn order(console: &Console, scoped: &Scoped, order: Order) -> Result<Job, Problem> {
    let asked = RunNowRequest {
        project: scoped.name(),
        operation: order.operation,
        parameters_json: order.parameters.to_string(),
        dry_run: order.dry_run,
        force_window: order.force_window,
    };
    let mut scheduler = console.services.scheduler();
    let run = scheduler.run_now(console.services.ask(asked)).await?.into_inner().run;
    Ok(Job::of_run(run.unwrap_or_default()))
}

/// What was ordered, at once or when it has ended. Whoever goes away ends the waiting only.
pub(crate) async fn answered(console: &Console, scoped: &Scoped, job: Job, wait: bool) -> Response {
    let job = if wait { awaited(console, scoped, job).await } else { job };
    if job.has_ended() {
        return Json(job).into_response();
    }
    accepted(scoped, &job.id, Json(&job))
}

/// Work that goes on, and where to follow it.
pub(crate) fn accepted(scoped: &Scoped, id: &str, body: impl IntoResponse) -> Response {
    // A token's own project need not be said.
    let is_said = scoped.caller.project.is_none() && scoped.project != Project::default();
    let project = if is_said {
        format!("?project={}", scoped.project)
    } else {
        String::new()
    };
    let place = format!("/database/jobs/{id}{project}");
    (StatusCode::ACCEPTED, [(header::LOCATION, place)], body).into_response()
}

/// The job when it has ended, or as it was last seen where that takes too long.
pub(crate) async fn awaited(console: &Console, scoped: &Scoped, job: Job) -> Job {
    let Ok(_waits) = WAITING.try_acquire() else { return job };
    let (mut job, until) = (job, Instant::now() + WAIT_MAX);
    let mut every = LOOK_FIRST;
    while !job.has_ended() && Instant::now() < until && !console.readiness.report().stopping {
        sleep(every).await;
        every = (every * 2).min(LOOK_CAP);
        // It was asked for, whatever becomes of a question.
        let seen = match job.id.parse() {
            Ok(id) => find(console, scoped, id).await,
            Err(_) => return job,
        };
        if let Ok(seen) = seen {
            job = seen;
        }
    }
    job
}

/// A job that the caller may see. What may not be seen is as if it were not there.
pub(crate) async fn find(console: &Console, scoped: &Scoped, id: Uuid) -> Result<Job, Problem> {
    let id = id.to_string();
    let run = run(console, scoped, &id).await;
    let job = match run {
        Ok(Some(run)) => with_worker(console, run).await,
        Ok(None) => unasked(console, scoped, &id).await?.ok_or_else(|| missing(&id))?,
        Err(problem) => unasked(console, scoped, &id).await.ok().flatten().ok_or(problem)?,
    };
    if job.is_shown_to(scoped.caller.project.as_ref()) {
        Ok(job)
    } else {
        Err(missing(&id))
    }
}

async fn run(console: &Console, scoped: &Scoped, id: &str) -> Result<Option<Job>, Problem> {
    let asked = GetRunRequest {
        id: id.to_owned(),
        project: scoped.name(),
    };
    let run = console.services.scheduler().get_run(console.services.ask(asked)).await;
    let run = there(run)?.map(|run| run.into_inner().run.unwrap_or_default());
    Ok(run.map(Job::of_run))
}

/// With what its worker says, where one has it and answers.
async fn with_worker(console: &Console, run: Job) -> Job {
    let told = match run.service {
        Some(Worker::Maintenance) => of_maintenance(console, &run.project, &run.id).await,
        Some(Worker::Backup) => of_backup(console, &run.project, &run.id).await,
        None => Ok(None),
    };
    match told {
        Ok(Some(worker)) => run.told_by(worker),
        _ => run,
    }
}

/// A job that no run stands for: the backup service asks itself, and workers remember longer.
async fn unasked(console: &Console, scoped: &Scoped, id: &str) -> Result<Option<Job>, Problem> {
    let own = scoped.caller.project.as_ref().map(ToString::to_string);
    if let Some(job) = of_backup(console, &own.unwrap_or_default(), id).await? {
        return Ok(Some(job));
    }
    of_maintenance(console, &scoped.name(), id).await
}

async fn of_maintenance(console: &Console, project: &str, id: &str) -> Result<Option<Job>, Problem> {
    let asked = maintenance::GetJobRequest {
        id: id.to_owned(),
        project: project.to_owned(),
    };
    let told = console
        .services
        .maintenance()
        .get_job(console.services.ask(asked))
        .await;
    let job = there(told)?.and_then(|told| told.into_inner().job);
    Ok(job.map(Job::of_maintenance))
}

async fn of_backup(console: &Console, project: &str, id: &str) -> Result<Option<Job>, Problem> {
    let asked = backup::GetJobRequest {
        id: id.to_owned(),
        project: project.to_owned(),
    };
    let told = console.services.backup().get_job(console.services.ask(asked)).await;
    let job = there(told)?.and_then(|told| told.into_inner().job);
    Ok(job.map(Job::of_backup))
}

/// What was found, if it is there.
fn there<T>(answer: Result<T, Status>) -> Result<Option<T>, Problem> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status.into()),
    }
}

/// Has its worker stop a job.
pub(crate) async fn stop(console: &Console, job: &Job) -> Result<Job, Problem> {
    let (id, project) = (job.id.clone(), job.project.clone());
    let stopped = match job.service {
        Some(Worker::Maintenance) => {
            let asked = console.services.ask(maintenance::CancelJobRequest { id, project });
            let told = console.services.maintenance().cancel_job(asked).await;
            there(told)?
                .and_then(|told| told.into_inner().job)
                .map(Job::of_maintenance)
        }
        Some(Worker::Backup) => {
            let asked = console.services.ask(backup::CancelJobRequest { id, project });
            let told = console.services.backup().cancel_job(asked).await;
            there(told)?.and_then(|told| told.into_inner().job).map(Job::of_backup)
        }
        None => None,
    };
    match stopped {
        Some(worker) => Ok(job.clone().told_by(worker)),
        None if job.has_ended() => Ok(job.clone()),
        None => Err(Problem::new(
            StatusCode::CONFLICT,
            "conflict",
            format!(
                "no worker has taken job {} yet, so that none can stop it: try again",
                job.id
            ),
        )),
    }
}

fn missing(id: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "job-not-found", format!("there is no job {id}"))
}
