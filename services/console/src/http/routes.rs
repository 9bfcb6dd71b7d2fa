//! Every call, in one list: what is served, and what the OpenAPI document describes.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header;
use tokio::time::Instant;
use tower_http::compression::CompressionLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    Console, Problem, admission, advice, alerts, audit, backups, cache, configuration, cors, dashboard,
    dashboard_files, docs, document, health, jobs, live, maintenance, pools, queries, schedules, security, server,
    session, tags, testing, tokens,
};

/// A body is a statement with its parameters at most.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Every call, by area.
pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(session::show))
        .merge(health::calls())
        .merge(dashboard::calls())
        .merge(queries::calls())
        .merge(server::calls())
        .merge(alerts::calls())
        .merge(advice::calls())
        .merge(pools::calls())
        .merge(cache::calls())
        .merge(jobs::calls())
        .merge(schedules::calls())
        .merge(maintenance::calls())
        .merge(backups::calls())
        .merge(configuration::calls())
        .merge(tokens::calls())
        .merge(audit::calls())
        .merge(security::calls())
        .merge(testing::calls())
        .merge(live::calls())
}

/// Everything that the port serves; `settings` is what every service says of its own at its door.
pub(crate) fn app(console: Console, settings: Router) -> Router {
    let (calls, _) = calls().split_for_parts();
    let calls = calls
        .method_not_allowed_fallback(async || {
            Problem::new(
                http::StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "/docs lists what can be done here",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(tags::tag))
        .route_layer(from_fn_with_state(console.clone(), admission::admit));
    Router::new()
        .merge(calls)
        .route("/openapi.json", get(openapi))
        .merge(docs::pages())
        .fallback(dashboard_files::serve)
        .layer(from_fn_with_state(console.clone(), cors::share))
        .layer(from_fn_with_state(console.clone(), count))
        // The live stream is left as it is, and so is what is tiny.
        .layer(CompressionLayer::new().gzip(true))
        .with_state(console.clone())
        .merge(weir_runtime::health_routes(console.readiness.clone()))
        .merge(settings)
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

/// Counts the call by its pattern: a path may hold what callers chose.
async fn count(State(console): State<Console>, request: Request, next: Next) -> Response {
    let pattern = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    console
        .metrics
        .requests
        .with([&pattern, response.status().as_str()])
        .inc();
    if pattern != "/events" {
        let took: Duration = begun.elapsed();
        console.metrics.request_seconds.with([]).observe(took.as_secs_f64());
    }
    response
}
