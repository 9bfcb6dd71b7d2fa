//! Many statements in one write, their replies piece by piece.
//!
//! What does not fit into the socket is written while replies are read, so that a server that waits for its reader and
//! a reader that waits for its writer never wait for each other. A statement that fails takes those behind it along,
//! up to the next Sync.

use weir_pgwire::Format;
use weir_pgwire::backend::{Message, RowDescription, TransactionStatus, tag};
use weir_pgwire::frontend::{self, Bind, BindValue, Subject};

use crate::connection::{Connection, ERROR_FIELD_BYTES_MAX};
use crate::error::Error;
use crate::query::{Batch, Completion, Limits, Parameter, completion};
use crate::server_error::ServerError;

/// Where the text of a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// Here.
    Text(&'a str),
    /// At the server, under this name: [`crate::Prepared::name`].
    Named(&'a str),
}

/// One statement with its parameters.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// The statement.
    pub source: Source<'a>,
    /// Its parameters.
    pub parameters: &'a [Parameter<'a>],
    /// How each column shall be written; one for all, or none for text.
    pub formats: &'a [Format],
}

impl<'a> Command<'a> {
    /// A statement whose rows come as text.
    pub const fn text(sql: &'a str, parameters: &'a [Parameter<'a>]) -> Self {
        Self {
            source: Source::Text(sql),
            parameters,
            formats: &[],
        }
    }
}

impl Connection {
    /// Begins a pipeline. Nothing is sent before its first reply is asked for.
    pub fn pipeline(&mut self) -> Result<Pipeline<'_>, Error> {
        self.begin()?;
        Ok(Pipeline {
            connection: self,
            syncs: 0,
            is_sent: false,
            is_synced: true,
            columns: 0,
            limits: Limits::default(),
        })
    }

    /// Writes a statement's frames; what could not be written whole is taken back.
    pub(crate) fn write_command(&mut self, command: &Command<'_>, describe: bool) -> Result<(), Error> {
        let written = self.channel.outbox().len();
        let done = self.write_frames(command, describe);
        if done.is_err() {
            self.channel.outbox().truncate(written);
        }
        done
    }

    fn write_frames(&mut self, command: &Command<'_>, describe: bool) -> Result<(), Error> {
        let out = self.channel.outbox();
        let statement = match command.source {
            Source::Named(name) => name,
            Source::Text(sql) => {
                let types = command.parameters.iter().map(|parameter| parameter.type_oid);
                frontend::parse(out, "", sql, types)?;
                ""
            }
        };
        let values = command.parameters.iter().map(|parameter| BindValue {
            format: parameter.format,
            bytes: parameter.value,
        });
        let bind = Bind {
            statement,
            result_formats: command.formats,
            ..Bind::default()
        };
        frontend::bind(out, &bind, values)?;
        if describe {
            frontend::describe(out, Subject::Portal(""))?;
        }
        frontend::execute(out, "", 0)?;
        Ok(())
    }
}

/// The next that is known of a pipeline.
#[derive(Debug)]
pub enum Piece<'p> {
    /// The columns of the next statement's rows; none where it returns none.
    Columns(RowDescription<'p>),
    /// Some of its rows.
    Rows(Batch<'p>),
    /// It ended well; the next piece is of the statement behind it.
    Done(Completion),
    /// It failed, and those behind it were not run, up to the next Sync.
    Failed(Box<ServerError>),
    /// A Sync was reached.
    Ready(TransactionStatus),
}

/// Statements on their way. Dropped before its last piece was read, it leaves the connection broken.
#[derive(Debug)]
#[must_use = "dropped before its end, it leaves the connection broken"]
pub struct Pipeline<'c> {
    connection: &'c mut Connection,
    /// Those written whose answer is awaited.
    syncs: usize,
    is_sent: bool,
    is_synced: bool,
    columns: usize,
    limits: Limits,
}

impl Pipeline<'_> {
    /// The same with limits: beyond one, [`Pipeline::next`] fails and the connection is broken.
    pub const fn limited(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds a statement. Where it cannot be written, nothing of it is.
    pub fn push(&mut self, command: &Command<'_>) -> Result<(), Error> {
        self.connection.write_command(command, true)?;
        self.is_synced = false;
        Ok(())
    }

    /// Adds a statement that returns no rows, such as BEGIN; its [`Piece::Columns`] is left out.
    pub fn control(&mut self, sql: &str) -> Result<(), Error> {
        self.connection.write_command(&Command::text(sql, &[]), false)?;
        self.is_synced = false;
        Ok(())
    }

    /// Ends a group: outside of a transaction it is committed, and after an error the server goes on from here.
    pub fn sync(&mut self) {
        frontend::sync(self.connection.channel.outbox());
        self.syncs += 1;
        self.is_synced = true;
    }

    /// How many bytes are written and not sent.
    pub fn bytes(&mut self) -> usize {
        self.connection.channel.outbox().len()
    }

    /// The next piece; `None` when every Sync was reached. Sends what is written.
    pub async fn next(&mut self) -> Result<Option<Piece<'_>>, Error> {
        if !self.is_synced {
            self.sync();
        }
        if self.syncs == 0 {
            return Ok(None);
        }
        self.is_sent = true;
        self.connection.session.is_in_reply = true;
        loop {
            match self.connection.next_tag(self.limits).await? {
                tag::DATA_ROW => return self.rows().map(Some),
                tag::PARSE_COMPLETE | tag::BIND_COMPLETE => {}
                tag::ROW_DESCRIPTION | tag::NO_DATA => {
                    self.columns = self.connection.keep_description()?;
                    return Ok(Some(Piece::Columns(self.connection.columns())));
                }
                tag::COMMAND_COMPLETE | tag::EMPTY_QUERY_RESPONSE => {
                    return Ok(Some(Piece::Done(completion(&self.connection.channel.message()?))));
                }
                tag::READY_FOR_QUERY => return self.ready().map(Some),
                tag::ERROR_RESPONSE => return self.failed().map(Some),
                // The frames behind it would be taken for its data.
                tag::COPY_IN_RESPONSE | tag::COPY_OUT_RESPONSE => return Err(Error::Copy),
                _ => {
                    return Err(self
                        .connection
                        .channel
                        .unexpected("something else than a part of a reply"));
                }
            }
        }
    }

    fn rows(&mut self) -> Result<Piece<'_>, Error> {
        let run = self
            .connection
            .channel
            .take_rows(self.columns, self.limits.row_bytes_max)?;
        let (columns, bytes) = (self.connection.columns(), self.connection.channel.taken());
        Ok(Piece::Rows(Batch::of(columns, bytes, run.rows)))
    }

    fn ready(&mut self) -> Result<Piece<'static>, Error> {
        self.syncs -= 1;
        if self.syncs == 0 {
            self.connection.ready()?;
        } else {
            self.connection.ready_for_more()?;
        }
        Ok(Piece::Ready(self.connection.session.status))
    }

    fn failed(&self) -> Result<Piece<'static>, Error> {
        let Message::ErrorResponse(fields) = self.connection.channel.message()? else {
            return Err(self.connection.channel.unexpected("something else than an error"));
        };
        let error = Box::new(ServerError::read(&fields, ERROR_FIELD_BYTES_MAX));
        if error.is_fatal() {
            // The server is gone, and what it said counts for more than that.
            return Err(Error::Server(error));
        }
        Ok(Piece::Failed(error))
    }
}

impl Drop for Pipeline<'_> {
    fn drop(&mut self) {
        if !self.is_sent {
            self.connection.channel.outbox().clear();
        }
    }
}
