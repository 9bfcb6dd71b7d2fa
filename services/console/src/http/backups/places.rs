//! Where backups are kept, how the log gets there, and to which moments one can go back.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use weir_proto::backup::v1 as api;

use crate::http::body::Query;
use crate::http::{Console, Operator, Page, Paged as _, Problem};

/// To which moments one can restore. More than one window means that log is missing between them.
#[utoipa::path(get, path = "/database/backup/windows", tag = "backups", responses((status = 200, description = "the windows, in order of time", body = api::GetRecoveryWindowsResponse)))]
pub(crate) async fn windows(
    State(console): State<Console>,
    Operator(_): Operator,
) -> Result<Json<api::GetRecoveryWindowsResponse>, Problem> {
    get_windows(&console).await.map(Json)
}

pub(super) async fn get_windows(console: &Console) -> Result<api::GetRecoveryWindowsResponse, Problem> {
    let asked = console.services.ask(api::GetRecoveryWindowsRequest::default());
    Ok(console
        .services
        .backup()
        .get_recovery_windows(asked)
        .await?
        .into_inner())
}

/// Where backups are kept, and in what state each place is.
#[utoipa::path(get, path = "/database/backup/repositories", tag = "backups", responses((status = 200, description = "in the order of the settings", body = api::ListRepositoriesResponse)))]
pub(crate) async fn repositories(
    State(console): State<Console>,
    Operator(_): Operator,
) -> Result<Json<api::ListRepositoriesResponse>, Problem> {
    get_repositories(&console).await.map(Json)
}

pub(super) async fn get_repositories(console: &Console) -> Result<api::ListRepositoriesResponse, Problem> {
    let asked = console.services.ask(api::ListRepositoriesRequest {});
    Ok(console.services.backup().list_repositories(asked).await?.into_inner())
}

/// How the write-ahead log reaches the repositories, and how much would be lost now.
#[utoipa::path(get, path = "/database/backup/wal", tag = "backups", responses((status = 200, description = "each cluster", body = api::GetWalStateResponse)))]
pub(crate) async fn wal(
    State(console): State<Console>,
    Operator(_): Operator,
) -> Result<Json<api::GetWalStateResponse>, Problem> {
    get_wal(&console).await.map(Json)
}

pub(super) async fn get_wal(console: &Console) -> Result<api::GetWalStateResponse, Problem> {
    let asked = console.services.ask(api::GetWalStateRequest::default());
    Ok(console.services.backup().get_wal_state(asked).await?.into_inner())
}

/// Which commits are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CommitsQuery {
    /// Only at or after this time, in milliseconds since 1970. 0: from the beginning.
    #[serde(default)]
    #[param(default = 0)]
    since: i64,
    /// Only before this time. 0: to the end.
    #[serde(default)]
    #[param(default = 0)]
    until: i64,
    /// Only those that changed this table, as `schema.name`.
    #[serde(default)]
    table: String,
    /// Only in this database.
    #[serde(default)]
    database: String,
}

/// Commits in the archived log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Commits)]
pub(crate) struct CommitList {
    /// The latest first. A page may be short and have a next one.
    commits: Vec<api::Commit>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// What was committed when, so that one can go back to just before it.
#[utoipa::path(get, path = "/database/backup/commits", tag = "backups", params(CommitsQuery, Page), responses((status = 200, description = "a page of commits", body = CommitList)))]
pub(crate) async fn commits(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<CommitsQuery>,
    page: Page,
) -> Result<Json<CommitList>, Problem> {
    let asked = api::ListCommitsRequest {
        cluster: String::new(),
        from_unix_ms: query.since,
        until_unix_ms: query.until,
        table: query.table,
        database: query.database,
        page: page.request(),
    };
    let mut backup = console.services.backup();
    let listed = backup.list_commits(console.services.ask(asked)).await?.into_inner();
    Ok(Json(CommitList {
        commits: listed.commits,
        next: listed.page.next(),
    }))
}

/// Where to look for what has expired.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExpiryQuery {
    /// Only in this repository.
    #[serde(default)]
    repository: String,
}

/// What retention would give up now, and what keeps the rest. Changes nothing.
#[utoipa::path(get, path = "/database/backup/expiry/plan", tag = "backups", params(ExpiryQuery), responses((status = 200, description = "the verdict on each backup", body = api::PlanExpiryResponse)))]
pub(crate) async fn expiry(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<ExpiryQuery>,
) -> Result<Json<api::PlanExpiryResponse>, Problem> {
    let order = api::ExpireOrder {
        cluster: String::new(),
        repository: query.repository,
    };
    let asked = api::PlanExpiryRequest { order: Some(order) };
    let mut backup = console.services.backup();
    Ok(Json(
        backup.plan_expiry(console.services.ask(asked)).await?.into_inner(),
    ))
}
