//! Asks the services what the overview shows, all at once and each within a time. What is away is named, not waited for.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tonic::Status;
use weir_model::Project;
use weir_proto::backup::v1::{
    BackupKind, BackupState, GetRecoveryWindowsRequest, GetWalStateRequest, ListBackupsRequest,
    ListJobsRequest as ListBackupJobsRequest, ListProofsRequest, ProofState,
};
use weir_proto::cache::v1::{Follower, FollowerState, GetStatisticsRequest, ListFollowersRequest, ListShapesRequest};
use weir_proto::common::v1::{JobState, PageRequest};
use weir_proto::monitor::v1::{
    Alert, AlertState, GetTimelineRequest, ListAlertsRequest, ListQueriesRequest, QuerySort, QueryStatistics,
};
use weir_proto::scheduler::v1::{ListRunsRequest, Run};

use super::super::body::Query;
use super::super::caller::Scoped;
use super::super::pools::{PoolNow, pools_now};
use super::super::{Console, Operator, Problem};
use super::figures::Ran;

/// Longest wait for one service. The page comes without it then.
pub(super) const WITHIN: Duration = Duration::from_secs(3);
const HOUR_MS: i64 = 3_600_000;
const LATELY_MS: i64 = 7 * 24 * HOUR_MS;
const MOST: u32 = 1_000;
/// Projects that are asked for one after the other where everybody's are wanted.
const PROJECTS_MAX: usize = 50;

/// Whose figures are wanted.
#[derive(Debug, Clone)]
pub(crate) enum Whose {
    /// Everybody's, for an operator.
    All,
    /// One project's, and whether its caller sees the whole server.
    One(Project, bool),
}

impl Whose {
    /// As messages of the protocol want it; `*` for all.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::One(project, _) => project.to_string(),
        }
    }

    pub(crate) const fn sees_all(&self) -> bool {
        matches!(self, Self::All | Self::One(_, true))
    }

    #[cfg(test)]
    pub(super) fn project(name: &str) -> Self {
        Self::One(Project::parse(name).unwrap(), false)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Whose {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Asked {
            project: Option<String>,
        }
        let Query(asked) = Query::<Asked>::from_request_parts(parts, state).await?;
        if asked.project.as_deref() == Some("*") {
            Operator::from_request_parts(parts, state).await?;
            return Ok(Self::All);
        }
        let scoped = Scoped::from_request_parts(parts, state).await?;
        let sees_all = scoped.caller.project.is_none();
        Ok(Self::One(scoped.project, sees_all))
    }
}

/// The cache, in short.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
#[schema(as = console::CacheAtAGlance)]
pub(crate) struct CacheAtAGlance {
    /// The part of look-ups that memory answered in the last hour, 0 to 1; null: there were none.
    hit_ratio: Option<f64>,
    /// Look-ups in a second, over the last hour.
    lookups_per_second: f64,
    /// Milliseconds of PostgreSQL's work that were saved in each second, as measured of late.
    saved_ms_per_second: f64,
    /// Results in memory.
    entries: u64,
    /// Bytes that they take.
    bytes: u64,
    /// 99 of 100 commits were told within so long, of the slowest database; null for a token of a project, and where none is followed.
    lag_p99_ms: Option<f64>,
    /// Databases whose log is followed; 0 for a token of a project.
    followers: usize,
    /// Those of them that are behind or cannot be followed.
    followers_behind: usize,
}

impl CacheAtAGlance {
    pub(super) fn count(&mut self, timeline: &[Ran]) {
        let hits: f64 = timeline.iter().map(|ran| ran.hits).sum();
        let lookups: f64 = timeline.iter().map(|ran| ran.lookups).sum();
        self.hit_ratio = (lookups > 0.0).then(|| hits / lookups);
        self.lookups_per_second = lookups / (HOUR_MS as f64 / 1000.0);
    }

    fn follow(&mut self, followers: &[Follower]) {
        let is_here = |follower: &&Follower| follower.state() != FollowerState::Standby;
        self.followers = followers.iter().filter(is_here).count();
        let is_behind = |follower: &&Follower| {
            matches!(
                follower.state(),
                FollowerState::Lagging | FollowerState::Blocked | FollowerState::Starting
            )
        };
        self.followers_behind = followers.iter().filter(is_behind).count();
        self.lag_p99_ms = followers
            .iter()
            .filter(is_here)
            .map(|follower| follower.lag_p99_ms)
            .max_by(f64::total_cmp);
    }
}

/// Backups, in short. 0 for a time: there is none.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
#[schema(as = console::BackupsAtAGlance)]
pub(crate) struct BackupsAtAGlance {
    /// When the latest backup of a whole cluster was complete.
    last_success_unix_ms: i64,
    /// When one was last restored and found good.
    last_proof_unix_ms: i64,
    /// Backups, proofs and exports that run.
    running: usize,
    /// The earliest moment that can be restored without a gap up to the latest.
    recoverable_from_unix_ms: i64,
    /// The latest moment that can be restored.
    recoverable_until_unix_ms: i64,
    /// Bytes of log that are not safe yet; null: the log is not kept.
    wal_lag_bytes: Option<u64>,
    /// Backups and proofs that failed in the last seven days.
    failed_lately: usize,
}

/// Asks, and notes who did not answer.
pub(crate) struct Gathering<'a> {
    console: &'a Console,
    missing: Vec<String>,
}

type Answer<T> = Result<T, Status>;

impl<'a> Gathering<'a> {
    pub(crate) const fn new(console: &'a Console) -> Self {
        Self {
            console,
            missing: Vec::new(),
        }
    }

    pub(super) const fn console(&self) -> &Console {
        self.console
    }

    /// What was answered; who did not is named once.
    pub(crate) fn note<T>(&mut self, service: &str, answer: Answer<T>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(status) => {
                let why = Problem::from(status);
                let sentence = format!("{service}: {}", why.detail());
                if !self.missing.contains(&sentence) {
                    self.missing.push(sentence);
                }
                None
            }
        }
    }

    pub(crate) fn missing(self) -> Vec<String> {
        self.missing
    }

    /// The projects that are meant, by name.
    async fn projects(&self, whose: &Whose) -> Vec<String> {
        match whose {
            Whose::One(project, _) => vec![project.to_string()],
            Whose::All => {
                let mut all = super::super::configuration::project_names(self.console).await;
                all.truncate(PROJECTS_MAX);
                all
            }
        }
    }

    /// The last hour, span by span.
    pub(super) async fn timeline(&self, whose: &Whose) -> Answer<Vec<Ran>> {
        let readings = self.console.health.traffic().spans();
        let Whose::One(project, _) = whose else {
            return Ok(readings.iter().map(Ran::of_all).collect());
        };
        let asked = GetTimelineRequest {
            project: project.to_string(),
            ..GetTimelineRequest::default()
        };
        let mut monitor = self.console.services.monitor();
        let told = within(monitor.get_timeline(self.console.services.ask_within(asked, WITHIN))).await?;
        Ok(told.spans.iter().filter_map(|span| Ran::of(span, &readings)).collect())
    }

    pub(super) async fn queries(&self, whose: &Whose) -> Answer<Vec<QueryStatistics>> {
        let mut all = Vec::new();
        for project in self.projects(whose).await {
            let asked = ListQueriesRequest {
                project,
                since_unix_ms: self.console.clock.unix_ms() - HOUR_MS,
                sort: QuerySort::Total.into(),
                page: page(5),
                ..ListQueriesRequest::default()
            };
            let mut monitor = self.console.services.monitor();
            all.extend(
                within(monitor.list_queries(self.console.services.ask_within(asked, WITHIN)))
                    .await?
                    .queries,
            );
        }
        all.sort_by(|one, other| other.total_ms.total_cmp(&one.total_ms));
        all.truncate(5);
        Ok(all)
    }

    /// Those that fire, the worst first.
    pub(super) async fn alerts(&self, whose: &Whose) -> Answer<Vec<Alert>> {
        let mut all = Vec::new();
        for project in self.projects(whose).await {
            let asked = ListAlertsRequest {
                project,
                states: vec![AlertState::Firing.into()],
                page: page(MOST),
                ..ListAlertsRequest::default()
            };
            let mut monitor = self.console.services.monitor();
            all.extend(
                within(monitor.list_alerts(self.console.services.ask_within(asked, WITHIN)))
                    .await?
                    .alerts,
            );
        }
        all.sort_by_key(|alert: &Alert| (-alert.severity, -alert.since_unix_ms));
        Ok(all)
    }

    /// Those that run or wait, then the latest that ended.
    pub(super) async fn jobs(&self, whose: &Whose) -> Answer<Vec<Run>> {
        let under_way = [JobState::Running, JobState::Requested];
        let mut all = Vec::new();
        for project in self.projects(whose).await {
            let (under_way, ended) = tokio::try_join!(
                self.runs(&project, &under_way, MOST),
                self.runs(
                    &project,
                    &[JobState::Succeeded, JobState::Failed, JobState::Cancelled],
                    8
                )
            )?;
            all.extend(under_way);
            all.extend(ended);
        }
        let is_over = |run: &Run| run.ended_unix_ms > 0;
        all.sort_by_key(|run| (is_over(run), run.state() != JobState::Running, -run.requested_unix_ms));
        Ok(all)
    }

    async fn runs(&self, project: &str, states: &[JobState], most: u32) -> Answer<Vec<Run>> {
        let asked = ListRunsRequest {
            project: project.to_owned(),
            states: states.iter().map(|state| i32::from(*state)).collect(),
            page: page(most),
            ..ListRunsRequest::default()
        };
        let mut scheduler = self.console.services.scheduler();
        Ok(
            within(scheduler.list_runs(self.console.services.ask_within(asked, WITHIN)))
                .await?
                .runs,
        )
    }

    pub(super) async fn cache(&self, whose: &Whose) -> Answer<CacheAtAGlance> {
        let project = match whose {
            Whose::All => String::new(),
            Whose::One(project, _) => project.to_string(),
        };
        let services = &self.console.services;
        let (mut counted, mut following) = (services.cache(), services.cache());
        let counted = counted.get_statistics(services.ask_within(GetStatisticsRequest { project }, WITHIN));
        let following = following.list_followers(services.ask_within(ListFollowersRequest::default(), WITHIN));
        let (counted, followers, saved_ms_per_second) =
            tokio::join!(within(counted), within(following), self.saved_ms_per_second(whose));
        let total = counted?.total.unwrap_or_default();
        let mut cache = CacheAtAGlance {
            saved_ms_per_second: saved_ms_per_second?,
            entries: total.entries_memory + total.entries_shared,
            bytes: total.bytes_memory + total.bytes_shared,
            ..CacheAtAGlance::default()
        };
        if whose.sees_all() {
            cache.follow(&followers?.followers);
        }
        Ok(cache)
    }

    async fn saved_ms_per_second(&self, whose: &Whose) -> Answer<f64> {
        let mut saved_us = 0.0;
        for project in self.projects(whose).await {
            let asked = ListShapesRequest {
                project,
                page: page(MOST),
                ..ListShapesRequest::default()
            };
            let mut cache = self.console.services.cache();
            let shapes = within(cache.list_shapes(self.console.services.ask_within(asked, WITHIN)))
                .await?
                .shapes;
            let saved = shapes.iter().filter_map(|shape| shape.benefit.as_ref());
            saved_us += saved.map(|benefit| benefit.saved_us_per_second).sum::<f64>();
        }
        Ok(saved_us / 1000.0)
    }

    pub(crate) async fn pools(&self) -> Answer<Vec<PoolNow>> {
        pools_now(self.console, WITHIN).await
    }

    pub(super) async fn pools_for(&self, whose: &Whose) -> Answer<Option<Vec<PoolNow>>> {
        if whose.sees_all() {
            self.pools().await.map(Some)
        } else {
            Ok(None)
        }
    }

    pub(super) async fn backups_for(&self, whose: &Whose) -> Answer<Option<BackupsAtAGlance>> {
        if whose.sees_all() {
            Box::pin(self.backups()).await.map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) async fn backups(&self) -> Answer<BackupsAtAGlance> {
        let services = &self.console.services;
        let since_unix_ms = self.console.clock.unix_ms() - LATELY_MS;
        let (mut listing, mut proving, mut proven, mut windows, mut log, mut jobs) = (
            services.backup(),
            services.backup(),
            services.backup(),
            services.backup(),
            services.backup(),
            services.backup(),
        );
        let whole = ListBackupsRequest {
            kinds: [BackupKind::Full, BackupKind::Incremental, BackupKind::Differential]
                .map(i32::from)
                .to_vec(),
            page: page(1),
            ..ListBackupsRequest::default()
        };
        let failed = ListBackupsRequest {
            states: vec![BackupState::Failed.into()],
            since_unix_ms,
            page: page(MOST),
            ..ListBackupsRequest::default()
        };
        let proofs = ListProofsRequest {
            states: vec![ProofState::Proven.into()],
            page: page(1),
            ..ListProofsRequest::default()
        };
        let running = ListBackupJobsRequest {
            states: vec![JobState::Running.into()],
            page: page(MOST),
            ..ListBackupJobsRequest::default()
        };
        let (whole, failed, proofs, windows, log, running) = tokio::join!(
            within(listing.list_backups(services.ask_within(whole, WITHIN))),
            within(proving.list_backups(services.ask_within(failed, WITHIN))),
            within(proven.list_proofs(services.ask_within(proofs, WITHIN))),
            within(windows.get_recovery_windows(services.ask_within(GetRecoveryWindowsRequest::default(), WITHIN))),
            within(log.get_wal_state(services.ask_within(GetWalStateRequest::default(), WITHIN))),
            within(jobs.list_jobs(services.ask_within(running, WITHIN))),
        );
        // Of several clusters, or none, there is no one window.
        let window = windows
            .ok()
            .and_then(|windows| windows.windows.last().cloned())
            .unwrap_or_default();
        let log = log.ok().map(|log| log.clusters).filter(|clusters| !clusters.is_empty());
        Ok(BackupsAtAGlance {
            last_success_unix_ms: whole?.backups.first().map_or(0, |backup| backup.ended_unix_ms),
            last_proof_unix_ms: proofs?.proofs.first().map_or(0, |proof| proof.ended_unix_ms),
            running: running?.jobs.len(),
            recoverable_from_unix_ms: window.from_unix_ms,
            recoverable_until_unix_ms: window.to_unix_ms,
            wal_lag_bytes: log.map(|clusters| clusters.iter().map(|cluster| cluster.lag_bytes).sum()),
            failed_lately: failed?.backups.len(),
        })
    }
}

const fn page(size: u32) -> Option<PageRequest> {
    Some(PageRequest {
        size,
        token: String::new(),
    })
}

/// An answer in time. The call's own deadline ends it at the other side, too.
async fn within<T>(answer: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Answer<T> {
    match timeout(WITHIN, answer).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded("")),
    }
}
