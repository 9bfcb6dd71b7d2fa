//! Pages of other origins that the settings name may call.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::Console;

const METHODS: &str = "GET, POST, PUT, DELETE";
const HEADERS: &str = "authorization, content-type, if-none-match, last-event-id";
const EXPOSED: &str = "etag, location, retry-after";
/// For how long a browser need not ask again.
const SECONDS: &str = "600";

/// A browser asks first whether it may; then every answer says for whom it is.
pub(crate) async fn share(State(console): State<Console>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let known = origin.filter(|origin| {
        console
            .settings()
            .cors_origins
            .0
            .iter()
            .any(|one| origin == one.as_str())
    });
    let Some(origin) = known else {
        return next.run(request).await;
    };
    let asks_first =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks_first { allowed() } else { next.run(request).await };
    name(response.headers_mut(), origin);
    response
}

fn allowed() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(SECONDS));
    response
}

fn name(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
