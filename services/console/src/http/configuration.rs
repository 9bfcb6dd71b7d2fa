//! What is set and where it came from, which projects there are, and whether everything is in its place.

mod initialize;
mod projects;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_bus::BusSettings;
use weir_config::{DatabaseSettings, Effective, SECTIONS, SectionInfo, Sources};
use weir_proto::gateway::v1::{GetSettingsRequest, SettingInForce};
use weir_runtime::RuntimeSettings;
use weir_store::StoreSettings;
use weir_telemetry::TelemetrySettings;

use super::{Console, Operator, Problem};
use crate::settings::ConsoleSettings;

pub(super) use projects::project_names;

pub(crate) fn calls() -> OpenApiRouter<Console> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(projects::list))
        .routes(routes!(initialize::initialize))
}

/// A setting in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::SettingNow)]
pub(crate) struct SettingNow {
    /// Its name, such as `gateway.pool_max`.
    key: String,
    /// Its value, secrets masked; null: it has none.
    value: Option<String>,
    /// Where it came from: `default`, `profile`, `file`, `environment NAME`, `set while running`.
    origin: String,
    /// What it means; null: the console does not know.
    meaning: Option<String>,
    /// Whether it can be changed while its service runs; null: it is taken over by a reload, or at the next start.
    changeable: Option<bool>,
}

/// A section that is not listed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::MissingSection)]
pub(crate) struct MissingSection {
    /// Its name.
    section: String,
    /// Why.
    reason: String,
}

/// Every setting that can be known here.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Configuration)]
pub(crate) struct Configuration {
    /// The active profile.
    profile: String,
    /// The settings file of the console; null: it has none.
    file: Option<String>,
    /// By section, in the order of the reference.
    settings: Vec<SettingNow>,
    /// Sections that are not listed, and why.
    missing: Vec<MissingSection>,
}

/// Every setting in force and where it came from: those that the console reads, as its own process has them, and those
/// that the gateway says it has. Secrets are masked.
#[utoipa::path(get, path = "/database/configuration", tag = "settings", responses((status = 200, body = Configuration)))]
pub(crate) async fn show(
    State(console): State<Console>,
    Operator(_): Operator,
) -> Result<Json<Configuration>, Problem> {
    let sources = console.sources.borrow().clone();
    let mut gateway = console.services.gateway_admin();
    let told = gateway
        .get_settings(console.services.ask_as_operator(GetSettingsRequest {}))
        .await;
    let (mut settings, mut missing) = (vec![profile(&sources)], Vec::new());
    for section in own_sections() {
        settings.extend(of_section(&section, &sources)?);
    }
    let mut untold = |section: &str, reason: String| {
        missing.push(MissingSection {
            section: section.to_owned(),
            reason,
        });
    };
    match told {
        Ok(told) => settings.extend(told.into_inner().settings.into_iter().map(of_gateway)),
        Err(status) => untold("gateway", Problem::from(status).detail().to_owned()),
    }
    let is_own = |name: &str| name == "gateway" || own_sections().iter().any(|section| section.name == name);
    for name in SECTIONS.iter().filter(|name| !is_own(name)) {
        untold(
            name,
            format!("its service does not tell its settings; weir config check on its machine lists [{name}]"),
        );
    }
    // As in the reference; within a section as it was told.
    settings.sort_by_key(|setting| {
        let section = setting.key.split('.').next().unwrap_or_default();
        SECTIONS
            .iter()
            .position(|name| *name == section)
            .map_or(0, |place| place + 1)
    });
    Ok(Json(Configuration {
        profile: sources.effective_profile().value.unwrap_or_default(),
        file: sources.path().map(|path| path.display().to_string()),
        settings,
        missing,
    }))
}

/// What the console reads itself.
fn own_sections() -> [SectionInfo; 6] {
    [
        SectionInfo::of::<TelemetrySettings>(),
        SectionInfo::of::<RuntimeSettings>(),
        SectionInfo::of::<DatabaseSettings>(),
        SectionInfo::of::<BusSettings>(),
        SectionInfo::of::<StoreSettings>(),
        SectionInfo::of::<ConsoleSettings>(),
    ]
}

fn profile(sources: &Sources) -> SettingNow {
    setting(
        sources.effective_profile(),
        Some("The set of defaults in force.".to_owned()),
    )
}

fn of_section(section: &SectionInfo, sources: &Sources) -> Result<Vec<SettingNow>, Problem> {
    let fields = (section.fields)();
    let effective = (section.effective)(sources).map_err(|error| Problem::of(&error))?;
    let with_meaning =
        |(effective, field): (Effective, &weir_config::Field)| setting(effective, Some(field.doc.clone()));
    Ok(effective.into_iter().zip(&fields).map(with_meaning).collect())
}

fn setting(effective: Effective, meaning: Option<String>) -> SettingNow {
    SettingNow {
        key: effective.key,
        value: effective.value,
        origin: effective.origin.to_string(),
        meaning,
        changeable: None,
    }
}

fn of_gateway(told: SettingInForce) -> SettingNow {
    SettingNow {
        key: told.key,
        value: Some(told.value).filter(|value| !value.is_empty()),
        origin: told.origin,
        meaning: None,
        changeable: Some(told.changeable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_says_where_it_came_from_and_no_secret() {
        let set = [
            ("DATABASE_URL", "postgres://u:hunter2@h/d"),
            ("WEIR_CONSOLE__CALL_TIMEOUT", "7s"),
        ];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources::load(None, set).unwrap();
        let all: Vec<SettingNow> = own_sections()
            .iter()
            .flat_map(|section| of_section(section, &sources).unwrap())
            .collect();
        let of = |key: &str| all.iter().find(|setting| setting.key == key).unwrap();
        assert_eq!(of("console.call_timeout").value.as_deref(), Some("7s"));
        assert_eq!(
            of("console.call_timeout").origin,
            "environment WEIR_CONSOLE__CALL_TIMEOUT"
        );
        assert_eq!(of("console.listen").origin, "default");
        assert!(of("database.url").value.as_deref().unwrap().contains("***"));
        assert!(!serde_json::to_string(&all).unwrap().contains("hunter2"));
    }
}
