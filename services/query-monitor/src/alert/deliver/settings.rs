//! `[[monitor.channels]]`: one table for each receiver of alerts, and where its secrets are.
//!
//! A secret never shows: neither where settings are listed nor in a message about one that is wrong.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use weir_config::{Setting, Sources};
use weir_model::Secret;

/// A secret as the file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden(Secret);

impl Hidden {
    /// The secret itself.
    pub(crate) const fn secret(&self) -> &Secret {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

/// A URL whose path may be the secret, as with Slack: only its host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenUrl(Secret);

impl HiddenUrl {
    /// The whole URL.
    pub(crate) const fn secret(&self) -> &Secret {
        &self.0
    }
}

impl<'de> Deserialize<'de> for HiddenUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl Serialize for HiddenUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&place(self.0.expose()))
    }
}

/// The scheme, host and port of a URL, which may be shown.
pub(crate) fn place(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    let shown = parsed.as_ref().and_then(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
    });
    shown.unwrap_or_else(|| "***".to_owned())
}

/// A duration as settings write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub(crate) Duration);

impl Span {
    /// In milliseconds.
    pub(crate) fn ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Duration::read(&text).map(Self).map_err(de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.show())
    }
}

/// What a receiver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Weir's own JSON, posted.
    Webhook,
    /// Slack's incoming webhooks, and what understands them.
    Slack,
    /// Mail by SMTP.
    Email,
    /// PagerDuty's Events API v2.
    Pagerduty,
    /// Alertmanager's API v2.
    Alertmanager,
}

impl Kind {
    /// Its word in the file.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Email => "email",
            Self::Pagerduty => "pagerduty",
            Self::Alertmanager => "alertmanager",
        }
    }
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Asked for in the clear, and insisted upon (port 587).
    Starttls,
    /// From the first byte (port 465).
    Tls,
    /// None, on loopback only (port 25).
    None,
}

/// A channel in the settings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileChannel {
    /// Its name, unique among them.
    pub name: String,
    /// What it speaks.
    pub kind: Kind,
    /// Where to post. PagerDuty's own address unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<HiddenUrl>,
    /// A file that holds the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// An environment variable that holds the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_variable: Option<String>,
    /// A bearer token; for PagerDuty the integration key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Hidden>,
    /// A file that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// An environment variable that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_variable: Option<String>,
    /// With what a webhook is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Hidden>,
    /// A file that holds the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// An environment variable that holds the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_variable: Option<String>,
    /// Who logs in at a mail server, or at a URL that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// With what the user logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Hidden>,
    /// A file that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// An environment variable that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_variable: Option<String>,
    /// The mail server, as `host` or `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<String>,
    /// How the connection to it is protected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Who sends the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Who gets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Only alerts of these severities. None: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<String>,
    /// Only alerts of these projects. None: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
    /// Only alerts of these rules. None: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Whether the end of an alert is told.
    #[serde(default = "yes")]
    pub send_resolved: bool,
    /// How long one attempt may take.
    #[serde(default = "ten_seconds")]
    pub timeout: Span,
    /// The least time between two notifications of a group.
    #[serde(default = "one_minute")]
    pub group_interval: Span,
    /// What still fires is told again after this long. Four hours; for Alertmanager one minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_interval: Option<Span>,
    /// A notification that was not accepted for this long is given up.
    #[serde(default = "one_day")]
    pub give_up_after: Span,
    /// The HTTP proxy to go through. The environment's are not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<HiddenUrl>,
    /// Certificates (PEM) that are trusted instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

const fn yes() -> bool {
    true
}

const fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}

const fn one_minute() -> Span {
    Span(Duration::from_secs(60))
}

const fn one_day() -> Span {
    Span(Duration::from_secs(86_400))
}

/// The three places in which a secret may be.
struct Places<'a> {
    name: &'static str,
    here: Option<&'a Secret>,
    file: Option<&'a PathBuf>,
    variable: Option<&'a String>,
}

impl Places<'_> {
    /// The secret, from the one place that is given. What is wrong is told without it.
    fn secret(&self, sources: &Sources) -> Result<Option<Secret>, String> {
        let name = self.name;
        let given =
            usize::from(self.here.is_some()) + usize::from(self.file.is_some()) + usize::from(self.variable.is_some());
        if given > 1 {
            return Err(format!("{name}, {name}_file and {name}_variable exclude each other"));
        }
        let found = match (self.here, self.file, self.variable) {
            (Some(secret), ..) => secret.clone(),
            (_, Some(path), _) => {
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|error| format!("{name}_file {}: {error}", path.display()))?;
                Secret::new(text.trim())
            }
            (.., Some(variable)) => {
                let text = sources.variable(variable);
                Secret::new(text.ok_or_else(|| format!("{name}_variable: {variable} is not set"))?)
            }
            _ => return Ok(None),
        };
        if found.expose().is_empty() || found.expose().chars().any(char::is_control) {
            return Err(format!("{name} is empty or has a line end in it"));
        }
        Ok(Some(found))
    }
}

impl FileChannel {
    /// Where to post.
    pub(crate) fn url(&self, sources: &Sources) -> Result<Option<Secret>, String> {
        let here = self.url.as_ref().map(HiddenUrl::secret);
        let (file, variable) = (self.url_file.as_ref(), self.url_variable.as_ref());
        Places {
            name: "url",
            here,
            file,
            variable,
        }
        .secret(sources)
    }

    /// The bearer token or integration key.
    pub(crate) fn token(&self, sources: &Sources) -> Result<Option<Secret>, String> {
        let here = self.token.as_ref().map(Hidden::secret);
        let (file, variable) = (self.token_file.as_ref(), self.token_variable.as_ref());
        Places {
            name: "token",
            here,
            file,
            variable,
        }
        .secret(sources)
    }

    /// With what a webhook is signed.
    pub(crate) fn secret(&self, sources: &Sources) -> Result<Option<Secret>, String> {
        let here = self.secret.as_ref().map(Hidden::secret);
        let (file, variable) = (self.secret_file.as_ref(), self.secret_variable.as_ref());
        Places {
            name: "secret",
            here,
            file,
            variable,
        }
        .secret(sources)
    }

    /// With what the user logs in.
    pub(crate) fn password(&self, sources: &Sources) -> Result<Option<Secret>, String> {
        let here = self.password.as_ref().map(Hidden::secret);
        let (file, variable) = (self.password_file.as_ref(), self.password_variable.as_ref());
        Places {
            name: "password",
            here,
            file,
            variable,
        }
        .secret(sources)
    }
}
