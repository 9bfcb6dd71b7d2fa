//! How statements fared over time: as a line, and as a heat-map.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::monitor::v1::{GetHeatmapRequest, GetHeatmapResponse, GetTimelineRequest, GetTimelineResponse};

use super::super::body::{Path, Query};
use super::super::given::{Shape, moment};
use super::super::{Console, Problem, Scoped};
use super::known;

pub(super) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(timeline))
        .routes(routes!(of_project))
        .routes(routes!(heatmap))
}

/// Which time is meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TimeQuery {
    /// Whose statements; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// From when on, in milliseconds since 1970. 0: the last hour.
    #[serde(default, deserialize_with = "moment")]
    #[param(minimum = 0, maximum = 253402300799999_i64, default = 0)]
    since: i64,
    /// Until when. 0: up to now.
    #[serde(default, deserialize_with = "moment")]
    #[param(minimum = 0, maximum = 253402300799999_i64, default = 0)]
    until: i64,
    /// Spans that are wanted at most, each as short as that allows; if nothing is said, as few as answer for the time
    /// (a heat-map: 120).
    #[param(minimum = 3, maximum = 1000)]
    points: Option<u32>,
}

/// On which database.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlaceQuery {
    /// Only on this database; on all if nothing is said.
    #[serde(default)]
    database: String,
}

impl TimeQuery {
    fn points(&self) -> Result<u32, Problem> {
        match self.points {
            None => Ok(0),
            Some(points) if (3..=1_000).contains(&points) => Ok(points),
            Some(points) => Err(Problem::strange(format!(
                "points: {points} is not a number from 3 to 1000"
            ))),
        }
    }
}

/// How one shape of statement fared, span by span.
#[utoipa::path(get, path = "/database/monitoring/queries/{fingerprint}/timeline", tag = "queries",
    params(("fingerprint" = String, Path, description = "The shape: 16 hexadecimal digits.", pattern = "^[0-9a-fA-F]{16}$"), TimeQuery, PlaceQuery),
    responses((status = 200, body = GetTimelineResponse)))]
pub(crate) async fn timeline(
    State(console): State<Console>,
    scoped: Scoped,
    Path(shape): Path<Shape>,
    Query(time): Query<TimeQuery>,
    Query(place): Query<PlaceQuery>,
) -> Result<Json<GetTimelineResponse>, Problem> {
    let asked = GetTimelineRequest {
        project: scoped.name(),
        fingerprint: shape.to_string(),
        database: place.database,
        since_unix_ms: time.since,
        until_unix_ms: time.until,
        points: time.points()?,
    };
    let answer = told(&console, asked).await?;
    if answer.spans.is_empty() {
        known(&console, &scoped.name(), shape).await?;
    }
    Ok(Json(answer))
}

/// How everything of a project fared, span by span.
#[utoipa::path(get, path = "/database/monitoring/timeline", tag = "queries", params(TimeQuery), responses((status = 200, body = GetTimelineResponse)))]
pub(crate) async fn of_project(
    State(console): State<Console>,
    scoped: Scoped,
    Query(time): Query<TimeQuery>,
) -> Result<Json<GetTimelineResponse>, Problem> {
    let asked = GetTimelineRequest {
        project: scoped.name(),
        since_unix_ms: time.since,
        until_unix_ms: time.until,
        points: time.points()?,
        ..GetTimelineRequest::default()
    };
    told(&console, asked).await.map(Json)
}

async fn told(console: &Console, asked: GetTimelineRequest) -> Result<GetTimelineResponse, Problem> {
    let mut monitor = console.services.monitor();
    Ok(monitor.get_timeline(console.services.ask(asked)).await?.into_inner())
}

/// How many calls of one shape took how long, span by span: `counts` has one entry for each of `bounds_ms`, and one for
/// what took longer than the last.
#[utoipa::path(get, path = "/database/monitoring/queries/{fingerprint}/heatmap", tag = "queries",
    params(("fingerprint" = String, Path, description = "The shape: 16 hexadecimal digits.", pattern = "^[0-9a-fA-F]{16}$"), TimeQuery, PlaceQuery),
    responses((status = 200, body = GetHeatmapResponse)))]
pub(crate) async fn heatmap(
    State(console): State<Console>,
    scoped: Scoped,
    Path(shape): Path<Shape>,
    Query(time): Query<TimeQuery>,
    Query(place): Query<PlaceQuery>,
) -> Result<Json<GetHeatmapResponse>, Problem> {
    let asked = GetHeatmapRequest {
        project: scoped.name(),
        fingerprint: shape.to_string(),
        database: place.database,
        since_unix_ms: time.since,
        until_unix_ms: time.until,
        columns: time.points()?,
    };
    let mut monitor = console.services.monitor();
    let answer = monitor.get_heatmap(console.services.ask(asked)).await?.into_inner();
    if answer.spans.is_empty() {
        known(&console, &scoped.name(), shape).await?;
    }
    Ok(Json(answer))
}
