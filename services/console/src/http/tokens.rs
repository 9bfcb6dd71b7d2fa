//! Tokens: listed, made, revoked.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_model::Project;

use super::body::{Path, Query};
use super::{Body, Console, Operator, Problem};
use crate::auth::{Grant, Role, TokenRow};

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
}

/// Which tokens to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokensQuery {
    /// With those that were revoked.
    #[serde(default)]
    all: bool,
}

/// Tokens.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Tokens)]
pub(crate) struct TokenList {
    /// The newest first; the latest thousand.
    tokens: Vec<TokenRow>,
}

/// What a new token is to allow.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::NewToken)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Whose data it sees; null: everything.
    project: Option<String>,
    /// What it may do; `viewer` if nothing is said.
    role: Option<Role>,
    /// When it ends, in milliseconds since 1970; null: when it is revoked.
    expires_unix_ms: Option<i64>,
}

/// A token that was made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::MadeToken)]
pub(crate) struct MadeToken {
    /// What to send as `Authorization: Bearer …`. It is told this once.
    secret: String,
    /// What is known of it from now on.
    token: TokenRow,
}

/// Tokens that may call.
#[utoipa::path(get, path = "/database/tokens", tag = "settings", params(TokensQuery), responses((status = 200, body = TokenList)))]
pub(crate) async fn list(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<TokensQuery>,
) -> Result<Json<TokenList>, Problem> {
    let tokens = console
        .keyring()
        .list(query.all)
        .await
        .map_err(|error| Problem::of(&error))?;
    Ok(Json(TokenList { tokens }))
}

/// Makes a token.
#[utoipa::path(post, path = "/database/tokens", tag = "settings", request_body = NewToken, responses((status = 201, body = MadeToken)))]
pub(crate) async fn create(
    State(console): State<Console>,
    Operator(caller): Operator,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let project = new.project.map(|name| Project::parse(&name)).transpose();
    let grant = Grant {
        name: new.name,
        project: project.map_err(|error| Problem::strange(format!("project: {error}")))?,
        role: new.role.unwrap_or(Role::Viewer),
        expires_unix_ms: new.expires_unix_ms,
        created_by: caller.name,
    };
    let made = console.keyring().create(&grant).await;
    let (token, secret) = made.map_err(|error| Problem::of(&error))?;
    Ok((StatusCode::CREATED, Json(MadeToken { secret, token })))
}

/// Ends a token.
#[utoipa::path(delete, path = "/database/tokens/{id}", tag = "settings", params(("id" = Uuid, Path, description = "The token.")), responses((status = 204)))]
pub(crate) async fn revoke(
    State(console): State<Console>,
    Operator(_): Operator,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    console
        .keyring()
        .revoke(id)
        .await
        .map_err(|error| Problem::of(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
