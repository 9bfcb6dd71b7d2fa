//! Work, whoever does it: listed, shown, stopped.

mod asked;
mod job;
mod merged;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_model::Project;
use weir_proto::backup::v1::ListJobsRequest;
use weir_proto::common::v1::{JobState, PageRequest};
use weir_proto::scheduler::v1::ListRunsRequest;

use super::body::{Path, Query};
use super::{Console, Page, Paged as _, Problem, Scoped};
use merged::{Block, Place, merge};

pub(crate) use asked::{Order, accepted, answered, awaited, find, order};
pub(crate) use job::{Job, is_for, may_order};

/// So much is read at a time where only some of it is wanted.
const BLOCK: u32 = 500;
/// Smaller blocks could be put out of order by two clocks as a whole.
const LEAST: u32 = 20;
/// So often for one page; a page may be short and have a next one.
const BLOCKS_MAX: usize = 8;

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(cancel))
}

/// Which jobs are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobsQuery {
    /// On whose behalf; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<StateFilter>,
    /// Only those that do this, such as `vacuum` or `backup`.
    #[serde(default)]
    operation: String,
    /// Only those that this schedule asked for, by its id.
    schedule: Option<Uuid>,
}

/// A state, or several in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::JobStateFilter)]
pub(crate) enum StateFilter {
    Requested,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// Requested or running.
    Active,
    /// Succeeded, failed or cancelled.
    Ended,
}

impl StateFilter {
    pub(crate) fn states(self) -> Vec<i32> {
        let states: &[JobState] = match self {
            Self::Requested => &[JobState::Requested],
            Self::Running => &[JobState::Running],
            Self::Succeeded => &[JobState::Succeeded],
            Self::Failed => &[JobState::Failed],
            Self::Cancelled => &[JobState::Cancelled],
            Self::Active => &[JobState::Requested, JobState::Running],
            Self::Ended => &[JobState::Succeeded, JobState::Failed, JobState::Cancelled],
        };
        states.iter().map(|state| i32::from(*state)).collect()
    }
}

/// Jobs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Jobs)]
pub(crate) struct JobList {
    /// The newest first. A page may be short and have a next one.
    jobs: Vec<Job>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// What was asked for and what became of it: maintenance, backups, proofs, exports.
#[utoipa::path(get, path = "/database/jobs", tag = "jobs", params(JobsQuery, Page), responses((status = 200, description = "a page of jobs", body = JobList)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<JobsQuery>,
    page: Page,
) -> Result<Json<JobList>, Problem> {
    let place = Place::parse(page.token()).ok_or_else(|| Problem::strange("page: it is not one of this list"))?;
    let wanted = Wanted {
        scoped: &scoped,
        states: query.state.map(StateFilter::states).unwrap_or_default(),
        operation: query.operation,
        schedule: query.schedule,
    };
    let (jobs, next) = wanted.page(&console, place, page.limit()).await?;
    Ok(Json(JobList {
        jobs,
        next: next.map(|place| place.token()),
    }))
}

/// One job, with how far it is.
#[utoipa::path(get, path = "/database/jobs/{id}", tag = "jobs", params(ProjectQuery, ("id" = Uuid, Path, description = "the job's id")), responses((status = 200, description = "the job as it is now", body = Job)))]
pub(crate) async fn show(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<Uuid>,
) -> Result<Json<Job>, Problem> {
    find(&console, &scoped, id).await.map(Json)
}

/// Stops a job: at once if it has not begun, otherwise as soon as it can.
#[utoipa::path(post, path = "/database/jobs/{id}/cancel", tag = "jobs", params(ProjectQuery, ("id" = Uuid, Path, description = "the job's id")), responses((status = 200, description = "the job as it is now: cancelled, or running until it has stopped", body = Job)))]
pub(crate) async fn cancel(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<Uuid>,
) -> Result<Json<Job>, Problem> {
    let job = find(&console, &scoped, id).await?;
    asked::stop(&console, &job).await.map(Json)
}

/// Whose something is.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProjectQuery {
    /// The project; a token's own if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
}

/// Which jobs a list is to have.
pub(crate) struct Wanted<'a> {
    pub(crate) scoped: &'a Scoped,
    pub(crate) states: Vec<i32>,
    pub(crate) operation: String,
    pub(crate) schedule: Option<Uuid>,
}

impl Wanted<'_> {
    async fn page(
        &self,
        console: &Console,
        mut place: Place,
        limit: u32,
    ) -> Result<(Vec<Job>, Option<Place>), Problem> {
        let mut found = Vec::new();
        for _ in 0..BLOCKS_MAX {
            let (runs, own) = tokio::try_join!(self.runs(console, &place, limit), self.own(console, &place, limit))?;
            let room = (limit as usize).saturating_sub(found.len());
            let (jobs, next) = merge(&place, runs, own, room, |job| self.has(job));
            found.extend(jobs);
            match next {
                None => return Ok((found, None)),
                Some(next) => place = next,
            }
            if found.len() >= limit as usize {
                break;
            }
        }
        Ok((found, Some(place)))
    }

    fn has(&self, job: &Job) -> bool {
        (self.operation.is_empty() || job.operation == self.operation)
            && job.is_shown_to(self.scoped.caller.project.as_ref())
    }

    /// Runs cannot be had by their operation.
    fn block(&self, limit: u32) -> u32 {
        let picks = !self.operation.is_empty() || self.scoped.caller.project.is_some();
        if picks && limit < BLOCK {
            BLOCK
        } else {
            limit.max(LEAST)
        }
    }

    async fn runs(&self, console: &Console, place: &Place, limit: u32) -> Result<Block, Problem> {
        let asked = ListRunsRequest {
            project: self.scoped.name(),
            schedule_id: self.schedule.map(|id| id.to_string()).unwrap_or_default(),
            states: self.states.clone(),
            page: Some(PageRequest {
                size: self.block(limit),
                token: place.of_runs(),
            }),
        };
        let mut scheduler = console.services.scheduler();
        let listed = scheduler.list_runs(console.services.ask(asked)).await?.into_inner();
        Ok(Block {
            jobs: listed.runs.into_iter().map(Job::of_run).collect(),
            goes_on: listed.page.next().is_some(),
        })
    }

    /// What the backup service asked itself to do, which is written down under the project of whole clusters.
    async fn own(&self, console: &Console, place: &Place, limit: u32) -> Result<Block, Problem> {
        let is_meant = self.scoped.caller.project.is_none() && self.scoped.project == Project::default();
        if !is_meant || self.schedule.is_some() {
            return Ok(Block::default());
        }
        let asked = ListJobsRequest {
            project: String::new(),
            operations: Vec::new(),
            states: self.states.clone(),
            page: Some(PageRequest {
                size: self.block(limit),
                token: place.of_jobs(),
            }),
        };
        match console.services.backup().list_jobs(console.services.ask(asked)).await {
            Ok(listed) => {
                let listed = listed.into_inner();
                Ok(Block {
                    jobs: listed.jobs.into_iter().map(Job::of_backup).collect(),
                    goes_on: listed.page.next().is_some(),
                })
            }
            // A service that is away or not there hides its own jobs only.
            Err(status) if is_away(status.code()) => Ok(Block::default()),
            Err(status) => Err(status.into()),
        }
    }
}

const fn is_away(code: tonic::Code) -> bool {
    matches!(
        code,
        tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled | tonic::Code::Unimplemented
    )
}
