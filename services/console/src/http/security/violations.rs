//! Rules that were broken, as they were told and kept.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::body::Query;
use super::super::given::{Shape, moment};
use super::super::{Console, Page, Problem, Scoped};
use crate::store::violations::{self as rows, Row, Wanted};

/// Which broken rules are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ViolationsQuery {
    /// Whose; a token's own project if nothing is said, `default` for an operator.
    #[serde(rename = "project")]
    _project: Option<String>,
    /// Only of this rule, such as `stacked-statements`.
    rule: Option<String>,
    /// Only those about which this was done.
    #[param(inline)]
    action: Option<Action>,
    /// Only of this role.
    user: Option<String>,
    /// Only on this database.
    database: Option<String>,
    /// Only from this address.
    client: Option<String>,
    /// Only about this shape of statement: 16 hexadecimal digits.
    #[param(value_type = Option<String>, pattern = "^[0-9a-fA-F]{16}$")]
    fingerprint: Option<Shape>,
    /// Only those whose rule, summary, role, database, program or address contains this, upper and lower case alike.
    search: Option<String>,
    /// From when on, in milliseconds since 1970.
    #[serde(default, deserialize_with = "moment")]
    #[param(minimum = 0, maximum = 253402300799999_i64, default = 0)]
    since: i64,
    /// Up to when. 0: now.
    #[serde(default, deserialize_with = "moment")]
    #[param(minimum = 0, maximum = 253402300799999_i64, default = 0)]
    until: i64,
}

/// What was done about a broken rule.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::ViolationAction)]
pub(crate) enum Action {
    /// It was told and let through.
    Reported,
    /// It was refused.
    Blocked,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Blocked => "blocked",
        }
    }
}

/// Rules that were broken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Violations)]
pub(crate) struct Violations {
    /// The latest first.
    violations: Vec<Row>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// Rules that were broken at the gateways: by whom, with which shape of statement, and what was done about it.
#[utoipa::path(get, path = "/database/security/violations", tag = "security", params(ViolationsQuery, Page), responses((status = 200, body = Violations)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<ViolationsQuery>,
    page: Page,
) -> Result<Json<Violations>, Problem> {
    let before = place(page.token())?;
    let limit = i64::from(page.limit());
    let wanted = query.wanted(scoped.name(), limit)?;
    let violations = rows::list(console.tables.store().pool(), &wanted, before).await?;
    let is_full = i64::try_from(violations.len()).is_ok_and(|count| count == limit);
    let last = violations.last().filter(|_| is_full);
    Ok(Json(Violations {
        next: last.map(|last| format!("{}.{}", last.at_unix_ms, last.id)),
        violations,
    }))
}

impl ViolationsQuery {
    /// An empty text is none, as a form sends it.
    fn wanted(self, project: String, limit: i64) -> Result<Wanted, Problem> {
        Ok(Wanted {
            project: Some(project),
            rule: said("rule", self.rule)?,
            action: self.action.map(|action| action.as_str().to_owned()),
            user: said("user", self.user)?,
            database: said("database", self.database)?,
            client: said("client", self.client)?,
            fingerprint: self.fingerprint.map(|shape| shape.to_string()),
            search: said("search", self.search)?,
            since_unix_ms: self.since,
            until_unix_ms: self.until,
            limit,
        })
    }
}

fn said(name: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) if text.contains('\0') => Err(Problem::strange(format!("{name}: it holds a zero byte"))),
        text => Ok(text),
    }
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
