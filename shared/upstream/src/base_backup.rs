//! A base backup as the server sends it, and the manifest of an earlier one on its way to it.
//!
//! A connection that was opened with the start-up parameter `replication=true` takes the commands of replication.
//! [`Connection::base_backup`] sends one of these that answers with a copy of the server's files. Nothing is read
//! before it is asked for, so whoever reads slowly slows the server down.

use weir_pgwire::backend::{Message, tag};
use weir_pgwire::frontend;
use weir_pgwire::replication::Lsn;

use crate::connection::Connection;
use crate::error::Error;
use crate::query::Limits;
use crate::row::Row;
use crate::server_error::ServerError;

/// PostgreSQL sends 32 KiB at once.
const LIMITS: Limits = Limits {
    row_bytes_max: 1 << 20,
    reply_bytes_max: usize::MAX,
};
/// The rows before the data begins, all together: far more tablespaces than any server has.
const ROWS_BYTES_MAX: usize = 16 << 20;
/// Pages were damaged: the server says so after it has sent everything.
const DATA_CORRUPTED: &str = "XX001";

/// A base backup on its way.
#[derive(Debug)]
pub struct BaseBackup {
    connection: Connection,
    start: LogPlace,
    tablespaces: Vec<BackupTablespace>,
}

/// A place in the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPlace {
    /// The position.
    pub lsn: Lsn,
    /// The timeline.
    pub timeline: u32,
}

/// A tablespace that is sent, each as an archive of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupTablespace {
    /// Its oid; none: the data directory.
    pub oid: Option<u32>,
    /// Where it is on the server. Empty for the data directory.
    pub location: String,
    /// About how much there is.
    pub bytes: u64,
}

/// A piece of a base backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupPart<'a> {
    /// An archive begins: its name, `base.tar` or `<oid>.tar`.
    Archive(&'a str),
    /// The manifest begins.
    Manifest,
    /// Bytes of what began last.
    Data(&'a [u8]),
    /// How far the server is, in bytes.
    Progress(u64),
    /// That was all; [`BaseBackup::finish`] says where the log has to be read to.
    End,
}

/// How a base backup ended.
#[derive(Debug)]
pub struct BackupEnd {
    /// Log up to here makes it consistent.
    pub stop: LogPlace,
    /// What the server says of damaged pages that it found. They were sent as they are.
    pub damage: Option<Box<ServerError>>,
    /// The connection, in step again.
    pub connection: Connection,
}

impl Connection {
    /// Sends `BASE_BACKUP …`, and returns when the server has made its checkpoint and begins to send. The server must
    /// be of version 15 or newer.
    pub async fn base_backup(mut self, command: &str) -> Result<BaseBackup, Error> {
        self.begin()?;
        frontend::query(self.channel.outbox(), command)?;
        self.send().await?;
        let mut sets = self.result_sets(tag::COPY_OUT_RESPONSE).await?.into_iter();
        let start = self.log_place(sets.next())?;
        let rows = sets.next().unwrap_or_default();
        let tablespaces: Result<Vec<_>, Error> = rows.iter().map(BackupTablespace::read).collect();
        Ok(BaseBackup {
            start,
            tablespaces: tablespaces?,
            connection: self,
        })
    }

    /// The rows of the results that come before a frame of this kind, which is taken as well.
    async fn result_sets(&mut self, until: u8) -> Result<Vec<Vec<Row>>, Error> {
        let mut sets: Vec<Vec<Row>> = Vec::new();
        let mut bytes = 0;
        loop {
            match self.next_tag(LIMITS).await? {
                found if found == until => break,
                tag::ERROR_RESPONSE => return Err(self.fail().await),
                tag::ROW_DESCRIPTION => {
                    self.keep_description()?;
                    sets.push(Vec::new());
                }
                tag::DATA_ROW => {
                    let row = self.one_row()?;
                    bytes += self.channel.taken().len();
                    let set = sets.last_mut().filter(|_| bytes <= ROWS_BYTES_MAX);
                    let Some(set) = set else {
                        return Err(self.channel.unexpected("rows that nobody announced"));
                    };
                    set.push(row);
                }
                tag::COMMAND_COMPLETE => {
                    self.channel.message()?;
                }
                _ => return Err(self.channel.unexpected("something else than a base backup")),
            }
        }
        self.channel.message()?;
        Ok(sets)
    }

    fn one_row(&self) -> Result<Row, Error> {
        let columns = self.columns().fields();
        let columns = columns.map(|field| String::from_utf8_lossy(field.name).into_owned());
        match self.channel.message()? {
            Message::DataRow(row) => Ok(Row::new(columns.collect(), row)),
            _ => Err(self.channel.unexpected("something else than a row")),
        }
    }

    fn log_place(&self, set: Option<Vec<Row>>) -> Result<LogPlace, Error> {
        let row = set.as_ref().and_then(|rows| rows.first());
        let row = row.ok_or_else(|| self.channel.unexpected("no position of its log"))?;
        Ok(LogPlace {
            lsn: row.parse("recptr")?,
            timeline: row.parse("tli")?,
        })
    }
}

impl BackupTablespace {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            oid: row.get("spcoid").map(|_| row.parse("spcoid")).transpose()?,
            location: row.get("spclocation").unwrap_or_default().to_owned(),
            bytes: row.get("size").and_then(|size| size.parse().ok()).unwrap_or(0_u64) * 1024,
        })
    }
}

impl BaseBackup {
    /// Where the log begins that makes it consistent.
    pub const fn start(&self) -> LogPlace {
        self.start
    }

    /// What is sent, in this order.
    pub fn tablespaces(&self) -> &[BackupTablespace] {
        &self.tablespaces
    }

    /// The next piece. Dropped before its end, nothing is lost: the next call goes on.
    pub async fn next(&mut self) -> Result<BackupPart<'_>, Error> {
        match self.connection.next_tag(LIMITS).await? {
            tag::COPY_DATA => {}
            tag::COPY_DONE => return Ok(BackupPart::End),
            tag::ERROR_RESPONSE => return Err(self.connection.fail().await),
            _ => return Err(self.connection.channel.unexpected("something else than a base backup")),
        }
        let part = match self.connection.channel.message()? {
            Message::CopyData(data) => BackupPart::read(data),
            _ => None,
        };
        part.ok_or_else(|| {
            self.connection
                .channel
                .unexpected("a piece of a base backup that is none")
        })
    }

    /// Hears where it ended. To be called after [`BackupPart::End`].
    pub async fn finish(self) -> Result<BackupEnd, Error> {
        let mut connection = self.connection;
        let sets = connection.result_sets(tag::COMMAND_COMPLETE).await?;
        let stop = connection.log_place(sets.into_iter().next())?;
        let mut damage = None;
        loop {
            match connection.next_tag(LIMITS).await? {
                tag::READY_FOR_QUERY => {
                    connection.ready()?;
                    break;
                }
                tag::ERROR_RESPONSE => match connection.fail().await {
                    Error::Server(error) if error.sqlstate == DATA_CORRUPTED => {
                        damage = Some(error);
                        break;
                    }
                    error => return Err(error),
                },
                tag::COMMAND_COMPLETE => {
                    connection.channel.message()?;
                }
                _ => return Err(connection.channel.unexpected("more behind the end of a base backup")),
            }
        }
        Ok(BackupEnd {
            stop,
            damage,
            connection,
        })
    }
}

impl<'a> BackupPart<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let (kind, rest) = data.split_first()?;
        Some(match kind {
            b'n' => Self::Archive(std::str::from_utf8(rest.split(|byte| *byte == 0).next()?).ok()?),
            b'm' => Self::Manifest,
            b'd' => Self::Data(rest),
            b'p' => Self::Progress(u64::from_be_bytes(*rest.first_chunk::<8>()?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_and_others_are_not() {
        assert_eq!(
            BackupPart::read(b"nbase.tar\0\0"),
            Some(BackupPart::Archive("base.tar"))
        );
        assert_eq!(BackupPart::read(b"m"), Some(BackupPart::Manifest));
        assert_eq!(BackupPart::read(b"dxyz"), Some(BackupPart::Data(b"xyz")));
        assert_eq!(
            BackupPart::read(b"p\0\0\0\0\0\0\x01\0"),
            Some(BackupPart::Progress(256))
        );
        for other in [b"".as_slice(), b"p\0", b"x", b"n\xff\0\0"] {
            assert_eq!(BackupPart::read(other), None, "{other:?}");
        }
    }
}
