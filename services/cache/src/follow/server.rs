//! What a server is, and whether its log can be followed at all.

use weir_upstream::{Connection, Row};

use super::lost::Lost;

/// The oldest version whose log carries messages to those who decode it.
const VERSION_MIN: u32 = 140_000;

const FACTS: &str = "select pg_catalog.current_setting('server_version_num') as version, \
    pg_catalog.current_setting('wal_level') as wal_level, \
    pg_catalog.current_setting('wal_block_size') as block_bytes, \
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) as segment_bytes, \
    pg_catalog.pg_is_in_recovery() as standby, \
    (extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint as started_us";

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) version: u32,
    pub(crate) started_us: i64,
    pub(crate) block_bytes: u64,
    pub(crate) segment_bytes: u64,
    wal_level: String,
    is_standby: bool,
}

impl Server {
    /// Asks it.
    pub(crate) async fn ask(connection: &mut Connection) -> Result<Self, Lost> {
        let rows = connection.simple_query(FACTS).await?;
        let row = rows.first().ok_or_else(Lost::silent)?;
        Ok(Self::read(row)?)
    }

    fn read(row: &Row) -> Result<Self, weir_upstream::Error> {
        Ok(Self {
            version: row.parse("version")?,
            started_us: row.parse("started_us")?,
            block_bytes: row.parse("block_bytes")?,
            segment_bytes: row.parse("segment_bytes")?,
            wal_level: row.text("wal_level")?.to_owned(),
            is_standby: row.flag("standby")?,
        })
    }

    /// Whether it is a primary.
    pub(crate) const fn is_primary(&self) -> bool {
        !self.is_standby
    }

    /// What hinders following, if anything.
    pub(crate) fn check(&self) -> Result<(), Lost> {
        if self.is_standby {
            return Err(Lost::blocked(
                "the server is a standby; the log of the primary is followed",
            ));
        }
        if self.version < VERSION_MIN {
            let version = self.version / 10_000;
            return Err(Lost::blocked(format!(
                "the server is PostgreSQL {version}; 14 or later is needed"
            )));
        }
        if self.wal_level != "logical" {
            return Err(Lost::blocked(format!(
                "wal_level is {}; set wal_level = logical and restart the server",
                self.wal_level
            )));
        }
        Ok(())
    }

    /// A position as the server itself would say it of the place where the next record will be: no record begins in the
    /// head of a page.
    pub(crate) const fn past_page_head(&self, lsn: u64) -> u64 {
        const SHORT_HEAD: u64 = 24;
        const LONG_HEAD: u64 = 40;
        if lsn == 0 {
            0
        } else if lsn.is_multiple_of(self.segment_bytes) {
            lsn + LONG_HEAD
        } else if lsn.is_multiple_of(self.block_bytes) {
            lsn + SHORT_HEAD
        } else {
            lsn
        }
    }
}
