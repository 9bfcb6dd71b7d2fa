//! The simple protocol, for Weir's own questions and commands.

use std::sync::Arc;

use weir_pgwire::backend::{DataRow, Message, tag};
use weir_pgwire::frontend;

use crate::connection::Connection;
use crate::error::Error;
use crate::query::Limits;
use crate::row::Row;

/// All rows of one reply together: they are held in memory.
const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;
const LIMITS: Limits = Limits {
    row_bytes_max: REPLY_BYTES_MAX,
    reply_bytes_max: REPLY_BYTES_MAX,
};

/// What has come of a reply.
struct Reply {
    columns: Arc<[String]>,
    rows: Vec<Row>,
    bytes: usize,
    is_copy: bool,
}

impl Connection {
    /// Runs one statement, or several in one transaction, without parameters; returns their rows one after the other.
    /// For Weir's own small questions: at most 64 MiB are held.
    pub async fn simple_query(&mut self, sql: &str) -> Result<Vec<Row>, Error> {
        self.begin()?;
        frontend::query(self.channel.outbox(), sql)?;
        self.send().await?;
        self.rows().await
    }

    /// The rest of a reply: its rows, up to where the server awaits the next statement.
    pub(crate) async fn rows(&mut self) -> Result<Vec<Row>, Error> {
        let mut reply = Reply {
            columns: Arc::new([]),
            rows: Vec::new(),
            bytes: 0,
            is_copy: false,
        };
        loop {
            match self.next_tag(LIMITS).await? {
                tag::READY_FOR_QUERY => break self.ready()?,
                tag::ERROR_RESPONSE => {
                    let error = self.fail().await;
                    return Err(if reply.is_copy { Error::Copy } else { error });
                }
                tag::COPY_IN_RESPONSE => {
                    reply.is_copy = true;
                    frontend::copy_fail(self.channel.outbox(), "COPY from the client is not possible here")?;
                    self.channel.send().await?;
                }
                tag => self.collect(tag, &mut reply)?,
            }
        }
        if reply.is_copy {
            Err(Error::Copy)
        } else {
            Ok(reply.rows)
        }
    }

    /// Takes a frame of a reply that goes well.
    fn collect(&mut self, tag: u8, reply: &mut Reply) -> Result<(), Error> {
        match tag {
            tag::ROW_DESCRIPTION => {
                self.keep_description()?;
                let name = |field: weir_pgwire::backend::Field<'_>| String::from_utf8_lossy(field.name).into_owned();
                reply.columns = self.columns().fields().map(name).collect();
                Ok(())
            }
            tag::DATA_ROW => match self.channel.message()? {
                Message::DataRow(row) => reply.add(row).map_err(|()| self.row_error(reply)),
                _ => Ok(()),
            },
            tag::COMMAND_COMPLETE | tag::EMPTY_QUERY_RESPONSE => self.channel.message().map(|_| ()),
            tag::COPY_OUT_RESPONSE | tag::COPY_DATA | tag::COPY_DONE => {
                reply.is_copy = true;
                Ok(())
            }
            _ => Err(self.channel.unexpected("something else than a reply")),
        }
    }

    fn row_error(&self, reply: &Reply) -> Error {
        if reply.bytes > REPLY_BYTES_MAX {
            Error::TooLarge {
                what: "reply",
                bytes: reply.bytes,
                bytes_max: REPLY_BYTES_MAX,
            }
        } else {
            self.channel
                .unexpected("a row with another number of columns than announced")
        }
    }
}

impl Reply {
    fn add(&mut self, row: DataRow<'_>) -> Result<(), ()> {
        self.bytes += row.values().flatten().map(<[u8]>::len).sum::<usize>() + row.len() * size_of::<Option<String>>();
        if self.bytes > REPLY_BYTES_MAX || row.len() != self.columns.len() {
            return Err(());
        }
        self.rows.push(Row::new(self.columns.clone(), row));
        Ok(())
    }
}
