//! The write-ahead log as it is, byte by byte, for those who keep it.
//!
//! On a connection that was opened with the start-up parameter `replication=true`. A timeline that somebody has
//! ended is sent up to its end; then the server says which one follows and where, and takes commands again.

use weir_pgwire::backend::{Message, tag};
use weir_pgwire::frontend;
use weir_pgwire::replication::{FromServer, Lsn};

use crate::connection::Connection;
use crate::error::Error;
use crate::query::Limits;
use crate::replication::Replication;
use crate::row::Row;

/// A piece of the log is at most 128 KiB; some room for what a later server may send.
const PIECE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The history of a timeline has a line for each that came before.
const HISTORY: Limits = Limits {
    row_bytes_max: 16 * 1024 * 1024,
    reply_bytes_max: 16 * 1024 * 1024,
};

/// Which cluster a server belongs to, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The same for all servers of a cluster, and for no other.
    pub system_identifier: u64,
    /// The timeline that it writes, or follows.
    pub timeline: u32,
    /// Its log is safe up to here.
    pub flushed: Lsn,
}

/// A physical replication slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhysicalSlot {
    /// Log is held from here on. None: nothing is held.
    pub restart: Option<Lsn>,
    /// The timeline of that position.
    pub timeline: Option<u32>,
}

/// What follows a timeline that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelineEnd {
    /// The next timeline on the way to the server's own.
    pub next: u32,
    /// Where it begins, and the one before ends.
    pub at: Lsn,
}

/// How a server answers to the wish for its log.
#[derive(Debug)]
pub enum Started {
    /// The log comes.
    Streaming(Replication),
    /// The timeline ended at the position that was asked for.
    Over(Connection, Option<TimelineEnd>),
}

impl Connection {
    /// Which cluster this is.
    pub async fn identify_system(&mut self) -> Result<Identity, Error> {
        let rows = self.simple_query("IDENTIFY_SYSTEM").await?;
        let row = self.only(&rows)?;
        Ok(Identity {
            system_identifier: row.parse("systemid")?,
            timeline: row.parse("timeline")?,
            flushed: row.parse("xlogpos")?,
        })
    }

    /// The size of a segment of the log.
    pub async fn wal_segment_bytes(&mut self) -> Result<u32, Error> {
        let rows = self.simple_query("SHOW wal_segment_size").await?;
        let shown = self.only(&rows)?.text("wal_segment_size")?;
        bytes_of(shown).ok_or_else(|| self.channel.unexpected("a wal_segment_size that is no size"))
    }

    /// A physical slot; none if there is none of this name. For PostgreSQL 15 and newer.
    pub async fn read_replication_slot(&mut self, slot: &str) -> Result<Option<PhysicalSlot>, Error> {
        let rows = self
            .simple_query(&format!("READ_REPLICATION_SLOT {}", quoted(slot)))
            .await?;
        let row = self.only(&rows)?;
        if row.get("slot_type").is_none() {
            return Ok(None);
        }
        let restart = row.get("restart_lsn").map(|_| row.parse("restart_lsn")).transpose()?;
        let timeline = row.get("restart_tli").map(|_| row.parse("restart_tli")).transpose()?;
        Ok(Some(PhysicalSlot { restart, timeline }))
    }

    /// Makes a physical slot that holds the log from the last checkpoint on.
    pub async fn create_physical_slot(&mut self, slot: &str) -> Result<(), Error> {
        let command = format!("CREATE_REPLICATION_SLOT {} PHYSICAL RESERVE_WAL", quoted(slot));
        self.simple_query(&command).await.map(drop)
    }

    /// Removes a slot that nobody uses.
    pub async fn drop_replication_slot(&mut self, slot: &str) -> Result<(), Error> {
        let command = format!("DROP_REPLICATION_SLOT {}", quoted(slot));
        self.simple_query(&command).await.map(drop)
    }

    /// The history of a timeline, as it lies in the server's file. The first timeline has none.
    pub async fn timeline_history(&mut self, timeline: u32) -> Result<Vec<u8>, Error> {
        self.begin()?;
        frontend::query(self.channel.outbox(), &format!("TIMELINE_HISTORY {timeline}"))?;
        self.send().await?;
        let mut content = None;
        loop {
            match self.next_tag(HISTORY).await? {
                tag::READY_FOR_QUERY => break self.ready()?,
                tag::ERROR_RESPONSE => return Err(self.fail().await),
                tag::DATA_ROW => match self.channel.message()? {
                    Message::DataRow(row) => content = row.values().nth(1).flatten().map(<[u8]>::to_vec),
                    _ => continue,
                },
                _ => continue,
            }
        }
        content.ok_or_else(|| self.channel.unexpected("no history of a timeline"))
    }

    /// Has the server send its log from a position on a timeline, through a slot if one is named.
    pub async fn replicate_physical(mut self, slot: Option<&str>, from: Lsn, timeline: u32) -> Result<Started, Error> {
        let through = slot.map(|slot| format!(" SLOT {}", quoted(slot))).unwrap_or_default();
        let command = format!("START_REPLICATION{through} PHYSICAL {from} TIMELINE {timeline}");
        self.begin()?;
        frontend::query(self.channel.outbox(), &command)?;
        self.send().await?;
        match self.peek().await? {
            tag::COPY_BOTH_RESPONSE => {
                self.next_tag(Limits::default()).await?;
                self.channel.message()?;
                Ok(Started::Streaming(Replication::of(self, PIECE_BYTES_MAX)))
            }
            tag::ERROR_RESPONSE => {
                self.next_tag(Limits::default()).await?;
                Err(self.fail().await)
            }
            _ => {
                let end = self.timeline_end().await?;
                Ok(Started::Over(self, end))
            }
        }
    }

    async fn timeline_end(&mut self) -> Result<Option<TimelineEnd>, Error> {
        let rows = self.rows().await?;
        rows.first().map(end_of).transpose()
    }

    fn only<'r>(&self, rows: &'r [Row]) -> Result<&'r Row, Error> {
        rows.first()
            .ok_or_else(|| self.channel.unexpected("no answer to a command"))
    }
}

impl Replication {
    pub(crate) fn of(connection: Connection, row_bytes_max: usize) -> Self {
        let limits = Limits {
            row_bytes_max,
            ..Limits::default()
        };
        Self { connection, limits }
    }

    /// The next that the server says, as [`Replication::next`]; none where the timeline has ended, and
    /// [`Replication::end_of_timeline`] tells what follows.
    pub async fn next_on_timeline(&mut self) -> Result<Option<FromServer<'_>>, Error> {
        match self.arrive().await? {
            tag::COPY_DATA => self.word().map(Some),
            tag::COPY_DONE => Ok(None),
            tag => Err(self.ended(tag)),
        }
    }

    /// Takes leave of a timeline that has ended: what follows it, and the connection for further commands.
    pub async fn end_of_timeline(mut self) -> Result<(Connection, Option<TimelineEnd>), Error> {
        frontend::copy_done(self.connection.channel.outbox());
        self.connection.channel.send().await?;
        let end = self.connection.timeline_end().await?;
        Ok((self.connection, end))
    }
}

fn end_of(row: &Row) -> Result<TimelineEnd, Error> {
    Ok(TimelineEnd {
        next: row.parse("next_tli")?,
        at: row.parse("next_tli_startpos")?,
    })
}

/// A name in a command of replication.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A size as `SHOW` writes it: `16MB`.
fn bytes_of(shown: &str) -> Option<u32> {
    let digits = shown.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit: u32 = match shown.get(digits.len()..)? {
        "" | "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u32>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        assert_eq!(bytes_of("16MB"), Some(16 << 20));
        assert_eq!(bytes_of("1GB"), Some(1 << 30));
        assert_eq!(bytes_of("1024kB"), Some(1 << 20));
        for wrong in ["", "MB", "16TB", "9GB", "-1MB"] {
            assert_eq!(bytes_of(wrong), None, "{wrong}");
        }
    }
}
