//! A connection of its own to the primary that says what is visible, asked only while somebody wants to know.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use weir_upstream::{Connection, Error};

use super::lost::Lost;
use super::visible::Snapshot;

/// While a snapshot brings nothing new the next one is asked for a little later each time.
const PAUSE_MIN: Duration = Duration::from_micros(100);
const PAUSE_MAX: Duration = Duration::from_millis(5);
/// The server has to answer within this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

type Asking = Pin<Box<dyn Future<Output = Result<(Connection, Snapshot), Lost>> + Send>>;

/// The connection, and what it is asked.
pub(crate) struct Eyes {
    idle: Option<Connection>,
    asking: Option<Asking>,
    /// It is asked who still holds locks as well.
    is_careful: bool,
    pause: Duration,
}

impl Eyes {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self {
            idle: Some(connection),
            asking: None,
            is_careful: false,
            pause: Duration::ZERO,
        }
    }

    /// The next snapshot; a careful one sees no transaction that still holds locks. Dropped before its end, nothing is
    /// lost: the next call waits for the same answer.
    pub(crate) async fn look(&mut self, careful: bool) -> Result<Snapshot, Lost> {
        loop {
            if let Some(connection) = self.idle.take() {
                self.is_careful = careful;
                self.asking = Some(Box::pin(ask(connection, self.pause, careful)));
            }
            let Some(asking) = &mut self.asking else {
                return std::future::pending().await;
            };
            let answer = asking.await;
            self.asking = None;
            let (connection, snapshot) = answer?;
            self.idle = Some(connection);
            if self.is_careful || !careful {
                return Ok(snapshot);
            }
        }
    }

    /// Whether the last snapshot was worth asking for.
    pub(crate) fn was_useful(&mut self, useful: bool) {
        self.pause = if useful {
            Duration::ZERO
        } else {
            (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX)
        };
    }
}

async fn ask(mut connection: Connection, pause: Duration, careful: bool) -> Result<(Connection, Snapshot), Lost> {
    if !pause.is_zero() {
        sleep(pause).await;
    }
    let seen = if careful {
        careful_snapshot(&mut connection).await?
    } else {
        snapshot(&mut connection).await?
    };
    Ok((connection, seen))
}

/// What new reads see now, but for transactions that still hold locks: one that changed definitions is seen a moment
/// before others have heard that they have to look at the catalogue again, and lets go of its lock after that.
async fn careful_snapshot(connection: &mut Connection) -> Result<Snapshot, Lost> {
    const LOCKED: &str = "select transactionid::text as xid from pg_catalog.pg_locks \
                          where locktype = 'transactionid' and granted and mode = 'ExclusiveLock'";
    let seen = snapshot(connection).await?;
    let asked = connection.simple_query(LOCKED);
    let rows = timeout(ANSWER_TIMEOUT, asked).await.map_err(|_| Lost::silent())??;
    let locked = rows.iter().map(|row| row.parse("xid"));
    Ok(seen.without(locked.collect::<Result<Vec<u32>, _>>()?))
}

/// What new reads see now.
pub(crate) async fn snapshot(connection: &mut Connection) -> Result<Snapshot, Lost> {
    let asked = connection.simple_query("select pg_catalog.pg_current_snapshot()::text as seen");
    let rows = timeout(ANSWER_TIMEOUT, asked).await.map_err(|_| Lost::silent())??;
    let text = rows.first().map_or(Ok(""), |row| row.text("seen"))?;
    Snapshot::parse(text).ok_or_else(|| Lost::other(format!("the server wrote a snapshot as {text:?}")))
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}
