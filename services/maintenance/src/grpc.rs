//! `weir.maintenance.v1` to plans and jobs, and back. Translates, decides nothing.

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

use crate::act::{Analyze, OPERATION};
use crate::error::Error;
use crate::plan::Candidate;

/// Answers questions about plans and jobs.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) analyze: Analyze,
    pub(crate) jobs: Jobs,
    pub(crate) database: String,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl MaintenanceService for Desk {
    async fn plan(&self, request: Request<api::PlanRequest>) -> Answer<api::PlanResponse> {
        let request = request.into_inner();
        project_of(&request.project)?;
        if !["", OPERATION].contains(&request.operation.as_str()) {
            let reason = format!("{:?} is not an operation; known is {OPERATION}", request.operation);
            return Err(status(&Error::Field {
                field: "operation",
                reason,
            }));
        }
        let plan = self
            .analyze
            .plan(&request.table)
            .await
            .map_err(|error| status(&error))?;
        let candidates = plan.into_iter().map(|candidate| self.candidate_of(candidate)).collect();
        Ok(Response::new(api::PlanResponse { candidates }))
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
        let id = request.into_inner().id;
        let job = self.jobs.get(parsed(&id)?).await;
        Ok(Response::new(api::GetJobResponse {
            job: Some(found(job, id)?),
        }))
    }

    async fn cancel_job(&self, request: Request<api::CancelJobRequest>) -> Answer<api::CancelJobResponse> {
        let id = request.into_inner().id;
        let job = self.jobs.cancel(parsed(&id)?).await;
        Ok(Response::new(api::CancelJobResponse {
            job: Some(found(job, id)?),
        }))
    }
}

impl Desk {
    fn candidate_of(&self, candidate: Candidate) -> api::Candidate {
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let facts = candidate.facts;
        api::Candidate {
            table: facts.table.to_string(),
            action: if candidate.selected { OPERATION } else { "" }.to_owned(),
            reason: candidate.reason,
            facts: Some(api::TableFacts {
                live_tuples: count(facts.live_tuples),
                dead_tuples: count(facts.dead_tuples),
                changed_tuples: count(facts.changed_tuples),
                changed_percent: facts.changed_percent(),
                last_analyze_unix_ms: facts.last_analyze_unix_ms.unwrap_or_default(),
                database: self.database.clone(),
                size_bytes: count(facts.size_bytes),
            }),
            selected: candidate.selected,
        }
    }
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

fn found(job: Result<Option<Job>, weir_store::StoreError>, id: String) -> Result<api::Job, Status> {
    let job = job.map_err(|error| status(&Error::from(error)))?;
    job.map(job_of).ok_or_else(|| status(&Error::NoJob(id)))
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
