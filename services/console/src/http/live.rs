//! The live stream.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_model::Project;

use super::body::Query;
use super::{Console, Problem, Seen};
use crate::live::{Figures, Viewer, Wanted, stream};

const KINDS_MAX: usize = 20;
/// The project of those who look at all of them.
const EVERY_PROJECT: &str = "*";

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(events))
}

/// What somebody wants to hear of.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Of which project; a token's own if nothing is said, `default` for an operator, who may say `*` for all.
    #[serde(default)]
    project: String,
    /// Kinds, or their first words, with commas between: `alert,job.failed`. Every kind if nothing is said.
    #[serde(default)]
    kind: String,
    /// The id of the event that was read last, where the header `Last-Event-ID` cannot be sent.
    last_event_id: Option<String>,
}

/// What happens, as server-sent events: `alert.…`, `job.…`, `pool.state`, `cache.invalidated`, `security.violation`, and
/// `figures` each second. `gap` says that something was missed, and that lists are to be read again.
#[utoipa::path(get, path = "/events", tag = "live", params(EventsQuery), responses((status = 200, content_type = "text/event-stream", body = Figures)))]
pub(crate) async fn events(
    State(console): State<Console>,
    Seen(caller): Seen,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Problem> {
    let project = project(caller.project.as_ref(), &query.project)?;
    let kinds: Vec<String> = query
        .kind
        .split(',')
        .map(str::trim)
        .filter(|kind| !kind.is_empty())
        .map(str::to_owned)
        .collect();
    if kinds.len() > KINDS_MAX {
        return Err(Problem::strange(format!("kind: {KINDS_MAX} at most")));
    }
    if console.live.viewers() >= usize::try_from(console.settings().viewers_max).unwrap_or(usize::MAX) {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "viewers-max",
            "as many look on as may: console.viewers_max",
        );
        return Err(problem.retry_after(10));
    }
    let wanted = Wanted {
        project,
        is_operator: caller.project.is_none(),
        kinds,
    };
    let header = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .map(str::to_owned);
    let viewer = Viewer::new(&console.live, wanted, header.or(query.last_event_id).as_deref());
    let (stop, asked) = (console.stop.clone(), Arc::new((console, caller)));
    // A token that was revoked, or has expired, opens no further look.
    let may_look = move || {
        let asked = Arc::clone(&asked);
        async move { asked.0.gate.still_admits(&asked.1).await }
    };
    Ok(answer(Body::from_stream(stream(viewer, stop, may_look))))
}

fn answer(body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers answers would hold it back for ever.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// None: every project.
fn project(own: Option<&Project>, asked: &str) -> Result<Option<Project>, Problem> {
    let parsed = if asked.is_empty() || asked == EVERY_PROJECT {
        None
    } else {
        Some(asked)
    };
    let parsed = parsed
        .map(Project::parse)
        .transpose()
        .map_err(|error| Problem::strange(format!("project: {error}")))?;
    match (own, parsed) {
        (Some(own), Some(other)) if *own != other => {
            Err(Problem::forbidden(format!("the token is of {own}, not of {other}")))
        }
        (Some(_), None) if asked == EVERY_PROJECT => Err(Problem::forbidden("the token is of one project only")),
        (Some(own), _) => Ok(Some(own.clone())),
        (None, None) if asked.is_empty() => Ok(Some(Project::default())),
        (None, parsed) => Ok(parsed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_a_project_hears_its_own_only() {
        let shop = Project::parse("shop").unwrap();
        assert_eq!(project(Some(&shop), "").unwrap(), Some(shop.clone()));
        assert_eq!(project(Some(&shop), "shop").unwrap(), Some(shop.clone()));
        assert!(project(Some(&shop), "bank").is_err() && project(Some(&shop), "*").is_err());
        assert_eq!(project(None, "").unwrap(), Some(Project::default()));
        assert_eq!(project(None, "*").unwrap(), None);
        assert_eq!(project(None, "shop").unwrap(), Some(shop));
        assert!(project(None, "no such thing").is_err());
    }
}
