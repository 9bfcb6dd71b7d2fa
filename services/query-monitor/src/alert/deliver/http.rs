//! One POST to a receiver: who is spoken to, with which client, and what the answer means.
//!
//! Every notification has a connection of its own, so that one that could not be opened is known to have carried
//! nothing. Proxies come from the settings alone, redirects are not followed, certificates are always verified.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Proxy, Response, Url, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use weir_config::Sources;
use weir_model::Secret;

use super::channel::{is_loopback, refuse};
use super::retry::Outcome;
use super::send::Said;
use super::settings::{FileChannel, Kind, place};

/// Most bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 4_096;
/// How long the rest of an answer is waited for: its first line has said it all.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";
const ALERTMANAGER_PATH: &str = "api/v2/alerts";

/// Where to post.
#[derive(Debug)]
pub(crate) struct HttpTarget {
    client: Client,
    whole_url: Secret,
    authorization: Option<Secret>,
    /// PagerDuty's integration key.
    pub routing_key: Option<Secret>,
    /// With what a webhook is signed.
    pub signing: Option<Secret>,
    hidden: Vec<Secret>,
}

impl HttpTarget {
    /// The target of a channel in the file.
    pub(crate) fn of(file: &FileChannel, sources: &Sources, roots: &SystemRoots) -> Result<Self, String> {
        check_kind(file)?;
        let whole_url = file.url(sources)?;
        let whole_url = match (whole_url, file.kind) {
            (Some(url), _) => url,
            (None, Kind::Pagerduty) => Secret::new(PAGERDUTY_URL),
            (None, _) => return Err("url, url_file or url_variable is needed".to_owned()),
        };
        let url = endpoint(whole_url.expose(), file.kind)?;
        let (token, password) = (file.token(sources)?, file.password(sources)?);
        if token.is_some() && file.user.is_some() {
            return Err("token and user exclude each other".to_owned());
        }
        if file.kind == Kind::Pagerduty && token.is_none() {
            return Err("token (the integration key), token_file or token_variable is needed".to_owned());
        }
        if password.is_some() != file.user.is_some() {
            return Err("user and password belong together".to_owned());
        }
        let names_secret = token.is_some() || password.is_some() || file.kind == Kind::Slack;
        if url.scheme() == "http" && names_secret && !is_loopback(url.host_str().unwrap_or_default()) {
            return Err("it would send a secret in the clear: use https".to_owned());
        }
        let (routing_key, bearer) = if file.kind == Kind::Pagerduty {
            (token, None)
        } else {
            (None, token)
        };
        let signing = file.secret(sources)?;
        let own = [&bearer, &routing_key, &password, &signing]
            .into_iter()
            .flatten()
            .cloned();
        let hidden = own.chain([whole_url, Secret::new(url.path())]).collect();
        Ok(Self {
            client: client(file, roots)?,
            authorization: authorization(bearer.as_ref(), file.user.as_deref().zip(password.as_ref())),
            whole_url: Secret::new(url.as_str()),
            routing_key,
            signing,
            hidden,
        })
    }

    /// Where it goes, for people.
    pub(crate) fn place(&self) -> String {
        place(self.whole_url.expose())
    }

    /// What must never be shown.
    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.hidden
    }

    /// Posts a body and says what became of it.
    pub(crate) async fn post(&self, headers: HeaderMap, body: Vec<u8>, within: Duration, now_unix_ms: i64) -> Said {
        match tokio::time::timeout(within, self.answer(headers, body)).await {
            Ok(Ok(response)) => heard(response, now_unix_ms).await,
            Ok(Err(error)) => Said::failed(outcome_of(&error), words(error)),
            Err(_) => Said::failed(Outcome::UNKNOWN, format!("no answer within {within:?}")),
        }
    }

    async fn answer(&self, headers: HeaderMap, body: Vec<u8>) -> reqwest::Result<Response> {
        let request = self.client.post(self.whole_url.expose()).headers(headers).body(body);
        let request = match self.authorization.as_ref().and_then(sensitive) {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        request.header(CONTENT_TYPE, "application/json").send().await
    }
}

/// A connection that was never opened carried nothing; of everything else one cannot be sure.
fn outcome_of(error: &reqwest::Error) -> Outcome {
    if error.is_connect() || error.is_builder() {
        Outcome::UNREACHED
    } else {
        Outcome::UNKNOWN
    }
}

async fn heard(mut response: Response, now_unix_ms: i64) -> Said {
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let outcome = Outcome::of_status(status, retry_after, now_unix_ms);
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= ANSWER_BYTES_MAX {
                break;
            }
        }
    };
    // Whatever is missing of the body changes nothing.
    let _ = tokio::time::timeout(ANSWER_WITHIN, reading).await;
    body.truncate(ANSWER_BYTES_MAX);
    Said {
        outcome,
        status: u32::from(status),
        text: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// What went wrong, down to its cause, without the URL: that may be the secret.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn sensitive(value: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn authorization(bearer: Option<&Secret>, login: Option<(&str, &Secret)>) -> Option<Secret> {
    let bearer = bearer.map(|token| format!("Bearer {}", token.expose()));
    let basic = login.map(|(user, password)| {
        format!(
            "Basic {}",
            super::payload::base64(format!("{user}:{}", password.expose()).as_bytes())
        )
    });
    bearer.or(basic).map(Secret::new)
}

fn check_kind(file: &FileChannel) -> Result<(), String> {
    let signs = file.secret.is_some() || file.secret_file.is_some() || file.secret_variable.is_some();
    let mails = [
        ("smtp", file.smtp.is_some()),
        ("encryption", file.encryption.is_some()),
        ("from", file.from.is_some()),
        ("to", !file.to.is_empty()),
    ];
    refuse(file, &mails)?;
    match file.kind {
        Kind::Webhook => Ok(()),
        Kind::Pagerduty => refuse(file, &[("secret", signs), ("user", file.user.is_some())]),
        _ => refuse(file, &[("secret", signs)]),
    }
}

/// The address to post to.
fn endpoint(text: &str, kind: Kind) -> Result<Url, String> {
    // The text is not echoed: it may be the secret.
    let mut url = Url::parse(text).map_err(|error| format!("url: {error}"))?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return Err("url must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url must not hold a login: use user and password".to_owned());
    }
    if kind == Kind::Alertmanager {
        let path = url
            .path()
            .trim_end_matches('/')
            .trim_end_matches(ALERTMANAGER_PATH)
            .trim_end_matches('/');
        let path = format!("{path}/{ALERTMANAGER_PATH}");
        url.set_path(&path);
    }
    Ok(url)
}

fn client(file: &FileChannel, roots: &SystemRoots) -> Result<Client, String> {
    let builder = Client::builder()
        .tls_backend_preconfigured(tls(file.ca_file.as_deref(), roots)?)
        .http1_only()
        .redirect(redirect::Policy::none())
        .referer(false)
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_WITHIN.min(file.timeout.0))
        .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    let builder = match &file.proxy {
        Some(url) => builder.proxy(proxy(url.secret())?),
        None => builder,
    };
    builder.build().map_err(|error| error.without_url().to_string())
}

fn proxy(url: &Secret) -> Result<Proxy, String> {
    let parsed = Url::parse(url.expose()).map_err(|error| format!("proxy: {error}"))?;
    if !["http", "https"].contains(&parsed.scheme()) {
        return Err("proxy must begin with http:// or https://".to_owned());
    }
    Proxy::all(parsed).map_err(|_| "proxy cannot be used".to_owned())
}

/// The certificates that the system trusts, read when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct SystemRoots(OnceCell<Vec<CertificateDer<'static>>>);

impl SystemRoots {
    fn certificates(&self) -> Vec<CertificateDer<'static>> {
        self.0
            .get_or_init(|| rustls_native_certs::load_native_certs().certs)
            .clone()
    }
}

/// Certificates are verified against the system's, or against those of a file.
fn tls(ca_file: Option<&Path>, system: &SystemRoots) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(ca_file.map_or_else(|| Ok(system.certificates()), certificates)?);
    if ca_file.is_some() && roots.is_empty() {
        return Err("ca_file: there is no usable certificate in it".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|error| format!("ca_file {}: {error}", path.display()))
}
