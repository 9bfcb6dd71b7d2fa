//! Entity tags: an answer that the caller has already is not sent again.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::problem::Problem;

/// Answers are made whole; none is larger.
const BYTES_MAX: usize = 64 * 1024 * 1024;

pub(crate) async fn tag(request: Request, next: Next) -> Response {
    let asked = (request.method() == Method::GET).then(|| request.headers().get(header::IF_NONE_MATCH).cloned());
    let response = next.run(request).await;
    match asked {
        Some(known) if is_document(&response) => tagged(response, known.as_ref()).await,
        _ => response,
    }
}

fn is_document(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    response.status() == StatusCode::OK && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

async fn tagged(response: Response, known: Option<&HeaderValue>) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, BYTES_MAX).await else {
        return Problem::new(StatusCode::BAD_GATEWAY, "service-failed", "the answer is too large").into_response();
    };
    // Weak, for the same answer may be sent compressed or not.
    let tag = format!("W/\"{}\"", blake3::hash(&bytes).to_hex().get(..32).unwrap_or_default());
    set(&mut parts.headers, &tag);
    if known.is_some_and(|known| names(known, &tag)) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        set(response.headers_mut(), &tag);
        return response;
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn set(headers: &mut HeaderMap, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    // It is somebody's own, and may have changed the next moment.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("authorization, origin"));
}

/// `*`, or a list that names it, be it as a strong tag.
fn names(known: &HeaderValue, tag: &str) -> bool {
    let list = known.to_str().unwrap_or_default();
    list.split(',')
        .map(str::trim)
        .any(|one| one == "*" || opaque(one) == opaque(tag))
}

fn opaque(tag: &str) -> &str {
    tag.trim_start_matches("W/")
}
