//! Silences: alerts that nobody wants to be told of for a while.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use weir_proto::monitor::v1::{
    ExpireSilenceRequest, ListSilencesRequest, ListSilencesResponse, PutSilenceRequest, Silence,
};

use super::super::body::{Path, Query};
use super::super::given::{moment, moment_or_none};
use super::super::{Body, Console, Problem, Scoped};
use super::{WhoseQuery, whose};

/// The matcher that says whose alerts are silent.
const PROJECT: &str = "project";

pub(super) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(expire))
}

/// Which silences are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SilencesQuery {
    /// Only silences of this project alone; a token's own if nothing is said, all for an operator.
    project: Option<String>,
}

/// Silences that count now or will, and those that ended lately.
#[utoipa::path(get, path = "/database/monitoring/silences", tag = "alerts", params(SilencesQuery), responses((status = 200, body = ListSilencesResponse)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<SilencesQuery>,
) -> Result<Json<ListSilencesResponse>, Problem> {
    let asked = ListSilencesRequest {
        project: whose(&scoped, query.project),
    };
    let mut monitor = console.services.monitor();
    Ok(Json(
        monitor.list_silences(console.services.ask(asked)).await?.into_inner(),
    ))
}

/// A silence that is to begin.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = console::NewSilence)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSilence {
    /// What fits: `rule`, `project`, `severity`, `fingerprint` or a label, with a pattern as in the labels of a rule. All
    /// have to fit. By a token of a project, `project` is always its own.
    matchers: BTreeMap<String, String>,
    /// When it begins, in milliseconds since 1970; null: now.
    #[serde(default, deserialize_with = "moment_or_none")]
    #[schema(minimum = 0, maximum = 253402300799999_i64)]
    starts_unix_ms: Option<i64>,
    /// When it ends; within a year.
    #[serde(deserialize_with = "moment")]
    #[schema(minimum = 0, maximum = 253402300799999_i64)]
    ends_unix_ms: i64,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 500)]
    comment: String,
}

/// Begins a silence: alerts that fit are not told to channels meanwhile.
#[utoipa::path(post, path = "/database/monitoring/silences", tag = "alerts",
    params(("project" = Option<String>, Query, description = "Whose alerts; a token's own project if nothing is said.")),
    request_body = NewSilence, responses((status = 201, body = Silence)))]
pub(crate) async fn create(
    State(console): State<Console>,
    scoped: Scoped,
    Body(new): Body<NewSilence>,
) -> Result<(StatusCode, Json<Silence>), Problem> {
    let silence = Silence {
        id: String::new(),
        matchers: matchers(&scoped, new.matchers)?,
        starts_unix_ms: new.starts_unix_ms.unwrap_or_default(),
        ends_unix_ms: new.ends_unix_ms,
        author: scoped.caller.name,
        comment: new.comment,
    };
    let asked = PutSilenceRequest { silence: Some(silence) };
    let mut monitor = console.services.monitor();
    let answer = monitor.put_silence(console.services.ask(asked)).await?.into_inner();
    Ok((StatusCode::CREATED, Json(answer.silence.unwrap_or_default())))
}

/// What is to be silent: of a token of a project, only what is its own.
fn matchers(scoped: &Scoped, mut given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Problem> {
    let Some(own) = &scoped.caller.project else {
        return Ok(given);
    };
    match given.get(PROJECT) {
        Some(other) if other != own.as_str() => {
            return Err(Problem::forbidden(format!(
                "the token is of {own}, whose alerts alone it may silence"
            )));
        }
        _ => given.insert(PROJECT.to_owned(), own.to_string()),
    };
    Ok(given)
}

/// Ends a silence now.
#[utoipa::path(delete, path = "/database/monitoring/silences/{id}", tag = "alerts",
    params(("id" = Uuid, Path, description = "The silence."), WhoseQuery), responses((status = 204)))]
pub(crate) async fn expire(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<Uuid>,
    Query(query): Query<WhoseQuery>,
) -> Result<StatusCode, Problem> {
    let asked = ExpireSilenceRequest {
        id: id.to_string(),
        project: whose(&scoped, query.project),
    };
    let mut monitor = console.services.monitor();
    monitor.expire_silence(console.services.ask(asked)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use weir_model::Project;

    use super::*;
    use crate::auth::Caller;

    #[test]
    fn a_project_silences_itself_and_nobody_else() {
        let shop = Project::parse("shop").unwrap();
        let of = |project: Option<Project>| Scoped {
            caller: Caller {
                project,
                ..Caller::at_home()
            },
            project: shop.clone(),
        };
        let given = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let theirs = of(Some(shop.clone()));
        let own = given(&[("rule", "slow-*"), ("project", "shop")]);
        assert_eq!(matchers(&theirs, given(&[("rule", "slow-*")])), Ok(own.clone()));
        assert_eq!(matchers(&theirs, own.clone()), Ok(own));
        for other in ["*", "shop|blog", "!shop", "blog", "shop*", ""] {
            let refused = matchers(&theirs, given(&[("project", other)])).unwrap_err();
            assert_eq!(refused.status(), 403, "{other}");
        }
        let everything = given(&[("project", "*")]);
        assert_eq!(matchers(&of(None), everything.clone()), Ok(everything));
    }
}
