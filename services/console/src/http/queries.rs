//! Statements by shape, and how they fared.

mod analyze;
mod params;
mod plans;
mod spans;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::common::v1::{PageRequest, StatementKind};
use weir_proto::monitor::v1::{ListQueriesRequest, ListQueriesResponse, QuerySort, QueryStatistics};

use super::body::{Path, Query};
use super::given::{Shape, moment};
use super::{Console, Page, Paged as _, Problem, Scoped};

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .merge(spans::calls())
        .merge(plans::calls())
        .merge(analyze::calls())
}

/// Databases of one shape that are told of.
const DATABASES_MAX: u32 = 1_000;

/// Which statements are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct QueriesQuery {
    /// Whose statements; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Only statements whose text contains this.
    #[serde(default)]
    search: String,
    /// Only on this database.
    #[serde(default)]
    database: String,
    /// Only statements that name this table, as `schema.name`.
    #[serde(default)]
    table: String,
    /// Only statements of this kind; all if nothing is said.
    #[param(inline)]
    kind: Option<Kind>,
    /// Figures from then on, in milliseconds since 1970. 0: from the beginning of what is kept.
    #[serde(default, deserialize_with = "moment")]
    #[param(minimum = 0, maximum = 253402300799999_i64, default = 0)]
    since: i64,
    /// Figures up to then. 0: now.
    #[serde(default, deserialize_with = "moment")]
    #[param(minimum = 0, maximum = 253402300799999_i64, default = 0)]
    until: i64,
    /// The order; the greatest first.
    #[param(inline)]
    #[serde(default)]
    sort: Sort,
}

/// A sort of statement.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::QueryKind)]
pub(crate) enum Kind {
    Select,
    Insert,
    Update,
    Delete,
    Merge,
    Copy,
    Ddl,
    Transaction,
    Utility,
}

impl From<Kind> for StatementKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Select => Self::Select,
            Kind::Insert => Self::Insert,
            Kind::Update => Self::Update,
            Kind::Delete => Self::Delete,
            Kind::Merge => Self::Merge,
            Kind::Copy => Self::Copy,
            Kind::Ddl => Self::Ddl,
            Kind::Transaction => Self::Transaction,
            Kind::Utility => Self::Utility,
        }
    }
}

/// An order of statements.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::QuerySort)]
pub(crate) enum Sort {
    #[default]
    Total,
    Calls,
    Mean,
    P95,
    P99,
    Max,
    Errors,
    Rows,
    Wait,
    LastSeen,
}

impl From<Sort> for QuerySort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Total => Self::Total,
            Sort::Calls => Self::Calls,
            Sort::Mean => Self::Mean,
            Sort::P95 => Self::P95,
            Sort::P99 => Self::P99,
            Sort::Max => Self::Max,
            Sort::Errors => Self::Errors,
            Sort::Rows => Self::Rows,
            Sort::Wait => Self::Wait,
            Sort::LastSeen => Self::LastSeen,
        }
    }
}

/// Statements by shape.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Queries)]
pub(crate) struct Queries {
    /// In the order asked for.
    queries: Vec<QueryStatistics>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
    /// Why figures are missing; empty: none are.
    missing: String,
}

/// Statements by shape with their statistics.
#[utoipa::path(get, path = "/database/monitoring/queries", tag = "queries", params(QueriesQuery, Page), responses((status = 200, body = Queries)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<QueriesQuery>,
    page: Page,
) -> Result<Json<Queries>, Problem> {
    let asked = ListQueriesRequest {
        project: scoped.name(),
        search: query.search,
        since_unix_ms: query.since,
        sort: QuerySort::from(query.sort).into(),
        page: page.request(),
        database: query.database,
        until_unix_ms: query.until,
        kind: query.kind.map(StatementKind::from).unwrap_or_default().into(),
        fingerprint: String::new(),
        table: query.table,
    };
    let listed = listed(&console, asked).await?;
    Ok(Json(Queries {
        queries: listed.queries,
        next: listed.page.next(),
        missing: listed.missing,
    }))
}

async fn listed(console: &Console, asked: ListQueriesRequest) -> Result<ListQueriesResponse, Problem> {
    let mut monitor = console.services.monitor();
    Ok(monitor.list_queries(console.services.ask(asked)).await?.into_inner())
}

/// Which time is meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OneQuery {
    /// Whose statement; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Figures from then on, in milliseconds since 1970. 0: from the beginning of what is kept.
    #[serde(default, deserialize_with = "moment")]
    #[param(minimum = 0, maximum = 253402300799999_i64, default = 0)]
    since: i64,
    /// Figures up to then. 0: now.
    #[serde(default, deserialize_with = "moment")]
    #[param(minimum = 0, maximum = 253402300799999_i64, default = 0)]
    until: i64,
}

/// One shape of statement.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Query)]
pub(crate) struct OneShape {
    /// The shape: 16 hexadecimal digits.
    fingerprint: String,
    /// Its text without literals; empty where no gateway has told it yet.
    query: String,
    /// What sort of statement it is.
    kind: StatementKind,
    /// Whose figures these are.
    project: String,
    /// How it fared on each database where it ran in the time asked for, the heaviest first.
    databases: Vec<QueryStatistics>,
    /// Why figures are missing; empty: none are.
    missing: String,
}

/// One shape of statement with its statistics on each database.
#[utoipa::path(get, path = "/database/monitoring/queries/{fingerprint}", tag = "queries",
    params(("fingerprint" = String, Path, description = "The shape: 16 hexadecimal digits.", pattern = "^[0-9a-fA-F]{16}$"), OneQuery),
    responses((status = 200, body = OneShape)))]
pub(crate) async fn one(
    State(console): State<Console>,
    scoped: Scoped,
    Path(shape): Path<Shape>,
    Query(query): Query<OneQuery>,
) -> Result<Json<OneShape>, Problem> {
    let project = scoped.name();
    let found = of_shape(&console, &project, shape, (query.since, query.until)).await?;
    let (databases, missing) = (found.queries, found.missing);
    let known = match databases.first() {
        Some(line) => line.clone(),
        None if missing.is_empty() => known(&console, &project, shape).await?,
        None => QueryStatistics::default(),
    };
    Ok(Json(OneShape {
        fingerprint: shape.to_string(),
        kind: known.kind(),
        query: known.text,
        project,
        databases,
        missing,
    }))
}

async fn of_shape(
    console: &Console,
    project: &str,
    shape: Shape,
    (since_unix_ms, until_unix_ms): (i64, i64),
) -> Result<ListQueriesResponse, Problem> {
    let asked = ListQueriesRequest {
        project: project.to_owned(),
        fingerprint: shape.to_string(),
        since_unix_ms,
        until_unix_ms,
        page: Some(PageRequest {
            size: DATABASES_MAX,
            token: String::new(),
        }),
        ..ListQueriesRequest::default()
    };
    listed(console, asked).await
}

/// What is known of a shape; an error if the project never ran it.
async fn known(console: &Console, project: &str, shape: Shape) -> Result<QueryStatistics, Problem> {
    let found = of_shape(console, project, shape, (0, 0)).await?;
    let never = || Problem::not_found(format!("the project {project} ran no statement {shape}, or long ago"));
    match found.queries.into_iter().next() {
        None if !found.missing.is_empty() => Ok(QueryStatistics::default()),
        line => line.ok_or_else(never),
    }
}
