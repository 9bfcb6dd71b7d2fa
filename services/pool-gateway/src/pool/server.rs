//! One server connection with the place it holds in its pool, and what its session has been made to look like.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;
use weir_runtime::Stage;
use weir_upstream::{ConnectOptions, Connection};

use super::cards::Card;
use super::queue::Grant;
use super::{Address, Pool, Unanswered};
use crate::error::Error;
use crate::profile::Profile;
use crate::workers::current_worker;

/// How long a connection that is being closed keeps its place at most.
const PLACE_KEPT_FOR: Duration = Duration::from_millis(500);

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

    /// Whose place it is.
    pub(super) fn pool(&self) -> Option<Arc<Pool>> {
        self.pool.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(pool) = self.pool.take() else { return };
        let mut was_closing = std::mem::take(&mut self.is_closing);
        let worker = current_worker();
        // Outside the lock: what a caller refuses, because it has gone, comes back here and is offered to the next.
        while let Some(heir) = pool.with_queue(|queue| queue.heir(std::mem::take(&mut was_closing), worker)) {
            match heir.send(Grant::Place(Self::counted(pool.clone()))) {
                Ok(()) => return,
                Err(Grant::Place(mut refused)) => refused.pool = None,
                Err(Grant::Server(_)) => {}
            }
        }
    }
}

/// What is known of a statement that was prepared on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The age of the definitions that it was parsed under; 0 where nobody knows whether it is there at all.
    pub(crate) definitions: u64,
    /// The batch in which it was sent, until the server has said that it is there; then 0. An error in a batch makes
    /// the server skip the rest of it.
    pub(crate) batch: u64,
}

impl Standing {
    /// Nobody knows whether it is there: it is closed and parsed anew before it is used.
    pub(crate) const DOUBTED: Self = Self {
        definitions: 0,
        batch: 0,
    };
    /// As [`Standing::definitions`]: it is parsed anew when a client parses it.
    pub(crate) const OUTDATED: u64 = u64::MAX;
}

/// A connection of a pool. Dropping it closes the socket and frees its place.
#[derive(Debug)]
pub(crate) struct Server {
    /// What is shown of it.
    card: Arc<Card>,
    // The order matters: the connection is gone before the place is free.
    connection: Connection,
    place: Place,
    pool: Arc<Pool>,
    expires_at: Instant,
    /// Where it leads.
    address: Arc<Address>,
    idle_since: Instant,
    /// The thread whose reactor watches the socket.
    worker: usize,
    profile: Arc<Profile>,
    /// The statements prepared on it.
    prepared: LruCache<u64, Standing>,
}

impl Server {
    /// Opens a connection on a place. The place is given back when this fails.
    pub(super) async fn open(pool: &Arc<Pool>, place: Place) -> Result<Box<Self>, Error> {
        let options = ConnectOptions {
            timeout: Some(pool.common.connect_timeout()),
            application_name: Some("weir".to_owned()),
            database: Some(pool.key.database.clone()),
            ..pool.identity()
        };
        let connection = Box::pin(Connection::connect(&pool.member.target, options)).await?;
        if pool.common.members.are_several() && pool.is_primary() && is_standby(&connection) {
            connection.close().await;
            pool.common.members.doubt();
            return Err(pool.left());
        }
        pool.opened();
        let address = pool.member.addresses.opened(connection.address());
        let opened_at = Instant::now();
        let expires_at = opened_at + jittered(pool.common.live().recycle_after, connection.process_id());
        let prepared_max = NonZeroUsize::new(pool.common.live().prepared_max).unwrap_or(NonZeroUsize::MIN);
        Ok(Box::new(Self {
            card: pool.cards.make(connection.process_id()),
            connection,
            place,
            pool: pool.clone(),
            expires_at,
            address,
            idle_since: opened_at,
            worker: current_worker(),
            profile: pool.common.profiles.baseline(),
            prepared: LruCache::new(prepared_max),
        }))
    }

    /// Its number among all of this process.
    pub(crate) fn number(&self) -> u64 {
        self.card.number
    }

    /// What is shown of it.
    pub(super) const fn card(&self) -> &Arc<Card> {
        &self.card
    }

    pub(crate) const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The thread whose reactor watches its socket.
    pub(super) const fn worker(&self) -> usize {
        self.worker
    }

    /// The same connection, watched by the thread that calls. `None`: it was lost on the way.
    pub(super) fn here(self: Box<Self>) -> Option<Box<Self>> {
        let worker = current_worker();
        if self.worker == worker {
            return Some(self);
        }
        let connection = self.connection.move_here().ok()?;
        Some(Box::new(Self {
            connection,
            worker,
            ..*self
        }))
    }

    /// What its session looks like now.
    pub(crate) const fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    pub(super) fn profile_id(&self) -> u64 {
        self.profile.id()
    }

    /// Its session looks like this from now on.
    pub(crate) fn wears(&mut self, profile: Arc<Profile>) {
        self.profile = profile;
    }

    /// Makes its session look as a client's does: one round trip, or none where it does already.
    pub(crate) async fn wear(&mut self, profile: &Arc<Profile>) -> Result<(), Error> {
        let Some(path) = self.profile.path_to(profile) else {
            return Ok(());
        };
        self.connection.simple_query(&path).await?;
        self.profile = profile.clone();
        Ok(())
    }

    /// Ends what is open and forgets what was set, prepared and made in its session.
    pub(crate) async fn reset(&mut self) -> Result<(), Error> {
        self.connection.reset().await?;
        self.forget();
        Ok(())
    }

    /// The session was emptied.
    fn forget(&mut self) {
        self.forget_settings();
        self.prepared.clear();
        self.connection.forget_all_prepared();
    }

    /// The settings of the session are those of a fresh one.
    pub(crate) fn forget_settings(&mut self) {
        self.profile = self.pool.common.profiles.baseline();
    }

    /// The statements prepared on it.
    pub(crate) const fn prepared(&mut self) -> &mut LruCache<u64, Standing> {
        &mut self.prepared
    }

    /// Whether it may serve another caller.
    pub(super) fn is_fit(&self, now: Instant) -> bool {
        self.connection.is_clean() && self.is_spent(now).is_none()
    }

    /// Why it is to be closed although nothing is wrong with it, if it is.
    pub(super) fn is_spent(&self, now: Instant) -> Option<&'static str> {
        if now >= self.expires_at {
            Some("age")
        } else {
            self.address.is_left().then_some("dns")
        }
    }

    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        now.duration_since(self.idle_since)
    }

    /// Why it is closed when it is not fit.
    pub(super) fn flaw(&self, now: Instant) -> &'static str {
        let spent = self.is_spent(now).filter(|_| self.connection.is_clean());
        spent.unwrap_or("broken")
    }

    pub(super) fn touch(&mut self, now: Instant) {
        self.idle_since = now;
        self.card.note(self.prepared.len(), self.profile.id());
    }

    /// Closes the connection: a query that still runs on it is cancelled first, so that it does not outlive its caller.
    pub(super) fn close(self: Box<Self>, reason: &'static str) {
        self.close_after(reason, Unanswered::default());
    }

    /// Closes the connection as soon as the last of the requests runs that it still has to answer.
    pub(super) fn close_after(self: Box<Self>, reason: &'static str, unanswered: Unanswered) {
        let Self {
            connection,
            mut place,
            pool,
            ..
        } = *self;
        pool.with_queue(super::Queue::count_closing);
        place.is_closing = true;
        pool.common
            .metrics
            .connections_closed
            .with([&pool.key.database, reason])
            .inc();
        let tasks = pool.common.tasks.clone();
        let limit = pool.common.connect_timeout();
        tasks.spawn_short(Stage::Flow, "close connection", async move {
            let mut closing = pin!(end(connection, unanswered, limit));
            // A server that is cut off keeps nobody from opening another connection.
            let in_time = tokio::time::timeout(PLACE_KEPT_FOR, &mut closing).await;
            drop(place);
            if in_time.is_err() {
                closing.await;
            }
        });
    }
}

/// Closes a connection, and cancels first what runs on it. Where it does not come to the last request in time, the
/// server goes on with what it has, as it does whenever a client goes.
async fn end(mut connection: Connection, mut unanswered: Unanswered, limit: Duration) {
    let at_last = tokio::time::timeout(limit, unanswered.up_to_last(&mut connection)).await;
    if connection.is_broken() && at_last == Ok(true) {
        // A server that is gone needs no cancel; then this fails, and the socket is closed all the same.
        let _ = connection.cancel_token().cancel().await;
    }
    connection.close().await;
}

impl Pool {
    fn opened(&self) {
        self.with_queue(super::Queue::count_opened);
        self.common.metrics.connections_opened.with([&self.key.database]).inc();
    }
}

/// Whether the server says that it is a standby; PostgreSQL does from version 14 on.
fn is_standby(connection: &Connection) -> bool {
    connection.parameter("in_hot_standby") == Some("on")
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
