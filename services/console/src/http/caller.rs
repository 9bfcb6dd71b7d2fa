//! Who calls, as handlers receive it: whoever may see, an operator, or somebody with a project in mind.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Deserialize;
use weir_model::Project;

use super::problem::Problem;
use crate::auth::Caller;

/// Anybody who was let in.
#[derive(Debug, Clone)]
pub(crate) struct Seen(pub(crate) Caller);

/// A caller who sees everything: no token of a project. Whether it may change is asked before, by the method.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) Caller);

/// A caller with the project that the call is about: its own, or for an operator the one of `?project=`.
#[derive(Debug, Clone)]
pub(crate) struct Scoped {
    pub(crate) caller: Caller,
    pub(crate) project: Project,
}

impl Scoped {
    /// The project as messages of the protocol want it.
    pub(crate) fn name(&self) -> String {
        self.project.to_string()
    }

    /// Whether something of that project may be seen; what may not is as if it were not there.
    pub(crate) fn sees(&self, project: &str) -> bool {
        self.caller.project.as_ref().is_none_or(|own| own.as_str() == project)
    }
}

impl<S: Sync> FromRequestParts<S> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        caller(parts).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let caller = caller(parts)?;
        match &caller.project {
            None => Ok(Self(caller)),
            Some(project) => Err(Problem::forbidden(format!(
                "this concerns every project, and the token is of {project} only"
            ))),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Scoped {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let caller = caller(parts)?;
        let asked = asked_project(parts.uri.query().unwrap_or_default())?;
        let project = match (&caller.project, asked) {
            (Some(own), Some(asked)) if *own != asked => {
                return Err(Problem::forbidden(format!("the token is of {own}, not of {asked}")));
            }
            (Some(own), _) => own.clone(),
            (None, asked) => asked.unwrap_or_default(),
        };
        Ok(Self { caller, project })
    }
}

/// Whoever was let in is noted with the request before any handler sees it.
fn caller(parts: &Parts) -> Result<Caller, Problem> {
    let noted = parts.extensions.get::<Caller>().cloned();
    noted.ok_or_else(|| {
        Problem::new(
            http::StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "nobody knows who calls",
        )
    })
}

fn asked_project(query: &str) -> Result<Option<Project>, Problem> {
    #[derive(Deserialize)]
    struct Asked {
        project: Option<String>,
    }
    let uri: http::Uri = format!("/?{query}")
        .parse()
        .map_err(|_| Problem::strange("the query of the URL cannot be read"))?;
    let asked = axum::extract::Query::<Asked>::try_from_uri(&uri);
    let asked = asked.map_err(|error| Problem::strange(error.body_text()))?.0.project;
    let named = asked.filter(|name| !name.is_empty());
    let parsed = named.map(|name| Project::parse(&name)).transpose();
    parsed.map_err(|error| Problem::strange(format!("project: {error}")))
}
