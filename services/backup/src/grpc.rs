//! `weir.backup.v1` to the catalogue, plans and jobs, and back. Translates, decides nothing.

mod backups;
pub(crate) mod commits;
mod jobs;
mod places;
mod planning;
pub(crate) mod proofs;
mod restores;
#[cfg(test)]
mod tests;
mod words;

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_jobs::Jobs;
use weir_model::Project;
use weir_proto::backup::v1 as api;
use weir_proto::backup::v1::backup_service_server::BackupService;
use weir_proto::page::StrangeToken;
use weir_proto::status::status;

pub(crate) use planning::plan;

use crate::engine::wal::Log;
use crate::error::Error;
use crate::keeper::Keeper;

/// So many may watch jobs at a time.
const WATCHERS_MAX: usize = 64;

/// Answers questions about backups and jobs.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    keeper: Arc<Keeper>,
    jobs: Jobs,
    log: Log,
    watchers: Arc<Semaphore>,
    /// Trips when nobody is let in any more.
    stop: CancellationToken,
}

impl Desk {
    pub(crate) fn new(keeper: Arc<Keeper>, jobs: Jobs, log: Log, stop: CancellationToken) -> Self {
        Self {
            keeper,
            jobs,
            log,
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            stop,
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Translates what came of a call.
fn answer<T>(answered: Result<T, Error>) -> Answer<T> {
    answered.map(Response::new).map_err(|error| status(&error))
}

#[tonic::async_trait]
impl BackupService for Desk {
    type ListFilesStream = Streamed<api::ListFilesResponse>;
    type WatchJobStream = Streamed<api::WatchJobResponse>;

    async fn list_backups(&self, request: Request<api::ListBackupsRequest>) -> Answer<api::ListBackupsResponse> {
        answer(backups::list(&self.keeper, request.into_inner()).await)
    }

    async fn get_backup(&self, request: Request<api::GetBackupRequest>) -> Answer<api::GetBackupResponse> {
        answer(backups::get(&self.keeper, request.into_inner()).await)
    }

    async fn annotate_backup(
        &self,
        request: Request<api::AnnotateBackupRequest>,
    ) -> Answer<api::AnnotateBackupResponse> {
        answer(backups::annotate(&self.keeper, request.into_inner()).await)
    }

    async fn list_files(&self, request: Request<api::ListFilesRequest>) -> Answer<Self::ListFilesStream> {
        let request = request.into_inner();
        operators_only(&request.project)?;
        let files = restores::list_files(&self.keeper, request).await;
        let files = files.map_err(|error| status(&error))?;
        Ok(Response::new(Box::pin(files) as Self::ListFilesStream))
    }

    async fn list_repositories(
        &self,
        _: Request<api::ListRepositoriesRequest>,
    ) -> Answer<api::ListRepositoriesResponse> {
        Ok(Response::new(places::repositories(&self.keeper).await))
    }

    async fn get_wal_state(&self, request: Request<api::GetWalStateRequest>) -> Answer<api::GetWalStateResponse> {
        Ok(Response::new(places::log(&self.log, &request.into_inner())))
    }

    async fn get_recovery_windows(
        &self,
        request: Request<api::GetRecoveryWindowsRequest>,
    ) -> Answer<api::GetRecoveryWindowsResponse> {
        answer(commits::recovery_windows(&self.keeper, &request.into_inner()).await)
    }

    async fn list_commits(&self, request: Request<api::ListCommitsRequest>) -> Answer<api::ListCommitsResponse> {
        answer(commits::list_commits(&self.keeper, &request.into_inner()).await)
    }

    async fn plan_backup(&self, request: Request<api::PlanBackupRequest>) -> Answer<api::PlanBackupResponse> {
        answer(planning::backup(&self.keeper, request.into_inner()).await)
    }

    async fn plan_restore(&self, request: Request<api::PlanRestoreRequest>) -> Answer<api::PlanRestoreResponse> {
        answer(restores::plan_restore(&self.keeper, request.into_inner()).await)
    }

    async fn plan_expiry(&self, request: Request<api::PlanExpiryRequest>) -> Answer<api::PlanExpiryResponse> {
        answer(planning::expiry(&self.keeper, request.into_inner()).await)
    }

    async fn list_proofs(&self, request: Request<api::ListProofsRequest>) -> Answer<api::ListProofsResponse> {
        let request = request.into_inner();
        operators_only(&request.project)?;
        answer(proofs::list(&self.keeper, &request).await)
    }

    async fn get_proof(&self, request: Request<api::GetProofRequest>) -> Answer<api::GetProofResponse> {
        let request = request.into_inner();
        operators_only(&request.project)?;
        answer(proofs::show(&self.keeper, &request).await)
    }

    async fn list_keys(&self, request: Request<api::ListKeysRequest>) -> Answer<api::ListKeysResponse> {
        answer(places::keys(&self.keeper, request.into_inner()).await)
    }

    async fn shred_project(&self, request: Request<api::ShredProjectRequest>) -> Answer<api::ShredProjectResponse> {
        answer(places::shred(&self.keeper, request.into_inner()).await)
    }

    async fn list_jobs(&self, request: Request<api::ListJobsRequest>) -> Answer<api::ListJobsResponse> {
        jobs::list(&self.jobs, request.into_inner()).await.map(Response::new)
    }

    async fn get_job(&self, request: Request<api::GetJobRequest>) -> Answer<api::GetJobResponse> {
        answer(jobs::get(&self.jobs, request.into_inner()).await)
    }

    async fn watch_job(&self, request: Request<api::WatchJobRequest>) -> Answer<Self::WatchJobStream> {
        let watched = jobs::watch(self, request.into_inner()).await;
        watched.map(|stream| Response::new(Box::pin(stream) as Self::WatchJobStream))
    }

    async fn cancel_job(&self, request: Request<api::CancelJobRequest>) -> Answer<api::CancelJobResponse> {
        answer(jobs::cancel(&self.jobs, request.into_inner()).await)
    }
}

/// A token of a page that was not given out here.
fn strange(error: StrangeToken) -> Error {
    Error::Field {
        field: "page.token",
        reason: error.to_string(),
    }
}

/// What concerns the whole cluster is not shown to a project.
fn operators_only(project: &str) -> Result<(), Status> {
    match Caller::of(project).map_err(|error| status(&error))? {
        Caller::Operator => Ok(()),
        Caller::Project(_) => Err(Status::not_found("there is no such backup")),
    }
}

/// On whose behalf a call is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Sees everything.
    Operator,
    /// Sees what is its own.
    Project(Project),
}

impl Caller {
    /// The caller of a request's `project`: an empty one is the operator.
    pub(crate) fn of(name: &str) -> Result<Self, Error> {
        if name.is_empty() {
            return Ok(Self::Operator);
        }
        let project = Project::parse(name).map_err(|error| Error::Field {
            field: "project",
            reason: error.to_string(),
        })?;
        Ok(Self::Project(project))
    }

    /// Whether something of this project may be seen; what is of the whole cluster has none.
    pub(crate) fn sees(&self, project: &str) -> bool {
        match self {
            Self::Operator => true,
            Self::Project(own) => own.as_str() == project,
        }
    }
}

/// The id that a request names.
fn id_of(id: &str) -> Result<Uuid, Error> {
    crate::orders::id_of(id).map_err(|reason| Error::Field { field: "id", reason })
}
