//! The dashboard: what was built of `web/`, served from this binary.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, header};

use super::problem::Problem;

#[derive(rust_embed::RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Files;

/// Names of files in it carry a hash of their content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Nothing but what comes from here runs, and nobody frames it.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file of the dashboard; for a page of it, the page that shows them all.
pub(crate) async fn serve(request: Request) -> Response {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return missing();
    }
    let path = request.uri().path().trim_start_matches('/');
    if let Some(file) = Files::get(path).filter(|_| !path.is_empty()) {
        let lasts = if path.starts_with("assets/") {
            FOR_EVER
        } else {
            "no-cache"
        };
        return shown(path, file.data.into_owned(), lasts);
    }
    if !wants_page(&request) {
        return missing();
    }
    match Files::get("index.html") {
        Some(page) => shown("index.html", page.data.into_owned(), "no-cache"),
        None => shown("index.html", UNBUILT.as_bytes().to_vec(), "no-cache"),
    }
}

const UNBUILT: &str = "<!doctype html><title>Weir</title><p>This binary was built without the dashboard. \
    The API is described at <a href=\"/docs\">/docs</a>.";

fn wants_page(request: &Request) -> bool {
    let accepts = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accepts| accepts.to_str().ok());
    accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

fn missing() -> Response {
    Problem::not_found("there is nothing here: /docs lists every call").into_response()
}

fn shown(path: &str, data: Vec<u8>, lasts: &'static str) -> Response {
    let mut response = Response::new(Body::from(data));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(path)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lasts));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        _ => "application/octet-stream",
    }
}
