//! How statements fared, in figures.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use weir_proto::cache::v1::{GetStatisticsRequest, Statistics};

use super::super::{Console, Problem};
use super::figures::{Point, Ran};
use super::gather::Gathering;
use super::{Whose, WhoseQuery};
use crate::health::{Trend, trend};

const HOUR_S: f64 = 3600.0;

/// How statements fared.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::PerformanceMetrics)]
pub(crate) struct PerformanceMetrics {
    /// When this was put together.
    at_unix_ms: i64,
    /// Whose statements; `*`: everybody's.
    project: String,
    /// The last hour; null: it cannot be had.
    hour: Option<Sums>,
    /// The last minute of it; null: it cannot be had.
    minute: Option<Sums>,
    /// The hour span by span, in order of time.
    points: Vec<Point>,
    /// Where the 95 of 100 and the errors are going.
    trends: Vec<Trend>,
    /// What the cache did since its gateways were started; null: it does not answer.
    cache: Option<Statistics>,
    /// What could not be asked, a sentence each.
    missing: Vec<String>,
}

/// What ran in a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = console::PerformanceSums)]
pub(crate) struct Sums {
    /// Statements that ended.
    calls: f64,
    /// Those that failed.
    errors: f64,
    /// The part that failed, 0 to 1; null: nothing ran.
    error_ratio: Option<f64>,
    /// Statements in a second.
    queries_per_second: f64,
    /// Half took at most this: the mean of the spans' own, each counted by its calls; null: nothing ran.
    p50_ms: Option<f64>,
    /// 95 of 100 took at most this, as the one before.
    p95_ms: Option<f64>,
    /// 99 of 100 took at most this, as the one before.
    p99_ms: Option<f64>,
    /// The part of look-ups that memory answered, 0 to 1; null: there were none.
    cache_hit_ratio: Option<f64>,
}

impl Sums {
    fn of(ran: &[&Ran], seconds: f64) -> Self {
        let sum = |of: fn(&Ran) -> f64| ran.iter().map(|ran| of(ran)).sum::<f64>();
        let (calls, errors, lookups) = (sum(|ran| ran.calls), sum(|ran| ran.errors), sum(|ran| ran.lookups));
        Self {
            calls,
            errors,
            error_ratio: (calls > 0.0).then(|| errors / calls),
            queries_per_second: calls / seconds,
            p50_ms: weighed(ran, |ran| ran.p50_ms),
            p95_ms: weighed(ran, |ran| ran.p95_ms),
            p99_ms: weighed(ran, |ran| ran.p99_ms),
            cache_hit_ratio: (lookups > 0.0).then(|| sum(|ran| ran.hits) / lookups),
        }
    }
}

/// The mean of the spans, each counted by its calls.
fn weighed(ran: &[&Ran], of: fn(&Ran) -> Option<f64>) -> Option<f64> {
    let values = || ran.iter().filter_map(|ran| Some((of(ran)?, ran.calls)));
    let calls: f64 = values().map(|(_, calls)| calls).sum();
    (calls > 0.0).then(|| values().map(|(value, calls)| value * calls).sum::<f64>() / calls)
}

/// How statements fared in the last hour and minute, with what the cache did.
#[utoipa::path(get, path = "/database/metrics", tag = "dashboard", params(WhoseQuery), responses((status = 200, body = PerformanceMetrics)))]
pub(crate) async fn show(State(console): State<Console>, whose: Whose) -> Result<Json<PerformanceMetrics>, Problem> {
    let mut gathering = Gathering::new(&console);
    let (timeline, cache) = tokio::join!(gathering.timeline(&whose), gathering.cache_statistics(&whose));
    let timeline = gathering.note("query-monitor", timeline);
    let cache = gathering.note("cache", cache).flatten();
    let at_unix_ms = console.clock.unix_ms();
    let all: Option<Vec<&Ran>> = timeline.as_ref().map(|timeline| timeline.iter().collect());
    let late = |ran: &&&Ran| at_unix_ms - ran.to_unix_ms <= 60_000;
    let lately: Option<Vec<&Ran>> = all.as_ref().map(|all| all.iter().filter(late).copied().collect());
    let figure = |of: fn(&Ran) -> Option<f64>| -> Vec<f64> { all.iter().flatten().filter_map(|ran| of(ran)).collect() };
    Ok(Json(PerformanceMetrics {
        at_unix_ms,
        project: whose.name(),
        hour: all.as_ref().map(|ran| Sums::of(ran, HOUR_S)),
        minute: lately.as_ref().map(|ran| Sums::of(ran, 60.0)),
        points: timeline
            .iter()
            .flatten()
            .map(|ran| Point::of(ran, whose.sees_all()))
            .collect(),
        trends: vec![
            trend("p95_ms", &figure(|ran| ran.p95_ms), 5.0),
            trend(
                "error_ratio",
                &figure(|ran| (ran.calls > 0.0).then(|| ran.errors / ran.calls)),
                0.005,
            ),
        ],
        cache,
        missing: gathering.missing(),
    }))
}

impl Gathering<'_> {
    async fn cache_statistics(&self, whose: &Whose) -> Result<Option<Statistics>, tonic::Status> {
        let project = match whose {
            Whose::All => String::new(),
            Whose::One(project, _) => project.to_string(),
        };
        let mut cache = self.console().services.cache();
        let asked = self
            .console()
            .services
            .ask_within(GetStatisticsRequest { project }, super::gather::WITHIN);
        Ok(cache.get_statistics(asked).await?.into_inner().total)
    }
}
