//! A statement with parameters, and its rows batch by batch.

use weir_pgwire::Format;
use weir_pgwire::backend::{DataRow, Message, RowDescription, tag};
use weir_pgwire::frontend;

use crate::channel::{Run, whole};
use crate::connection::Connection;
use crate::error::Error;
use crate::pipeline::Command;

/// PostgreSQL itself cannot make a longer row.
const ROW_BYTES_MAX: usize = 1 << 30;
/// Every other frame: descriptions, errors, notices.
const OTHER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a connection keeps for the next reply's description.
const DESCRIPTION_BYTES_KEPT: usize = 16 * 1024;

/// How much a reply may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest row, as it is on the wire. It is held in memory as a whole.
    pub row_bytes_max: usize,
    /// All rows together. They are not held in memory together.
    pub reply_bytes_max: usize,
}

impl Default for Limits {
    /// What PostgreSQL itself can do.
    fn default() -> Self {
        Self {
            row_bytes_max: ROW_BYTES_MAX,
            reply_bytes_max: usize::MAX,
        }
    }
}

impl Limits {
    pub(crate) const fn body_bytes_max(self, tag: u8) -> usize {
        match tag {
            tag::DATA_ROW | tag::COPY_DATA => self.row_bytes_max,
            _ => OTHER_BYTES_MAX,
        }
    }
}

/// The value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// The value; `None` is NULL.
    pub value: Option<&'a [u8]>,
    /// How it is written.
    pub format: Format,
    /// Its type; 0 lets the server infer it from the statement.
    pub type_oid: u32,
}

impl<'a> Parameter<'a> {
    /// A value as `psql` would write it, of a type that the server infers.
    pub const fn text(value: &'a str) -> Self {
        Self {
            value: Some(value.as_bytes()),
            format: Format::Text,
            type_oid: 0,
        }
    }

    /// A value in the binary form of its type.
    pub const fn binary(value: &'a [u8], type_oid: u32) -> Self {
        Self {
            value: Some(value),
            format: Format::Binary,
            type_oid,
        }
    }

    /// NULL, of a type that the server infers.
    pub const fn null() -> Self {
        Self {
            value: None,
            format: Format::Text,
            type_oid: 0,
        }
    }

    /// The same of this type.
    pub const fn of_type(mut self, type_oid: u32) -> Self {
        self.type_oid = type_oid;
        self
    }
}

/// What a statement did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// The command's tag, such as `INSERT 0 5`; empty for a statement without text.
    pub tag: String,
    /// Rows returned or changed, where the command counts them.
    pub rows: Option<u64>,
}

impl Connection {
    /// Runs one statement in one round trip. Returns when its columns are known; rows come as they are pulled, all
    /// as text. An error of the server leaves the connection in step.
    pub async fn query(&mut self, sql: &str, parameters: &[Parameter<'_>]) -> Result<RowStream<'_>, Error> {
        self.run(&Command::text(sql, parameters)).await
    }

    /// The same of a statement that may be prepared, with rows in the formats that it asks for.
    pub async fn run(&mut self, command: &Command<'_>) -> Result<RowStream<'_>, Error> {
        self.begin()?;
        self.write_command(command, true)?;
        frontend::sync(self.channel.outbox());
        self.send().await?;
        let columns = self.read_description().await?;
        Ok(RowStream {
            connection: self,
            columns,
            limits: Limits::default(),
            bytes: 0,
            end: End::NotYet,
            is_copy: false,
        })
    }

    /// Reads up to the description of the rows, and returns the number of columns.
    async fn read_description(&mut self) -> Result<usize, Error> {
        loop {
            match self.next_tag(Limits::default()).await? {
                tag::PARSE_COMPLETE | tag::BIND_COMPLETE => {}
                tag::ROW_DESCRIPTION | tag::NO_DATA => return self.keep_description(),
                tag::ERROR_RESPONSE => return Err(self.fail().await),
                _ => {
                    return Err(self
                        .channel
                        .unexpected("something else than the description of a reply"));
                }
            }
        }
    }

    pub(crate) fn keep_description(&mut self) -> Result<usize, Error> {
        self.description.clear();
        self.description.shrink_to(DESCRIPTION_BYTES_KEPT);
        match self.channel.message()? {
            Message::RowDescription(description) => {
                let columns = description.len();
                self.description.extend_from_slice(self.channel.taken());
                Ok(columns)
            }
            _ => Ok(0),
        }
    }

    pub(crate) fn columns(&self) -> RowDescription<'_> {
        whole(&self.description)
            .and_then(|frame| RowDescription::parse(frame.body).ok())
            .unwrap_or(RowDescription::EMPTY)
    }
}

/// How far a reply has come.
#[derive(Debug)]
enum End {
    NotYet,
    /// The statement is complete; the server is not ready for the next one yet.
    Told(Completion),
    Ready(Completion),
    /// The statement failed, and the server is ready for the next one.
    Failed,
}

/// The rows of one statement. Nothing is read before it is pulled, so a slow reader slows the server. Dropped before
/// its end, it leaves the connection broken; [`RowStream::finish`] reads and drops the rest.
#[derive(Debug)]
#[must_use = "dropped before its end, it leaves the connection broken"]
pub struct RowStream<'c> {
    connection: &'c mut Connection,
    columns: usize,
    limits: Limits,
    bytes: usize,
    end: End,
    is_copy: bool,
}

impl RowStream<'_> {
    /// The same with limits. Beyond one, [`RowStream::next_batch`] fails and goes on failing; `finish` still works.
    pub const fn limited(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The columns; none where the statement returns no rows.
    pub fn columns(&self) -> RowDescription<'_> {
        self.connection.columns()
    }

    /// The rows that are there, or else the next ones that come; `None` at the end.
    pub async fn next_batch(&mut self) -> Result<Option<Batch<'_>>, Error> {
        while !self.is_over() {
            match self.connection.next_tag(self.limits).await? {
                tag::DATA_ROW => {
                    let run = self.take_rows()?;
                    return Ok(Some(self.batch(run)));
                }
                tag => self.other(tag).await?,
            }
        }
        Ok(None)
    }

    /// What the statement did, once `next_batch` has returned `None`.
    pub const fn completion(&self) -> Option<&Completion> {
        match &self.end {
            End::Ready(completion) => Some(completion),
            _ => None,
        }
    }

    /// Reads and drops what is left, and says what the statement did. The connection is in step afterwards.
    pub async fn finish(mut self) -> Result<Completion, Error> {
        while !self.is_over() {
            if self.connection.peek().await? == tag::DATA_ROW {
                self.connection.channel.skip().await?;
            } else {
                let tag = self.connection.next_tag(self.limits).await?;
                self.other(tag).await?;
            }
        }
        match self.end {
            End::Ready(completion) => Ok(completion),
            _ => Ok(Completion::default()),
        }
    }

    const fn is_over(&self) -> bool {
        matches!(self.end, End::Ready(_) | End::Failed)
    }

    fn take_rows(&mut self) -> Result<Run, Error> {
        let run = self
            .connection
            .channel
            .take_rows(self.columns, self.limits.row_bytes_max)?;
        self.bytes = self.bytes.saturating_add(run.bytes);
        if self.bytes > self.limits.reply_bytes_max {
            return Err(Error::TooLarge {
                what: "reply",
                bytes: self.bytes,
                bytes_max: self.limits.reply_bytes_max,
            });
        }
        Ok(run)
    }

    fn batch(&self, run: Run) -> Batch<'_> {
        Batch {
            columns: self.connection.columns(),
            bytes: self.connection.channel.taken(),
            rows: run.rows,
        }
    }

    /// Takes a frame that is not a row.
    async fn other(&mut self, tag: u8) -> Result<(), Error> {
        match tag {
            tag::COMMAND_COMPLETE | tag::EMPTY_QUERY_RESPONSE => self.complete(),
            tag::READY_FOR_QUERY => self.ready(),
            tag::ERROR_RESPONSE => Err(self.fail().await),
            tag::COPY_IN_RESPONSE => self.refuse_copy().await,
            tag::COPY_OUT_RESPONSE | tag::COPY_DATA | tag::COPY_DONE => {
                self.is_copy = true;
                Ok(())
            }
            _ => Err(self
                .connection
                .channel
                .unexpected("something else than rows or their end")),
        }
    }

    fn complete(&mut self) -> Result<(), Error> {
        self.end = End::Told(completion(&self.connection.channel.message()?));
        Ok(())
    }

    fn ready(&mut self) -> Result<(), Error> {
        self.connection.ready()?;
        match std::mem::replace(&mut self.end, End::Failed) {
            _ if self.is_copy => Err(Error::Copy),
            End::Told(completion) => {
                self.end = End::Ready(completion);
                Ok(())
            }
            _ => Err(self
                .connection
                .channel
                .unexpected("that it is ready, but not what it did")),
        }
    }

    async fn fail(&mut self) -> Error {
        let error = self.connection.fail().await;
        if !self.connection.is_broken() {
            self.end = End::Failed;
        }
        if self.is_copy { Error::Copy } else { error }
    }

    async fn refuse_copy(&mut self) -> Result<(), Error> {
        self.is_copy = true;
        let out = self.connection.channel.outbox();
        frontend::copy_fail(out, "COPY from the client is not possible here")?;
        // The first one was lost: a server that awaits data ignores it.
        frontend::sync(out);
        self.connection.channel.send().await
    }
}

/// What a CommandComplete or EmptyQueryResponse says.
pub(crate) fn completion(message: &Message<'_>) -> Completion {
    match message {
        Message::CommandComplete(complete) => Completion {
            tag: String::from_utf8_lossy(complete.tag()).into_owned(),
            rows: complete.rows(),
        },
        _ => Completion::default(),
    }
}

/// Rows that have arrived, as they lie in the connection's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    columns: RowDescription<'a>,
    bytes: &'a [u8],
    rows: usize,
}

impl<'a> Batch<'a> {
    pub(crate) const fn of(columns: RowDescription<'a>, bytes: &'a [u8], rows: usize) -> Self {
        Self { columns, bytes, rows }
    }

    /// How many there are; at least one.
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Never.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Their columns.
    pub const fn columns(&self) -> RowDescription<'a> {
        self.columns
    }

    /// The rows as frames, one after the other, for who only forwards them.
    pub const fn frames(&self) -> &'a [u8] {
        self.bytes
    }

    /// The rows from first to last.
    #[inline]
    pub fn rows(&self) -> impl Iterator<Item = DataRow<'a>> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let frame = whole(rest)?;
            rest = rest.get(frame.bytes()..)?;
            Some(DataRow::parsed_before(frame.body))
        })
    }
}
