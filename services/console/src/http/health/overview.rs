//! The system as a whole, at a glance.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::super::dashboard::{BackupsAtAGlance, Gathering};
use super::super::{Console, Operator, Problem};
use super::picture;
use crate::health::{Kind, Part, State as PartState, Status};
use crate::live::PoolSums;

/// The system as a whole.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Overview)]
pub(crate) struct Overview {
    /// How healthy it is.
    status: Status,
    /// Since when.
    since_unix_ms: i64,
    /// The same in a sentence.
    summary: String,
    /// The version of the console.
    version: &'static str,
    /// The profile of the settings.
    profile: String,
    /// Services that are up.
    services_up: usize,
    /// Services in all.
    services_total: usize,
    /// Every part that is not up.
    not_up: Vec<Part>,
    /// Connections of all pools together; null: the gateway does not say.
    pool: Option<PoolSums>,
    /// Statements in a second over the last minute; null: not known yet.
    queries_per_second: Option<f64>,
    /// The part of them that failed, 0 to 1; null: none ran.
    error_ratio: Option<f64>,
    /// Backups; null: the backup service does not say.
    backups: Option<BackupsAtAGlance>,
    /// What could not be asked, a sentence each.
    missing: Vec<String>,
}

/// The system as a whole, at a glance: health, services, pools, backups.
#[utoipa::path(get, path = "/database/status/overview", tag = "health", responses((status = 200, body = Overview)))]
pub(crate) async fn show(State(console): State<Console>, Operator(_): Operator) -> Result<Json<Overview>, Problem> {
    let picture = picture(&console).await?;
    let mut gathering = Gathering::new(&console);
    let (pools, backups) = tokio::join!(gathering.pools(), Box::pin(gathering.backups()));
    let pools = gathering.note("pool-gateway", pools);
    let backups = gathering.note("backup", backups);
    let services = || picture.parts.iter().filter(|part| part.kind == Kind::Service);
    let lately = console.health.traffic().lately();
    let is_bad = |part: &&Part| matches!(part.state, PartState::Degraded | PartState::Down);
    Ok(Json(Overview {
        status: picture.status,
        since_unix_ms: picture.since_unix_ms,
        summary: picture.summary.clone(),
        version: env!("CARGO_PKG_VERSION"),
        profile: console.sources.borrow().effective_profile().value.unwrap_or_default(),
        services_up: services().filter(|part| part.state == PartState::Up).count(),
        services_total: services().count(),
        not_up: picture.parts.iter().filter(is_bad).cloned().collect(),
        pool: pools
            .as_deref()
            .map(|pools| PoolSums::of(pools.iter().map(|now| &now.pool))),
        queries_per_second: lately.as_ref().map(crate::health::Span::calls_per_second),
        error_ratio: lately.as_ref().and_then(crate::health::Span::error_ratio),
        backups,
        missing: gathering.missing(),
    }))
}
