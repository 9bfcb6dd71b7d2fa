//! The plan of one statement, with findings.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use tonic::{Code, Status};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::monitor::v1::{AnalyzeRequest, AnalyzeResponse};
use weir_proto::status::ERROR_SLUG;

use super::super::{Body, Console, Problem, Scoped};
use super::params::value;
use crate::auth::Caller;

/// As long as the monitor lets a statement run if its settings say nothing.
const USUAL: Duration = Duration::from_secs(30);
/// To connect, to look at the plan and to tell it, beside the statement itself.
const BESIDE: Duration = Duration::from_secs(15);

pub(super) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(analyze))
}

/// A statement, and how it is to be explained.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::Analyze)]
#[serde(deny_unknown_fields)]
pub(crate) struct Analyze {
    /// The statement: exactly one that EXPLAIN takes, without EXPLAIN in front of it.
    sql: String,
    /// Values for its `$n`, in order; none at all: the generic plan, for any values. A list becomes an array, an object
    /// becomes jsonb, and a number or a text becomes what stands in its place.
    #[serde(default)]
    #[schema(value_type = Vec<serde_json::Value>)]
    params: Vec<serde_json::Value>,
    /// The database; the configured one if nothing is said.
    database: Option<String>,
    /// Whether it is run, to measure rows, times and buffers. Whatever that changes is rolled back.
    #[serde(default)]
    analyze: bool,
    /// Whether it may be run although it writes or locks. It is rolled back even so.
    #[serde(default)]
    allow_writes: bool,
    /// Longest time for it, in milliseconds; 0 or more than `monitor.explain_timeout`: that.
    #[serde(default)]
    timeout_ms: u32,
    /// Settings for this statement alone: `search_path`, and those of the planner.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// The plan of one statement, as the planner expects it or as it really ran.
#[utoipa::path(post, path = "/database/monitoring/query/analyze", tag = "queries",
    params(("project" = Option<String>, Query, description = "Whose statement; a token's own project if nothing is said.")),
    request_body = Analyze, responses((status = 200, body = AnalyzeResponse)))]
pub(crate) async fn analyze(
    State(console): State<Console>,
    scoped: Scoped,
    Body(wanted): Body<Analyze>,
) -> Result<Json<AnalyzeResponse>, Problem> {
    may_explain(&scoped.caller, console.settings().explain_for_projects)?;
    let within = limit(&console, wanted.timeout_ms) + BESIDE;
    let asked = AnalyzeRequest {
        sql: wanted.sql,
        parameters: wanted.params.into_iter().map(value).collect(),
        database: wanted.database.unwrap_or_default(),
        analyze: wanted.analyze,
        allow_writes: wanted.allow_writes,
        timeout_ms: wanted.timeout_ms,
        settings: wanted.settings,
    };
    let mut monitor = console.services.monitor();
    let answer = monitor.analyze(console.services.ask_within(asked, within)).await;
    Ok(Json(answer.map_err(refused)?.into_inner()))
}

/// Whoever explains statements reads with the rights of the monitor's role: in what a condition lets through, and in the
/// words of an error. The token of a project may not, unless the settings say that this reaches nothing of others.
fn may_explain(caller: &Caller, for_projects: bool) -> Result<(), Problem> {
    match &caller.project {
        Some(project) if !for_projects => Err(Problem::forbidden(format!(
            "statements are explained as the monitor's role, whose rights may reach beyond the project {project}; \
             console.explain_for_projects allows it all the same"
        ))),
        _ => Ok(()),
    }
}

/// How long the monitor may take for the statement.
fn limit(console: &Console, timeout_ms: u32) -> Duration {
    let set = console.sources.borrow().of_another("monitor", "explain_timeout");
    let most = set.ok().flatten().unwrap_or(USUAL);
    match timeout_ms {
        0 => most,
        ms => most.min(Duration::from_millis(ms.into())),
    }
}

/// A statement that fails is its sender's, whatever class its error has.
fn refused(status: Status) -> Problem {
    let slug = status.metadata().get(ERROR_SLUG).and_then(|slug| slug.to_str().ok());
    let is_away = matches!(status.code(), Code::Unavailable | Code::InvalidArgument);
    match slug {
        Some(slug) if !is_away && is_of_statement(slug) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, slug, status.message())
        }
        _ => status.into(),
    }
}

fn is_of_statement(slug: &str) -> bool {
    slug.starts_with("postgres-") || ["explain-timeout", "explain-plan", "upstream-too-large"].contains(&slug)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;

    fn failed(code: Code, slug: &'static str) -> u16 {
        let mut status = Status::new(code, "no");
        status.metadata_mut().insert(ERROR_SLUG, slug.parse().unwrap());
        refused(status).status()
    }

    #[test]
    fn what_a_statement_does_is_no_failure_of_the_service() {
        assert_eq!(failed(Code::Internal, "postgres-internal"), 422);
        assert_eq!(failed(Code::Unauthenticated, "postgres-unauthenticated"), 422);
        assert_eq!(failed(Code::DeadlineExceeded, "explain-timeout"), 422);
        assert_eq!(failed(Code::InvalidArgument, "postgres-invalid-input"), 400);
        assert_eq!(failed(Code::Unavailable, "postgres-unavailable"), 503);
        assert_eq!(failed(Code::Unavailable, "upstream-unreachable"), 503);
        assert_eq!(failed(Code::ResourceExhausted, "explain-busy"), 429);
    }

    #[test]
    fn the_token_of_a_project_reads_nothing_with_the_rights_of_the_monitor() {
        let operator = Caller::at_home();
        let shop = Caller {
            project: Some(weir_model::Project::parse("shop").unwrap()),
            role: Role::Operator,
            ..operator.clone()
        };
        assert_eq!(may_explain(&shop, false).unwrap_err().status(), 403);
        assert_eq!(
            (may_explain(&shop, true), may_explain(&operator, false)),
            (Ok(()), Ok(()))
        );
    }
}
