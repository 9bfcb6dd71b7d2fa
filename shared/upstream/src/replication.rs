//! The log of a database as the server sends it to who replicates.
//!
//! A connection that was opened with the start-up parameter `replication=database` takes statements as any other, and
//! the commands of replication besides. [`Connection::replicate`] sends one of these that answers with data without
//! end. From then on the server speaks and is told how far its words were taken; there is no way back.

use weir_pgwire::backend::{Message, tag};
use weir_pgwire::frontend;
use weir_pgwire::replication::{FromServer, StandbyStatus, standby_status};

use crate::connection::{Connection, ERROR_FIELD_BYTES_MAX};
use crate::error::Error;
use crate::query::Limits;
use crate::server_error::ServerError;
use crate::session::is_unasked;

/// A log on its way.
#[derive(Debug)]
pub struct Replication {
    pub(crate) connection: Connection,
    pub(crate) limits: Limits,
}

impl Connection {
    /// Sends `START_REPLICATION …`, and returns when the server has begun. Rows of more than `row_bytes_max` end it.
    pub async fn replicate(mut self, command: &str, row_bytes_max: usize) -> Result<Replication, Error> {
        self.begin()?;
        frontend::query(self.channel.outbox(), command)?;
        self.send().await?;
        match self.next_tag(Limits::default()).await? {
            tag::COPY_BOTH_RESPONSE => {
                self.channel.message()?;
                let limits = Limits {
                    row_bytes_max,
                    ..Limits::default()
                };
                Ok(Replication {
                    connection: self,
                    limits,
                })
            }
            tag::ERROR_RESPONSE => Err(self.fail().await),
            _ => Err(self.channel.unexpected("something else than a log")),
        }
    }
}

impl Replication {
    /// The next that the server says. What was written to it is sent meanwhile. Dropped before its end, nothing is
    /// lost: the next call goes on.
    pub async fn next(&mut self) -> Result<FromServer<'_>, Error> {
        match self.arrive().await? {
            tag::COPY_DATA => self.word(),
            tag => Err(self.ended(tag)),
        }
    }

    /// Waits for a frame that is not small talk.
    pub(crate) async fn arrive(&mut self) -> Result<u8, Error> {
        loop {
            let limits = self.limits;
            let arrived = self.connection.channel.arrive(|tag| limits.body_bytes_max(tag)).await?;
            if !is_unasked(arrived) {
                return Ok(arrived);
            }
            self.connection.session.hear(&self.connection.channel.message()?);
        }
    }

    /// The data that has arrived.
    pub(crate) fn word(&self) -> Result<FromServer<'_>, Error> {
        match self.connection.channel.message()? {
            Message::CopyData(data) => FromServer::parse(data).map_err(|error| self.connection.channel.protocol(error)),
            _ => Err(self.connection.channel.unexpected("something else than a log")),
        }
    }

    /// Whether the beginning of more has come already.
    pub fn has_more(&self) -> bool {
        self.connection.channel.waiting().is_some()
    }

    /// Tells the server how far its words were taken. Dropped before its end, it leaves the connection unusable.
    pub async fn tell(&mut self, status: &StandbyStatus) -> Result<(), Error> {
        standby_status(self.connection.channel.outbox(), status)?;
        self.connection.channel.send().await
    }

    /// The number of the server's process, as `pg_stat_replication` shows it.
    pub const fn process_id(&self) -> i32 {
        self.connection.process_id()
    }

    /// Says goodbye: the server gives up what it holds for us at once.
    pub async fn close(mut self) {
        frontend::copy_done(self.connection.channel.outbox());
        frontend::terminate(self.connection.channel.outbox());
        // The server may have gone first; then there is nobody to greet.
        let goodbye = async {
            let _ = self.connection.channel.send().await;
            self.connection.channel.shut_down().await;
        };
        let _ = tokio::time::timeout(crate::connection::GOODBYE_TIMEOUT, goodbye).await;
    }

    /// The server ends the log: with an error, or because it stops.
    pub(crate) fn ended(&self, tag: u8) -> Error {
        match (tag, self.connection.channel.message()) {
            (tag::ERROR_RESPONSE, Ok(Message::ErrorResponse(fields))) => {
                Error::Server(Box::new(ServerError::read(&fields, ERROR_FIELD_BYTES_MAX)))
            }
            (_, Err(error)) => error,
            (tag::COPY_DONE, _) => self.connection.channel.unexpected("the end of a log"),
            _ => self.connection.channel.unexpected("something else than a log"),
        }
    }
}
