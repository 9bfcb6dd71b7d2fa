//! What the overview of the dashboard shows, at once.

mod figures;
mod gather;
mod metrics;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::monitor::v1::{Alert, QueryStatistics};
use weir_proto::scheduler::v1::Run;

use super::pools::PoolNow;
use super::{Console, Problem};
use crate::health::{Kind, Picture, State as PartState, Status};
use crate::live::{AlertFigures, Figures, PoolSums};
use figures::{Point, figures_of, running};
pub(super) use gather::{BackupsAtAGlance, CacheAtAGlance, Gathering, Whose};

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(metrics::show))
}

/// What the overview shows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Dashboard)]
pub(crate) struct Dashboard {
    /// When it was put together.
    at_unix_ms: i64,
    /// Whose figures these are; `*`: everybody's.
    project: String,
    /// How healthy everything is.
    health: HealthAtAGlance,
    /// The newest figures; null: they cannot be had.
    figures: Option<Figures>,
    /// The last hour in order of time; spans in which nothing ran are left out.
    history: Vec<Point>,
    /// Every pool; none for a token of a project.
    pools: Vec<PoolNow>,
    /// The cache; null: it does not answer.
    cache: Option<CacheAtAGlance>,
    /// Alerts that fire, the worst first, at most ten.
    alerts: Vec<Alert>,
    /// How many fire in all.
    alerts_firing: usize,
    /// Jobs: those that run or wait first, then the latest that ended, at most eight.
    jobs: Vec<Run>,
    /// The five shapes of statement that took most time in the last hour.
    queries: Vec<QueryStatistics>,
    /// Backups; null for a token of a project, and where the backup service does not answer.
    backups: Option<BackupsAtAGlance>,
    /// What could not be asked, a sentence each; none: this is complete.
    missing: Vec<String>,
}

/// How healthy everything is, in short.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::HealthAtAGlance)]
pub(crate) struct HealthAtAGlance {
    /// The whole: degraded is not down.
    state: Light,
    /// Since when it is so.
    since_unix_ms: i64,
    /// The same in a sentence.
    summary: String,
    /// Every part. For a token of a project without what concerns the server alone.
    parts: Vec<PartAtAGlance>,
}

/// A part of the system, in short.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::PartAtAGlance)]
pub(crate) struct PartAtAGlance {
    /// Its name.
    name: String,
    /// What sort of part it is.
    kind: Kind,
    /// How it fares.
    state: Light,
    /// Since when.
    since_unix_ms: i64,
    /// How long its last answer took; null: it was not asked itself, or did not answer.
    latency_ms: Option<f64>,
    /// Why it is not ok, or what is to be known beside that; may be empty.
    note: String,
}

/// A state as it is shown.
#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::Light)]
pub(crate) enum Light {
    /// All is well.
    Ok,
    /// It does a part of its work.
    Degraded,
    /// It does not do its work.
    Down,
    /// It is not known.
    Unknown,
}

impl From<PartState> for Light {
    fn from(state: PartState) -> Self {
        match state {
            PartState::Up => Self::Ok,
            PartState::Degraded => Self::Degraded,
            PartState::Down => Self::Down,
            PartState::Unknown => Self::Unknown,
        }
    }
}

impl HealthAtAGlance {
    /// Reasons name addresses and other projects' databases; a token of a project sees none.
    fn of(picture: &Picture, sees_all: bool) -> Self {
        let parts = picture
            .parts
            .iter()
            .filter(|part| sees_all || part.kind != Kind::Dependency);
        let summary = match picture.status {
            _ if sees_all => picture.summary.clone(),
            Status::Healthy => "Everything answers.".to_owned(),
            Status::Degraded => "Queries are answered; a part of the system does not do all of its work.".to_owned(),
            Status::Down => "Queries are not answered.".to_owned(),
            Status::Unknown => "It is not known yet.".to_owned(),
        };
        let part = |part: &crate::health::Part| PartAtAGlance {
            name: part.name.clone(),
            kind: part.kind,
            state: part.state.into(),
            since_unix_ms: part.since_unix_ms,
            latency_ms: part.latency_ms,
            note: if sees_all { part.reason.clone() } else { String::new() },
        };
        Self {
            state: picture.status.state().into(),
            since_unix_ms: picture.since_unix_ms,
            summary,
            parts: parts.map(part).collect(),
        }
    }
}

/// Whose dashboard.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `Whose` reads")]
pub(crate) struct WhoseQuery {
    /// Whose figures; a token's own project if nothing is said, `default` for an operator, for whom `*` is everybody's.
    project: Option<String>,
}

/// What the overview shows, at once. A part that cannot be asked is null or empty, and named in `missing`.
#[utoipa::path(get, path = "/database/monitoring/dashboard", tag = "dashboard", params(WhoseQuery), responses((status = 200, body = Dashboard)))]
pub(crate) async fn show(State(console): State<Console>, whose: Whose) -> Result<Json<Dashboard>, Problem> {
    let mut gathering = Gathering::new(&console);
    let (timeline, queries, alerts, jobs, cache, pools, backups, picture) = tokio::join!(
        gathering.timeline(&whose),
        gathering.queries(&whose),
        gathering.alerts(&whose),
        gathering.jobs(&whose),
        Box::pin(gathering.cache(&whose)),
        gathering.pools_for(&whose),
        Box::pin(gathering.backups_for(&whose)),
        console.health.known(super::health::FIRST_LOOK_WITHIN),
    );
    let timeline = gathering.note("query-monitor", timeline);
    let queries = gathering.note("query-monitor", queries).unwrap_or_default();
    let alerts = gathering.note("query-monitor", alerts);
    let jobs = gathering.note("scheduler", jobs);
    let mut cache = gathering.note("cache", cache);
    let pools = gathering.note("pool-gateway", pools).flatten();
    let backups = gathering.note("backup", backups).flatten();
    if let (Some(cache), Some(timeline)) = (&mut cache, &timeline) {
        cache.count(timeline);
    }
    let figures = timeline.as_deref().map(|timeline| Figures {
        pool: pools
            .as_deref()
            .map(|pools| PoolSums::of(pools.iter().map(|now| &now.pool))),
        alerts: alerts.as_deref().map(AlertFigures::of),
        jobs_running: jobs.as_deref().map(running),
        ..figures_of(&whose, timeline, console.clock.unix_ms())
    });
    let alerts = alerts.unwrap_or_default();
    let points = timeline.unwrap_or_default();
    Ok(Json(Dashboard {
        at_unix_ms: console.clock.unix_ms(),
        project: whose.name(),
        health: HealthAtAGlance::of(&picture, whose.sees_all()),
        figures,
        history: points.iter().map(|span| Point::of(span, whose.sees_all())).collect(),
        pools: pools.unwrap_or_default(),
        cache,
        alerts_firing: alerts.len(),
        alerts: alerts.into_iter().take(10).collect(),
        jobs: jobs.unwrap_or_default().into_iter().take(8).collect(),
        queries,
        backups,
        missing: gathering.missing(),
    }))
}
