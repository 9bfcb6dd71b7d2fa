//! What a service says at its ops door: one small HTTP exchange, within a time and a size.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{Request, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use weir_runtime::Settings;

/// Metrics of a busy service are a few hundred kilobytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// Nobody is there.
    #[error("nobody answers: {0}")]
    Away(std::io::ErrorKind),
    /// Somebody may be there.
    #[error("it did not answer within {0:?}")]
    Late(Duration),
    /// It tells only callers from its own machine, and those who show its token.
    #[error("it answers only callers from its own machine, unless both have runtime.ops_token set")]
    Refused,
    /// Somebody else is there.
    #[error("the answer is not what it should be: {0}")]
    Strange(String),
}

impl NoAnswer {
    pub(crate) const fn is_sure(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

/// `GET` of an address such as `http://127.0.0.1:8001/readyz`: the status and the body.
pub(crate) async fn get(url: &str, within: Duration) -> Result<(u16, Bytes), NoAnswer> {
    get_as(url, None, within).await
}

/// The same with a token.
pub(crate) async fn get_as(url: &str, token: Option<&str>, within: Duration) -> Result<(u16, Bytes), NoAnswer> {
    get_trusting(url, token, None, within).await
}

/// The same; an `https://` address is asked if its certificate is one that `trust` trusts.
pub(crate) async fn get_trusting(
    url: &str,
    token: Option<&str>,
    trust: Option<&Arc<ClientConfig>>,
    within: Duration,
) -> Result<(u16, Bytes), NoAnswer> {
    let answer = timeout(within, Box::pin(exchange(url, token, trust))).await;
    answer.map_err(|_| NoAnswer::Late(within))?
}

async fn exchange(url: &str, token: Option<&str>, trust: Option<&Arc<ClientConfig>>) -> Result<(u16, Bytes), NoAnswer> {
    let uri: Uri = url.parse().map_err(|error| strange(&error))?;
    let host = uri
        .authority()
        .ok_or_else(|| strange(&"the address names no host"))?
        .clone();
    let is_encrypted = uri.scheme_str() == Some("https");
    let port = host.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
    let stream = TcpStream::connect(format!("{}:{port}", host.host()))
        .await
        .map_err(|error| NoAnswer::Away(error.kind()))?;
    let mut request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request
        .header(header::HOST, host.as_str())
        .header(header::CONNECTION, "close")
        .body(Body::empty())
        .map_err(|error| strange(&error))?;
    if !is_encrypted {
        return talk(stream, request).await;
    }
    let trust = trust.ok_or_else(|| strange(&"nobody is trusted there"))?;
    let name = host.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|error| strange(&error))?;
    let session = TlsConnector::from(trust.clone()).connect(name, stream).await;
    talk(session.map_err(|error| strange(&error))?, request).await
}

fn strange(error: &dyn std::fmt::Display) -> NoAnswer {
    NoAnswer::Strange(error.to_string())
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Result<(u16, Bytes), NoAnswer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| strange(&error))?;
    let ask = async move {
        let response = sender.send_request(request).await.map_err(|error| strange(&error))?;
        let status = response.status().as_u16();
        let body = to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
        Ok((status, body.map_err(|error| strange(&error))?))
    };
    // The connection is driven by this call, and gone with it.
    let (answer, _) = tokio::join!(ask, connection);
    answer
}

/// What a service says of itself at `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Readyz {
    pub(crate) ready: bool,
    #[serde(default)]
    pub(crate) stopping: bool,
    #[serde(default)]
    pub(crate) dependencies: Vec<Need>,
}

/// Something that a service needs or uses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Need {
    pub(crate) name: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) optional: bool,
}

/// Asks whether a service is ready, and for what it waits.
pub(crate) async fn readyz(ops: &str, within: Duration) -> Result<Readyz, NoAnswer> {
    let (_, body) = get(&format!("{ops}/readyz"), within).await?;
    serde_json::from_slice(&body).map_err(|error| NoAnswer::Strange(error.to_string()))
}

/// A service's metrics as text.
pub(crate) async fn metrics(ops: &str, within: Duration) -> Result<String, NoAnswer> {
    let (status, body) = get(&format!("{ops}/metrics"), within).await?;
    if status != 200 {
        return Err(NoAnswer::Strange(format!("status {status}")));
    }
    String::from_utf8(body.to_vec()).map_err(|error| NoAnswer::Strange(error.to_string()))
}

/// How the settings of a service stand, as it says itself.
pub(crate) async fn settings(ops: &str, token: Option<&str>, within: Duration) -> Result<Settings, NoAnswer> {
    let (status, body) = get_as(&format!("{ops}/configuration"), token, within).await?;
    match status {
        200 => serde_json::from_slice(&body).map_err(|error| NoAnswer::Strange(error.to_string())),
        403 => Err(NoAnswer::Refused),
        404 => Err(NoAnswer::Strange("it does not tell its settings".to_owned())),
        other => Err(NoAnswer::Strange(format!("status {other}"))),
    }
}
