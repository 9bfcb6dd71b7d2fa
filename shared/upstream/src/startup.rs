//! From an open pipe to a session that awaits its first statement.

use std::time::Duration;

use bytes::BytesMut;
use weir_model::{Coded as _, ErrorClass};
use weir_pgwire::backend::{ErrorFields, Message};
use weir_pgwire::frontend::{self, ProtocolVersion};

use crate::authentication::{Login, Step};
use crate::channel::Channel;
use crate::connection::Connection;
use crate::credentials::Credentials;
use crate::dial::dial;
use crate::error::Error;
use crate::server_error::ServerError;
use crate::session::Session;
use crate::stream::Stream;
use crate::target::{Host, SslMode, Target};
use crate::tls;

/// Time to connect where neither options nor URL name one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// No frame is longer before the first statement.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// What is kept of one field of a refusal.
const FIELD_BYTES_MAX: usize = 16 * 1024;

/// What one connection may want otherwise than its target says.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// Time for everything up to the first statement; else the URL's `connect_timeout`, else 10 s.
    pub timeout: Option<Duration>,
    /// The name under which the session shows itself in `pg_stat_activity`; else the URL's.
    pub application_name: Option<String>,
    /// Another user than the URL's, who needs credentials of his own.
    pub user: Option<String>,
    /// What this user proves with who he is; without it the URL's user has the URL's password.
    pub credentials: Option<Credentials>,
    /// Another database than the URL's.
    pub database: Option<String>,
    /// Further start-up parameters: any setting with its value. They are what `RESET` and `DISCARD ALL` return to.
    pub parameters: Vec<(String, String)>,
}

/// Opens a session within the time it has.
pub(crate) async fn connect(target: &Target, options: &ConnectOptions) -> Result<Connection, Error> {
    let limit = options.timeout.or(target.connect_timeout).unwrap_or(CONNECT_TIMEOUT);
    let opened = tokio::time::timeout(limit, open(target, options, limit)).await;
    opened.unwrap_or_else(|_| {
        Err(Error::Timeout {
            place: target.place(),
            after: limit,
        })
    })
}

async fn open(target: &Target, options: &ConnectOptions, limit: Duration) -> Result<Connection, Error> {
    let first = attempt(target, options, target.sslmode, limit).await;
    match first {
        Err(error) if target.sslmode == SslMode::Prefer && is_about_encryption(&error) => {
            let second = attempt(target, options, SslMode::Disable, limit).await;
            second.map_err(|_| error)
        }
        first => first,
    }
}

/// Whether the server might like us better in clear: it cannot encrypt with us, or its rules turn this connection away.
fn is_about_encryption(error: &Error) -> bool {
    matches!(error, Error::Tls { .. }) || error.server().is_some_and(|server| server.sqlstate == "28000")
}

async fn attempt(
    target: &Target,
    options: &ConnectOptions,
    encryption: SslMode,
    limit: Duration,
) -> Result<Connection, Error> {
    let (stream, peer) = dial(target, encryption, limit).await?;
    let mut opening = Opening {
        target,
        options,
        channel: Channel::new(stream, target.place()),
        session: Session::new(),
    };
    opening.introduce().await?;
    opening.log_in().await?;
    opening.until_ready().await?;
    Ok(Connection::new(opening.channel, opening.session, target.clone(), peer))
}

/// A session that is not one yet.
struct Opening<'t> {
    target: &'t Target,
    options: &'t ConnectOptions,
    channel: Channel,
    session: Session,
}

impl Opening<'_> {
    fn user(&self) -> &str {
        self.options.user.as_ref().unwrap_or(&self.target.user)
    }

    fn database(&self) -> String {
        self.options.database.as_ref().unwrap_or(&self.target.database).clone()
    }

    async fn introduce(&mut self) -> Result<(), Error> {
        let (target, options) = (self.target, self.options);
        let name = options.application_name.as_ref().or(target.application_name.as_ref());
        let (user, database) = (self.user().to_owned(), self.database());
        let own = [
            ("user", user.as_str()),
            ("database", database.as_str()),
            ("client_encoding", "UTF8"),
        ];
        let named = name.map(|name| ("application_name", name.as_str()));
        let optional = target.options.as_ref().map(|options| ("options", options.as_str()));
        let further = options
            .parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let all = own.into_iter().chain(named).chain(optional).chain(further);
        frontend::startup(self.channel.outbox(), ProtocolVersion::V3_0, all)?;
        self.channel.send().await
    }

    async fn log_in(&mut self) -> Result<(), Error> {
        let (end_point, is_open) = match self.channel.stream() {
            Stream::Tls(tls) => (tls::end_point(tls), false),
            _ => (None, matches!(self.target.host, Host::Tcp(_))),
        };
        let mut login = Login::new(self.target, self.options, end_point);
        loop {
            self.channel.arrive(|_| BODY_BYTES_MAX).await?;
            match self.step(&mut login, is_open)? {
                Step::Done => {
                    self.session.is_trusted = !login.is_asked();
                    return Ok(());
                }
                Step::Wait => {}
                Step::Send => self.channel.send().await?,
            }
        }
    }

    /// Answers one frame of the log-in. `is_open`: everybody on the way can read along.
    fn step(&mut self, login: &mut Login<'_>, is_open: bool) -> Result<Step, Error> {
        let mut answer = BytesMut::new();
        let step = match self.channel.message()? {
            Message::Authentication(asked) => {
                if is_open && matches!(asked, weir_pgwire::backend::Authentication::CleartextPassword) {
                    tracing::warn!(server.address = %self.channel.place(), "the server asks for the password in clear on an unencrypted connection; set sslmode=require");
                }
                login
                    .answer(asked, &mut answer)
                    .map_err(|reason| self.auth(&reason.to_string(), None))?
            }
            Message::ErrorResponse(fields) => return Err(self.refused(&fields)),
            message @ (Message::NoticeResponse(_) | Message::NegotiateProtocolVersion(_)) => {
                self.session.hear(&message);
                Step::Wait
            }
            _ => return Err(self.channel.unexpected("something else than a step of the log-in")),
        };
        self.channel.outbox().extend_from_slice(&answer);
        Ok(step)
    }

    async fn until_ready(&mut self) -> Result<(), Error> {
        loop {
            self.channel.arrive(|_| BODY_BYTES_MAX).await?;
            match self.channel.message()? {
                Message::ReadyForQuery(status) => {
                    self.session.status = status;
                    self.session.is_in_reply = false;
                    self.channel.rest();
                    return Ok(());
                }
                Message::ErrorResponse(fields) => return Err(self.refused(&fields)),
                message @ (Message::BackendKeyData(_) | Message::ParameterStatus(_) | Message::NoticeResponse(_)) => {
                    self.session.hear(&message);
                }
                _ => return Err(self.channel.unexpected("something else than the start of a session")),
            }
        }
    }

    fn refused(&self, fields: &ErrorFields<'_>) -> Error {
        let server = Box::new(ServerError::read(fields, FIELD_BYTES_MAX));
        if server.class() == ErrorClass::Unauthenticated {
            let reason = server.to_string();
            return self.auth(&reason, Some(server));
        }
        let (place, user) = (self.target.place(), self.user().to_owned());
        Error::Refused {
            place,
            user,
            database: self.database(),
            server,
        }
    }

    fn auth(&self, reason: &str, server: Option<Box<ServerError>>) -> Error {
        Error::Auth {
            place: self.target.place(),
            user: self.user().to_owned(),
            database: self.database(),
            reason: reason.replace(char::is_control, " "),
            server,
        }
    }
}
