//! Alerts, the rules that they come from, and who is told.

mod channels;
mod rules;
mod silences;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_proto::monitor::v1::{AcknowledgeAlertRequest, Alert, AlertState, ListAlertsRequest};

use super::body::{Path, Query};
use super::given::{self, Shape};
use super::{Body, Console, Page, Paged as _, Problem, Scoped};

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(acknowledge))
        .merge(rules::calls())
        .merge(silences::calls())
        .merge(channels::calls())
}

/// The project that something has to be of: a token's own, or the one that an operator names. Empty: any.
fn whose(scoped: &Scoped, asked: Option<String>) -> String {
    match &scoped.caller.project {
        Some(own) => own.to_string(),
        None => asked.unwrap_or_default(),
    }
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(as = console::WantedAlertState, rename_all = "snake_case")]
pub(crate) enum Wanted {
    Pending,
    Firing,
    Resolved,
}

impl Wanted {
    fn read(word: &str) -> Result<Self, Problem> {
        match word {
            "pending" => Ok(Self::Pending),
            "firing" => Ok(Self::Firing),
            "resolved" => Ok(Self::Resolved),
            _ => Err(Problem::strange("state: it is one of pending, firing and resolved")),
        }
    }
}

impl From<Wanted> for AlertState {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Pending => Self::Pending,
            Wanted::Firing => Self::Firing,
            Wanted::Resolved => Self::Resolved,
        }
    }
}

/// Which alerts are wanted.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AlertsQuery {
    /// Whose alerts; a token's own project if nothing is said, `default` for an operator. Those of whole servers belong to
    /// `default`.
    #[param(rename = "project")]
    _project: Option<String>,
    /// Only alerts in this state; may be repeated, or hold several with commas between them. None: those that fire or did.
    #[param(inline, required = false)]
    state: Vec<Wanted>,
    /// Only alerts about this shape of statement: 16 hexadecimal digits.
    #[param(value_type = Option<String>, pattern = "^[0-9a-fA-F]{16}$")]
    fingerprint: Option<Shape>,
}

impl AlertsQuery {
    fn read(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let states = given::words(pairs, "state").into_iter().map(Wanted::read);
        let shape = given::one(pairs, "fingerprint")?.filter(|text| !text.is_empty());
        let shape = shape.map(Shape::parse).transpose();
        Ok(Self {
            _project: None,
            state: states.collect::<Result<_, _>>()?,
            fingerprint: shape.map_err(|reason| Problem::strange(format!("fingerprint: {reason}")))?,
        })
    }
}

/// Alerts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Alerts)]
pub(crate) struct Alerts {
    /// The newest first.
    alerts: Vec<Alert>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// Alerts that fire now or did so lately.
#[utoipa::path(get, path = "/database/monitoring/alerts", tag = "alerts", params(AlertsQuery, Page), responses((status = 200, body = Alerts)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
    Query(pairs): Query<Vec<(String, String)>>,
    page: Page,
) -> Result<Json<Alerts>, Problem> {
    let query = AlertsQuery::read(&pairs)?;
    let asked = ListAlertsRequest {
        project: scoped.name(),
        states: query
            .state
            .into_iter()
            .map(|state| AlertState::from(state).into())
            .collect(),
        page: page.request(),
        fingerprint: query.fingerprint.map(|shape| shape.to_string()).unwrap_or_default(),
    };
    let mut monitor = console.services.monitor();
    let listed = monitor.list_alerts(console.services.ask(asked)).await?.into_inner();
    Ok(Json(Alerts {
        alerts: listed.alerts,
        next: listed.page.next(),
    }))
}

/// Whose it has to be.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhoseQuery {
    /// Only if it is of this project; a token's own if nothing is said, whosever it is for an operator.
    project: Option<String>,
}

/// What is to be noted at an alert.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::Acknowledgement)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acknowledgement {
    /// What the caller has to say of it.
    #[serde(default)]
    #[schema(max_length = 500)]
    note: String,
}

/// Says that the caller looks after an alert, until it is resolved.
#[utoipa::path(post, path = "/database/monitoring/alerts/{id}/acknowledge", tag = "alerts",
    params(("id" = Uuid, Path, description = "The alert."), WhoseQuery),
    request_body = Acknowledgement, responses((status = 200, body = Alert)))]
pub(crate) async fn acknowledge(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<Uuid>,
    Query(query): Query<WhoseQuery>,
    Body(said): Body<Acknowledgement>,
) -> Result<Json<Alert>, Problem> {
    let asked = AcknowledgeAlertRequest {
        id: id.to_string(),
        project: whose(&scoped, query.project),
        by: scoped.caller.name,
        note: said.note,
    };
    let mut monitor = console.services.monitor();
    let answer = monitor
        .acknowledge_alert(console.services.ask(asked))
        .await?
        .into_inner();
    let missing = || Problem::not_found(format!("there is no alert {id}"));
    answer.alert.map(Json).ok_or_else(missing)
}
