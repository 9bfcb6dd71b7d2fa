//! The ops door: `/livez`, `/readyz`, `/startupz`, `/metrics`, the same in every service.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::ground::Ground;
use crate::tasks::Stage;

/// Serves the ops door until everything else has stopped, so that a stopping process can still be asked.
pub fn serve_ops(ground: &Ground, listener: TcpListener) {
    let router = router(ground.clone());
    ground.tasks.spawn(Stage::Watch, "ops door", |stop| async move {
        axum::serve(listener, router)
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
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/metrics", get(metrics))
        .with_state(ground)
}

const fn code(good: bool) -> StatusCode {
    if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn readyz(State(ground): State<Ground>) -> impl IntoResponse {
    let report = ground.readiness.report();
    (code(report.ready), axum::Json(report.to_json()))
}

async fn startupz(State(ground): State<Ground>) -> impl IntoResponse {
    let started = ground.readiness.report().started;
    (code(started), if started { "started\n" } else { "starting\n" })
}

async fn metrics(State(ground): State<Ground>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], ground.registry.encode())
}
