//! Which projects there are: whoever has a token, ran a statement or has something in the cache.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use weir_model::Project;
use weir_proto::cache::v1::GetStatisticsRequest;

use super::super::{Console, Problem, Seen};
use crate::exposition::{family, read};
use crate::health::{ANSWER_WITHIN, OWN_PROJECT, ops};

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = console::ProjectSeen)]
pub(crate) struct ProjectSeen {
    /// Its name.
    project: String,
    /// What it is known from: `default` (it is always there), `token`, `statements`, `cache`.
    known_from: Vec<&'static str>,
}

/// Projects.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::ProjectsSeen)]
pub(crate) struct ProjectsSeen {
    /// By name. A token of a project sees its own.
    projects: Vec<ProjectSeen>,
    /// What could not be asked, a sentence each: some projects may be missing.
    missing: Vec<String>,
}

/// Projects that are known: those with tokens, with statements since the gateway was started, with results in the cache.
#[utoipa::path(get, path = "/database/projects", tag = "settings", responses((status = 200, body = ProjectsSeen)))]
pub(crate) async fn list(State(console): State<Console>, Seen(caller): Seen) -> Result<Json<ProjectsSeen>, Problem> {
    let mut seen = find(&console).await;
    if let Some(own) = &caller.project {
        seen.projects.retain(|known| known.project == own.as_str());
        seen.missing.clear();
    }
    Ok(Json(seen))
}

/// Every project that is known, by name.
pub(crate) async fn project_names(console: &Console) -> Vec<String> {
    let seen = find(console).await;
    seen.projects.into_iter().map(|known| known.project).collect()
}

async fn find(console: &Console) -> ProjectsSeen {
    let (tokens, statements, cached) =
        tokio::join!(with_tokens(console), with_statements(console), with_results(console));
    let mut known: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    known
        .entry(Project::default().to_string())
        .or_default()
        .insert("default");
    let mut missing = Vec::new();
    for (from, found) in [("token", tokens), ("statements", statements), ("cache", cached)] {
        match found {
            Ok(names) => names
                .into_iter()
                .filter(|name| Project::parse(name).is_ok())
                .for_each(|name| {
                    known.entry(name).or_default().insert(from);
                }),
            Err(reason) => missing.push(format!("{from}: {reason}")),
        }
    }
    // What the console asks on its own behalf is nobody's.
    known.retain(|name, from| name != OWN_PROJECT || from.contains("token"));
    let projects = known.into_iter().map(|(project, from)| ProjectSeen {
        project,
        known_from: from.into_iter().collect(),
    });
    ProjectsSeen {
        projects: projects.collect(),
        missing,
    }
}

async fn with_tokens(console: &Console) -> Result<Vec<String>, String> {
    let asked =
        sqlx::query_scalar("select distinct project from tokens where project is not null and revoked_unix_ms is null")
            .fetch_all(console.tables.store().pool());
    let found = tokio::time::timeout(ANSWER_WITHIN, asked).await;
    let found = found.map_err(|_| "the console's tables do not answer".to_owned())?;
    found.map_err(|_| "the console's tables cannot be reached".to_owned())
}

async fn with_statements(console: &Console) -> Result<Vec<String>, String> {
    let [gateway, ..] = &console.services.peers;
    let text = ops::metrics(&gateway.ops, ANSWER_WITHIN).await;
    let families = read(&text.map_err(|_| "the gateway does not answer".to_owned())?);
    let names: BTreeSet<String> = family(&families, "weir_queries")
        .filter_map(|sample| sample.label("project"))
        .collect();
    // Beyond the cap of a metric all the rest is one.
    Ok(names.into_iter().filter(|name| name != "other").collect())
}

async fn with_results(console: &Console) -> Result<Vec<String>, String> {
    let mut cache = console.services.cache();
    let asked = cache.get_statistics(
        console
            .services
            .ask_within(GetStatisticsRequest::default(), ANSWER_WITHIN),
    );
    let told = tokio::time::timeout(ANSWER_WITHIN, asked).await;
    let away = || "the cache service does not answer".to_owned();
    let told = told.map_err(|_| away())?.map_err(|_| away())?;
    Ok(told
        .into_inner()
        .projects
        .into_iter()
        .map(|known| known.project)
        .collect())
}
