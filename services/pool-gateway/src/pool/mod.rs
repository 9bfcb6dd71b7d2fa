//! Server connections, shared: one pool for each database of the upstream.
//!
//! A freed connection goes straight to the caller who waits longest; otherwise it rests on top of the idle ones, so
//! that those below grow old and are closed. No connection is handed on unless its protocol state is known.

mod lease;
mod queue;
mod server;
mod upkeep;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_runtime::{Dependency, TaskResult, Tasks};
use weir_upstream::Target;

pub(crate) use lease::Lease;
use queue::{Grant, Next, Queue, Turn};
use server::{Place, Server};

use crate::error::Error;
use crate::metrics::Metrics;
use crate::settings::Bounds;

/// What every pool of this gateway has in common.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) target: Target,
    pub(crate) bounds: Bounds,
    pub(crate) waiting_max: usize,
    pub(crate) pools_max: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) recycle_after: Duration,
    pub(crate) tasks: Tasks,
    pub(crate) metrics: Arc<Metrics>,
}

/// The state of one pool, for metrics and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PoolState {
    pub(crate) idle: usize,
    pub(crate) active: usize,
    pub(crate) waiting: usize,
    pub(crate) opened_total: u64,
    pub(crate) closed_total: u64,
}

/// The connections to one database.
#[derive(Debug)]
pub(crate) struct Pool {
    database: String,
    common: Arc<Common>,
    queue: Mutex<Queue>,
}

impl Pool {
    fn new(database: String, common: Arc<Common>) -> Self {
        let queue = Mutex::new(Queue::new(common.bounds, common.waiting_max));
        Self {
            database,
            common,
            queue,
        }
    }

    /// The state now.
    pub(crate) fn state(&self) -> PoolState {
        self.with_queue(|queue| queue.state())
    }

    fn with_queue<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a connection: an idle one, a new one, or the next that is freed.
    pub(crate) async fn acquire(self: &Arc<Self>, timeout: Duration) -> Result<Lease, Error> {
        let begun = Instant::now();
        let server = tokio::time::timeout(timeout, self.next_server(Turn::Behind)).await;
        self.common
            .metrics
            .pool_wait_seconds
            .with([&self.database])
            .observe(begun.elapsed().as_secs_f64());
        match server {
            Ok(server) => Ok(Lease::new(server?, self.clone())),
            Err(_) => Err(self.timed_out(timeout)),
        }
    }

    async fn next_server(self: &Arc<Self>, turn: Turn) -> Result<Server, Error> {
        loop {
            match self.with_queue(|queue| queue.next(turn)) {
                Next::Idle(server) if server.is_fit() => return Ok(server),
                // Found unfit on the way out: its place is given back by the drop, and the queue is asked again.
                Next::Idle(server) => {
                    let reason = server.flaw();
                    server.close(reason);
                }
                Next::Open => return Server::open(self, Place::counted(self.clone())).await,
                Next::Wait(granted) => {
                    return self.granted(granted).await;
                }
                Next::Full { waiting } => {
                    return Err(Error::QueueFull {
                        database: self.database.clone(),
                        waiting,
                    });
                }
                Next::Stopping => return Err(Error::Stopping),
            }
        }
    }

    async fn granted(self: &Arc<Self>, granted: oneshot::Receiver<Grant>) -> Result<Server, Error> {
        let mut waiting = Waiting { granted, pool: self };
        match (&mut waiting.granted).await {
            Ok(Grant::Server(server)) => Ok(*server),
            Ok(Grant::Place(place)) => Server::open(self, place).await,
            Err(_) => Err(Error::Stopping),
        }
    }

    /// Closes all idle connections. The next callers open new ones.
    fn distrust_idle(&self) {
        for server in self.with_queue(Queue::take_idle) {
            server.close("broken");
        }
    }

    fn timed_out(&self, waited: Duration) -> Error {
        let state = self.state();
        Error::PoolTimeout {
            database: self.database.clone(),
            waited,
            active: state.active,
            max: self.common.bounds.max,
            waiting: state.waiting,
        }
    }
}

/// Somebody in the queue. One who leaves it passes on what came in the same moment.
struct Waiting<'p> {
    granted: oneshot::Receiver<Grant>,
    pool: &'p Pool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.granted.close();
        if let Ok(Grant::Server(server)) = self.granted.try_recv() {
            lease::give_back(self.pool, *server);
        }
    }
}

/// All pools of the gateway.
#[derive(Debug)]
pub(crate) struct Pools {
    common: Arc<Common>,
    pools: Mutex<HashMap<String, Arc<Pool>>>,
}

impl Pools {
    /// No pool yet but that of the upstream's own database.
    pub(crate) fn new(common: Common) -> Arc<Self> {
        let pools = Arc::new(Self {
            common: Arc::new(common),
            pools: Mutex::default(),
        });
        // One pool fits always: the limit is at least one.
        let _ = pools.get("");
        pools
    }

    /// The pool of a database; of the upstream's own where none is named.
    pub(crate) fn get(&self, database: &str) -> Result<Arc<Pool>, Error> {
        let database = if database.is_empty() {
            self.common.target.database()
        } else {
            database
        };
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(database) {
            return Ok(pool.clone());
        }
        if pools.len() >= self.common.pools_max.max(1) {
            return Err(Error::TooManyPools {
                database: database.to_owned(),
                max: self.common.pools_max,
            });
        }
        let pool = Arc::new(Pool::new(database.to_owned(), self.common.clone()));
        pools.insert(database.to_owned(), pool.clone());
        Ok(pool)
    }

    /// Forgets a pool that has no connection and no caller, such as one for a database that does not exist.
    fn forget_if_empty(&self, database: &str) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = |pool: &Arc<Pool>| Arc::strong_count(pool) == 1 && pool.with_queue(|queue| queue.is_empty());
        if database != self.common.target.database() && pools.get(database).is_some_and(unused) {
            pools.remove(database);
        }
    }

    /// Every pool with its database.
    pub(crate) fn all(&self) -> Vec<(String, Arc<Pool>)> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools
            .iter()
            .map(|(database, pool)| (database.clone(), pool.clone()))
            .collect()
    }

    /// The database that callers get who name none.
    pub(crate) fn own_database(&self) -> String {
        self.common.target.database().to_owned()
    }

    /// What the pools have in common.
    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    /// Sets the gauges that mirror the pools.
    pub(crate) fn show(&self) {
        for (database, pool) in self.all() {
            let state = pool.state();
            let set = |name, value: usize| {
                self.common
                    .metrics
                    .pool_size
                    .with([&database, name])
                    .set(ratio_part(value));
            };
            set("idle", state.idle);
            set("active", state.active);
            set("waiting", state.waiting);
            set("total", state.idle + state.active);
            let utilization = ratio_part(state.active) / ratio_part(self.common.bounds.max);
            self.common
                .metrics
                .pool_utilization_ratio
                .with([&database])
                .set(utilization);
        }
    }

    /// Keeps the pools in shape until told to stop, then closes them.
    pub(crate) async fn upkeep(self: Arc<Self>, upstream: Dependency, stop: CancellationToken) -> TaskResult {
        upkeep::run(&self, &upstream, &stop).await;
        Ok(())
    }
}

/// Pool sizes are small; a float holds them exactly.
fn ratio_part(value: usize) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}
