//! The ops door: `/livez`, `/readyz`, `/startupz`, `/metrics`, `/configuration`, `/reload`, the same in every service.
//!
//! The last two are for callers from this machine, and for those who show the token of the settings.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use serde_json::json;
use weir_config::Sources;

use crate::ground::Ground;
use crate::home::is_from_this_machine;
use crate::readiness::Readiness;
use crate::release::{Listener, Porter, Release};
use crate::settings::RuntimeSettings;
use crate::standing::Standing;
use crate::tasks::Stage;

/// Who calls at the ops door.
#[derive(Debug, Clone, Copy)]
struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Porter>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Porter>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Serves the ops door until everything else has stopped, so that a stopping process can still be asked. Once its port
/// is released nobody comes in here, and those who are in are answered once more.
pub fn serve_ops(ground: &Ground, listener: impl Into<Listener>) {
    let listener = listener.into();
    let release = listener.release().clone();
    let router = router(ground.clone()).layer(map_response_with_state(release, part_after_release));
    ground.tasks.spawn(Stage::Watch, "ops door", |stop| async move {
        let served = router.into_make_service_with_connect_info::<Peer>();
        axum::serve(Porter::new(listener)?, served)
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
    let settings = settings_routes(&ground);
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(ground)
        .merge(health)
        .merge(settings)
}

/// `/configuration` and `/reload`, of a service that runs as a process does.
pub fn settings_routes(ground: &Ground) -> Router {
    let Some(standing) = ground.standing.clone() else {
        return Router::new();
    };
    Router::new()
        .route("/configuration", get(configuration))
        .route("/reload", post(reload))
        .route_layer(from_fn_with_state(standing.clone(), admit))
        .with_state(standing)
}

/// Lets callers from this machine in, and those who show the token of the settings.
async fn admit(State(standing): State<Standing>, request: Request, next: Next) -> Response {
    let is_at_home = peer(&request).is_some_and(|peer| is_from_this_machine(request.headers(), peer));
    if is_at_home || shows_token(request.headers(), &standing.reloader().now()) {
        return next.run(request).await;
    }
    let why = "only callers from this machine are answered, and those who show runtime.ops_token";
    told(StatusCode::FORBIDDEN, why)
}

/// Who calls at the ops door, or at a door that serves more than that.
fn peer(request: &Request) -> Option<SocketAddr> {
    let at_ops = request.extensions().get::<ConnectInfo<Peer>>().map(|peer| peer.0.0);
    at_ops.or_else(|| request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0))
}

fn shows_token(headers: &HeaderMap, sources: &Sources) -> bool {
    let wanted = sources
        .section::<RuntimeSettings>()
        .ok()
        .and_then(|settings| settings.ops_token);
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer "));
    match (wanted, shown) {
        (Some(wanted), Some(shown)) if !wanted.expose().is_empty() => are_same(wanted.expose(), shown.trim()),
        _ => false,
    }
}

/// Takes as long whatever the difference is.
fn are_same(left: &str, right: &str) -> bool {
    let differing = left
        .bytes()
        .zip(right.bytes())
        .fold(0, |found, (left, right)| found | (left ^ right));
    left.len() == right.len() && differing == 0
}

fn told(code: StatusCode, why: impl std::fmt::Display) -> Response {
    (code, axum::Json(json!({ "error": why.to_string() }))).into_response()
}

async fn configuration(State(standing): State<Standing>) -> Response {
    match standing.settings() {
        Ok(settings) => axum::Json(settings).into_response(),
        Err(error) => told(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

async fn reload(State(standing): State<Standing>) -> Response {
    match standing.reloader().reload() {
        Ok(reloaded) => axum::Json(reloaded).into_response(),
        Err(error) => told(StatusCode::UNPROCESSABLE_ENTITY, error),
    }
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
