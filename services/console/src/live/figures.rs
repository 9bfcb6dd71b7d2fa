//! The figures of each second, for those who look.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, timeout};
use weir_model::Project;
use weir_proto::backup::v1 as backup;
use weir_proto::common::v1::{JobState, PageRequest, Severity};
use weir_proto::gateway::v1::PoolStateRequest;
use weir_proto::maintenance::v1 as maintenance;
use weir_proto::monitor::v1::{AlertState, GetTimelineRequest, ListAlertsRequest, TimelineSpan};
use weir_runtime::{Ground, Stage};

use super::ring::Audience;
use super::{Hub, Watched};
use crate::services::Services;

const EVERY: Duration = Duration::from_secs(1);
/// A service that is slow has its figures left out of this second.
const WITHIN: Duration = Duration::from_millis(800);
/// How far back spans are asked for: the one that fills, and the one before.
const BACK_MS: i64 = 20_000;
/// Alerts and jobs are told as they come; their counts are taken so many seconds apart.
const COUNT_EVERY: u64 = 3;
/// Projects whose figures are taken at once.
const WATCHED_MAX: usize = 50;

/// What is told of a project each second; what could not be found out is null.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
#[schema(as = console::Figures)]
pub(crate) struct Figures {
    /// When they were taken.
    pub(crate) at_unix_ms: i64,
    /// Whose they are.
    pub(crate) project: String,
    /// Statements that ended, a second.
    pub(crate) queries_per_second: Option<f64>,
    /// Those of them that failed.
    pub(crate) errors_per_second: Option<f64>,
    /// Half of the calls of the latest ten seconds took at most this many milliseconds.
    pub(crate) p50_ms: Option<f64>,
    /// 95 of 100 took at most this many.
    pub(crate) p95_ms: Option<f64>,
    /// 99 of 100 took at most this many.
    pub(crate) p99_ms: Option<f64>,
    /// Calls answered from memory, of those that could have been; null: there were none.
    pub(crate) cache_hit_ratio: Option<f64>,
    /// Server connections of all pools together; null: for the operator only, or the gateway is away.
    pub(crate) pool: Option<PoolFigures>,
    /// Alerts that fire.
    pub(crate) alerts: Option<AlertFigures>,
    /// Jobs that are being done.
    pub(crate) jobs_running: Option<u64>,
    #[serde(skip)]
    is_first: bool,
}

/// Server connections of all pools together.
#[derive(Debug, Clone, Copy, Default, Serialize, utoipa::ToSchema)]
#[schema(as = console::PoolFigures)]
pub(crate) struct PoolFigures {
    /// Open.
    pub(crate) total: u64,
    /// Open and free.
    pub(crate) idle: u64,
    /// Lent out.
    pub(crate) active: u64,
    /// Callers who wait for one.
    pub(crate) waiting: u64,
    /// Most that may be open.
    pub(crate) max: u64,
}

/// Alerts that fire.
#[derive(Debug, Clone, Copy, Default, Serialize, utoipa::ToSchema)]
#[schema(as = console::AlertFigures)]
pub(crate) struct AlertFigures {
    /// Somebody should look now.
    pub(crate) critical: u64,
    /// Somebody should look during the day.
    pub(crate) warning: u64,
    /// Worth knowing.
    pub(crate) info: u64,
}

pub(crate) fn start(ground: &Ground, services: &Services, hub: &Hub) {
    let mut sampler = Sampler {
        services: services.clone(),
        hub: hub.clone(),
        looks: BTreeMap::new(),
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

/// What was seen of a project before.
#[derive(Debug, Default)]
struct Look {
    was_taken: bool,
    at_unix_ms: i64,
    /// Calls and errors of each span, by its beginning.
    spans: BTreeMap<i64, (u64, u64)>,
    alerts: Option<AlertFigures>,
    jobs_running: Option<u64>,
}

struct Sampler {
    services: Services,
    hub: Hub,
    looks: BTreeMap<Option<Project>, Look>,
    second: u64,
}

impl Sampler {
    async fn round(&mut self) {
        let watched: Vec<Watched> = self.hub.watched().keys().take(WATCHED_MAX).cloned().collect();
        self.looks
            .retain(|project, _| watched.iter().any(|(one, _)| one == project));
        if watched.is_empty() {
            return;
        }
        let pool = pools(&self.services).await;
        let mut projects: Vec<Option<Project>> = watched.iter().map(|(project, _)| project.clone()).collect();
        projects.dedup();
        for project in projects {
            let figures = self.figures(project.as_ref()).await;
            // A rate takes two looks.
            if figures.is_first {
                continue;
            }
            for (_, is_operator) in watched.iter().filter(|(one, _)| *one == project) {
                let shown = Figures {
                    pool: pool.filter(|_| *is_operator),
                    ..figures.clone()
                };
                // Figures are numbers and texts.
                let data = serde_json::to_value(&shown).unwrap_or_default();
                self.hub
                    .tell("figures", Audience::Watching(project.clone(), *is_operator), &data);
            }
        }
        self.second += 1;
        self.hub.wake();
    }

    async fn figures(&mut self, project: Option<&Project>) -> Figures {
        let now = self.hub.0.clock.unix_ms();
        let is_to_count = self.second.is_multiple_of(COUNT_EVERY);
        let mut look = self.looks.remove(&project.cloned()).unwrap_or_default();
        let name = project.map_or("*", Project::as_str);
        let mut figures = Figures {
            at_unix_ms: now,
            project: name.to_owned(),
            is_first: !std::mem::replace(&mut look.was_taken, true),
            ..Figures::default()
        };
        if let Some(spans) = spans(&self.services, name, now).await {
            look.judge(&spans, now, &mut figures);
        }
        if is_to_count || look.alerts.is_none() {
            look.alerts = alerts(&self.services, name).await;
            look.jobs_running = jobs(&self.services, name).await;
        }
        (figures.alerts, figures.jobs_running) = (look.alerts, look.jobs_running);
        self.looks.insert(project.cloned(), look);
        figures
    }
}

impl Look {
    /// The rates since the look before, and the latencies of the latest span in which something ran.
    fn judge(&mut self, spans: &[TimelineSpan], now: i64, figures: &mut Figures) {
        let seen: BTreeMap<i64, (u64, u64)> = spans
            .iter()
            .filter_map(|span| {
                Some((
                    span.from_unix_ms,
                    span.statistics.as_ref().map(|all| (all.calls, all.errors))?,
                ))
            })
            .collect();
        let new = |pick: fn(&(u64, u64)) -> u64| -> u64 {
            let before = |from| self.spans.get(from).map(pick).unwrap_or_default();
            seen.iter()
                .map(|(from, counts)| pick(counts).saturating_sub(before(from)))
                .sum()
        };
        let seconds = (now - self.at_unix_ms) as f64 / 1_000.0;
        if self.at_unix_ms > 0 && seconds > 0.0 {
            figures.queries_per_second = Some(new(|counts| counts.0) as f64 / seconds);
            figures.errors_per_second = Some(new(|counts| counts.1) as f64 / seconds);
        }
        if let Some(latest) = spans.iter().rev().find_map(|span| span.statistics.as_ref()) {
            figures.p50_ms = Some(latest.p50_ms);
            figures.p95_ms = Some(latest.p95_ms);
            figures.p99_ms = Some(latest.p99_ms);
            let asked = latest.cache_hits + latest.cache_misses;
            figures.cache_hit_ratio = (asked > 0).then(|| latest.cache_hits as f64 / asked as f64);
        }
        (self.at_unix_ms, self.spans) = (now, seen);
    }
}

async fn answer<T>(asked: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>) -> Option<T> {
    timeout(WITHIN, asked).await.ok()?.ok().map(tonic::Response::into_inner)
}

async fn spans(services: &Services, project: &str, now: i64) -> Option<Vec<TimelineSpan>> {
    let asked = GetTimelineRequest {
        project: project.to_owned(),
        since_unix_ms: now - BACK_MS,
        ..GetTimelineRequest::default()
    };
    let told = answer(services.monitor().get_timeline(services.ask_within(asked, WITHIN))).await?;
    Some(told.spans)
}

async fn pools(services: &Services) -> Option<PoolFigures> {
    let asked = services.ask_within(PoolStateRequest::default(), WITHIN);
    let told = answer(services.gateway().pool_state(asked)).await?;
    Some(told.pools.iter().fold(PoolFigures::default(), |sum, pool| PoolFigures {
        total: sum.total + u64::from(pool.total),
        idle: sum.idle + u64::from(pool.idle),
        active: sum.active + u64::from(pool.active),
        waiting: sum.waiting + u64::from(pool.waiting),
        max: sum.max + u64::from(pool.max),
    }))
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
    let count = |severity| told.alerts.iter().filter(|alert| alert.severity() == severity).count() as u64;
    Some(AlertFigures {
        critical: count(Severity::Critical),
        warning: count(Severity::Warning),
        info: count(Severity::Info),
    })
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
    let count = upkeep.map(|told| told.jobs.len()).unwrap_or_default()
        + backups.map(|told| told.jobs.len()).unwrap_or_default();
    Some(count as u64)
}

#[cfg(test)]
mod tests {
    use weir_proto::monitor::v1::QueryStatistics;

    use super::*;

    fn span(from: i64, calls: u64, errors: u64, p95_ms: f64) -> TimelineSpan {
        TimelineSpan {
            from_unix_ms: from,
            to_unix_ms: from + 10_000,
            statistics: Some(QueryStatistics {
                calls,
                errors,
                p95_ms,
                cache_hits: calls / 2,
                cache_misses: calls / 2,
                ..QueryStatistics::default()
            }),
        }
    }

    #[test]
    fn rates_are_what_came_since_the_look_before_also_when_a_span_begins() {
        let mut look = Look::default();
        let mut judge = |spans: &[TimelineSpan], now| {
            let mut figures = Figures::default();
            look.judge(spans, now, &mut figures);
            figures
        };
        assert_eq!(judge(&[span(0, 900, 9, 1.0)], 9_000).queries_per_second, None);
        let figures = judge(&[span(0, 1_000, 10, 1.0), span(10_000, 100, 0, 2.0)], 11_000);
        assert_eq!(
            (figures.queries_per_second, figures.errors_per_second),
            (Some(100.0), Some(0.5))
        );
        assert_eq!((figures.p95_ms, figures.cache_hit_ratio), (Some(2.0), Some(0.5)));
        // A span that is not told any more takes nothing back, and nothing is no figure.
        let figures = judge(&[], 12_000);
        assert_eq!((figures.queries_per_second, figures.p95_ms), (Some(0.0), None));
    }
}
