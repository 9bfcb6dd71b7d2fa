//! How healthy everything is and was, and the metrics of all services as one text.

mod history;
mod overview;
mod scrape;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Console, Operator, Problem, Seen};
use crate::health::{Direction, Kind, Part, Picture, Status, Trend, trend, worst};
use crate::store::health::{self as rows, SampleRow};

/// The first look after a start is waited for so long.
pub(super) const FIRST_LOOK_WITHIN: Duration = Duration::from_secs(4);
/// What a trend is made of.
const TREND_MS: i64 = 3_600_000;

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(short))
        .routes(routes!(history::list))
        .routes(routes!(overview::show))
        .routes(routes!(scrape::show))
}

/// How healthy everything is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Health)]
pub(crate) struct Health {
    /// The whole: degraded is not down.
    status: Status,
    /// Since when it is so.
    since_unix_ms: i64,
    /// The same in a sentence.
    summary: String,
    /// When everything was looked at last.
    at_unix_ms: i64,
    /// Connectivity, performance, schema.
    aspects: Vec<Part>,
    /// Each service.
    services: Vec<Part>,
    /// What services need or use: the store, the bus, upstreams, pools, repositories.
    dependencies: Vec<Part>,
    /// Where it is going, by the last hour.
    trend: Trends,
}

/// Where health is going.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::HealthTrends)]
pub(crate) struct Trends {
    /// The worst of them.
    direction: Direction,
    /// Each figure. Empty: the record cannot be read now.
    figures: Vec<Trend>,
}

/// How healthy everything is, in short.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::ShortHealth)]
pub(crate) struct ShortHealth {
    /// The whole: degraded is not down.
    status: Status,
    /// Since when it is so.
    since_unix_ms: i64,
}

/// How healthy everything is: each part with its state, latency, reason and since when.
#[utoipa::path(get, path = "/database/health", tag = "health", responses((status = 200, body = Health)))]
pub(crate) async fn show(State(console): State<Console>, Operator(_): Operator) -> Result<Json<Health>, Problem> {
    let picture = picture(&console).await?;
    let since = picture.at_unix_ms.saturating_sub(TREND_MS);
    let samples = rows::samples(console.tables.store().pool(), since, 1);
    // A record that cannot be read takes nothing from what is known now.
    let samples = tokio::time::timeout(Duration::from_secs(2), samples).await;
    let trend = trends(samples.ok().and_then(Result::ok).as_deref());
    let of = |kind: Kind| picture.parts.iter().filter(|part| part.kind == kind).cloned().collect();
    Ok(Json(Health {
        status: picture.status,
        since_unix_ms: picture.since_unix_ms,
        summary: picture.summary.clone(),
        at_unix_ms: picture.at_unix_ms,
        aspects: of(Kind::Aspect),
        services: of(Kind::Service),
        dependencies: of(Kind::Dependency),
        trend,
    }))
}

/// Whether queries are answered: 200 where they are, 503 where they are not.
#[utoipa::path(get, path = "/health/database", tag = "health", responses(
    (status = 200, description = "healthy or degraded: queries are answered", body = ShortHealth),
    (status = 503, description = "down: queries are not answered", body = ShortHealth),
))]
pub(crate) async fn short(
    State(console): State<Console>,
    Seen(_): Seen,
) -> Result<(StatusCode, Json<ShortHealth>), Problem> {
    let picture = picture(&console).await?;
    let code = match picture.status {
        Status::Down => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let health = ShortHealth {
        status: picture.status,
        since_unix_ms: picture.since_unix_ms,
    };
    Ok((code, Json(health)))
}

/// What is known; a problem where that is nothing yet.
pub(super) async fn picture(console: &Console) -> Result<Arc<Picture>, Problem> {
    let picture = console.health.known(FIRST_LOOK_WITHIN).await;
    if picture.status == Status::Unknown {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "health-unknown",
            picture.summary.clone(),
        );
        return Err(problem.retry_after(1));
    }
    Ok(picture)
}

fn trends(samples: Option<&[SampleRow]>) -> Trends {
    let figure = |name, floor, of: fn(&SampleRow) -> Option<f64>| {
        samples.map(|samples| trend(name, &samples.iter().filter_map(of).collect::<Vec<_>>(), floor))
    };
    let figures = [
        figure("connect_ms", 2.0, |sample| sample.connect_ms),
        figure("p95_ms", 5.0, |sample| sample.p95_ms),
        figure("error_ratio", 0.005, |sample| sample.error_ratio),
        figure("not_up", 0.5, |sample| Some(f64::from(sample.not_up))),
    ];
    let figures: Vec<Trend> = figures.into_iter().flatten().collect();
    Trends {
        direction: worst(&figures),
        figures,
    }
}
