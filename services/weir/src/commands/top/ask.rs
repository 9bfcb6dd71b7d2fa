//! Questions to the services, each with a deadline.

use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use weir_proto::backup::v1 as backup;
use weir_proto::backup::v1::backup_service_client::BackupServiceClient;
use weir_proto::cache::v1 as cache;
use weir_proto::cache::v1::cache_service_client::CacheServiceClient;
use weir_proto::common::v1::{JobState, PageRequest};
use weir_proto::gateway::v1 as gateway;
use weir_proto::gateway::v1::gateway_admin_service_client::GatewayAdminServiceClient;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::gateway::v1::kill_request::Whom;
use weir_proto::maintenance::v1 as maintenance;
use weir_proto::maintenance::v1::maintenance_service_client::MaintenanceServiceClient;
use weir_proto::monitor::v1 as monitor;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;

use super::console::{Console, Shown};
use super::hear::Answer;
use super::rates::{Anchors, LISTED, Look};
use super::state::{State, Topic};
use crate::commands::operator::signed;
use crate::connect::LazyChannels;

/// Whoever takes longer is away.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// Larger answers are refused: a view has no use for them.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;
const ALERTS: u32 = 200;
const JOBS_UNDER_WAY: u32 = 100;
const JOBS_ENDED: u32 = 20;

/// What a question depends on, as it was when it was asked.
#[derive(Debug, Clone)]
pub(super) struct Question {
    topic: Topic,
    project: String,
    anchors: Anchors,
}

impl Question {
    pub(super) fn new(topic: Topic, state: &State) -> Self {
        Self {
            topic,
            project: state.project.clone(),
            anchors: state.known.looks.anchors(state.now_ms),
        }
    }
}

/// Asks. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    channels: LazyChannels,
    proof: Option<String>,
}

impl Asker {
    pub(super) const fn new(channels: LazyChannels, proof: Option<String>) -> Self {
        Self { channels, proof }
    }

    /// Asks one question; why there is no answer is one line.
    pub(super) async fn ask(self, question: Question) -> (Topic, Result<Answer, String>) {
        let topic = question.topic;
        let answer = tokio::time::timeout(ANSWERED_WITHIN, self.answer(question)).await;
        let late = || format!("no answer within {} s", ANSWERED_WITHIN.as_secs());
        let answer = answer
            .map_err(|_| late())
            .and_then(|answer| answer.map_err(|status| why(&status)));
        (topic, answer)
    }

    async fn answer(self, question: Question) -> Result<Answer, Status> {
        let Question {
            topic,
            project,
            anchors,
        } = question;
        match topic {
            Topic::Statements => self.statements(project, anchors).await,
            Topic::Server => self.servers().await,
            Topic::Sessions => self.sessions().await,
            Topic::Alerts => self.alerts(project).await,
            Topic::Pools => self.pools().await,
            Topic::Console => self.console().await,
            Topic::Cache => self.cache(project).await,
            Topic::Maintenance => self.maintenance(project).await,
            Topic::Backup => self.backup(project).await,
        }
    }

    fn monitor(&self) -> MonitorServiceClient<Channel> {
        let client = MonitorServiceClient::new(self.channels.monitor.clone());
        client.max_decoding_message_size(REPLY_BYTES_MAX)
    }

    async fn statements(self, project: String, anchors: Anchors) -> Result<Answer, Status> {
        let next = async {
            match anchors.next_ms {
                Some(since_ms) => self.look(&project, since_ms).await.map(Some),
                None => Ok(None),
            }
        };
        let (look, next) = tokio::try_join!(self.look(&project, anchors.current_ms), next)?;
        Ok(Answer::Statements { look, next })
    }

    async fn look(&self, project: &str, since_unix_ms: i64) -> Result<Look, Status> {
        let queries = monitor::ListQueriesRequest {
            project: project.to_owned(),
            since_unix_ms,
            page: page(LISTED),
            ..monitor::ListQueriesRequest::default()
        };
        let timeline = monitor::GetTimelineRequest {
            project: project.to_owned(),
            since_unix_ms,
            ..monitor::GetTimelineRequest::default()
        };
        let (mut one, mut other) = (self.monitor(), self.monitor());
        let (queries, timeline) = tokio::try_join!(one.list_queries(queries), other.get_timeline(timeline))?;
        let (queries, timeline) = (queries.into_inner(), timeline.into_inner());
        Ok(Look {
            anchor_ms: since_unix_ms,
            queries: queries.queries,
            spans: timeline.spans,
            missing: if queries.missing.is_empty() {
                timeline.missing
            } else {
                queries.missing
            },
        })
    }

    async fn servers(self) -> Result<Answer, Status> {
        let reply = self.monitor().get_server(monitor::GetServerRequest::default()).await?;
        Ok(Answer::Server(reply.into_inner().servers))
    }

    async fn sessions(self) -> Result<Answer, Status> {
        let (mut one, mut other) = (self.monitor(), self.monitor());
        let (activity, blocking) = tokio::try_join!(
            one.list_activity(monitor::ListActivityRequest::default()),
            other.list_blocking(monitor::ListBlockingRequest::default()),
        )?;
        Ok(Answer::Sessions(
            activity.into_inner().sessions,
            blocking.into_inner().chains,
        ))
    }

    async fn alerts(self, project: String) -> Result<Answer, Status> {
        let request = monitor::ListAlertsRequest {
            project,
            states: vec![monitor::AlertState::Firing.into(), monitor::AlertState::Pending.into()],
            page: page(ALERTS),
            ..monitor::ListAlertsRequest::default()
        };
        let reply = self.monitor().list_alerts(request).await?;
        Ok(Answer::Alerts(reply.into_inner().alerts))
    }

    async fn pools(self) -> Result<Answer, Status> {
        let mut gateway = GatewayServiceClient::new(self.channels.gateway);
        let reply = gateway.pool_state(gateway::PoolStateRequest::default()).await?;
        Ok(Answer::Pools(reply.into_inner().pools))
    }

    fn gateway_admin(&self) -> GatewayAdminServiceClient<Channel> {
        let client = GatewayAdminServiceClient::new(self.channels.gateway.clone());
        client.max_decoding_message_size(REPLY_BYTES_MAX)
    }

    async fn console(self) -> Result<Answer, Status> {
        let (pools, upstreams, clients, servers) = tokio::try_join!(
            self.table("pools"),
            self.table("upstreams"),
            self.table("clients"),
            self.table("servers"),
        )?;
        Ok(Answer::Console(Console {
            pools,
            upstreams,
            clients,
            servers,
        }))
    }

    async fn table(&self, table: &str) -> Result<Shown, Status> {
        let request = self.signed(gateway::ShowRequest {
            table: table.to_owned(),
        })?;
        Ok(self.gateway_admin().show(request).await?.into_inner().into())
    }

    fn signed<T>(&self, message: T) -> Result<Request<T>, Status> {
        signed(message, self.proof.as_deref()).map_err(|error| Status::invalid_argument(error.to_string()))
    }

    async fn cache(self, project: String) -> Result<Answer, Status> {
        let mut cache = CacheServiceClient::new(self.channels.cache);
        let project = if project.is_empty() {
            "default".to_owned()
        } else {
            project
        };
        let reply = cache.get_statistics(cache::GetStatisticsRequest { project }).await?;
        Ok(Answer::Cache(reply.into_inner().total.unwrap_or_default()))
    }

    async fn maintenance(self, project: String) -> Result<Answer, Status> {
        let request = |states: Vec<i32>, size| maintenance::ListJobsRequest {
            project: project.clone(),
            states,
            page: page(size),
        };
        let client = || MaintenanceServiceClient::new(self.channels.maintenance.clone());
        let (mut one, mut other) = (client(), client());
        let (active, latest) = tokio::try_join!(
            one.list_jobs(request(under_way(), JOBS_UNDER_WAY)),
            other.list_jobs(request(Vec::new(), JOBS_ENDED)),
        )?;
        // What was told of one that is in both lists last, counts.
        let jobs = active.into_inner().jobs.into_iter().chain(latest.into_inner().jobs);
        Ok(Answer::Maintenance(jobs.collect()))
    }

    async fn backup(self, project: String) -> Result<Answer, Status> {
        let request = |states: Vec<i32>, size| backup::ListJobsRequest {
            project: project.clone(),
            states,
            page: page(size),
            ..backup::ListJobsRequest::default()
        };
        let client = || BackupServiceClient::new(self.channels.backup.clone());
        let (mut one, mut other) = (client(), client());
        let (active, latest) = tokio::try_join!(
            one.list_jobs(request(under_way(), JOBS_UNDER_WAY)),
            other.list_jobs(request(Vec::new(), JOBS_ENDED)),
        )?;
        let jobs = active.into_inner().jobs.into_iter().chain(latest.into_inner().jobs);
        Ok(Answer::Backup(jobs.collect()))
    }

    /// Ends a client of the gateway; what came of it is one line.
    pub(super) async fn end(self, client: i32) -> Result<String, String> {
        let request = gateway::KillRequest {
            whom: Some(Whom::Client(client)),
        };
        let request = self.signed(request).map_err(|status| why(&status))?;
        let mut gateway = self.gateway_admin();
        match tokio::time::timeout(ANSWERED_WITHIN, gateway.kill(request)).await {
            Err(_) => Err("the gateway did not answer; whether the client was ended is not known".to_owned()),
            Ok(Err(status)) => Err(why(&status)),
            Ok(Ok(reply)) if reply.get_ref().clients == 0 => Err(format!("client {client} was gone already")),
            Ok(Ok(_)) => Ok(format!("client {client} was ended")),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "this is how requests take it")]
fn page(size: u32) -> Option<PageRequest> {
    Some(PageRequest {
        size,
        token: String::new(),
    })
}

fn under_way() -> Vec<i32> {
    vec![JobState::Requested.into(), JobState::Running.into()]
}

/// Why a service did not answer, or does not want to.
fn why(status: &Status) -> String {
    let slug = status.metadata().get("weir-error").and_then(|slug| slug.to_str().ok());
    match (status.code(), slug) {
        // What the transport says, the slug of no error.
        (Code::Unavailable, None) => "it does not answer".to_owned(),
        (_, Some(slug)) => format!("{} [{slug}]", status.message()),
        (_, None) => status.message().to_owned(),
    }
}
