//! Plans that were captured of slow statements, and latencies that changed their level.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::monitor::v1::{CapturedPlan, ListChangesRequest, ListPlansRequest, QueryChange};

use super::super::body::{Path, Query};
use super::super::given::{Shape, moment};
use super::super::{Console, Page, Paged as _, Problem, Scoped};
use super::known;

pub(super) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(plans)).routes(routes!(changes))
}

/// Which plans are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlansQuery {
    /// Whose statement; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Only on this database; on all if nothing is said.
    #[serde(default)]
    database: String,
}

/// Captured plans.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Plans)]
pub(crate) struct Plans {
    /// The latest first; at most 50 on a page.
    plans: Vec<CapturedPlan>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// Plans that one shape of statement had when it was slow.
#[utoipa::path(get, path = "/database/monitoring/queries/{fingerprint}/plans", tag = "queries",
    params(("fingerprint" = String, Path, description = "The shape: 16 hexadecimal digits.", pattern = "^[0-9a-fA-F]{16}$"), PlansQuery, Page),
    responses((status = 200, body = Plans)))]
pub(crate) async fn plans(
    State(console): State<Console>,
    scoped: Scoped,
    Path(shape): Path<Shape>,
    Query(query): Query<PlansQuery>,
    page: Page,
) -> Result<Json<Plans>, Problem> {
    let asked = ListPlansRequest {
        project: scoped.name(),
        fingerprint: shape.to_string(),
        database: query.database,
        page: page.request(),
    };
    let mut monitor = console.services.monitor();
    let listed = monitor.list_plans(console.services.ask(asked)).await?.into_inner();
    if listed.plans.is_empty() {
        known(&console, &scoped.name(), shape).await?;
    }
    Ok(Json(Plans {
        plans: listed.plans,
        next: listed.page.next(),
    }))
}

/// Which changes are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangesQuery {
    /// Whose statements; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Only changes from then on, in milliseconds since 1970. 0: all that are kept.
    #[serde(default, deserialize_with = "moment")]
    #[param(minimum = 0, maximum = 253402300799999_i64, default = 0)]
    since: i64,
}

/// Levels of latency that gave way to others.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::QueryChanges)]
pub(crate) struct Changes {
    /// The latest first.
    changes: Vec<QueryChange>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// Shapes of statements whose latency changed its level.
#[utoipa::path(get, path = "/database/monitoring/changes", tag = "queries", params(ChangesQuery, Page), responses((status = 200, body = Changes)))]
pub(crate) async fn changes(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<ChangesQuery>,
    page: Page,
) -> Result<Json<Changes>, Problem> {
    let asked = ListChangesRequest {
        project: scoped.name(),
        since_unix_ms: query.since,
        page: page.request(),
    };
    let mut monitor = console.services.monitor();
    let listed = monitor.list_changes(console.services.ask(asked)).await?.into_inner();
    Ok(Json(Changes {
        changes: listed.changes,
        next: listed.page.next(),
    }))
}
