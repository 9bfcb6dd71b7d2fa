//! One mail to a mail server, and what its answer means.

use std::time::{Duration, SystemTime};

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use uuid::Uuid;
use weir_config::Sources;
use weir_model::Secret;

use super::channel::{is_loopback, refuse};
use super::payload::MailText;
use super::retry::Outcome;
use super::send::Said;
use super::settings::{Encryption, FileChannel};

/// Most who get a mail.
const RECIPIENTS_MAX: usize = 50;

/// Where mail goes.
#[derive(Debug)]
pub(crate) struct MailTarget {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    place: String,
    hidden: Vec<Secret>,
}

impl MailTarget {
    /// The target of a channel in the file.
    pub(crate) fn of(file: &FileChannel, sources: &Sources) -> Result<Self, String> {
        check_kind(file)?;
        let server = file
            .smtp
            .as_deref()
            .ok_or("smtp is needed: the mail server, as host:port")?;
        let encryption = file.encryption.unwrap_or(Encryption::Starttls);
        let (host, port) = host_and_port(server, encryption)?;
        if encryption == Encryption::None && !is_loopback(host) {
            return Err("encryption = \"none\" is for a mail server on loopback".to_owned());
        }
        let from = file.from.as_deref().ok_or("from is needed: who sends the mail")?;
        let from = mailbox("from", from)?;
        let to = file
            .to
            .iter()
            .map(|text| mailbox("to", text))
            .collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() || to.len() > RECIPIENTS_MAX {
            return Err(format!("to needs 1 to {RECIPIENTS_MAX} addresses"));
        }
        let password = file.password(sources)?;
        if password.is_some() != file.user.is_some() {
            return Err("user and password belong together".to_owned());
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls(file, host, encryption)?)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(file.timeout.0));
        let builder = match file.user.as_ref().zip(password.as_ref()) {
            Some((user, password)) => builder.credentials(Credentials::new(user.clone(), password.expose().to_owned())),
            None => builder,
        };
        let place = format!("smtp://{host}:{port}");
        Ok(Self {
            transport: builder.build(),
            from,
            to,
            place,
            hidden: password.into_iter().collect(),
        })
    }

    /// Where it goes, for people.
    pub(crate) fn place(&self) -> String {
        self.place.clone()
    }

    /// What must never be shown.
    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.hidden
    }

    /// Sends a mail and says what became of it.
    pub(crate) async fn send(&self, message: Result<Message, String>, within: Duration) -> Said {
        let message = match message {
            Ok(message) => message,
            Err(reason) => return Said::failed(Outcome::Refused, reason),
        };
        match tokio::time::timeout(within, self.transport.send(message)).await {
            Ok(Ok(response)) => {
                let text = response.message().collect::<Vec<_>>().join(" ");
                Said {
                    outcome: Outcome::Accepted,
                    status: u32::from(u16::from(response.code())),
                    text,
                }
            }
            Ok(Err(error)) => refused(&error),
            Err(_) => Said::failed(Outcome::UNKNOWN, format!("no answer within {within:?}")),
        }
    }

    /// A mail under an id that is the notification's own, in the thread of its group.
    pub(crate) fn message(&self, id: Uuid, group: &str, words: MailText, date: SystemTime) -> Result<Message, String> {
        let domain = self.from.email.domain();
        let thread = format!("<weir-group-{}@{domain}>", thread_of(group));
        let builder = Message::builder()
            .from(self.from.clone())
            .subject(words.subject)
            .date(date);
        let builder = builder
            .message_id(Some(format!("<weir-{id}@{domain}>")))
            .references(thread);
        let builder = self
            .to
            .iter()
            .cloned()
            .fold(builder, lettre::message::MessageBuilder::to);
        let body = MultiPart::alternative_plain_html(words.text, words.html);
        builder.multipart(body).map_err(|error| error.to_string())
    }
}

/// A name for a group that fits into a header, whatever the group is called.
fn thread_of(group: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, group.as_bytes());
    digest
        .as_ref()
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn refused(error: &lettre::transport::smtp::Error) -> Said {
    let outcome = if error.is_permanent() {
        Outcome::Refused
    } else if error.is_transient() || error.is_tls() {
        Outcome::UNREACHED
    } else {
        Outcome::UNKNOWN
    };
    let status = error.status().map_or(0, |code| u32::from(u16::from(code)));
    let mut text = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        text = format!("{text}: {cause}");
    }
    Said { outcome, status, text }
}

fn check_kind(file: &FileChannel) -> Result<(), String> {
    refuse(
        file,
        &[
            (
                "url",
                file.url.is_some() || file.url_file.is_some() || file.url_variable.is_some(),
            ),
            (
                "token",
                file.token.is_some() || file.token_file.is_some() || file.token_variable.is_some(),
            ),
            (
                "secret",
                file.secret.is_some() || file.secret_file.is_some() || file.secret_variable.is_some(),
            ),
            ("proxy", file.proxy.is_some()),
        ],
    )
}

fn host_and_port(server: &str, encryption: Encryption) -> Result<(&str, u16), String> {
    let usual = match encryption {
        Encryption::Starttls => 587,
        Encryption::Tls => 465,
        Encryption::None => 25,
    };
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| format!("smtp: {port:?} is not a port"))?),
        None => (server, usual),
    };
    if host.is_empty()
        || host
            .chars()
            .any(|found| found.is_whitespace() || found.is_control() || found == '/')
    {
        return Err(format!("smtp: {server:?} is not host:port"));
    }
    Ok((host, port))
}

fn mailbox(key: &str, text: &str) -> Result<Mailbox, String> {
    text.parse()
        .map_err(|error| format!("{key}: {text:?} is not a mail address: {error}"))
}

fn tls(file: &FileChannel, host: &str, encryption: Encryption) -> Result<Tls, String> {
    if encryption == Encryption::None {
        return Ok(Tls::None);
    }
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = &file.ca_file {
        let unusable = |reason: String| format!("ca_file {}: {reason}", path.display());
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate);
    }
    let parameters = builder.build().map_err(|error| error.to_string())?;
    Ok(if encryption == Encryption::Tls {
        Tls::Wrapper(parameters)
    } else {
        Tls::Required(parameters)
    })
}
