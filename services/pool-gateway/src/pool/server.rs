//! One server connection with the place it holds in its pool.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_runtime::Stage;
use weir_upstream::{ConnectOptions, Connection};

use super::Pool;
use super::queue::Grant;
use crate::error::Error;

/// What values look like does not depend on the settings of a role or a database.
const SESSION: [(&str, &str); 4] = [
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
];

/// A place in a pool. Its drop offers it to the caller who waits longest.
#[derive(Debug)]
pub(super) struct Place {
    pool: Option<Arc<Pool>>,
    is_closing: bool,
}

impl Place {
    /// The guard of a place that the queue has counted.
    pub(super) const fn counted(pool: Arc<Pool>) -> Self {
        Self {
            pool: Some(pool),
            is_closing: false,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(pool) = self.pool.take() else { return };
        let mut was_closing = std::mem::take(&mut self.is_closing);
        // Outside the lock: what a caller refuses, because it has gone, comes back here and is offered to the next.
        while let Some(heir) = pool.with_queue(|queue| queue.heir(std::mem::take(&mut was_closing))) {
            match heir.send(Grant::Place(Self::counted(pool.clone()))) {
                Ok(()) => return,
                Err(Grant::Place(mut refused)) => refused.pool = None,
                Err(Grant::Server(_)) => {}
            }
        }
    }
}

/// A connection of a pool. Dropping it closes the socket and frees its place.
#[derive(Debug)]
pub(super) struct Server {
    // The order matters: the connection is gone before the place is free.
    connection: Connection,
    place: Place,
    pool: Arc<Pool>,
    expires_at: Instant,
    idle_since: Instant,
}

impl Server {
    /// Opens a connection on a place. The place is given back when this fails.
    pub(super) async fn open(pool: &Arc<Pool>, place: Place) -> Result<Self, Error> {
        let options = ConnectOptions {
            timeout: Some(pool.common.connect_timeout),
            application_name: Some("weir".to_owned()),
            database: Some(pool.database.clone()),
            parameters: SESSION
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let connection = Connection::connect(&pool.common.target, options).await?;
        pool.with_queue(super::Queue::count_opened);
        pool.common.metrics.connections_opened.with([&pool.database]).inc();
        let opened_at = Instant::now();
        let expires_at = opened_at + jittered(pool.common.recycle_after, connection.process_id());
        Ok(Self {
            connection,
            place,
            pool: pool.clone(),
            expires_at,
            idle_since: opened_at,
        })
    }

    pub(super) const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Whether it may serve another caller.
    pub(super) fn is_fit(&self) -> bool {
        self.connection.is_clean() && !self.is_old()
    }

    pub(super) fn is_old(&self) -> bool {
        Instant::now() >= self.expires_at
    }

    pub(super) fn idle_for(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// Why it is closed when it is not fit.
    pub(super) fn flaw(&self) -> &'static str {
        if self.connection.is_clean() { "age" } else { "broken" }
    }

    pub(super) fn touch(&mut self) {
        self.idle_since = Instant::now();
    }

    /// Closes the connection: a query that still runs on it is cancelled first, so that it does not outlive its caller.
    pub(super) fn close(self, reason: &'static str) {
        let Self {
            connection,
            mut place,
            pool,
            ..
        } = self;
        pool.with_queue(super::Queue::count_closing);
        place.is_closing = true;
        pool.common
            .metrics
            .connections_closed
            .with([&pool.database, reason])
            .inc();
        pool.common
            .tasks
            .spawn_short(Stage::Flow, "close connection", async move {
                if connection.is_broken() {
                    // A server that is gone needs no cancel; then this fails, and the socket is closed all the same.
                    let _ = connection.cancel_token().cancel().await;
                }
                connection.close().await;
                drop(place);
            });
    }
}

/// Spreads the ends of connections that were opened together: up to a tenth sooner or later, by a number of theirs.
fn jittered(age: Duration, number: i32) -> Duration {
    let spread = age / 5;
    let share = f64::from(number.rem_euclid(101)) / 100.0;
    age - spread / 2 + spread.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_differ_by_a_tenth_at_most() {
        let hour = Duration::from_secs(3600);
        for number in [-5, 0, 17, 50, 100, i32::MAX, i32::MIN] {
            let age = jittered(hour, number);
            assert!(age >= hour * 9 / 10 && age <= hour * 11 / 10, "{number}: {age:?}");
        }
        assert_ne!(jittered(hour, 1), jittered(hour, 2));
    }
}
