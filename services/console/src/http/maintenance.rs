//! Maintenance: ordered, planned, and what came of it.

mod status;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_proto::maintenance::v1::{
    Candidate, GetCalibrationRequest, GetCalibrationResponse, GetEffectRequest, GetEffectResponse,
    GetWraparoundRequest, GetWraparoundResponse, ListPiecesRequest, Piece, PlanRequest,
};

use super::body::{Path, Query};
use super::jobs::{Job, Order, answered, order};
use super::{Body, Console, Page, Paged as _, Problem, Scoped};

const TABLES_USUAL: u32 = 10;
const TABLES_MAX: u32 = 100;

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(run))
        .routes(routes!(status::show))
        .routes(routes!(plan))
        .routes(routes!(pieces))
        .routes(routes!(effect))
        .routes(routes!(wraparound))
        .routes(routes!(calibration))
}

/// What can be ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::MaintenanceOperation)]
pub(crate) enum Operation {
    /// Every kind of work that is due.
    #[default]
    Auto,
    Sweep,
    Freeze,
    Vacuum,
    Analyze,
    Reindex,
    Reorganize,
    Verify,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Sweep => "sweep",
            Self::Freeze => "freeze",
            Self::Vacuum => "vacuum",
            Self::Analyze => "analyze",
            Self::Reindex => "reindex",
            Self::Reorganize => "reorganize",
            Self::Verify => "verify",
        }
    }
}

/// Maintenance to be done.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = console::MaintenanceOrder)]
pub(crate) struct MaintenanceOrder {
    /// What to do; `auto` if nothing is said.
    #[serde(default)]
    operation: Operation,
    /// Only this table, as `schema.name`, with `*` for any characters; null: all.
    table: Option<String>,
    /// Only this index; null: all.
    index: Option<String>,
    /// Only plan, and change nothing: the plan is the answer.
    #[serde(default)]
    dry_run: bool,
    /// Do it even if no maintenance window is open, and without regard to the end of one.
    #[serde(default)]
    force_window: bool,
    /// Answer when it has ended, an hour later at most.
    #[serde(default)]
    wait: bool,
}

/// What an operation would do now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::MaintenancePlan)]
pub(crate) struct MaintenancePlan {
    /// The operation.
    operation: Operation,
    /// Whose tables were looked at.
    project: String,
    /// Every relation looked at and each kind of work, those selected first, in the order in which they would be done.
    plan: Vec<Candidate>,
}

/// What maintenance is answered with.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[schema(as = console::MaintenanceAnswer)]
#[expect(dead_code, reason = "the two answers as the document describes them")]
pub(crate) enum MaintenanceAnswer {
    /// Of a dry run.
    Plan(MaintenancePlan),
    /// Of work that has ended.
    Job(Box<Job>),
}

/// Has maintenance done: at the next opportunity, or only planned.
#[utoipa::path(
    post, path = "/database/maintenance/run", tag = "maintenance", params(super::jobs::ProjectQuery), request_body = MaintenanceOrder,
    responses(
        (status = 200, description = "the plan of a dry run, or the job that was waited for, which has ended", body = MaintenanceAnswer),
        (status = 202, description = "the job as it was asked for", body = Job, headers(("Location" = String, description = "where to follow the job"))),
    )
)]
pub(crate) async fn run(
    State(console): State<Console>,
    scoped: Scoped,
    Body(wanted): Body<MaintenanceOrder>,
) -> Result<Response, Problem> {
    let (table, index) = (wanted.table.unwrap_or_default(), wanted.index.unwrap_or_default());
    if wanted.dry_run {
        let plan = planned(&console, &scoped, wanted.operation, table, index).await?;
        return Ok(Json(plan).into_response());
    }
    let asked = Order {
        operation: wanted.operation.name().to_owned(),
        parameters: json!({ "table": table, "index": index }),
        dry_run: false,
        force_window: wanted.force_window,
    };
    let job = order(&console, &scoped, asked).await?;
    Ok(answered(&console, &scoped, job, wanted.wait).await)
}

/// What to plan.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlanQuery {
    /// Whose tables; those of a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// The operation.
    #[serde(default)]
    #[param(inline)]
    operation: Operation,
    /// Only this table, as `schema.name`, with `*` for any characters.
    #[serde(default)]
    table: String,
    /// Only this index.
    #[serde(default)]
    index: String,
    /// Only what would be done, without what is left and why.
    #[serde(default)]
    selected: bool,
}

/// Tables with their bloat, what is due, and why the rest is left.
#[utoipa::path(get, path = "/database/maintenance/plan", tag = "maintenance", params(PlanQuery), responses((status = 200, description = "the plan", body = MaintenancePlan)))]
pub(crate) async fn plan(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<PlanQuery>,
) -> Result<Json<MaintenancePlan>, Problem> {
    let mut planned = planned(&console, &scoped, query.operation, query.table, query.index).await?;
    planned.plan.retain(|candidate| candidate.selected || !query.selected);
    Ok(Json(planned))
}

async fn planned(
    console: &Console,
    scoped: &Scoped,
    operation: Operation,
    table: String,
    index: String,
) -> Result<MaintenancePlan, Problem> {
    let asked = PlanRequest {
        project: scoped.name(),
        operation: operation.name().to_owned(),
        table,
        index,
    };
    let mut maintenance = console.services.maintenance();
    let plan = maintenance.plan(console.services.ask(asked)).await?.into_inner();
    Ok(MaintenancePlan {
        operation,
        project: scoped.name(),
        plan: plan.candidates,
    })
}

/// Which pieces are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PiecesQuery {
    /// Whose; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Only those of this job.
    job: Option<Uuid>,
}

/// Pieces of work.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Pieces)]
pub(crate) struct PieceList {
    /// The latest first.
    pieces: Vec<Piece>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// What was done to relations, piece by piece: what was expected of it and what came of it.
#[utoipa::path(get, path = "/database/maintenance/pieces", tag = "maintenance", params(PiecesQuery, Page), responses((status = 200, description = "a page of pieces", body = PieceList)))]
pub(crate) async fn pieces(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<PiecesQuery>,
    page: Page,
) -> Result<Json<PieceList>, Problem> {
    let asked = ListPiecesRequest {
        project: scoped.name(),
        job_id: query.job.map(|id| id.to_string()).unwrap_or_default(),
        page: page.request(),
    };
    let mut maintenance = console.services.maintenance();
    let listed = maintenance.list_pieces(console.services.ask(asked)).await?.into_inner();
    Ok(Json(PieceList {
        pieces: listed.pieces,
        next: listed.page.next(),
    }))
}

/// What a piece of work did to the statements of its table: what they took before and after.
#[utoipa::path(get, path = "/database/maintenance/pieces/{id}/effect", tag = "maintenance", params(("id" = Uuid, Path, description = "the piece"), super::jobs::ProjectQuery), responses((status = 200, description = "the piece, and the statements that name its table", body = GetEffectResponse)))]
pub(crate) async fn effect(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<Uuid>,
) -> Result<Json<GetEffectResponse>, Problem> {
    let asked = GetEffectRequest {
        project: scoped.name(),
        piece_id: id.to_string(),
    };
    let mut maintenance = console.services.maintenance();
    let shown = maintenance.get_effect(console.services.ask(asked)).await?;
    Ok(Json(shown.into_inner()))
}

/// Whose ages are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WraparoundQuery {
    /// Whose databases; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Tables to show of each database, the worst first.
    #[serde(default = "tables_usual")]
    #[param(minimum = 1, maximum = 100, default = 10)]
    tables: u32,
}

const fn tables_usual() -> u32 {
    TABLES_USUAL
}

/// How old the oldest rows of each database are, when limits are reached, and what would be frozen now.
#[utoipa::path(get, path = "/database/maintenance/wraparound", tag = "maintenance", params(WraparoundQuery), responses((status = 200, description = "each database as it was last seen", body = GetWraparoundResponse)))]
pub(crate) async fn wraparound(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<WraparoundQuery>,
) -> Result<Json<GetWraparoundResponse>, Problem> {
    if !(1..=TABLES_MAX).contains(&query.tables) {
        return Err(Problem::strange(format!(
            "tables: {} is not a number from 1 to {TABLES_MAX}",
            query.tables
        )));
    }
    let asked = GetWraparoundRequest {
        project: scoped.name(),
        tables_max: query.tables,
    };
    let mut maintenance = console.services.maintenance();
    let shown = maintenance.get_wraparound(console.services.ask(asked)).await?;
    Ok(Json(shown.into_inner()))
}

/// How well work was foretold so far, kind by kind.
#[utoipa::path(get, path = "/database/maintenance/calibration", tag = "maintenance", params(super::jobs::ProjectQuery), responses((status = 200, description = "kind by kind", body = GetCalibrationResponse)))]
pub(crate) async fn calibration(
    State(console): State<Console>,
    scoped: Scoped,
) -> Result<Json<GetCalibrationResponse>, Problem> {
    let asked = GetCalibrationRequest { project: scoped.name() };
    let mut maintenance = console.services.maintenance();
    let shown = maintenance.get_calibration(console.services.ask(asked)).await?;
    Ok(Json(shown.into_inner()))
}
