//! `weir.cache.v1` to followers, studies and rules, and back. Translates, decides nothing.

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::cache_service_server::CacheService;

use crate::follow::Followers;
use crate::rules::Rules;
use crate::study::Studies;
use crate::tally::Tally;

/// Answers questions about the cache.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) followers: Arc<Followers>,
    pub(crate) studies: Arc<Studies>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) tally: Arc<Tally>,
}

type Answer<T> = Result<Response<T>, Status>;
type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl CacheService for Desk {
    type FetchStateStream = Streamed<api::FetchStateResponse>;

    async fn get_statistics(&self, request: Request<api::GetStatisticsRequest>) -> Answer<api::GetStatisticsResponse> {
        Ok(Response::new(self.tally.statistics(&request.into_inner())?))
    }

    async fn list_shapes(&self, request: Request<api::ListShapesRequest>) -> Answer<api::ListShapesResponse> {
        Ok(Response::new(self.tally.shapes(&request.into_inner())?))
    }

    async fn invalidate(&self, request: Request<api::InvalidateRequest>) -> Answer<api::InvalidateResponse> {
        Ok(Response::new(self.followers.invalidate(request.into_inner()).await?))
    }

    async fn list_policies(&self, request: Request<api::ListPoliciesRequest>) -> Answer<api::ListPoliciesResponse> {
        Ok(Response::new(self.rules.list(&request.into_inner())?))
    }

    async fn put_policy(&self, request: Request<api::PutPolicyRequest>) -> Answer<api::PutPolicyResponse> {
        Ok(Response::new(self.rules.put(request.into_inner()).await?))
    }

    async fn delete_policy(&self, request: Request<api::DeletePolicyRequest>) -> Answer<api::DeletePolicyResponse> {
        Ok(Response::new(self.rules.delete(request.into_inner()).await?))
    }

    async fn explain(&self, request: Request<api::ExplainRequest>) -> Answer<api::ExplainResponse> {
        let request = request.into_inner();
        let (project, database) = (request.project.clone(), request.database.clone());
        let mut answer = self.studies.explain(request).await?;
        self.tally.complete(&project, &database, &mut answer);
        Ok(Response::new(answer))
    }

    async fn list_followers(&self, request: Request<api::ListFollowersRequest>) -> Answer<api::ListFollowersResponse> {
        Ok(Response::new(self.followers.list(&request.into_inner())?))
    }

    async fn study(&self, request: Request<api::StudyRequest>) -> Answer<api::StudyResponse> {
        let request = request.into_inner();
        let (project, sql) = (request.project.clone(), request.sql.clone());
        let mut answer = self.studies.study(request).await?;
        self.rules.complete(&project, &sql, &mut answer);
        Ok(Response::new(answer))
    }

    async fn fetch_state(&self, request: Request<api::FetchStateRequest>) -> Answer<Self::FetchStateStream> {
        Ok(Response::new(self.followers.state(request.get_ref())?))
    }
}
