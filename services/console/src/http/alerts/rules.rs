//! The rules that alerts come from.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::common::v1::Severity;
use weir_proto::monitor::v1::{
    AlertRule, ListRulesRequest, ListRulesResponse, PutRuleRequest, ResetRuleRequest, RuleDirection,
};

use super::super::body::{Path, Query};
use super::super::{Body, Console, Operator, Problem};

pub(super) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list, put)).routes(routes!(reset))
}

/// The rules as they hold now.
#[utoipa::path(get, path = "/database/monitoring/rules", tag = "alerts", responses((status = 200, body = ListRulesResponse)))]
pub(crate) async fn list(
    State(console): State<Console>,
    Operator(_): Operator,
) -> Result<Json<ListRulesResponse>, Problem> {
    let mut monitor = console.services.monitor();
    let asked = console.services.ask(ListRulesRequest {});
    Ok(Json(monitor.list_rules(asked).await?.into_inner()))
}

/// On which side of a bound things are bad.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::RuleDirection)]
pub(crate) enum Direction {
    Above,
    Below,
}

/// How much an alert matters.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::RuleSeverity)]
pub(crate) enum RuleSeverity {
    Info,
    Warning,
    Critical,
}

/// What is said of a rule, in place of what was put of it before; what is not said stays as the file or Weir has it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::NewRule)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRule {
    /// Its name: 1 to 63 of `a-z`, `0-9` and `-`.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9-]+$")]
    name: String,
    /// Only for this project; null: for all.
    project: Option<String>,
    /// Whether it is judged.
    enabled: Option<bool>,
    /// The figure that it looks at, such as `query.p95_ms`.
    metric: Option<String>,
    /// What the labels of a reading have to look like: `*` stands for any part, `|` separates alternatives, `!` in front
    /// means none of them.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// On which side of the bounds things are bad.
    direction: Option<Direction>,
    /// From where on it is worth knowing.
    info: Option<f64>,
    /// Up to where that goes on.
    info_clear: Option<f64>,
    /// From where on somebody should look during the day.
    warning: Option<f64>,
    /// Up to where that goes on.
    warning_clear: Option<f64>,
    /// From where on somebody should look now.
    critical: Option<f64>,
    /// Up to where that goes on.
    critical_clear: Option<f64>,
    /// One severity instead of those that the rule has, from its lowest bound on.
    severity: Option<RuleSeverity>,
    /// How long the condition has to hold.
    for_ms: Option<u64>,
    /// How long an alert goes on after its condition has ceased.
    keep_firing_for_ms: Option<u64>,
    /// For how long its figure remembers what has passed.
    window_ms: Option<u64>,
    /// The sentence of its alerts, with `{value}`, `{threshold}`, `{project}`, `{note}`, `{fingerprint}` and labels in braces.
    summary: Option<String>,
    /// Where to read what to do.
    runbook: Option<String>,
    /// Rules whose alerts about the same thing are not told while one of this fires.
    #[serde(default)]
    inhibits: Vec<String>,
}

impl From<NewRule> for AlertRule {
    fn from(new: NewRule) -> Self {
        let direction = new
            .direction
            .map_or(RuleDirection::Unspecified, |direction| match direction {
                Direction::Above => RuleDirection::Above,
                Direction::Below => RuleDirection::Below,
            });
        let severity = new.severity.map_or(Severity::Unspecified, |severity| match severity {
            RuleSeverity::Info => Severity::Info,
            RuleSeverity::Warning => Severity::Warning,
            RuleSeverity::Critical => Severity::Critical,
        });
        Self {
            name: new.name,
            project: new.project.unwrap_or_default(),
            enabled: new.enabled,
            metric: new.metric,
            labels: new.labels,
            direction: direction.into(),
            info: new.info,
            info_clear: new.info_clear,
            warning: new.warning,
            warning_clear: new.warning_clear,
            critical: new.critical,
            critical_clear: new.critical_clear,
            severity: severity.into(),
            for_ms: new.for_ms,
            keep_firing_for_ms: new.keep_firing_for_ms,
            summary: new.summary,
            runbook: new.runbook,
            inhibits: new.inhibits,
            window_ms: new.window_ms,
            origin: String::new(),
        }
    }
}

/// Changes a rule, or adds one.
#[utoipa::path(put, path = "/database/monitoring/rules", tag = "alerts", request_body = NewRule, responses((status = 200, body = AlertRule)))]
pub(crate) async fn put(
    State(console): State<Console>,
    Operator(_): Operator,
    Body(new): Body<NewRule>,
) -> Result<Json<AlertRule>, Problem> {
    let asked = PutRuleRequest { rule: Some(new.into()) };
    let mut monitor = console.services.monitor();
    let answer = monitor.put_rule(console.services.ask(asked)).await?.into_inner();
    Ok(Json(answer.rule.unwrap_or_default()))
}

/// What was put for whom.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResetQuery {
    /// What was put for this project only; what was put for all if nothing is said.
    #[serde(default)]
    project: String,
}

/// Takes back what was put of a rule: one that was added is gone, another is as the file has it, or as it came.
#[utoipa::path(delete, path = "/database/monitoring/rules/{name}", tag = "alerts",
    params(("name" = String, Path, description = "The rule."), ResetQuery), responses((status = 204)))]
pub(crate) async fn reset(
    State(console): State<Console>,
    Operator(_): Operator,
    Path(name): Path<String>,
    Query(query): Query<ResetQuery>,
) -> Result<StatusCode, Problem> {
    let asked = ResetRuleRequest {
        name,
        project: query.project,
    };
    let mut monitor = console.services.monitor();
    monitor.reset_rule(console.services.ask(asked)).await?;
    Ok(StatusCode::NO_CONTENT)
}
