//! What is set and where it came from, which projects there are, and whether everything is in its place.

mod initialize;
mod projects;
mod together;

use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_proto::gateway::v1::{GetSettingsRequest, SettingInForce};
use weir_runtime::{InForce, RuntimeSettings, Settings, Waiting};

use super::{Console, Operator, Problem};
use crate::health::{ANSWER_WITHIN, ops};

pub(crate) use projects::project_names;
use together::{Told, together};

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
    /// What it means; null: nobody says.
    meaning: Option<String>,
    /// Whether it can be changed while its service runs; null: it is taken over by a reload, or at the next start.
    changeable: Option<bool>,
    /// Whose value it is. What several services read is the console's here.
    service: String,
    /// Whether a reload takes it over; false: the next start does.
    reloads: bool,
    /// What was read and waits for the next start; null: nothing does.
    waiting: Option<SettingWaiting>,
    /// Services for which it is another value.
    elsewhere: Vec<SettingElsewhere>,
}

/// A value that waits for the next start of its service.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::SettingWaiting)]
pub(crate) struct SettingWaiting {
    /// The value; null: none.
    value: Option<String>,
    /// Where it came from.
    origin: String,
}

/// The value that another service has.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::SettingElsewhere)]
pub(crate) struct SettingElsewhere {
    /// The service.
    service: String,
    /// Its value; null: none.
    value: Option<String>,
    /// Where it came from.
    origin: String,
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
    /// The active profile of the console.
    profile: String,
    /// The settings file of the console; null: it has none.
    file: Option<String>,
    /// By section, in the order of the reference.
    settings: Vec<SettingNow>,
    /// Sections that are not listed, and why.
    missing: Vec<MissingSection>,
}

/// Every setting in force and where it came from, as each service says itself; what several of them read is compared.
/// Secrets are masked, so two different ones look alike.
#[utoipa::path(get, path = "/database/configuration", tag = "settings", responses((status = 200, body = Configuration)))]
pub(crate) async fn show(
    State(console): State<Console>,
    Operator(_): Operator,
) -> Result<Json<Configuration>, Problem> {
    let own = match &console.standing {
        Some(standing) => Ok(standing.settings().map_err(|error| Problem::of(&error))?),
        None => Err("this console does not tell its settings".to_owned()),
    };
    let sources = console.sources.borrow().clone();
    let (profile, file) = (
        sources.effective_profile().value,
        sources.path().map(|path| path.display().to_string()),
    );
    let mut told = vec![Told::new("console", own)];
    told.extend(others(&console, sources.section::<RuntimeSettings>().ok()).await);
    let (settings, missing) = together(told);
    Ok(Json(Configuration {
        profile: profile.unwrap_or_default(),
        file,
        settings,
        missing,
    }))
}

/// Asks every other service at its door; the gateway, if it does not tell there, as its operator.
async fn others(console: &Console, runtime: Option<RuntimeSettings>) -> Vec<Told> {
    let token = runtime.and_then(|settings| settings.ops_token);
    let token = token.as_ref().map(|token| token.expose());
    let asked = console.services.peers.iter().map(async |peer| {
        let told = ops::settings(&peer.ops, token, ANSWER_WITHIN).await;
        let told = match told {
            Err(_) if peer.name == "pool-gateway" => by_grpc(console).await,
            told => told.map_err(|error| error.to_string()),
        };
        Told::new(peer.name, told)
    });
    join_all(asked).await
}

/// What the gateway says of its own section to its operator.
async fn by_grpc(console: &Console) -> Result<Settings, String> {
    let mut gateway = console.services.gateway_admin();
    let asked = console.services.ask_as_operator(GetSettingsRequest {});
    let told = gateway.get_settings(asked).await;
    let told = told.map_err(|status| Problem::from(status).detail().to_owned())?;
    Ok(Settings {
        service: "pool-gateway".to_owned(),
        process: String::new(),
        profile: String::new(),
        file: None,
        settings: told.into_inner().settings.into_iter().map(of_gateway).collect(),
    })
}

fn of_gateway(told: SettingInForce) -> InForce {
    InForce {
        key: told.key,
        value: Some(told.value).filter(|value| !value.is_empty()),
        origin: told.origin,
        meaning: String::new(),
        reloads: told.changeable,
        waiting: None,
    }
}

impl From<Waiting> for SettingWaiting {
    fn from(waiting: Waiting) -> Self {
        Self {
            value: waiting.value,
            origin: waiting.origin,
        }
    }
}
