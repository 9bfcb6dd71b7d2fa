//! HTTP of services, asked in one small exchange each: their ops doors, and the console's port with or without TLS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use weir_config::Sources;
use weir_console::ConsoleSettings;
use weir_runtime::{RuntimeSettings, tls};

use crate::connect::reachable;
use crate::terminal::Failure;

const TIMEOUT: Duration = Duration::from_secs(5);
/// A list of settings is some hundred kilobytes; more than this is not read.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What the name of an authority's file is said to be where it came from the command line.
const OPTION: &str = "--ca-file";
const AUTHORITY: &str = "console.tls_authority";

/// Whom an `https://` address is trusted by.
#[derive(Debug, Clone, Default)]
pub(crate) enum Trust {
    /// The authorities of the system.
    #[default]
    System,
    /// Those, and the ones of a file; with what names the file.
    Also(&'static str, PathBuf),
    /// Nobody but the certificate of this file.
    Own(PathBuf),
}

impl Trust {
    /// As the command line has it.
    pub(crate) fn of_option(file: Option<PathBuf>) -> Self {
        file.map_or(Self::System, |file| Self::Also(OPTION, file))
    }

    fn client(&self) -> Result<ClientConfig, Failure> {
        Ok(match self {
            Self::System => tls::client(AUTHORITY, None)?,
            Self::Also(setting, file) => tls::client(setting, Some(file))?,
            Self::Own(file) => tls::client_of("console.tls_certificate", file)?,
        })
    }
}

/// Where something is asked: an address such as `http://127.0.0.1:8001`, and what is needed to ask there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) trust: Trust,
    /// What is shown to be let in.
    pub(crate) token: Option<String>,
}

impl Place {
    /// The console, as the settings have it.
    pub(crate) fn console(sources: &Sources) -> Result<Self, Failure> {
        let settings: ConsoleSettings = sources.section()?;
        let authority = settings.tls_authority.map(|file| Trust::Also(AUTHORITY, file));
        let (url, trust) = match (settings.url, settings.tls_certificate) {
            (Some(url), _) => (url, authority.unwrap_or_default()),
            // It is this machine's own, so its certificate is known, and its names need not be.
            (None, Some(own)) => (format!("https://{}", reachable(settings.listen)), Trust::Own(own)),
            (None, None) => (format!("http://{}", reachable(settings.listen)), Trust::System),
        };
        Ok(Self {
            url,
            trust,
            token: token(sources)?,
        })
    }

    /// The ops door of a service.
    pub(crate) fn ops(address: std::net::SocketAddr, sources: &Sources) -> Result<Self, Failure> {
        Ok(Self {
            url: format!("http://{}", reachable(address)),
            token: token(sources)?,
            trust: Trust::System,
        })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask("GET", path).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str) -> Result<Answer, Failure> {
        let whole = format!("{}/{path}", self.url.trim_end_matches('/'));
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(method, &whole)).await;
        let answer = answer.map_err(|_| format!("{whole} gave no answer within {TIMEOUT:?}"))?;
        answer.map_err(|error| format!("{whole} cannot be asked: {error}").into())
    }

    async fn exchange(&self, method: &str, whole: &str) -> Result<Answer, Failure> {
        let (is_encrypted, rest) = match whole.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err("only http:// and https:// addresses can be asked".into()),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let token = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: Bearer {token}\r\n"));
        // HTTP/1.0 answers in one piece and closes.
        let request = format!(
            "{method} /{path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n{}Content-Length: 0\r\n\r\n",
            token.unwrap_or_default()
        );
        let (name, port) = named(host, if is_encrypted { 443 } else { 80 });
        let stream = TcpStream::connect((name, port)).await?;
        if !is_encrypted {
            return talk(stream, &request).await;
        }
        let connector = TlsConnector::from(Arc::new(self.trust.client()?));
        let name = ServerName::try_from(name.to_owned())?;
        talk(connector.connect(name, stream).await?, &request).await
    }
}

/// Only a service that is meant may see it: nobody else is asked for settings.
fn token(sources: &Sources) -> Result<Option<String>, Failure> {
    let settings: RuntimeSettings = sources.section()?;
    Ok(settings.ops_token.map(|token| token.expose().to_owned()))
}

/// Name and port of `host:port`, `[::1]:port` or a name alone.
fn named(host: &str, usual: u16) -> (&str, u16) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => match port.parse() {
            Ok(port) => (name, port),
            Err(_) => (host, usual),
        },
        None => (host, usual),
    };
    (name.trim_start_matches('[').trim_end_matches(']'), port)
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Result<Answer, Failure> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = (&mut stream).take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await;
    // Some close an encrypted connection without saying so; what came is whole if its length says so.
    if let Err(error) = read
        && error.kind() != std::io::ErrorKind::UnexpectedEof
    {
        return Err(error.into());
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
    Ok(Answer {
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn code(&self) -> Option<u16> {
        self.head.split_whitespace().nth(1)?.parse().ok()
    }

    /// When it was given by the clock of who gave it, to the second, in milliseconds since 1970.
    pub(crate) fn date_unix_ms(&self) -> Option<i64> {
        let named = |line: &str| Some(line.split_once(':')?.1.trim().to_owned());
        let is_date = |line: &&str| line.to_ascii_lowercase().starts_with("date:");
        let date = self.head.lines().find(is_date).and_then(named)?;
        let moment = chrono::DateTime::parse_from_rfc2822(&date).ok()?;
        Some(moment.timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_its_code_and_when_it_was_given() {
        let answer = |head: &str| Answer {
            head: head.to_owned(),
            body: String::new(),
        };
        let dated = answer("HTTP/1.0 503 Service Unavailable\r\ndate: Mon, 21 Sep 2026 14:13:20 GMT");
        assert_eq!(
            (dated.code(), dated.date_unix_ms()),
            (Some(503), Some(1_790_000_000_000))
        );
        assert_eq!(answer("SSH-2.0").code(), None);
        assert_eq!(answer("HTTP/1.0 200 OK\r\ndate: soon").date_unix_ms(), None);
    }

    #[test]
    fn a_host_has_a_name_and_a_port() {
        assert_eq!(named("weir.example", 443), ("weir.example", 443));
        assert_eq!(named("[::1]:8080", 80), ("::1", 8080));
        assert_eq!(named("127.0.0.1:8001", 80), ("127.0.0.1", 8001));
    }
}
