//! The result cache: what it does and holds, its rules, and orders to it. A token of a project sees and changes what is its
//! project's; what touches others is for an operator.

mod explain;
mod invalidate;
mod policies;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::cache::v1::{
    Follower, GetStatisticsRequest, GetStatisticsResponse, ListFollowersRequest, ListShapesRequest, Shape,
};

use super::body::Query;
use super::{Console, Operator, Page, Paged as _, Problem, Scoped};

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(shapes))
        .routes(routes!(policies::list, policies::put))
        .routes(routes!(policies::remove))
        .routes(routes!(followers))
        .routes(routes!(invalidate::order))
        .routes(routes!(explain::explain))
}

/// Whose statistics.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatisticsQuery {
    /// Only this project's; a token's own if nothing is said, for an operator everybody's.
    project: Option<String>,
}

/// Which shapes are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShapesQuery {
    /// Whose shapes; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Only shapes whose text contains this.
    #[serde(default)]
    search: String,
}

/// Shapes of statement as the cache sees them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::CacheShapes)]
pub(crate) struct Shapes {
    /// The greatest benefit first.
    shapes: Vec<Shape>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// Which databases are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FollowersQuery {
    /// Only databases of this server.
    #[serde(default)]
    upstream: String,
}

/// Databases whose log is followed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::CacheFollowers)]
pub(crate) struct Followers {
    /// By server and name.
    followers: Vec<Follower>,
}

/// What the cache did since its gateways were started, and what it holds: in all, and by project.
#[utoipa::path(get, path = "/database/cache", tag = "cache", params(StatisticsQuery), responses((status = 200, body = GetStatisticsResponse)))]
pub(crate) async fn show(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<StatisticsQuery>,
) -> Result<Json<GetStatisticsResponse>, Problem> {
    let names_none = query.project.is_none_or(|project| project.is_empty());
    let project = if scoped.caller.project.is_none() && names_none {
        String::new()
    } else {
        scoped.name()
    };
    let mut cache = console.services.cache();
    let told = cache
        .get_statistics(console.services.ask(GetStatisticsRequest { project }))
        .await?;
    Ok(Json(told.into_inner()))
}

/// Shapes of statement with what caching them costs and brings.
#[utoipa::path(get, path = "/database/cache/shapes", tag = "cache", params(ShapesQuery, Page), responses((status = 200, body = Shapes)))]
pub(crate) async fn shapes(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<ShapesQuery>,
    page: Page,
) -> Result<Json<Shapes>, Problem> {
    let asked = ListShapesRequest {
        project: scoped.name(),
        search: query.search,
        page: page.request(),
    };
    let mut cache = console.services.cache();
    let listed = cache.list_shapes(console.services.ask(asked)).await?.into_inner();
    Ok(Json(Shapes {
        shapes: listed.shapes,
        next: listed.page.next(),
    }))
}

/// How each database's log is followed: how late, and which tables cannot be followed.
#[utoipa::path(get, path = "/database/cache/followers", tag = "cache", params(FollowersQuery), responses((status = 200, body = Followers)))]
pub(crate) async fn followers(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<FollowersQuery>,
) -> Result<Json<Followers>, Problem> {
    let asked = ListFollowersRequest {
        upstream: query.upstream,
    };
    let mut cache = console.services.cache();
    let listed = cache.list_followers(console.services.ask(asked)).await?.into_inner();
    Ok(Json(Followers {
        followers: listed.followers,
    }))
}
