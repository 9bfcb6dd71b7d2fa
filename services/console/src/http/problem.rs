//! Errors as problem documents (RFC 9457): what went wrong, by a slug that the reference explains.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tonic::Code;
use weir_model::{Coded, ErrorClass};
use weir_proto::status::ERROR_SLUG;

/// Why a call was not answered as it wished.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = console::Problem)]
pub(crate) struct Problem {
    /// Where the error is explained.
    #[serde(rename = "type")]
    kind: String,
    /// The name of the status.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What exactly is wrong, for a person.
    detail: String,
    /// The name of the error, for a program.
    slug: String,
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, slug: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs/errors#{slug}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            slug: slug.to_owned(),
            retry_after: None,
        }
    }

    /// What was sent cannot be.
    pub(crate) fn strange(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request-strange", detail)
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", what)
    }

    /// The caller may not.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// The console's own tables are away.
    pub(crate) fn store(error: &sqlx::Error) -> Self {
        tracing::warn!(%error, "the console's store failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "console-store",
            "the console's own tables cannot be reached now",
        )
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What exactly is wrong, for a person.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"weir\""),
            );
        }
        response
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::store(&error)
    }
}

/// What another service said. Its slug is passed on, and nothing of how it is reached.
impl From<tonic::Status> for Problem {
    fn from(status: tonic::Status) -> Self {
        let slug = status.metadata().get(ERROR_SLUG).and_then(|slug| slug.to_str().ok());
        let (code, usual) = (status_of(status.code()), self::slug(status.code()));
        let detail = match (status.code(), slug) {
            // The transport's own words tell of sockets and addresses.
            (Code::Unavailable, None) => "the service that does this cannot be reached now".to_owned(),
            (Code::DeadlineExceeded | Code::Cancelled, None) => {
                "the service that does this did not answer in time".to_owned()
            }
            // What the caller has sent may name places; what went wrong elsewhere must not.
            (Code::InvalidArgument | Code::OutOfRange | Code::NotFound | Code::AlreadyExists, _) => {
                status.message().to_owned()
            }
            _ => concealed(status.message()),
        };
        Self::new(code, slug.unwrap_or(usual), detail)
    }
}

const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        // It is the service that could not log in somewhere: the caller has shown who it is.
        Code::Unauthenticated => StatusCode::BAD_GATEWAY,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        // tonic ends a call whose deadline passed on this side as cancelled.
        Code::DeadlineExceeded | Code::Cancelled => StatusCode::GATEWAY_TIMEOUT,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// What an error is called that the service gave no name.
const fn slug(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument | Code::OutOfRange => "request-strange",
        Code::NotFound => "not-found",
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => "conflict",
        Code::PermissionDenied => "forbidden",
        Code::ResourceExhausted => "exhausted",
        Code::Unavailable => "service-unreachable",
        Code::DeadlineExceeded | Code::Cancelled => "service-slow",
        Code::Unimplemented => "service-too-old",
        _ => "service-failed",
    }
}

/// An error of the console itself.
impl Problem {
    pub(crate) fn of(error: &impl Coded) -> Self {
        let status = match error.class() {
            ErrorClass::InvalidInput => StatusCode::BAD_REQUEST,
            ErrorClass::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorClass::PermissionDenied => StatusCode::FORBIDDEN,
            ErrorClass::NotFound => StatusCode::NOT_FOUND,
            ErrorClass::Conflict => StatusCode::CONFLICT,
            ErrorClass::Exhausted => StatusCode::TOO_MANY_REQUESTS,
            ErrorClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorClass::Deadline | ErrorClass::Cancelled => StatusCode::GATEWAY_TIMEOUT,
            ErrorClass::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let words = error.to_string();
        let is_ours = status.is_server_error();
        Self::new(status, error.slug(), if is_ours { concealed(&words) } else { words })
    }
}

/// The text without addresses and URLs: how services and servers are reached is nobody's business outside.
pub(crate) fn concealed(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let bare = word.trim_matches(['"', '\'', '`', '(', ')', ',', ';', ':', '.', '[', ']', '<', '>']);
        if !bare.is_empty() && is_place(word, bare) {
            word.replace(bare, "…")
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_place(word: &str, bare: &str) -> bool {
    let place = bare.split('/').next().unwrap_or_default();
    word.contains("://") || is_address(place) || is_address(bare) || names_a_port(place)
}

fn is_address(text: &str) -> bool {
    let alone = text.trim_start_matches('[').trim_end_matches(']');
    alone.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok() || is_bracketed(text)
}

/// `::1]:5432`, whose first bracket was taken for one of the sentence.
fn is_bracketed(text: &str) -> bool {
    let parts = text.rsplit_once("]:");
    parts.is_some_and(|(host, port)| {
        host.trim_start_matches('[').parse::<IpAddr>().is_ok() && port.parse::<u16>().is_ok()
    })
}

/// `host:port`.
fn names_a_port(text: &str) -> bool {
    let is_host = |host: &str| {
        host.bytes().any(|byte| byte.is_ascii_alphabetic())
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_slug_and_a_broken_connection_its_secrets() {
        let mut refused = tonic::Status::new(Code::NotFound, "there is no schedule x");
        refused
            .metadata_mut()
            .insert(ERROR_SLUG, "schedule-not-found".parse().unwrap());
        let problem = Problem::from(refused);
        assert_eq!((problem.status, problem.slug.as_str()), (404, "schedule-not-found"));
        assert_eq!(problem.kind, "/docs/errors#schedule-not-found");
        let broken = tonic::Status::new(Code::Unavailable, "tcp connect error 10.0.0.7:7002");
        let problem = Problem::from(broken);
        assert_eq!((problem.status, problem.slug.as_str()), (503, "service-unreachable"));
        assert!(!problem.detail.contains("10.0.0.7"));
    }

    #[test]
    fn what_went_wrong_elsewhere_does_not_tell_where() {
        let messages = [
            "cannot reach the store at 10.0.0.7:5432: Connection refused (os error 111)",
            "cannot reach the store at db.internal:5432/weir: it is away",
            "the store at [fd00::7]:5432 gave no answer within 5s",
            "the store at postgres-0.db:5432 refuses the login: no pg_hba.conf entry for host \"10.0.0.7\", user \"weir\"",
            "error sending request for url (http://10.0.0.7:9000/bucket?x=1)",
            "repository s3://user:secret@internal/backups: no answer",
        ];
        for code in [
            Code::Unavailable,
            Code::Internal,
            Code::FailedPrecondition,
            Code::Unknown,
            Code::PermissionDenied,
        ] {
            for message in messages {
                let mut status = tonic::Status::new(code, message);
                status
                    .metadata_mut()
                    .insert(ERROR_SLUG, "monitor-store".parse().unwrap());
                let problem = Problem::from(status);
                for secret in [
                    "10.0.0.7",
                    "db.internal",
                    "fd00",
                    "postgres-0",
                    "5432",
                    "9000",
                    "internal/",
                    "secret",
                ] {
                    assert!(!problem.detail.contains(secret), "{code:?}: {}", problem.detail);
                }
                assert!(problem.detail.contains('…'), "{}", problem.detail);
            }
        }
        assert_eq!(
            concealed(messages[0]),
            "cannot reach the store at …: Connection refused (os error 111)"
        );
        let harmless =
            "no connection became free within 60 s: raise gateway.pool_max (see docs/guides/pooling.md): 3/4";
        assert_eq!(concealed(harmless), harmless);
        // What callers wrote themselves they may read again.
        let own = tonic::Status::new(Code::InvalidArgument, "there is no server db:5432");
        assert_eq!(Problem::from(own).detail, "there is no server db:5432");
    }
}
