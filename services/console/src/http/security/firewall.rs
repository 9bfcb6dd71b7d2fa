//! The firewall of the gateway: what it does for whom, the shapes that it knows, and what is let through.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use weir_proto::gateway::v1 as api;

use super::super::body::{Path, Query};
use super::super::{Body, Console, Operator, Page, Paged as _, Problem, Scoped};

/// Whose statements are meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ScopesQuery {
    /// Whose; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Only on this database.
    #[serde(default)]
    database: String,
    /// Only of this role.
    #[serde(default)]
    user: String,
}

/// The firewall.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Firewall)]
pub(crate) struct Firewall {
    /// What it does for each user of a database, and did since `since_unix_ms`.
    scopes: Vec<api::FirewallScopeStatus>,
    /// Modes that operators set, those for everybody too.
    modes: Vec<api::FirewallModeSet>,
    /// Whether the shapes are in the gateway's store at present, where they outlive its process and reach other gateways.
    kept: bool,
    /// Why they are not; empty: they are.
    reason: String,
    /// When the gateway began to count.
    since_unix_ms: i64,
    /// How to go on with the scopes; null: this page was the last.
    next: Option<String>,
}

/// What the firewall does for whom.
#[utoipa::path(get, path = "/database/security/firewall", tag = "security", params(ScopesQuery, Page), responses((status = 200, body = Firewall)))]
pub(crate) async fn show(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<ScopesQuery>,
    page: Page,
) -> Result<Json<Firewall>, Problem> {
    let asked = api::FirewallStatusRequest {
        project: scoped.name(),
        database: query.database,
        user: query.user,
        page: page.request(),
    };
    let told = status(&console, asked).await?;
    Ok(Json(Firewall {
        scopes: told.scopes,
        modes: concerning(told.modes, &scoped.name()),
        kept: told.kept,
        reason: told.reason,
        since_unix_ms: told.since_unix_ms,
        next: told.page.next(),
    }))
}

pub(super) async fn status(
    console: &Console,
    asked: api::FirewallStatusRequest,
) -> Result<api::FirewallStatusResponse, tonic::Status> {
    let mut gateway = console.services.gateway_admin();
    let told = gateway.firewall_status(console.services.ask_as_operator(asked)).await?;
    Ok(told.into_inner())
}

/// Modes that hold for a project: its own, and those of everybody.
fn concerning(modes: Vec<api::FirewallModeSet>, project: &str) -> Vec<api::FirewallModeSet> {
    let concerns = |set: &api::FirewallModeSet| {
        let whose = set.scope.as_ref().map_or("", |scope| scope.project.as_str());
        whose.is_empty() || whose == project
    };
    modes.into_iter().filter(concerns).collect()
}

/// Which shapes are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FirewallShapesQuery {
    /// Whose; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Only on this database.
    #[serde(default)]
    database: String,
    /// Only of this role.
    #[serde(default)]
    user: String,
    /// Only in this state; in any if nothing is said.
    #[param(inline)]
    state: Option<ShapeState>,
    /// Only those whose text contains this, upper and lower case alike, or whose id or fingerprint it is.
    #[serde(default)]
    search: String,
}

/// What is thought of a shape.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::FirewallShapeState)]
pub(crate) enum ShapeState {
    /// It was seen, and waits for a person.
    Queued,
    /// It was learned.
    Learned,
    /// A person let it through.
    Approved,
}

impl From<ShapeState> for api::FirewallShapeState {
    fn from(state: ShapeState) -> Self {
        match state {
            ShapeState::Queued => Self::Queued,
            ShapeState::Learned => Self::Learned,
            ShapeState::Approved => Self::Approved,
        }
    }
}

/// Shapes of statement as the firewall has them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::FirewallShapes)]
pub(crate) struct Shapes {
    /// Those that were seen last come first.
    shapes: Vec<api::FirewallShape>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// Shapes of statement that the firewall knows, and those that wait for a person.
#[utoipa::path(get, path = "/database/security/firewall/shapes", tag = "security", params(FirewallShapesQuery, Page), responses((status = 200, body = Shapes)))]
pub(crate) async fn shapes(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<FirewallShapesQuery>,
    page: Page,
) -> Result<Json<Shapes>, Problem> {
    let asked = api::ListFirewallShapesRequest {
        project: scoped.name(),
        database: query.database,
        user: query.user,
        state: query
            .state
            .map(api::FirewallShapeState::from)
            .unwrap_or_default()
            .into(),
        search: query.search,
        page: page.request(),
    };
    let mut gateway = console.services.gateway_admin();
    let asked = console.services.ask_as_operator(asked);
    let listed = gateway.list_firewall_shapes(asked).await?.into_inner();
    Ok(Json(Shapes {
        shapes: listed.shapes,
        next: listed.page.next(),
    }))
}

/// Whose firewall is changed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FirewallOfQuery {
    /// Whose; `default` if nothing is said.
    #[serde(rename = "project")]
    _project: Option<String>,
}

/// A statement that is going to be sent.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::NewFirewallShape)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShape {
    /// On which database.
    database: String,
    /// By which role.
    user: String,
    /// The statement. Its literals do not matter and are not kept.
    sql: String,
}

/// Puts the shape of a statement into the list, approved, before anybody sends it.
#[utoipa::path(post, path = "/database/security/firewall/shapes", tag = "security", params(FirewallOfQuery), request_body = NewShape, responses((status = 201, body = api::FirewallShape)))]
pub(crate) async fn add(
    State(console): State<Console>,
    Operator(caller): Operator,
    scoped: Scoped,
    Body(new): Body<NewShape>,
) -> Result<(StatusCode, Json<api::FirewallShape>), Problem> {
    let asked = api::AddFirewallShapeRequest {
        scope: scope(&scoped, new.database, new.user),
        sql: new.sql,
        by: caller.name,
    };
    let mut gateway = console.services.gateway_admin();
    let asked = console.services.ask_as_operator(asked);
    let added = gateway.add_firewall_shape(asked).await?.into_inner();
    Ok((StatusCode::CREATED, Json(added.shape.unwrap_or_default())))
}

/// Shapes to let through. Either some by name, or all that wait.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::FirewallApproval)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approval {
    /// On which database.
    database: String,
    /// Of which role.
    user: String,
    /// The shapes, by the ids that the list has; at most 1000.
    #[serde(default)]
    ids: Vec<String>,
    /// All that wait.
    #[serde(default)]
    all_queued: bool,
}

/// How many shapes something was done to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::FirewallShapesDone)]
pub(crate) struct Done {
    /// How many. Those that are not in the list are passed over.
    shapes: u64,
}

/// Lets shapes through from now on, however suspicious they looked so far.
#[utoipa::path(post, path = "/database/security/firewall/shapes/approve", tag = "security", params(FirewallOfQuery), request_body = Approval, responses((status = 200, body = Done)))]
pub(crate) async fn approve(
    State(console): State<Console>,
    Operator(caller): Operator,
    scoped: Scoped,
    Body(approval): Body<Approval>,
) -> Result<Json<Done>, Problem> {
    one_of(!approval.ids.is_empty(), approval.all_queued, "all_queued")?;
    let asked = api::ApproveFirewallShapesRequest {
        scope: scope(&scoped, approval.database, approval.user),
        ids: approval.ids,
        all_queued: approval.all_queued,
        by: caller.name,
    };
    let mut gateway = console.services.gateway_admin();
    let asked = console.services.ask_as_operator(asked);
    let done = gateway.approve_firewall_shapes(asked).await?.into_inner();
    Ok(Json(Done { shapes: done.shapes }))
}

/// Shapes to forget. Either some by name, or all in a state.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::FirewallForgetting)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forgetting {
    /// On which database.
    database: String,
    /// Of which role.
    user: String,
    /// The shapes, by the ids that the list has; at most 1000.
    #[serde(default)]
    ids: Vec<String>,
    /// All in this state.
    all_in_state: Option<ShapeState>,
}

/// Takes shapes out of the list, as if they had never been seen.
#[utoipa::path(post, path = "/database/security/firewall/shapes/forget", tag = "security", params(FirewallOfQuery), request_body = Forgetting, responses((status = 200, body = Done)))]
pub(crate) async fn forget(
    State(console): State<Console>,
    Operator(caller): Operator,
    scoped: Scoped,
    Body(forgetting): Body<Forgetting>,
) -> Result<Json<Done>, Problem> {
    let all = forgetting.all_in_state.map(api::FirewallShapeState::from);
    one_of(!forgetting.ids.is_empty(), all.is_some(), "all_in_state")?;
    let asked = api::ForgetFirewallShapesRequest {
        scope: scope(&scoped, forgetting.database, forgetting.user),
        ids: forgetting.ids,
        all_in_state: all.unwrap_or_default().into(),
        by: caller.name,
    };
    let mut gateway = console.services.gateway_admin();
    let asked = console.services.ask_as_operator(asked);
    let done = gateway.forget_firewall_shapes(asked).await?.into_inner();
    Ok(Json(Done { shapes: done.shapes }))
}

fn one_of(names_some: bool, means_all: bool, all: &str) -> Result<(), Problem> {
    if names_some == means_all {
        return Err(Problem::strange(format!("say exactly one of ids and {all}")));
    }
    Ok(())
}

/// What the firewall is to do.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::FirewallMode)]
pub(crate) enum Mode {
    /// Nothing.
    Off,
    /// Learn shapes, tell of what is dangerous, refuse nothing.
    Learn,
    /// Tell of what is suspicious, note unknown shapes, refuse nothing.
    Monitor,
    /// Refuse what is dangerous, and of the unknown as much as the settings say.
    Enforce,
    /// What the settings say: a mode that was set is taken back.
    Settings,
}

impl From<Mode> for api::FirewallMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Off => Self::Off,
            Mode::Learn => Self::Learn,
            Mode::Monitor => Self::Monitor,
            Mode::Enforce => Self::Enforce,
            Mode::Settings => Self::Unspecified,
        }
    }
}

/// For whom a mode is.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[schema(as = console::FirewallModeFor)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModeFor {
    /// Only on this database; on every one if nothing is said.
    #[serde(default)]
    database: String,
    /// Only for this role; for every one if nothing is said.
    #[serde(default)]
    user: String,
}

/// Has the firewall do something else from now on, for a project or a part of it. It goes before the settings and
/// outlives restarts. The mode is in the path, so that the audit says which it was.
#[utoipa::path(post, path = "/database/security/firewall/mode/{mode}", tag = "security",
    params(("mode" = inline(Mode), Path, description = "What it is to do."), FirewallOfQuery), request_body = ModeFor, responses((status = 204, description = "it does")))]
pub(crate) async fn set_mode(
    State(console): State<Console>,
    Operator(caller): Operator,
    scoped: Scoped,
    Path(mode): Path<Mode>,
    Body(whom): Body<ModeFor>,
) -> Result<StatusCode, Problem> {
    let asked = api::SetFirewallModeRequest {
        scope: scope(&scoped, whom.database, whom.user),
        mode: api::FirewallMode::from(mode).into(),
        by: caller.name,
    };
    let mut gateway = console.services.gateway_admin();
    gateway
        .set_firewall_mode(console.services.ask_as_operator(asked))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn scope(scoped: &Scoped, database: String, user: String) -> Option<api::FirewallScope> {
    Some(api::FirewallScope {
        project: scoped.name(),
        database,
        user,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_hears_of_modes_that_hold_for_it_and_no_others() {
        let set = |project: &str| api::FirewallModeSet {
            scope: Some(api::FirewallScope {
                project: project.to_owned(),
                ..api::FirewallScope::default()
            }),
            ..api::FirewallModeSet::default()
        };
        let found = concerning(vec![set("shop"), set("bank"), set("")], "shop");
        let names: Vec<String> = found.into_iter().map(|set| set.scope.unwrap().project).collect();
        assert_eq!(names, ["shop", ""]);
    }

    #[test]
    fn shapes_are_named_or_all_are_meant() {
        assert!(one_of(true, false, "all_queued").is_ok() && one_of(false, true, "all_queued").is_ok());
        assert!(one_of(true, true, "all_queued").is_err() && one_of(false, false, "all_queued").is_err());
    }
}
