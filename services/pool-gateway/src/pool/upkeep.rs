//! Keeps pools in shape: opens up to the minimum, closes what is old or long idle, and knows whether the upstream is there.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_runtime::Dependency;

use super::lease::give_back;
use super::server::{Place, Server};
use super::{Pool, Pools, Queue};
use crate::error::Error;

/// How often the pools are looked at.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) async fn run(pools: &Pools, upstream: &Dependency, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = async { round(pools, upstream).await; tokio::time::sleep(PERIOD).await } => {}
            () = stop.cancelled() => {}
        }
    }
    for (_, pool) in pools.all() {
        for server in pool.with_queue(Queue::stop) {
            server.close("shutdown");
        }
    }
}

async fn round(pools: &Pools, upstream: &Dependency) {
    for (database, pool) in pools.all() {
        trim(&pool);
        let own = database == pools.common().target.database();
        let filled = if own { probe(&pool).await } else { Ok(()) };
        if own {
            match filled {
                Ok(()) => upstream.up(),
                Err(error) => upstream.down(format!("setting database.url: {error}")),
            }
        }
        drop(pool);
        pools.forget_if_empty(&database);
    }
}

fn trim(pool: &Arc<Pool>) {
    let idle_timeout = pool.common.idle_timeout;
    let expired = pool.with_queue(|queue| queue.expired(Server::is_old, |server| server.idle_for() >= idle_timeout));
    for (server, reason) in expired {
        server.close(reason);
    }
}

/// Fills the pool to its minimum; where there is nothing to fill, asks an idle connection whether the server is there.
async fn probe(pool: &Arc<Pool>) -> Result<(), Error> {
    let mut opened = false;
    while pool.with_queue(Queue::place_below_min) {
        let place = Place::counted(pool.clone());
        give_back(pool, Server::open(pool, place).await?);
        opened = true;
    }
    if opened || pool.state().active > 0 {
        return Ok(());
    }
    let limit = pool.common.connect_timeout;
    let mut lease = pool.acquire(limit).await?;
    let Some(connection) = lease.connection() else {
        return Ok(());
    };
    match tokio::time::timeout(limit, connection.ping()).await {
        Ok(answered) => answered.map_err(Error::from),
        Err(_) => Err(Error::StatementTimeout(limit)),
    }
}
