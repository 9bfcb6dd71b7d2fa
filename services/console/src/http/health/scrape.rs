//! The metrics of every service as one text.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::join_all;
use http::header;

use super::super::{Console, Operator};
use crate::exposition;
use crate::health::{ANSWER_WITHIN, ops};

/// The metrics of every service and of the console in OpenMetrics text: for a Prometheus with an operator's token. Where
/// several services have a metric of one name, the label `service` tells them apart. A service that is away is left out.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text", body = String)))]
pub(crate) async fn show(State(console): State<Console>, Operator(_): Operator) -> Response {
    let asked = console
        .services
        .peers
        .iter()
        .map(|peer| async { (peer.name, ops::metrics(&peer.ops, ANSWER_WITHIN).await) });
    let mut served = Vec::new();
    for (name, answer) in join_all(asked).await {
        match answer {
            Ok(text) => served.push((name, text)),
            Err(error) => {
                tracing::debug!(service = name, %error, "its metrics cannot be had");
                console.metrics.scrape_failures.with([name]).inc();
            }
        }
    }
    // Last, so that what could not be had is counted already.
    served.push(("console", console.registry.encode()));
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], exposition::together(&served)).into_response()
}
