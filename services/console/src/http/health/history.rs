//! How healthy everything was.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::body::Query;
use super::super::{Console, Operator, Page, Problem};
use super::{Trends, trends};
use crate::store::health::{self as rows, ChangeRow, SampleRow};

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
/// It is forgotten after so long.
const KEPT_MS: i64 = 7 * DAY_MS;
/// More points than this no chart shows.
const POINTS_MAX: i64 = 1_440;

/// From when on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// From when on, in milliseconds since 1970; 0: the last day. Seven days are kept.
    #[serde(default)]
    #[param(default = 0)]
    since: i64,
}

/// How healthy everything was.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::HealthHistory)]
pub(crate) struct History {
    /// What changed, the latest first.
    changes: Vec<ChangeRow>,
    /// How it was minute by minute in order of time; of a long time, each so many minutes.
    samples: Vec<SampleRow>,
    /// Where it went in that time.
    trend: Trends,
    /// How to go on with the changes; null: this page was the last.
    next: Option<String>,
}

/// What changed since a moment, and how each minute was.
#[utoipa::path(get, path = "/database/health/history", tag = "health", params(HistoryQuery, Page), responses((status = 200, body = History)))]
pub(crate) async fn list(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<HistoryQuery>,
    page: Page,
) -> Result<Json<History>, Problem> {
    let now = console.clock.unix_ms();
    let since = if query.since == 0 { now - DAY_MS } else { query.since };
    let before = place(page.token())?;
    let limit = i64::from(page.limit());
    let pool = console.tables.store().pool();
    let minutes = (now - since.clamp(now - KEPT_MS, now)) / MINUTE_MS;
    let (changes, samples) = tokio::try_join!(
        rows::changes(pool, since, before, limit),
        rows::samples(pool, since, minutes / POINTS_MAX + 1)
    )?;
    let is_full = i64::try_from(changes.len()).is_ok_and(|count| count == limit);
    let next = changes
        .last()
        .filter(|_| is_full)
        .map(|last| format!("{}.{}", last.at_unix_ms, last.id));
    Ok(Json(History {
        trend: trends(Some(&samples)),
        changes,
        samples,
        next,
    }))
}

fn place(token: &str) -> Result<Option<(i64, i64)>, Problem> {
    if token.is_empty() {
        return Ok(None);
    }
    let parsed = token
        .split_once('.')
        .and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    parsed
        .map(Some)
        .ok_or_else(|| Problem::strange("page: it is not one of this list"))
}
