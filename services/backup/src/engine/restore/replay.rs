//! A server that recovers, watched until it is where it is to end.

use std::time::Duration;

use tokio::time::Instant;
use weir_upstream::{Connection, Row};

use super::recovery::{End, written_lsn};
use super::server::Server;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::plan::restore::Choice;
use crate::repo::state::Position;

/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// One that has replayed nothing for so long near the end of the log has replayed it all.
const QUIET: Duration = Duration::from_secs(3);
/// A server that gave up has ended within this time.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// What a server says that came to the end of the log before what it was to find.
const NOT_REACHED: &str = "recovery ended before configured recovery target was reached";

const QUESTION: &str = "select pg_is_in_recovery() as recovering, \
     case when pg_is_in_recovery() then pg_is_wal_replay_paused() else false end as paused, \
     coalesce(pg_last_wal_replay_lsn() - '0/0'::pg_lsn, 0)::text as lsn, \
     (select wait_event from pg_stat_activity where backend_type = 'startup') as waits";

/// Waits until a server has recovered to its end, which is said by what it was told. Returns where that is.
pub(super) async fn to_its_end(
    server: &mut Server,
    choice: &Choice,
    within: Duration,
    pace: &Pace,
) -> Result<Position, Error> {
    let total = choice.to.lsn.saturating_sub(choice.from.lsn);
    pace.progress().begin("replay", total);
    server
        .ready(within, pace.stop())
        .await
        .map_err(|error| told(error, choice))?;
    let database = server.target().database().to_owned();
    let mut connection = match server.ask(&database).await {
        Ok(connection) => connection,
        Err(error) => return Err(why(server, error, choice).await),
    };
    let (mut seen, mut since) = (choice.from.lsn, Instant::now());
    loop {
        let at = ask(server, &mut connection, choice).await?;
        if at.lsn > seen {
            pace.progress().add(at.lsn - seen);
            (seen, since) = (at.lsn, Instant::now());
        }
        if at.is_at_end(choice, since.elapsed()) {
            connection.close().await;
            return Ok(Position {
                timeline: choice.to.timeline,
                lsn: at.lsn,
            });
        }
        if pace.stop().is_cancelled() {
            return Err(Error::Stopped);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Where a server is.
struct At {
    lsn: u64,
    recovering: bool,
    paused: bool,
    /// It asked for more log, and there was none.
    waits: bool,
}

impl At {
    fn is_at_end(&self, choice: &Choice, quiet: Duration) -> bool {
        if choice.end != End::Log {
            return self.paused || !self.recovering;
        }
        // The last record may lie some way before the last byte that is held.
        let segment = choice
            .backup
            .as_ref()
            .map_or(0, |backup| u64::from(backup.wal_segment_bytes));
        let is_near = self.lsn >= choice.to.lsn.saturating_sub(segment.max(1 << 20));
        !self.recovering || (is_near && (self.waits || quiet >= QUIET))
    }
}

async fn ask(server: &mut Server, connection: &mut Connection, choice: &Choice) -> Result<At, Error> {
    let rows = match connection.simple_query(QUESTION).await {
        Ok(rows) => rows,
        Err(error) => return Err(why(server, error.into(), choice).await),
    };
    let row: &Row = rows.first().ok_or_else(|| Error::Program {
        program: "postgres".to_owned(),
        said: "it does not say how far it has recovered".to_owned(),
    })?;
    Ok(At {
        lsn: row.parse("lsn")?,
        recovering: row.flag("recovering")?,
        paused: row.flag("paused")?,
        waits: row.get("waits") == Some("RecoveryRetrieveRetryInterval"),
    })
}

/// Why a server does not answer: most likely it ends, and says why better itself.
async fn why(server: &mut Server, error: Error, choice: &Choice) -> Error {
    let until = Instant::now() + ENDS_WITHIN;
    while Instant::now() < until {
        if let Err(ended) = server.alive() {
            return told(ended, choice);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    error
}

/// An error of a server, in the words of the order where it is one of the order's.
fn told(error: Error, choice: &Choice) -> Error {
    match error {
        Error::Program { said, .. } if said.contains(NOT_REACHED) => Error::Refused {
            slug: "backup-restore-target-late",
            reason: format!(
                "the log until {} holds nothing at or after what recovery was to end at",
                written_lsn(choice.to.lsn)
            ),
        },
        other => other,
    }
}
