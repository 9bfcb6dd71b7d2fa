//! The audit: a change is written down before it is made, a refusal when it is spoken.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_runtime::{Ground, Stage};

use super::body::Query;
use super::{Console, Operator, Page, Problem};
use crate::auth::Caller;
use crate::store::audit::{self, Asked, Entry, Wanted};

/// No refusal waits longer for its entry.
const WRITE_WITHIN: Duration = Duration::from_secs(3);
const FORGET_EVERY: Duration = Duration::from_secs(600);
const TARGET_CHARACTERS_MAX: usize = 500;

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list))
}

pub(crate) fn asked(
    console: &Console,
    caller: Option<&Caller>,
    action: String,
    target: &str,
    peer: SocketAddr,
) -> Asked {
    Asked {
        at_unix_ms: console.clock.unix_ms(),
        actor: caller.map_or("unknown", |caller| &caller.name).to_owned(),
        token: caller.and_then(|caller| caller.token),
        project: caller
            .and_then(|caller| caller.project.as_ref())
            .map(ToString::to_string),
        action,
        target: target.chars().take(TARGET_CHARACTERS_MAX).collect(),
        remote: peer.ip().to_canonical().to_string(),
        status: None,
    }
}

/// A change. What cannot be written down is not done.
pub(crate) async fn change(console: &Console, asked: Asked, answer: impl Future<Output = Response>) -> Response {
    let pool = console.tables.store().pool();
    let id = match timeout(WRITE_WITHIN, audit::add(pool, &asked)).await {
        Ok(Ok(id)) => id,
        Ok(Err(error)) => return unwritten(&error.to_string()),
        Err(_) => return unwritten("the store did not answer in time"),
    };
    let response = answer.await;
    let noted = timeout(
        WRITE_WITHIN,
        audit::answered(pool, id, i32::from(response.status().as_u16())),
    )
    .await;
    if !matches!(noted, Ok(Ok(()))) {
        tracing::warn!(audit.id = id, "how a change ended could not be noted");
    }
    response
}

fn unwritten(error: &str) -> Response {
    tracing::warn!(%error, "a change was refused, because it could not be written down");
    let detail = "changes are written down before they are made, and that cannot be done now";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "audit-away", detail)
        .retry_after(5)
        .into_response()
}

/// A refusal is spoken whether or not it can be written down.
pub(crate) async fn refused(console: &Console, mut asked: Asked, status: StatusCode) {
    asked.status = Some(i32::from(status.as_u16()));
    let written = timeout(WRITE_WITHIN, audit::add(console.tables.store().pool(), &asked)).await;
    if !matches!(written, Ok(Ok(_))) {
        tracing::warn!(audit.action = asked.action, "a refusal could not be written down");
    }
}

/// Forgets entries that are older than the settings want.
pub(crate) fn keep(ground: &Ground, console: Console) {
    ground.tasks.spawn(Stage::Work, "audit", |stop| async move {
        if !console.tables.are_there(&stop).await {
            return Ok(());
        }
        let forget = async {
            loop {
                let keep_ms = i64::try_from(console.settings().audit_keep.as_millis()).unwrap_or(i64::MAX);
                let before = console.clock.unix_ms().saturating_sub(keep_ms);
                if let Err(error) = audit::forget(console.tables.store().pool(), before).await {
                    tracing::warn!(%error, "old entries of the audit are not forgotten now");
                }
                tokio::time::sleep(FORGET_EVERY).await;
            }
        };
        stop.run_until_cancelled(forget).await;
        Ok(())
    });
}

/// Which entries are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only what names this, in its action or its target.
    search: Option<String>,
    /// Only what this caller asked.
    actor: Option<String>,
    /// From when on, in milliseconds since 1970.
    #[serde(default)]
    #[param(default = 0)]
    since: i64,
    /// Up to when. 0: now.
    #[serde(default)]
    #[param(default = 0)]
    until: i64,
    /// Only what was refused.
    #[serde(default)]
    #[param(default = false)]
    refused: bool,
}

/// Entries of the audit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Audit)]
pub(crate) struct AuditPage {
    /// The latest first.
    entries: Vec<Entry>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// What was asked of the console: every change, and every refusal.
#[utoipa::path(get, path = "/database/security/audit", tag = "security", params(AuditQuery, Page), responses((status = 200, body = AuditPage)))]
pub(crate) async fn list(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<AuditQuery>,
    page: Page,
) -> Result<Json<AuditPage>, Problem> {
    let token = page.token();
    let before = if token.is_empty() {
        None
    } else {
        Some(
            token
                .parse()
                .map_err(|_| Problem::strange("page: it is not one of this list"))?,
        )
    };
    let limit = i64::from(page.limit());
    let wanted = Wanted {
        search: query.search,
        actor: query.actor,
        since_unix_ms: query.since,
        until_unix_ms: query.until,
        refused_only: query.refused,
        before,
        limit,
    };
    let entries = audit::list(console.tables.store().pool(), &wanted).await?;
    let is_full = i64::try_from(entries.len()).is_ok_and(|count| count == limit);
    let next = entries.last().filter(|_| is_full).map(|entry| entry.id.to_string());
    Ok(Json(AuditPage { entries, next }))
}
