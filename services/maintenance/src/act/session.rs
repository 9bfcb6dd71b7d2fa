//! A connection of maintenance's own to the user's database, past the pool, on which statements run under watch.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_upstream::{ConnectOptions, Connection, Row, ServerError, Target};

use super::{Guard, Halt};
use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a cancelled statement may take to end; then the connection is given up.
const END_WITHIN: Duration = Duration::from_secs(30);
/// Time between two requests to cancel it.
const CANCEL_EVERY: Duration = Duration::from_secs(1);

/// No statement of maintenance takes more than one process: users need the others. A parallel REINDEX of a second made
/// theirs 2.6 times as slow on a machine of two.
pub(crate) const ALONE: [&str; 2] = ["max_parallel_maintenance_workers", "max_parallel_workers_per_gather"];

/// How long statements of a session may wait and take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Longest wait for a lock.
    pub lock: Duration,
    /// Longest time of one statement.
    pub statement: Duration,
}

/// One session at the user's database.
pub(crate) struct Session {
    connection: Connection,
}

impl Session {
    /// Connects, under a name that people see in `pg_stat_activity`.
    pub(crate) async fn open(target: &Target, name: &str, limits: Limits) -> Result<Self, Error> {
        let ms = |limit: Duration| limit.as_millis().to_string();
        let alone = ALONE.map(|name| (name.to_owned(), "0".to_owned()));
        let limits = [
            ("lock_timeout".to_owned(), ms(limits.lock)),
            ("statement_timeout".to_owned(), ms(limits.statement)),
        ];
        let options = ConnectOptions {
            timeout: Some(CONNECT_TIMEOUT),
            application_name: Some(name.to_owned()),
            parameters: limits.into_iter().chain(alone).collect(),
            ..ConnectOptions::default()
        };
        let connection = Connection::connect(target, options).await?;
        Ok(Self { connection })
    }

    /// The connection, for small questions that need no watch.
    pub(crate) const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Runs statements until they are done or the guard trips; then they are cancelled, and have ended when this
    /// returns, unless the server is gone. What the server remarked is in [`Session::remarks`].
    pub(crate) async fn run(&mut self, sql: &str, guard: &Guard<'_>) -> Result<Vec<Row>, Halt> {
        let (pid, cancel) = (self.connection.process_id(), self.connection.cancel_token());
        let mut trips = Box::pin(guard.trips(pid));
        // What has a reason to end already is not begun.
        tokio::select! {
            biased;
            halt = &mut trips => return Err(halt),
            () = std::future::ready(()) => {}
        }
        let mut statement = Box::pin(self.connection.simple_query(sql));
        let halt = tokio::select! {
            ended = &mut statement => return Ok(ended?),
            halt = trips => halt,
        };
        let begun = Instant::now();
        while begun.elapsed() < END_WITHIN {
            // A server that cannot be reached has nothing to cancel. One that has only just been sent the statement
            // may not have begun with it, and cancels nothing, so it is asked again.
            let _ = cancel.cancel().await;
            match timeout(CANCEL_EVERY, &mut statement).await {
                // It was done before the cancel arrived.
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(_)) => break,
                Err(_) => {}
            }
        }
        Err(halt)
    }

    /// Whether it is of no use any more.
    pub(crate) const fn is_broken(&self) -> bool {
        self.connection.is_broken()
    }

    /// What the server remarked since the last call.
    pub(crate) fn remarks(&mut self) -> Vec<ServerError> {
        self.connection.take_notices()
    }

    /// Ends the session.
    pub(crate) async fn close(self) {
        self.connection.close().await;
    }
}
