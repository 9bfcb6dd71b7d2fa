//! One session with PostgreSQL.
//!
//! One request at a time, and its reply to the end before the next one: that is what keeps answers with their questions.

use std::net::IpAddr;
use std::time::Duration;

use weir_pgwire::backend::{Message, TransactionStatus, tag};
use weir_pgwire::frontend;

use crate::cancel::CancelToken;
use crate::channel::Channel;
use crate::dial::Peer;
use crate::error::Error;
use crate::prepared::Statements;
use crate::query::Limits;
use crate::server_error::ServerError;
use crate::session::{Session, is_unasked};
use crate::startup::{self, ConnectOptions};
use crate::stream::Stream;
use crate::target::{SslMode, Target};

/// What is kept of one field of an error.
pub(crate) const ERROR_FIELD_BYTES_MAX: usize = 64 * 1024;
/// Time to say goodbye.
pub(crate) const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// A session with PostgreSQL. Dropping it closes the socket; [`Connection::close`] says goodbye first.
#[derive(Debug)]
pub struct Connection {
    pub(crate) channel: Channel,
    pub(crate) session: Session,
    pub(crate) target: Target,
    pub(crate) peer: Peer,
    /// The columns of the present reply, as they came.
    pub(crate) description: Vec<u8>,
    pub(crate) statements: Statements,
}

impl Connection {
    pub(crate) const fn new(channel: Channel, session: Session, target: Target, peer: Peer) -> Self {
        Self {
            channel,
            session,
            target,
            peer,
            description: Vec::new(),
            statements: Statements::new(),
        }
    }

    /// Opens a session: name look-up, connection, encryption and log-in.
    pub async fn connect(target: &Target, options: ConnectOptions) -> Result<Self, Error> {
        startup::connect(target, &options).await
    }

    /// Whether a transaction is open.
    pub const fn transaction_status(&self) -> TransactionStatus {
        self.session.status
    }

    /// Whether it is out of step: a reply was not read to its end, or the connection is lost. It takes no further
    /// statement, and only [`Connection::cancel_token`] and closing it make sense.
    pub const fn is_broken(&self) -> bool {
        self.session.is_in_reply
    }

    /// Whether the next user can have it: in step, and no transaction is open.
    pub const fn is_clean(&self) -> bool {
        !self.is_broken() && matches!(self.session.status, TransactionStatus::Idle)
    }

    /// Whether what is sent is encrypted.
    pub const fn is_encrypted(&self) -> bool {
        matches!(self.channel.stream(), Stream::Tls(_))
    }

    /// The certificate that the server has shown, in DER. None where the connection is not encrypted.
    pub fn server_certificate(&self) -> Option<&[u8]> {
        let Stream::Tls(stream) = self.channel.stream() else {
            return None;
        };
        let shown = stream.get_ref().1.peer_certificates()?;
        shown.first().map(AsRef::as_ref)
    }

    /// Whether the server let the user in without asking for any proof: by `trust`, `peer` or a certificate.
    pub const fn was_trusted(&self) -> bool {
        self.session.is_trusted
    }

    /// The number of the server's process, as `pg_stat_activity` shows it.
    pub const fn process_id(&self) -> i32 {
        self.session.process_id
    }

    /// A setting that the server reports: `server_version`, `TimeZone`, `in_hot_standby`, … Names are spelt as it does.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.session.setting(name)
    }

    /// The notices and warnings of the last statement: the 32 latest.
    pub fn take_notices(&mut self) -> Vec<ServerError> {
        self.session.take_notices()
    }

    /// The address that it leads to; none where that is a socket.
    pub const fn address(&self) -> Option<IpAddr> {
        match &self.peer {
            Peer::Tcp(address) => Some(address.ip()),
            Peer::Unix(_) => None,
        }
    }

    /// What it takes to cancel whatever this connection is doing.
    pub fn cancel_token(&self) -> CancelToken {
        let encryption = if self.is_encrypted() {
            SslMode::Require
        } else {
            SslMode::Disable
        };
        let Session { process_id, key, .. } = &self.session;
        CancelToken::new(
            self.target.clone(),
            self.peer.clone(),
            encryption,
            *process_id,
            key.clone(),
        )
    }

    /// Asks whether the server is there and in step: one round trip without a statement.
    pub async fn ping(&mut self) -> Result<(), Error> {
        self.begin()?;
        frontend::sync(self.channel.outbox());
        self.send().await?;
        match self.next_tag(Limits::default()).await? {
            tag::READY_FOR_QUERY => self.ready(),
            tag::ERROR_RESPONSE => Err(self.fail().await),
            _ => Err(self.channel.unexpected("something else than that it is ready")),
        }
    }

    /// Ends what is open and forgets all that was set in this session, as if it had just begun.
    pub async fn reset(&mut self) -> Result<(), Error> {
        if self.session.status != TransactionStatus::Idle {
            self.simple_query("ROLLBACK").await?;
        }
        self.simple_query("DISCARD ALL").await?;
        self.statements.clear();
        self.session.forget_notices();
        Ok(())
    }

    /// Says goodbye and closes the connection.
    pub async fn close(mut self) {
        let goodbye = async {
            if !self.is_broken() {
                frontend::terminate(self.channel.outbox());
                // The server may have gone first; then there is nobody to greet.
                let _ = self.channel.send().await;
            }
            self.channel.shut_down().await;
        };
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, goodbye).await;
    }

    /// Checks that a statement may be sent.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        if self.is_broken() {
            return Err(Error::OutOfStep {
                place: self.channel.place().to_owned(),
            });
        }
        self.session.forget_notices();
        Ok(())
    }

    /// Sends what was written. From here on there is a reply to be read.
    pub(crate) async fn send(&mut self) -> Result<(), Error> {
        self.session.is_in_reply = true;
        self.channel.send().await
    }

    /// Waits for the header of the reply's next frame, and hears what the server says unasked on the way.
    pub(crate) async fn peek(&mut self) -> Result<u8, Error> {
        loop {
            let tag = self.channel.header().await?.tag();
            if !is_unasked(tag) {
                return Ok(tag);
            }
            self.channel.arrive(|tag| Limits::default().body_bytes_max(tag)).await?;
            self.session.hear(&self.channel.message()?);
        }
    }

    /// Waits for the reply's next frame.
    pub(crate) async fn next_tag(&mut self, limits: Limits) -> Result<u8, Error> {
        self.peek().await?;
        self.channel.arrive(|tag| limits.body_bytes_max(tag)).await
    }

    /// Takes the ReadyForQuery that has arrived: the reply is complete.
    pub(crate) fn ready(&mut self) -> Result<(), Error> {
        let Message::ReadyForQuery(status) = self.channel.message()? else {
            return Err(self.channel.unexpected("something else than that it is ready"));
        };
        self.channel.rest();
        // What follows unasked may be here already, and so may the reason why the server is about to go.
        if self
            .channel
            .waiting()
            .is_some_and(|tag| !is_unasked(tag) && tag != tag::ERROR_RESPONSE)
        {
            return Err(self.channel.unexpected("more behind the end of a reply"));
        }
        self.session.status = status;
        self.session.is_in_reply = false;
        Ok(())
    }

    /// Takes a ReadyForQuery in the middle of a pipeline.
    pub(crate) fn ready_for_more(&mut self) -> Result<(), Error> {
        let Message::ReadyForQuery(status) = self.channel.message()? else {
            return Err(self.channel.unexpected("something else than that it is ready"));
        };
        self.session.status = status;
        Ok(())
    }

    /// Takes the ErrorResponse that has arrived, and the rest of the reply behind it.
    pub(crate) async fn fail(&mut self) -> Error {
        let error = match self.channel.message() {
            Ok(Message::ErrorResponse(fields)) => ServerError::read(&fields, ERROR_FIELD_BYTES_MAX),
            Ok(_) => return self.channel.unexpected("something else than an error"),
            Err(error) => return error,
        };
        // After a fatal error the server is gone, and what it said counts for more than that.
        let _ = self.drain().await;
        Error::Server(Box::new(error))
    }

    async fn drain(&mut self) -> Result<(), Error> {
        while self.peek().await? != tag::READY_FOR_QUERY {
            self.channel.skip().await?;
        }
        self.next_tag(Limits::default()).await?;
        self.ready()
    }
}
