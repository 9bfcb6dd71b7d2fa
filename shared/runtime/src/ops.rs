//! The ops door: `/livez`, `/readyz`, `/startupz`, `/metrics`, the same in every service.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::ground::Ground;
use crate::readiness::Readiness;
use crate::release::{Listener, Porter, Release};
use crate::tasks::Stage;

/// Serves the ops door until everything else has stopped, so that a stopping process can still be asked. Once its port
/// is released nobody comes in here, and those who are in are answered once more.
pub fn serve_ops(ground: &Ground, listener: impl Into<Listener>) {
    let listener = listener.into();
    let release = listener.release().clone();
    let router = router(ground.clone()).layer(map_response_with_state(release, part_after_release));
    ground.tasks.spawn(Stage::Watch, "ops door", |stop| async move {
        axum::serve(Porter::new(listener)?, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await?;
        Ok(())
    });
    // From the first moment of a shutdown on, load balancers are told to look elsewhere.
    let (tasks, readiness) = (ground.tasks.clone(), ground.readiness.clone());
    ground.tasks.spawn_short(Stage::Doors, "readiness", async move {
        tasks.asked().await;
        readiness.stop();
    });
}

fn router(ground: Ground) -> Router {
    let health = health_routes(ground.readiness.clone());
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(ground)
        .merge(health)
}

/// `/livez`, `/readyz` and `/startupz`, for a service whose one door serves more than these.
pub fn health_routes(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .with_state(readiness)
}

/// A caller who keeps its connection would be told of this process for as long as it lives.
async fn part_after_release(State(release): State<Release>, mut response: Response) -> Response {
    if release.is_told() {
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

const fn code(good: bool) -> StatusCode {
    if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn readyz(State(readiness): State<Readiness>) -> impl IntoResponse {
    let report = readiness.report();
    (code(report.ready), axum::Json(report.to_json()))
}

async fn startupz(State(readiness): State<Readiness>) -> impl IntoResponse {
    let started = readiness.report().started;
    (code(started), if started { "started\n" } else { "starting\n" })
}

async fn metrics(State(ground): State<Ground>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], ground.registry.encode())
}
