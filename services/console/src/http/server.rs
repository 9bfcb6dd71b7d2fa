//! What the watched servers say of themselves: sessions, who blocks whom, where figures are going.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::monitor::v1::{
    GetForecastRequest, GetForecastResponse, GetIntakeRequest, GetIntakeResponse, GetServerRequest, GetServerResponse,
    ListActivityRequest, ListActivityResponse, ListBlockingRequest, ListBlockingResponse,
};

use super::body::Query;
use super::{Console, Operator, Problem, Scoped, given};

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(servers))
        .routes(routes!(activity))
        .routes(routes!(blocking))
        .routes(routes!(forecast))
        .routes(routes!(intake))
}

/// Which server is meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ServerQuery {
    /// Only this server, as `host:port`; all that are watched if nothing is said.
    #[serde(default)]
    upstream: String,
}

/// The servers as they were read last, and the machine that the monitor runs on.
#[utoipa::path(get, path = "/database/monitoring/servers", tag = "server", params(ServerQuery), responses((status = 200, body = GetServerResponse)))]
pub(crate) async fn servers(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<ServerQuery>,
) -> Result<Json<GetServerResponse>, Problem> {
    let asked = GetServerRequest {
        upstream: query.upstream,
    };
    let mut monitor = console.services.monitor();
    Ok(Json(
        monitor.get_server(console.services.ask(asked)).await?.into_inner(),
    ))
}

/// Whose sessions are meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityQuery {
    /// Only of this server, as `host:port`; of all that are watched if nothing is said.
    #[serde(default)]
    upstream: String,
    /// Only in this database; in all if nothing is said.
    #[serde(default)]
    database: String,
}

/// Sessions that matter now: in a transaction, waiting for a lock, or holding others up.
#[utoipa::path(get, path = "/database/monitoring/activity", tag = "server", params(ActivityQuery), responses((status = 200, body = ListActivityResponse)))]
pub(crate) async fn activity(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<ActivityQuery>,
) -> Result<Json<ListActivityResponse>, Problem> {
    let asked = ListActivityRequest {
        upstream: query.upstream,
        database: query.database,
    };
    let mut monitor = console.services.monitor();
    Ok(Json(
        monitor.list_activity(console.services.ask(asked)).await?.into_inner(),
    ))
}

/// Who holds others up, and whom.
#[utoipa::path(get, path = "/database/monitoring/blocking", tag = "server", params(ServerQuery), responses((status = 200, body = ListBlockingResponse)))]
pub(crate) async fn blocking(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<ServerQuery>,
) -> Result<Json<ListBlockingResponse>, Problem> {
    let asked = ListBlockingRequest {
        upstream: query.upstream,
    };
    let mut monitor = console.services.monitor();
    Ok(Json(
        monitor.list_blocking(console.services.ask(asked)).await?.into_inner(),
    ))
}

/// Which figure is meant.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ForecastQuery {
    /// Whose figure; a token's own project if nothing is said, `default` for an operator. Figures of whole servers belong
    /// to `default`.
    #[param(rename = "project")]
    _project: Option<String>,
    /// The figure, by the name that rules know it by, such as `host.disk_used_bytes`; one of those that are recorded.
    metric: String,
    /// What it is about: exactly its labels, each as `name=value`; may be repeated.
    #[param(required = false)]
    label: Vec<String>,
    /// How many days to look ahead.
    #[param(minimum = 1, maximum = 400, default = 30)]
    horizon_days: Option<u32>,
}

impl ForecastQuery {
    fn read(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let days = given::one(pairs, "horizon_days")?.map(str::parse).transpose();
        let metric = given::one(pairs, "metric")?;
        Ok(Self {
            _project: None,
            metric: metric
                .ok_or_else(|| Problem::strange("metric: it is not said which"))?
                .to_owned(),
            label: given::all(pairs, "label").map(str::to_owned).collect(),
            horizon_days: days.map_err(|_| Problem::strange("horizon_days: it is not a number from 1 to 400"))?,
        })
    }

    fn labels(&self) -> Result<BTreeMap<String, String>, Problem> {
        let pair = |label: &String| {
            let (name, value) = label
                .split_once('=')
                .ok_or_else(|| Problem::strange("label: name=value is expected"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        self.label.iter().map(pair).collect()
    }
}

/// Where a recorded figure is going, and when it runs out if it is one that can.
#[utoipa::path(get, path = "/database/monitoring/forecast", tag = "server", params(ForecastQuery), responses((status = 200, body = GetForecastResponse)))]
pub(crate) async fn forecast(
    State(console): State<Console>,
    scoped: Scoped,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<GetForecastResponse>, Problem> {
    let query = ForecastQuery::read(&pairs)?;
    let asked = GetForecastRequest {
        labels: query.labels()?,
        metric: query.metric,
        project: scoped.name(),
        horizon_days: query.horizon_days.unwrap_or_default(),
    };
    let mut monitor = console.services.monitor();
    Ok(Json(
        monitor.get_forecast(console.services.ask(asked)).await?.into_inner(),
    ))
}

/// What came in from the gateways and what did not, so that one can judge whether the statistics are complete.
#[utoipa::path(get, path = "/database/monitoring/intake", tag = "server", responses((status = 200, body = GetIntakeResponse)))]
pub(crate) async fn intake(
    State(console): State<Console>,
    Operator(_): Operator,
) -> Result<Json<GetIntakeResponse>, Problem> {
    let mut monitor = console.services.monitor();
    let asked = console.services.ask(GetIntakeRequest {});
    Ok(Json(monitor.get_intake(asked).await?.into_inner()))
}
