//! Makes sure that everything is in its place, and says of each what was found.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::timeout;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::ExecuteRequest;

use super::super::{Console, Operator, Problem};
use crate::health::reading::{SCHEMAS, Tables, tables};
use crate::health::{OWN_PROJECT, answers};

/// A migration may wait for another console's.
const MIGRATE_WITHIN: Duration = Duration::from_secs(30);
const STATEMENT_WITHIN: Duration = Duration::from_secs(5);

/// Extensions that Weir makes use of, and what for.
const EXTENSIONS: [(&str, &str); 4] = [
    ("pg_stat_statements", "what the server itself counts of statements"),
    ("pgstattuple", "how much of a table is bloat, exactly"),
    (
        "pageinspect",
        "how much of an index is bloat, within a point, where maintenance is a superuser",
    ),
    ("pg_repack", "rewriting tables without holding them"),
];

/// How far the tables of a service are.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::SchemaFound)]
pub(crate) struct SchemaFound {
    /// The schema.
    schema: &'static str,
    /// Whose tables are in it.
    service: &'static str,
    /// Whether they are there and of this version.
    current: bool,
    /// What was done or has to be, in a sentence.
    detail: String,
}

/// An extension that Weir can make use of.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::ExtensionFound)]
pub(crate) struct ExtensionFound {
    /// Its name.
    name: &'static str,
    /// What Weir uses it for.
    purpose: &'static str,
    /// The version that is installed in the default database; null: it is not.
    installed_version: Option<String>,
    /// Whether the server has its files; null: that could not be asked.
    available: Option<bool>,
    /// What installs it; null: it is there, or its files are not.
    suggestion: Option<String>,
}

/// What was found, and what was done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Initialized)]
pub(crate) struct Initialized {
    /// Whether everything is in its place.
    complete: bool,
    /// Each schema of Weir's own.
    schemas: Vec<SchemaFound>,
    /// Extensions that are of use. None is needed.
    extensions: Vec<ExtensionFound>,
    /// What could not be asked, a sentence each.
    missing: Vec<String>,
}

/// Makes sure that Weir's own tables are there and of this version: the console makes its own, and every other service does
/// so by itself as soon as PostgreSQL lets it. May be called again at any time. Suggests extensions and installs none.
#[utoipa::path(post, path = "/database/initialize", tag = "settings", responses((status = 200, body = Initialized)))]
pub(crate) async fn initialize(
    State(console): State<Console>,
    Operator(_): Operator,
) -> Result<Json<Initialized>, Problem> {
    let (migrated, answers, found) = tokio::join!(
        timeout(MIGRATE_WITHIN, console.tables.store().migrate()),
        answers(&console),
        extensions(&console)
    );
    let own = match migrated {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the console's tables could not be migrated");
            Err("its tables cannot be made or reached now; the console's log says why")
        }
        Err(_) => Err("its tables were not there within 30 s"),
    };
    let schemas: Vec<SchemaFound> = SCHEMAS
        .iter()
        .map(|(service, schema)| {
            let told = answers.get(service).map(|(answer, _)| tables(answer));
            let (current, detail) = match *service {
                "console" => (
                    own.is_ok(),
                    own.map_or_else(str::to_owned, |()| "migrated just now, or before".to_owned()),
                ),
                _ => judge(told.flatten()),
            };
            SchemaFound {
                schema,
                service,
                current,
                detail,
            }
        })
        .collect();
    let (extensions, missing) = match found {
        Ok(found) => (suggest(Some(&found)), Vec::new()),
        Err(reason) => (suggest(None), vec![format!("extensions: {reason}")]),
    };
    Ok(Json(Initialized {
        complete: schemas.iter().all(|found| found.current),
        schemas,
        extensions,
        missing,
    }))
}

fn judge(told: Option<(Tables, String)>) -> (bool, String) {
    match told {
        Some((Tables::Current, _)) => (true, "its service has migrated it".to_owned()),
        Some((Tables::Missing, reason)) => (
            false,
            format!("its service has not migrated it yet and tries again: {reason}"),
        ),
        Some((Tables::Away, reason)) => (false, format!("it was migrated, and does not answer now: {reason}")),
        None => (
            false,
            "its service does not answer; it migrates when it is started".to_owned(),
        ),
    }
}

/// An extension that the server has, and the version that is installed.
type Found = (String, Option<String>);

async fn extensions(console: &Console) -> Result<Vec<Found>, String> {
    let request = ExecuteRequest {
        project: OWN_PROJECT.to_owned(),
        sql: "select name::text, installed_version::text from pg_catalog.pg_available_extensions".to_owned(),
        application: "weir console".to_owned(),
        consistency: "off".to_owned(),
        ..ExecuteRequest::default()
    };
    let mut gateway = console.services.gateway();
    let asked = gateway.execute(console.services.ask_within(request, STATEMENT_WITHIN));
    let answer = asked
        .await
        .map_err(|status| Problem::from(status).detail().to_owned())?
        .into_inner();
    let text = |kind: Option<Kind>| match kind {
        Some(Kind::Text(text)) => Some(text),
        _ => None,
    };
    let rows = answer.rows.into_iter().filter_map(|row| {
        let mut values = row.values.into_iter().map(|value| text(value.kind));
        Some((values.next()??, values.next()?))
    });
    Ok(rows.collect())
}

fn suggest(found: Option<&[Found]>) -> Vec<ExtensionFound> {
    let of = |(name, purpose): (&'static str, &'static str)| {
        let known = found.map(|found| found.iter().find(|(found, _)| found == name));
        let installed_version = known.flatten().and_then(|(_, version)| version.clone());
        let available = known.map(|known| known.is_some());
        let can_be_made = available == Some(true) && installed_version.is_none();
        ExtensionFound {
            name,
            purpose,
            available,
            suggestion: can_be_made.then(|| format!("create extension {name};")),
            installed_version,
        }
    };
    EXTENSIONS.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_installed_and_is_not_is_suggested() {
        let found = [
            ("pgstattuple".to_owned(), None),
            ("pg_stat_statements".to_owned(), Some("1.10".to_owned())),
        ];
        let suggested: Vec<String> = suggest(Some(&found))
            .into_iter()
            .filter_map(|found| found.suggestion)
            .collect();
        assert_eq!(suggested, ["create extension pgstattuple;"]);
        assert!(
            suggest(None)
                .iter()
                .all(|found| found.suggestion.is_none() && found.available.is_none())
        );
    }
}
