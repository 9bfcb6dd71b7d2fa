//! Takes the figures of each second, for as long as somebody looks.
//!
//! What runs in a project, the monitor says; what runs in all of them, the gateway counts. Alerts and jobs are always
//! those of projects, added up where all are looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval, timeout};
use weir_model::Project;
use weir_proto::backup::v1 as backup;
use weir_proto::common::v1::{JobState, PageRequest};
use weir_proto::gateway::v1::PoolStateRequest;
use weir_proto::maintenance::v1 as maintenance;
use weir_proto::monitor::v1::{AlertState, GetTimelineRequest, ListAlertsRequest, TimelineSpan};
use weir_runtime::{Ground, Stage};

use super::Watched;
use super::figures::{AlertFigures, Figures, Look, PoolSums, Totals};
use super::ring::Audience;
use crate::exposition;
use crate::health::{Reading, ops};
use crate::http::{Console, project_names};
use crate::services::Services;

const EVERY: Duration = Duration::from_secs(1);
/// A service that is slow has its figures left out of this second.
const WITHIN: Duration = Duration::from_millis(800);
/// How far back spans are asked for: the one that fills, and the one before.
const BACK_MS: i64 = 20_000;
/// Alerts and jobs are told as they come; their counts are taken so many seconds apart.
const COUNT_EVERY: u64 = 3;
/// Projects whose figures are taken at once, and those that are added up.
const PROJECTS_MAX: usize = 50;

pub(crate) fn start(ground: &Ground, console: &Console) {
    let mut sampler = Sampler {
        console: console.clone(),
        seen: BTreeMap::new(),
        second: 0,
    };
    ground.tasks.spawn(Stage::Work, "live figures", |stop| async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            sampler.round().await;
        }
        Ok(())
    });
}

/// What was seen before of a project, or of all.
#[derive(Debug, Default)]
struct Seen {
    was_taken: bool,
    look: Look,
    totals: Totals,
    alerts: Option<AlertFigures>,
    jobs_running: Option<u64>,
}

struct Sampler {
    console: Console,
    seen: BTreeMap<Option<Project>, Seen>,
    second: u64,
}

impl Sampler {
    async fn round(&mut self) {
        let hub = self.console.live.clone();
        let watched: Vec<Watched> = hub.watched().keys().take(PROJECTS_MAX).cloned().collect();
        self.seen
            .retain(|project, _| watched.iter().any(|(one, _)| one == project));
        if watched.is_empty() {
            return;
        }
        let pool = pools(&self.console.services).await;
        let mut projects: Vec<Option<Project>> = watched.iter().map(|(project, _)| project.clone()).collect();
        projects.dedup();
        for project in projects {
            // A rate takes two looks.
            let Some(figures) = self.figures(project.as_ref()).await else {
                continue;
            };
            for (_, is_operator) in watched.iter().filter(|(one, _)| *one == project) {
                let shown = Figures {
                    pool: pool.filter(|_| *is_operator),
                    ..figures.clone()
                };
                // Figures are numbers and texts.
                let data = serde_json::to_value(&shown).unwrap_or_default();
                hub.tell("figures", Audience::Watching(project.clone(), *is_operator), &data);
            }
        }
        self.second += 1;
        hub.wake();
    }

    /// None: of the first look.
    async fn figures(&mut self, project: Option<&Project>) -> Option<Figures> {
        let now = self.console.clock.unix_ms();
        let is_to_count = self.second.is_multiple_of(COUNT_EVERY);
        let mut seen = self.seen.remove(&project.cloned()).unwrap_or_default();
        let was_taken = std::mem::replace(&mut seen.was_taken, true);
        let mut figures = Figures {
            at_unix_ms: now,
            project: project.map_or("*", Project::as_str).to_owned(),
            ..Figures::default()
        };
        let services = &self.console.services;
        match project {
            Some(project) => {
                if let Some(spans) = spans(services, project, now).await {
                    seen.look.judge(&spans, now, &mut figures);
                }
            }
            None => {
                if let Some(reading) = reading(&self.console).await {
                    seen.totals.judge(reading, &mut figures);
                }
            }
        }
        if is_to_count || seen.alerts.is_none() {
            (seen.alerts, seen.jobs_running) = Box::pin(counts(&self.console, project)).await;
        }
        (figures.alerts, figures.jobs_running) = (seen.alerts, seen.jobs_running);
        self.seen.insert(project.cloned(), seen);
        was_taken.then_some(figures)
    }
}

async fn answer<T>(asked: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>) -> Option<T> {
    timeout(WITHIN, asked).await.ok()?.ok().map(tonic::Response::into_inner)
}

async fn spans(services: &Services, project: &Project, now: i64) -> Option<Vec<TimelineSpan>> {
    let asked = GetTimelineRequest {
        project: project.to_string(),
        since_unix_ms: now - BACK_MS,
        ..GetTimelineRequest::default()
    };
    let told = answer(services.monitor().get_timeline(services.ask_within(asked, WITHIN))).await?;
    Some(told.spans)
}

/// What the gateway has counted.
async fn reading(console: &Console) -> Option<Reading> {
    let [gateway, ..] = &console.services.peers;
    let text = ops::metrics(&gateway.ops, WITHIN).await.ok()?;
    Some(Reading::of(&exposition::read(&text), console.clock.unix_ms()))
}

async fn pools(services: &Services) -> Option<PoolSums> {
    let asked = services.ask_within(PoolStateRequest::default(), WITHIN);
    let told = answer(services.gateway().pool_state(asked)).await?;
    Some(PoolSums::of(&told.pools))
}

/// Alerts that fire and jobs that run; where one project of several cannot be counted, the sum is not known.
async fn counts(console: &Console, project: Option<&Project>) -> (Option<AlertFigures>, Option<u64>) {
    let names = match project {
        Some(project) => vec![project.to_string()],
        None => project_names(console).await.into_iter().take(PROJECTS_MAX).collect(),
    };
    let services = &console.services;
    let counted = names
        .iter()
        .map(|name| async move { tokio::join!(alerts(services, name), jobs(services, name)) });
    let (alerts, jobs): (Vec<_>, Vec<_>) = join_all(counted).await.into_iter().unzip();
    (alerts.into_iter().sum(), jobs.into_iter().sum())
}

/// The first page is enough: nobody reads a number of alerts above it.
const fn first_page() -> Option<PageRequest> {
    Some(PageRequest {
        size: 1_000,
        token: String::new(),
    })
}

async fn alerts(services: &Services, project: &str) -> Option<AlertFigures> {
    let asked = ListAlertsRequest {
        project: project.to_owned(),
        states: vec![AlertState::Firing.into()],
        page: first_page(),
        ..ListAlertsRequest::default()
    };
    let told = answer(services.monitor().list_alerts(services.ask_within(asked, WITHIN))).await?;
    Some(AlertFigures::of(&told.alerts))
}

async fn jobs(services: &Services, project: &str) -> Option<u64> {
    let (project, states) = (project.to_owned(), vec![JobState::Running.into()]);
    let upkeep = maintenance::ListJobsRequest {
        project: project.clone(),
        states: states.clone(),
        page: first_page(),
    };
    let backups = backup::ListJobsRequest {
        project,
        states,
        page: first_page(),
        ..backup::ListJobsRequest::default()
    };
    let (mut maintenance, mut backup) = (services.maintenance(), services.backup());
    let upkeep = answer(maintenance.list_jobs(services.ask_within(upkeep, WITHIN)));
    let backups = answer(backup.list_jobs(services.ask_within(backups, WITHIN)));
    let (upkeep, backups) = tokio::join!(upkeep, backups);
    Some((upkeep?.jobs.len() + backups?.jobs.len()) as u64)
}
