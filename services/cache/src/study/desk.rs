//! Connections for studies: a few for each database, kept while they are used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tonic::Status;
use weir_upstream::Target;

use super::session::Session;

/// Studies of one database at a time.
const AT_A_TIME: usize = 3;
/// How long a question waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that nobody has used for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// What a server process remembers of definitions grows; a new one begins anew.
const USES_MAX: u32 = 5_000;

/// Connections of all databases, by upstream and name.
#[derive(Debug, Default)]
pub(super) struct Desks(Mutex<HashMap<(String, String), Arc<Desk>>>);

#[derive(Debug)]
struct Desk {
    turns: Arc<Semaphore>,
    free: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    session: Session,
    since: Instant,
    uses: u32,
}

/// A connection that is taken. Dropped, it is closed; [`Taken::give_back`] keeps it.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) session: Session,
    uses: u32,
    desk: Arc<Desk>,
    _turn: OwnedSemaphorePermit,
}

impl Desks {
    /// A connection to a database, when it is this question's turn.
    pub(super) async fn take(&self, upstream: &str, database: &str, target: &Target) -> Result<Taken, Status> {
        let desk = self.desk(upstream, database);
        let turn = timeout(TURN_TIMEOUT, desk.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Status::resource_exhausted("too many statements are being studied"));
        };
        let (session, uses) = match desk.idle() {
            Some(idle) => (idle.session, idle.uses),
            None => (Session::open(target).await.map_err(|error| failed(&error))?, 0),
        };
        Ok(Taken {
            session,
            uses,
            desk,
            _turn: turn,
        })
    }

    /// Closes what nobody has used for a while.
    pub(super) fn sweep(&self) {
        let mut desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        desks.values().for_each(|desk| desk.sweep());
        desks.retain(|_, desk| !desk.is_unused());
    }

    fn desk(&self, upstream: &str, database: &str) -> Arc<Desk> {
        let mut desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (upstream.to_owned(), database.to_owned());
        desks.entry(key).or_default().clone()
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
            free: Mutex::default(),
        }
    }
}

impl Desk {
    fn idle(&self) -> Option<Idle> {
        self.sweep();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn sweep(&self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.retain(|idle| idle.since.elapsed() < IDLE_MAX);
    }

    fn is_unused(self: &Arc<Self>) -> bool {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.is_empty() && Arc::strong_count(self) == 1
    }
}

impl Taken {
    /// Rolls back what the study did, and keeps the connection for the next one.
    pub(super) async fn give_back(mut self) {
        let clean = self.session.end().await && self.session.connection.is_clean();
        if clean && self.uses < USES_MAX {
            let mut free = self.desk.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.push(Idle {
                session: self.session,
                since: Instant::now(),
                uses: self.uses + 1,
            });
        }
    }
}

/// A failure that may be over by the next time.
pub(super) fn failed(error: &weir_upstream::Error) -> Status {
    Status::unavailable(format!("the statement could not be studied: {error}"))
}
