//! Advice: listed, applied, taken back. What concerns the whole server is the operator's, though it belongs to a project.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_proto::common::v1::PageRequest;
use weir_proto::maintenance::v1::{
    Advice, AdviceLeft, ApplyAdviceRequest, Change, ChangeState, ListAdviceRequest, ListChangesRequest,
    RevertAdviceRequest,
};

use super::body::{Path, Query};
use super::{Console, Page, Paged as _, Problem, Scoped, given};

/// The whole server and every table is looked at for it.
const WITHIN: Duration = Duration::from_secs(45);
/// Changes among which those of advice are looked for.
const CHANGES_MAX: u32 = 1_000;

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(apply))
        .routes(routes!(revert))
        .routes(routes!(changes))
}

/// Which advice is wanted.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AdviceQuery {
    /// Whose; a token's own project if nothing is said, `default` for an operator. What concerns the whole server belongs to
    /// `default`, and is shown to operators only.
    #[param(rename = "project")]
    _project: Option<String>,
    /// Only of this kind; may be repeated, or hold several with commas between them. None: all.
    #[param(required = false)]
    kind: Vec<String>,
}

/// Where a recommendation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::RecommendationState)]
pub(crate) enum Standing {
    /// Nobody has acted upon it, or what was done was taken back.
    Open,
    /// It is being carried out.
    Applying,
    /// It was carried out, and is advised again.
    Applied,
    /// In force after the next restart of the server.
    PendingRestart,
    /// It is being taken back.
    Reverting,
}

impl Standing {
    fn of(change: Option<&Change>) -> Self {
        match change.map(Change::state) {
            Some(ChangeState::Applying) => Self::Applying,
            Some(ChangeState::Applied) => Self::Applied,
            Some(ChangeState::PendingRestart) => Self::PendingRestart,
            Some(ChangeState::Reverting) => Self::Reverting,
            _ => Self::Open,
        }
    }
}

/// A piece of advice, and what was done upon it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Recommendation)]
pub(crate) struct Recommendation {
    #[serde(flatten)]
    advice: Advice,
    /// Where it stands.
    state: Standing,
    /// The last change that was made on it; null: none was, or long ago.
    change: Option<Change>,
}

/// Advice as of now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Recommendations)]
pub(crate) struct Recommendations {
    /// The weightiest first; at most 1000.
    recommendations: Vec<Recommendation>,
    /// What may not be right and was left without advice.
    left: Vec<AdviceLeft>,
    /// How much advice is not shown, as there is more.
    more: u32,
}

/// What would serve the server and its tables better.
#[utoipa::path(get, path = "/database/monitoring/recommendations", tag = "advice", params(AdviceQuery), responses((status = 200, body = Recommendations)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Recommendations>, Problem> {
    let query = AdviceQuery {
        _project: None,
        kind: given::words(&pairs, "kind").into_iter().map(str::to_owned).collect(),
    };
    let asked = ListAdviceRequest {
        project: scoped.name(),
        kinds: query.kind,
        without_server: is_of_project(&scoped),
    };
    let mut maintenance = console.services.maintenance();
    let asked = console.services.ask_within(asked, WITHIN);
    let listed = maintenance.list_advice(asked).await?.into_inner();
    let mut latest = latest_changes(&console, &scoped).await?;
    let recommendation = |advice: Advice| {
        let change = latest.remove(&advice.id);
        Recommendation {
            state: Standing::of(change.as_ref()),
            advice,
            change,
        }
    };
    Ok(Json(Recommendations {
        recommendations: listed.advice.into_iter().map(recommendation).collect(),
        left: listed.left,
        more: listed.more,
    }))
}

/// Whether what concerns the whole server is none of the caller's.
const fn is_of_project(scoped: &Scoped) -> bool {
    scoped.caller.project.is_some()
}

/// The latest change by the advice that it was made on.
async fn latest_changes(console: &Console, scoped: &Scoped) -> Result<BTreeMap<String, Change>, Problem> {
    let mut latest = BTreeMap::new();
    for change in recent_changes(console, scoped).await? {
        latest.entry(change.advice_id.clone()).or_insert(change);
    }
    Ok(latest)
}

/// Changes of the project, the newest first.
async fn recent_changes(console: &Console, scoped: &Scoped) -> Result<Vec<Change>, Problem> {
    let page = PageRequest {
        size: CHANGES_MAX,
        token: String::new(),
    };
    let asked = changes_of(scoped, Some(page));
    let mut maintenance = console.services.maintenance();
    let asked = console.services.ask_within(asked, WITHIN);
    Ok(maintenance.list_changes(asked).await?.into_inner().changes)
}

fn changes_of(scoped: &Scoped, page: Option<PageRequest>) -> ListChangesRequest {
    ListChangesRequest {
        project: scoped.name(),
        page,
        without_server: is_of_project(scoped),
    }
}

/// Whose advice it is.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OwnerQuery {
    /// Whose; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
}

/// Sets what a piece of advice proposed when it was listed last.
#[utoipa::path(post, path = "/database/monitoring/recommendations/{id}/apply", tag = "advice",
    params(("id" = String, Path, description = "The advice, as it was listed."), OwnerQuery), responses((status = 200, body = Change)))]
pub(crate) async fn apply(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<String>,
) -> Result<Json<Change>, Problem> {
    let asked = ApplyAdviceRequest {
        project: scoped.name(),
        without_server: is_of_project(&scoped),
        id,
        by: scoped.caller.name,
    };
    let mut maintenance = console.services.maintenance();
    let asked = console.services.ask_within(asked, WITHIN);
    let answer = maintenance.apply_advice(asked).await?.into_inner();
    Ok(Json(answer.change.unwrap_or_default()))
}

/// Takes a change back, if nobody has changed the value since.
#[utoipa::path(post, path = "/database/monitoring/recommendations/{id}/revert", tag = "advice",
    params(("id" = String, Path, description = "The change; or the advice, whose last change is then meant."), OwnerQuery),
    responses((status = 200, body = Change)))]
pub(crate) async fn revert(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<String>,
) -> Result<Json<Change>, Problem> {
    let change_id = if id.parse::<Uuid>().is_ok() {
        id
    } else {
        change_on(&console, &scoped, &id).await?
    };
    let asked = RevertAdviceRequest {
        project: scoped.name(),
        change_id,
        without_server: is_of_project(&scoped),
    };
    let mut maintenance = console.services.maintenance();
    let asked = console.services.ask_within(asked, WITHIN);
    let answer = maintenance.revert_advice(asked).await?.into_inner();
    Ok(Json(answer.change.unwrap_or_default()))
}

/// The last change that was made on a piece of advice.
async fn change_on(console: &Console, scoped: &Scoped, advice: &str) -> Result<String, Problem> {
    let changes = recent_changes(console, scoped).await?;
    let found = changes.into_iter().find(|change| change.advice_id == advice);
    let never = || {
        let detail = "nothing was changed on this advice; …/recommendations/changes lists what was";
        Problem::new(http::StatusCode::NOT_FOUND, "change-not-found", detail)
    };
    found.map(|change| change.id).ok_or_else(never)
}

/// Changes that were made on advice.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::AdviceChanges)]
pub(crate) struct Changes {
    /// The newest first.
    changes: Vec<Change>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// What was changed on advice.
#[utoipa::path(get, path = "/database/monitoring/recommendations/changes", tag = "advice", params(OwnerQuery, Page), responses((status = 200, body = Changes)))]
pub(crate) async fn changes(
    State(console): State<Console>,
    scoped: Scoped,
    page: Page,
) -> Result<Json<Changes>, Problem> {
    let asked = changes_of(&scoped, page.request());
    let mut maintenance = console.services.maintenance();
    let asked = console.services.ask_within(asked, WITHIN);
    let listed = maintenance.list_changes(asked).await?.into_inner();
    Ok(Json(Changes {
        changes: listed.changes,
        next: listed.page.next(),
    }))
}
