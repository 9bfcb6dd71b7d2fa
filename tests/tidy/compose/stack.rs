//! The compose file as data. Only what the stack uses is understood, so that a misspelt key is an error and not silence.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// `docker-compose.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stack {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "x-settings")]
    _settings: IgnoredAny,
    pub(super) services: BTreeMap<String, Service>,
    pub(super) volumes: BTreeMap<String, IgnoredAny>,
}

/// One container.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub(super) image: Option<String>,
    pub(super) build: Option<Build>,
    #[serde(default, rename = "command")]
    _command: Vec<String>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) ports: Vec<String>,
    #[serde(default)]
    pub(super) volumes: Vec<String>,
    #[serde(default)]
    pub(super) depends_on: BTreeMap<String, Need>,
    pub(super) healthcheck: Option<HealthCheck>,
    pub(super) stop_grace_period: Option<String>,
    #[serde(rename = "restart")]
    _restart: Option<String>,
}

/// From what an image is made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    /// From the directory of the compose file.
    pub(super) context: String,
    /// From the context.
    pub(super) dockerfile: String,
    pub(super) target: String,
}

/// What has to be so before a service starts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Need {
    pub(super) condition: String,
}

/// How the engine asks a container whether it is well.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthCheck {
    #[serde(rename = "test")]
    _test: Vec<String>,
    #[serde(rename = "interval")]
    _interval: String,
    #[serde(rename = "timeout")]
    _timeout: String,
    #[serde(rename = "retries")]
    _retries: u32,
}

impl Stack {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    /// The services that are built from this tree, each with its build.
    pub(super) fn built(&self) -> impl Iterator<Item = (&str, &Service, &Build)> {
        self.services
            .iter()
            .filter_map(|(name, service)| Some((name.as_str(), service, service.build.as_ref()?)))
    }
}
