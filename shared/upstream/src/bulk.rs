//! COPY: rows as text, from the server and to it, as many as there are.
//!
//! One piece is held at a time. Dropped before its end, either way leaves the connection broken, as every other reply.

use weir_pgwire::backend::Message;
use weir_pgwire::backend::tag;
use weir_pgwire::frontend;

use crate::connection::Connection;
use crate::error::Error;
use crate::query::{Completion, Limits, completion};

/// What a COPY sends.
#[derive(Debug)]
pub struct CopyOut<'a> {
    connection: &'a mut Connection,
    limits: Limits,
    end: Option<Completion>,
}

/// What a COPY takes.
#[derive(Debug)]
pub struct CopyIn<'a> {
    connection: &'a mut Connection,
}

impl Connection {
    /// Sends one `COPY … TO STDOUT`, and returns when the server has begun. Rows may be as long as PostgreSQL makes
    /// them.
    pub async fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, Error> {
        self.ask_for(sql, tag::COPY_OUT_RESPONSE).await?;
        Ok(CopyOut {
            connection: self,
            limits: Limits::default(),
            end: None,
        })
    }

    /// Sends one `COPY … FROM STDIN`, and returns when the server awaits the data.
    pub async fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, Error> {
        self.ask_for(sql, tag::COPY_IN_RESPONSE).await?;
        Ok(CopyIn { connection: self })
    }

    async fn ask_for(&mut self, sql: &str, answer: u8) -> Result<(), Error> {
        self.begin()?;
        frontend::query(self.channel.outbox(), sql)?;
        self.send().await?;
        match self.next_tag(Limits::default()).await? {
            tag if tag == answer => self.channel.message().map(drop),
            tag::ERROR_RESPONSE => Err(self.fail().await),
            _ => Err(self.channel.unexpected("something else than a COPY")),
        }
    }

    /// Reads a reply to its end, of which nothing but the end is left.
    async fn completed(&mut self) -> Result<Completion, Error> {
        let mut done = Completion::default();
        loop {
            match self.next_tag(Limits::default()).await? {
                tag::COMMAND_COMPLETE => done = completion(&self.channel.message()?),
                tag::READY_FOR_QUERY => {
                    self.ready()?;
                    return Ok(done);
                }
                tag::ERROR_RESPONSE => return Err(self.fail().await),
                _ => return Err(self.channel.unexpected("something else than the end of a COPY")),
            }
        }
    }
}

impl CopyOut<'_> {
    /// The next piece, which is a row with its line end; none at the end.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        if self.end.is_some() {
            return Ok(None);
        }
        match self.connection.next_tag(self.limits).await? {
            tag::COPY_DATA => match self.connection.channel.message()? {
                Message::CopyData(data) => Ok(Some(data)),
                _ => Err(self.connection.channel.unexpected("something else than data")),
            },
            tag::COPY_DONE => {
                self.end = Some(self.connection.completed().await?);
                Ok(None)
            }
            tag::ERROR_RESPONSE => Err(self.connection.fail().await),
            _ => Err(self.connection.channel.unexpected("something else than data")),
        }
    }

    /// How many rows the server says it sent, once there is no further piece.
    pub fn rows(&self) -> Option<u64> {
        self.end.as_ref().and_then(|end| end.rows)
    }
}

impl CopyIn<'_> {
    /// Sends a piece. It may end anywhere within a row.
    pub async fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        frontend::copy_data(self.connection.channel.outbox(), data)?;
        self.connection.channel.send().await
    }

    /// That was all. An error that the server found on the way is told here.
    pub async fn finish(self) -> Result<Completion, Error> {
        frontend::copy_done(self.connection.channel.outbox());
        self.connection.channel.send().await?;
        self.connection.completed().await
    }
}
