//! What the cache thinks of a statement.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use weir_proto::cache::v1::{ExplainRequest, ExplainResponse};

use super::super::{Body, Console, Operator, Problem, Scoped};
use super::policies::PoliciesQuery;

/// A statement to explain.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::CacheExplain)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explain {
    /// One SQL statement, with `$1`, `$2`, … where parameters stand.
    sql: String,
    /// The database; the server's default one if nothing is said.
    #[serde(default)]
    database: String,
    /// The role it would run as.
    #[serde(default)]
    role: String,
    /// PostgreSQL's names of the parameters' types, the first for `$1`.
    #[serde(default)]
    parameter_types: Vec<String>,
    /// The schemas searched, in order; the role's own if nothing is said.
    #[serde(default)]
    search_path: Vec<String>,
}

/// Whether a statement is cacheable, or why not, what its results depend on, and what caching it brings. Nothing of it is
/// run. For an operator: it is analysed with the rights of whatever role is named.
#[utoipa::path(post, path = "/database/cache/explain", tag = "cache", params(PoliciesQuery), request_body = Explain, responses((status = 200, body = ExplainResponse)))]
pub(crate) async fn explain(
    State(console): State<Console>,
    Operator(_): Operator,
    scoped: Scoped,
    Body(statement): Body<Explain>,
) -> Result<Json<ExplainResponse>, Problem> {
    let asked = ExplainRequest {
        project: scoped.name(),
        database: statement.database,
        role: statement.role,
        sql: statement.sql,
        parameter_types: statement.parameter_types,
        search_path: statement.search_path,
    };
    let mut cache = console.services.cache();
    let explained = cache.explain(console.services.ask(asked)).await?;
    Ok(Json(explained.into_inner()))
}
