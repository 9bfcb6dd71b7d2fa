//! The built-in verification and benchmark.

use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::Path;
use super::{Body, Console, Operator, Problem};
use crate::bench::{self, DeskError, Kind, Order, Report, Summary};

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(run))
        .routes(routes!(quick))
        .routes(routes!(list))
        .routes(routes!(show, end))
        .routes(routes!(page))
}

/// How much is wanted.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::Verification)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Seconds of each way; 10 if nothing is said.
    #[schema(minimum = 1, maximum = 300)]
    seconds: Option<u64>,
    /// Clients at once; 8 if nothing is said.
    #[schema(minimum = 1, maximum = 200)]
    clients: Option<u64>,
    /// Rows of each table; 100,000 if nothing is said.
    #[schema(minimum = 1000, maximum = 10_000_000)]
    rows: Option<u64>,
    /// Answer when it has ended.
    #[serde(default)]
    wait: bool,
}

/// Reports of verifications.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Reports)]
pub(crate) struct Reports {
    /// The one that runs, then the latest first.
    reports: Vec<Summary>,
    /// Always null: all that are kept are here.
    next: Option<String>,
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        Self::of(&error)
    }
}

/// Begins the whole verification: four ways to ask PostgreSQL beside each other, and the compliance table.
#[utoipa::path(post, path = "/database/testing/run-comprehensive", tag = "testing", request_body = Wanted, responses((status = 200, body = Report), (status = 202, body = Report)))]
pub(crate) async fn run(
    State(console): State<Console>,
    Operator(caller): Operator,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let usual = Order::usual(Kind::Comprehensive, &caller.name);
    let order = Order {
        seconds: wanted.seconds.unwrap_or(usual.seconds),
        clients: wanted.clients.unwrap_or(usual.clients),
        rows: wanted.rows.unwrap_or(usual.rows),
        ..usual
    };
    let report = console.bench.begin(order)?;
    if wanted.wait {
        return Ok(Json(ended(report).await?).into_response());
    }
    let begun = report.borrow().clone();
    let location = HeaderValue::try_from(format!("/database/testing/reports/{}", begun.id));
    let mut response = (StatusCode::ACCEPTED, Json(begun)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn ended(report: tokio::sync::watch::Receiver<Report>) -> Result<Report, Problem> {
    let stopping = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the console stops");
    bench::ended(report).await.ok_or_else(stopping)
}

/// The ways alone, for a second each; answered when it has ended.
#[utoipa::path(get, path = "/database/testing/quick-benchmark", tag = "testing", responses((status = 200, body = Report)))]
pub(crate) async fn quick(State(console): State<Console>, Operator(caller): Operator) -> Result<Json<Report>, Problem> {
    if !caller.may_change() {
        return Err(Problem::forbidden(
            "a benchmark makes tables and load, and the token is a viewer's",
        ));
    }
    let report = console.bench.begin(Order::usual(Kind::Quick, &caller.name))?;
    ended(report).await.map(Json)
}

/// Verifications that are kept.
#[utoipa::path(get, path = "/database/testing/reports", tag = "testing", responses((status = 200, body = Reports)))]
pub(crate) async fn list(State(console): State<Console>, Operator(_): Operator) -> Result<Json<Reports>, Problem> {
    let reports = console.bench.list().await?;
    let reports = reports.iter().map(Report::summary).collect();
    Ok(Json(Reports { reports, next: None }))
}

/// One verification, also while it runs.
#[utoipa::path(get, path = "/database/testing/reports/{id}", tag = "testing", params(("id" = Uuid, Path, description = "The report.")), responses((status = 200, body = Report)))]
pub(crate) async fn show(
    State(console): State<Console>,
    Operator(_): Operator,
    Path(id): Path<Uuid>,
) -> Result<Json<Report>, Problem> {
    Ok(Json(console.bench.find(id).await?))
}

/// Stops a verification that runs; forgets one that has ended.
#[utoipa::path(delete, path = "/database/testing/reports/{id}", tag = "testing", params(("id" = Uuid, Path, description = "The report.")), responses((status = 204)))]
pub(crate) async fn end(
    State(console): State<Console>,
    Operator(_): Operator,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    console.bench.end(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One verification as a page that needs nothing else.
#[utoipa::path(get, path = "/database/testing/reports/{id}/page", tag = "testing", params(("id" = Uuid, Path, description = "The report.")), responses((status = 200, content_type = "text/html", body = String)))]
pub(crate) async fn page(
    State(console): State<Console>,
    Operator(_): Operator,
    Path(id): Path<Uuid>,
) -> Result<Html<String>, Problem> {
    Ok(Html(bench::page(&console.bench.find(id).await?)))
}
