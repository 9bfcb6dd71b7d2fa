//! Jobs: listed, shown, watched and cancelled.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;
use weir_jobs::{Job, JobState, Jobs};
use weir_model::Project;
use weir_proto::backup::v1 as api;
use weir_proto::common::v1 as common;
use weir_proto::page::Page;
use weir_proto::status::status;
use weir_store::pause;

use super::{Caller, Desk, id_of};
use crate::act::Transfer;
use crate::error::Error;

/// How often a watched job is looked at: as often again as it says how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many jobs are looked through for a page of some operations.
const LOOKED_MAX: usize = 20_000;

pub(super) async fn list(jobs: &Jobs, request: api::ListJobsRequest) -> Result<api::ListJobsResponse, Status> {
    let project = match Caller::of(&request.project).map_err(|error| status(&error))? {
        Caller::Operator => Project::default(),
        Caller::Project(project) => project,
    };
    let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
    let after = page.after::<Uuid, Uuid>().map_err(|error| status(&error))?;
    let states: Vec<JobState> = request.states().filter_map(state_from).collect();
    let found = some(
        jobs,
        &project,
        &states,
        &request.operations,
        after.map(|(_, id)| id),
        page.size,
    )
    .await;
    let found = found.map_err(|error| status(&error))?;
    let page = Some(page.answer(&found, |job| (job.id, job.id)));
    Ok(api::ListJobsResponse {
        jobs: found.into_iter().map(job_of).collect(),
        page,
    })
}

/// The next jobs of these operations; none named: of any.
async fn some(
    jobs: &Jobs,
    project: &Project,
    states: &[JobState],
    operations: &[String],
    mut before: Option<Uuid>,
    size: u32,
) -> Result<Vec<Job>, Error> {
    let (mut found, mut looked) = (Vec::new(), 0);
    loop {
        let next = jobs.list(project, states, before, size).await?;
        before = next.last().map(|job| job.id);
        looked += next.len();
        let is_all = next.len() < size as usize || looked >= LOOKED_MAX;
        let is_wanted = |job: &Job| operations.is_empty() || operations.contains(&job.operation);
        found.extend(next.into_iter().filter(is_wanted));
        found.truncate(size as usize);
        if is_all || found.len() >= size as usize {
            return Ok(found);
        }
    }
}

/// A job that the caller may see. Whoever knows the id of another project's learns nothing by it.
async fn find(jobs: &Jobs, caller: &Caller, id: &str) -> Result<Job, Error> {
    let job = jobs.get(id_of(id)?).await?;
    let own = job.filter(|job| caller.sees(job.project.as_str()));
    own.ok_or_else(|| Error::NoJob(id.to_owned()))
}

pub(super) async fn get(jobs: &Jobs, request: api::GetJobRequest) -> Result<api::GetJobResponse, Error> {
    let job = find(jobs, &Caller::of(&request.project)?, &request.id).await?;
    Ok(api::GetJobResponse { job: Some(job_of(job)) })
}

pub(super) async fn cancel(jobs: &Jobs, request: api::CancelJobRequest) -> Result<api::CancelJobResponse, Error> {
    let job = find(jobs, &Caller::of(&request.project)?, &request.id).await?;
    let job = jobs.cancel(job.id).await?;
    let job = job.ok_or_else(|| Error::NoJob(request.id))?;
    Ok(api::CancelJobResponse { job: Some(job_of(job)) })
}

/// Who watches a job, and what was told last.
struct Watch {
    jobs: Jobs,
    id: Uuid,
    /// What is told next without a look.
    first: Option<Job>,
    last: Option<Job>,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn watch(
    desk: &Desk,
    request: api::WatchJobRequest,
) -> Result<impl Stream<Item = Result<api::WatchJobResponse, Status>> + Send + use<>, Status> {
    let caller = Caller::of(&request.project).map_err(|error| status(&error))?;
    let permit = desk.watchers.clone().try_acquire_owned();
    let permit =
        permit.map_err(|_| Status::resource_exhausted("too many watch jobs at once; ask for it with GetJob"))?;
    let job = find(&desk.jobs, &caller, &request.id).await;
    let job = job.map_err(|error| status(&error))?;
    let watch = Watch {
        jobs: desk.jobs.clone(),
        id: job.id,
        first: Some(job),
        last: None,
        stop: desk.stop.clone(),
        _permit: permit,
    };
    Ok(unfold(Some(watch), |watch| async {
        let mut watch = watch?;
        let told = watch.next().await?;
        let goes_on = told.is_ok() && watch.last.as_ref().is_some_and(|job| !has_ended(job));
        Some((told, goes_on.then_some(watch)))
    }))
}

impl Watch {
    /// The next change. None: the service is stopping.
    async fn next(&mut self) -> Option<Result<api::WatchJobResponse, Status>> {
        if let Some(job) = self.first.take() {
            return Some(Ok(self.tell(job)));
        }
        loop {
            if !pause(&self.stop, LOOK_EVERY).await {
                return None;
            }
            match self.jobs.get(self.id).await {
                Ok(Some(job)) if self.is_news(&job) => return Some(Ok(self.tell(job))),
                Ok(Some(_)) => {}
                Ok(None) => return Some(Err(status(&Error::NoJob(self.id.to_string())))),
                Err(error) => return Some(Err(status(&Error::Store(error)))),
            }
        }
    }

    /// That its worker lives is no news.
    fn is_news(&self, job: &Job) -> bool {
        let plain = |job: &Job| Job {
            heartbeat_at: None,
            ..job.clone()
        };
        self.last.as_ref().map(plain) != Some(plain(job))
    }

    fn tell(&mut self, job: Job) -> api::WatchJobResponse {
        self.last = Some(job.clone());
        api::WatchJobResponse { job: Some(job_of(job)) }
    }
}

const fn has_ended(job: &Job) -> bool {
    !matches!(job.state, JobState::Queued | JobState::Running)
}

const fn state_from(state: common::JobState) -> Option<JobState> {
    match state {
        common::JobState::Unspecified => None,
        common::JobState::Requested => Some(JobState::Queued),
        common::JobState::Running => Some(JobState::Running),
        common::JobState::Succeeded => Some(JobState::Succeeded),
        common::JobState::Failed => Some(JobState::Failed),
        common::JobState::Cancelled => Some(JobState::Cancelled),
    }
}

const fn state_of(state: JobState) -> common::JobState {
    match state {
        JobState::Queued => common::JobState::Requested,
        JobState::Running => common::JobState::Running,
        JobState::Succeeded => common::JobState::Succeeded,
        JobState::Failed => common::JobState::Failed,
        JobState::Cancelled => common::JobState::Cancelled,
    }
}

fn unix_ms(moment: Option<SystemTime>) -> i64 {
    let since = moment.and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

fn job_of(job: Job) -> api::Job {
    api::Job {
        id: job.id.to_string(),
        project: job.project.to_string(),
        subject_id: subject(&job),
        operation: job.operation,
        parameters_json: job.parameters.to_string(),
        state: state_of(job.state).into(),
        requested_unix_ms: unix_ms(Some(job.requested_at)),
        started_unix_ms: unix_ms(job.started_at),
        ended_unix_ms: unix_ms(job.ended_at),
        transfer: job.progress.map(|progress| transfer(&progress.note)),
        effect_json: job.effect.map(|effect| effect.to_string()).unwrap_or_default(),
        error: job.error.unwrap_or_default(),
        error_slug: job.slug.unwrap_or_default(),
        attempts: job.attempts,
    }
}

/// What a job makes or uses: what it said when it had succeeded, what it was told, or its own id.
fn subject(job: &Job) -> String {
    let named = |json: Option<&serde_json::Value>, key| {
        let text = json.and_then(|json| json.get(key)).and_then(serde_json::Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let makes = matches!(job.operation.as_str(), "backup" | "export") && job.started_at.is_some() && !job.dry_run;
    named(job.effect.as_ref(), "backup_id")
        .or_else(|| named(Some(&job.parameters), "backup_id"))
        .or_else(|| makes.then(|| job.id.to_string()))
        .unwrap_or_default()
}

fn transfer(note: &str) -> api::Transfer {
    // A note of another version says less, and no job is hidden for that.
    let said: Transfer = serde_json::from_str(note).unwrap_or_default();
    api::Transfer {
        phase: said.phase,
        done_bytes: said.done_bytes,
        total_bytes: said.total_bytes,
        moved_bytes: said.moved_bytes,
        bytes_per_second: said.bytes_per_second,
        remaining_ms: said.remaining_ms,
        throttled: said.throttled,
    }
}
