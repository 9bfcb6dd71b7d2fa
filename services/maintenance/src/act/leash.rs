//! How long work may go on: as long as its guard lets it, or for the short time that tidying up takes.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use weir_upstream::Row;

use super::{Guard, Halt, Session};

/// How long tidying up may take after a halt; what is left then is found by the next sweep.
const TIDY_WITHIN: Duration = Duration::from_secs(45);

/// What ends a piece of work.
#[derive(Clone, Copy)]
pub(crate) enum Leash<'a> {
    /// A guard that watches the users.
    Guard(&'a Guard<'a>),
    /// A moment: after a halt there is something to remove, whatever the guard says.
    Until(Instant),
}

impl Leash<'_> {
    /// As long as tidying up may take from now on.
    pub(crate) fn to_tidy_up() -> Self {
        Self::Until(Instant::now() + TIDY_WITHIN)
    }

    /// Runs statements, and cancels them at the end.
    pub(crate) async fn run(&self, session: &mut Session, sql: &str) -> Result<Vec<Row>, Halt> {
        let until = match self {
            Self::Guard(guard) => return session.run(sql, guard).await,
            Self::Until(until) => *until,
        };
        let cancel = session.connection().cancel_token();
        let mut statement = Box::pin(session.connection().simple_query(sql));
        if let Ok(ended) = timeout_at(until, &mut statement).await {
            return Ok(ended?);
        }
        // A server that cannot be reached has nothing to cancel.
        let _ = cancel.cancel().await;
        let grace = Instant::now() + Duration::from_secs(5);
        match timeout_at(grace, statement).await {
            Ok(Ok(rows)) => Ok(rows),
            _ => Err(no_time()),
        }
    }

    /// Waits, unless it ends meanwhile.
    pub(crate) async fn pause(&self, session: &mut Session, wait: Duration) -> Result<(), Halt> {
        let guard = match self {
            Self::Guard(guard) => *guard,
            Self::Until(until) if Instant::now() + wait >= *until => return Err(no_time()),
            Self::Until(_) => {
                sleep(wait).await;
                return Ok(());
            }
        };
        let pid = session.connection().process_id();
        tokio::select! {
            () = sleep(wait) => Ok(()),
            halt = guard.trips(pid) => Err(halt),
        }
    }
}

fn no_time() -> Halt {
    Halt::Failed(weir_upstream::Error::Timeout {
        place: "the database, asked to tidy up,".to_owned(),
        after: TIDY_WITHIN,
    })
}
