//! `weir.maintenance.v1` to plans and jobs, and back. Translates, decides nothing.

mod advice;
mod candidate;
mod history;
mod wraparound;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_jobs::{Job, JobState, Jobs};
use weir_model::Project;
use weir_proto::common::v1 as common;
use weir_proto::maintenance::v1 as api;
use weir_proto::maintenance::v1::maintenance_service_server::MaintenanceService;
use weir_proto::page::Page;
use weir_proto::status::status;

use crate::act::{Adviser, OPERATIONS, Team, kinds_of};
use crate::error::Error;
use crate::plan::Wanted;
use candidate::candidate;

/// Answers questions about plans and jobs.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) team: Arc<Team>,
    pub(crate) jobs: Jobs,
    pub(crate) wraparound: crate::wraparound::Wraparound,
    pub(crate) adviser: Adviser,
    pub(crate) effects: crate::effects::Effects,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl MaintenanceService for Desk {
    async fn plan(&self, request: Request<api::PlanRequest>) -> Answer<api::PlanResponse> {
        let request = request.into_inner();
        let project = project_of(&request.project)?;
        let wanted = wanted(request).map_err(|error| status(&error))?;
        let plan = self.team.plan(&project, &wanted).await;
        let plan = plan.map_err(|error| status(&error))?;
        let candidates = plan.into_iter().map(|(database, line)| candidate(database, line));
        Ok(Response::new(api::PlanResponse {
            candidates: candidates.collect(),
        }))
    }

    async fn list_jobs(&self, request: Request<api::ListJobsRequest>) -> Answer<api::ListJobsResponse> {
        let request = request.into_inner();
        let project = project_of(&request.project)?;
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        let before = page
            .after::<Uuid, Uuid>()
            .map_err(|error| status(&error))?
            .map(|(_, id)| id);
        let states: Vec<JobState> = request.states().filter_map(state_from).collect();
        let jobs = self.jobs.list(&project, &states, before, page.size).await;
        let jobs = jobs.map_err(|error| status(&Error::from(error)))?;
        let page = Some(page.answer(&jobs, |job| (job.id, job.id)));
        Ok(Response::new(api::ListJobsResponse {
            jobs: jobs.into_iter().map(job_of).collect(),
            page,
        }))
    }

    async fn get_job(&self, request: Request<api::GetJobRequest>) -> Answer<api::GetJobResponse> {
        let api::GetJobRequest { id, project } = request.into_inner();
        let job = self.job(&project, &id).await?;
        Ok(Response::new(api::GetJobResponse { job: Some(job_of(job)) }))
    }

    async fn cancel_job(&self, request: Request<api::CancelJobRequest>) -> Answer<api::CancelJobResponse> {
        let api::CancelJobRequest { id, project } = request.into_inner();
        let job = self.job(&project, &id).await?;
        let job = self.jobs.cancel(job.id).await;
        Ok(Response::new(api::CancelJobResponse {
            job: Some(job_of(found(job, &id)?)),
        }))
    }

    async fn list_pieces(&self, request: Request<api::ListPiecesRequest>) -> Answer<api::ListPiecesResponse> {
        history::list(&self.team.pieces, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_effect(&self, request: Request<api::GetEffectRequest>) -> Answer<api::GetEffectResponse> {
        history::effect(&self.team.pieces, &self.effects, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_calibration(
        &self,
        request: Request<api::GetCalibrationRequest>,
    ) -> Answer<api::GetCalibrationResponse> {
        history::calibration(&self.team.pieces, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_wraparound(&self, request: Request<api::GetWraparoundRequest>) -> Answer<api::GetWraparoundResponse> {
        let request = request.into_inner();
        let places = self.team.places.of(&project_of(&request.project)?);
        let places = places.map_err(|error| status(&error))?;
        Ok(Response::new(wraparound::answer(
            &self.wraparound,
            &places,
            request.tables_max,
        )))
    }

    async fn list_advice(&self, request: Request<api::ListAdviceRequest>) -> Answer<api::ListAdviceResponse> {
        advice::list(&self.adviser, request.into_inner()).await
    }

    async fn apply_advice(&self, request: Request<api::ApplyAdviceRequest>) -> Answer<api::ApplyAdviceResponse> {
        advice::apply(&self.adviser, request.into_inner()).await
    }

    async fn revert_advice(&self, request: Request<api::RevertAdviceRequest>) -> Answer<api::RevertAdviceResponse> {
        advice::revert(&self.adviser, request.into_inner()).await
    }

    async fn list_changes(&self, request: Request<api::ListChangesRequest>) -> Answer<api::ListChangesResponse> {
        advice::changes(&self.adviser, request.into_inner()).await
    }
}

impl Desk {
    /// A job of a project. Whoever knows the id of another project's learns nothing by it.
    async fn job(&self, project: &str, id: &str) -> Result<Job, Status> {
        let project = project_of(project)?;
        let job = found(self.jobs.get(parsed(id)?).await, id)?;
        if job.project == project {
            Ok(job)
        } else {
            Err(status(&Error::NoJob(id.to_owned())))
        }
    }
}

fn wanted(request: api::PlanRequest) -> Result<Wanted, Error> {
    let operation = match request.operation.as_str() {
        "" => "auto",
        named => named,
    };
    let kinds = kinds_of(operation).ok_or_else(|| Error::Field {
        field: "operation",
        reason: format!("{operation:?} is not an operation; known are {}", OPERATIONS.join(", ")),
    })?;
    Ok(Wanted {
        kinds: kinds.to_vec(),
        table: request.table,
        index: request.index,
        full: false,
    })
}

fn project_of(name: &str) -> Result<Project, Status> {
    let project = if name.is_empty() {
        Ok(Project::default())
    } else {
        Project::parse(name)
    };
    project.map_err(|error| {
        status(&Error::Field {
            field: "project",
            reason: error.to_string(),
        })
    })
}

fn parsed(id: &str) -> Result<Uuid, Status> {
    id.parse().map_err(|_| {
        status(&Error::Field {
            field: "id",
            reason: format!("{id:?} is not an id"),
        })
    })
}

fn found(job: Result<Option<Job>, weir_store::StoreError>, id: &str) -> Result<Job, Status> {
    let job = job.map_err(|error| status(&Error::from(error)))?;
    job.ok_or_else(|| status(&Error::NoJob(id.to_owned())))
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

fn job_of(job: Job) -> api::Job {
    let unix_ms = |moment: Option<SystemTime>| {
        let since = moment
            .and_then(|moment| moment.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    api::Job {
        id: job.id.to_string(),
        project: job.project.to_string(),
        operation: job.operation,
        parameters_json: job.parameters.to_string(),
        state: state_of(job.state).into(),
        requested_unix_ms: unix_ms(Some(job.requested_at)),
        started_unix_ms: unix_ms(job.started_at),
        ended_unix_ms: unix_ms(job.ended_at),
        heartbeat_unix_ms: unix_ms(job.heartbeat_at),
        progress: job.progress.map(|progress| common::Progress {
            done: progress.done,
            total: progress.total,
            note: progress.note,
        }),
        effect_json: job.effect.map(|effect| effect.to_string()).unwrap_or_default(),
        error: job.error.unwrap_or_default(),
        error_slug: job.slug.unwrap_or_default(),
        attempts: job.attempts,
        attempt_max: job.attempt_max,
        dry_run: job.dry_run,
    }
}
