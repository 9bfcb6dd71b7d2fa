//! Who the caller is.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::configuration::project_names;
use super::{Console, Problem, Seen};
use crate::auth::Role;

/// Who the caller is, and what the console is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Session)]
pub(crate) struct Session {
    /// The name of the token; `operator` for a call without one.
    name: String,
    /// Whose data it sees; null: everything.
    project: Option<String>,
    /// What it may do.
    role: Role,
    /// Projects that it may ask for.
    projects: Vec<String>,
    /// The profile of the settings.
    profile: String,
    /// The console's version.
    version: &'static str,
}

/// Who the caller is.
#[utoipa::path(get, path = "/session", tag = "session", responses((status = 200, body = Session)))]
pub(crate) async fn show(State(console): State<Console>, Seen(caller): Seen) -> Result<Json<Session>, Problem> {
    let projects = match &caller.project {
        Some(project) => vec![project.to_string()],
        None => project_names(&console).await,
    };
    Ok(Json(Session {
        name: caller.name,
        project: caller.project.map(|project| project.to_string()),
        role: caller.role,
        projects,
        profile: console.sources.borrow().effective_profile().value.unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION"),
    }))
}
