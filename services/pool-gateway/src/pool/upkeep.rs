//! Keeps pools in shape: opens up to the minimum, closes what is old or long idle, and knows whether the upstream is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_model::{Coded as _, ErrorClass};
use weir_runtime::Dependency;

use super::lease::give_back;
use super::server::{Place, Server};
use super::{Breaker, Lease, Pool, Pools, Queue, Turn};
use crate::error::Error;
use crate::workers::current_worker;

/// How often the pools are looked at,
const PERIOD: Duration = Duration::from_secs(1);
/// and how often while the server is away, so that it is used again soon after it is back.
const PERIOD_AWAY: Duration = Duration::from_millis(200);

pub(super) async fn run(pools: &Pools, upstream: &Dependency, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = async { tokio::time::sleep(round(pools, upstream).await).await } => {}
            // What was asked of the old primary is of no interest any more.
            () = pools.common().members.moved.notified() => {}
            () = stop.cancelled() => {}
        }
    }
    for pool in pools.all() {
        for server in pool.with_queue(Queue::stop) {
            server.close("shutdown");
        }
    }
}

/// Looks at all pools once. Returns when to do so again.
async fn round(pools: &Pools, upstream: &Dependency) -> Duration {
    let mut period = PERIOD;
    // Whoever is the primary now is asked, whether anybody has called since it is or not. One pool fits always.
    let _ = pools.get("");
    for pool in pools.all() {
        trim(&pool);
        pool.use_room();
        if pools.is_own(&pool.key) {
            match probe(&pool).await {
                Some(Ok(())) => {
                    pool.member.with_breaker(Breaker::succeeded);
                    upstream.up();
                }
                Some(Err(error)) => {
                    // A server that says no is there: those who are connected stay so.
                    if error.class() == ErrorClass::Unavailable {
                        pool.distrust_idle();
                        pool.member.erred(error.slug());
                        period = PERIOD_AWAY;
                    }
                    upstream.down(format!("{}: {error}", named(pools)));
                }
                None => {}
            }
        }
        let key = pool.key.clone();
        drop(pool);
        pools.forget_if_empty(&key);
    }
    period
}

/// The settings that say where the server is.
fn named(pools: &Pools) -> &'static str {
    if pools.common().members.are_several() {
        "settings database.url and gateway.replicas"
    } else {
        "setting database.url"
    }
}

fn trim(pool: &Arc<Pool>) {
    let idle_timeout = pool.common.live().idle_timeout;
    let now = Instant::now();
    let is_idle_long = |server: &Server| server.idle_for(now) >= idle_timeout;
    let expired = pool.with_queue(|queue| queue.expired(|server| server.is_spent(now), is_idle_long));
    for (server, reason) in expired {
        server.close(reason);
    }
}

/// Fills the pool to its minimum, and asks one connection whether the server is there. `None` where none came free to
/// be asked: that says nothing of the server.
async fn probe(pool: &Arc<Pool>) -> Option<Result<(), Error>> {
    match fill(pool).await {
        Err(error) if !pool.may_share(&error) => return Some(Err(error)),
        _ => {}
    }
    // Long enough for one who opens a connection in vain to make room for this question.
    let patience = pool.common.connect_timeout() * 2;
    let turn = Turn::Before {
        worker: current_worker(),
    };
    match tokio::time::timeout(patience, pool.next_server(turn)).await {
        Ok(Ok(server)) => Some(ping(pool, Lease::new(server, pool.clone())).await),
        Ok(Err(Error::Stopping)) | Err(_) => None,
        Ok(Err(error)) => Some(Err(error)),
    }
}

async fn fill(pool: &Arc<Pool>) -> Result<(), Error> {
    for _ in 0..pool.bounds().min {
        if !pool.with_queue(Queue::place_below_min) {
            break;
        }
        let place = Place::counted(pool.clone());
        give_back(pool, Server::open(pool, place).await?, Instant::now());
    }
    Ok(())
}

async fn ping(pool: &Pool, mut lease: Lease) -> Result<(), Error> {
    let limit = pool.common.connect_timeout();
    let Some(connection) = lease.connection() else {
        return Ok(());
    };
    match tokio::time::timeout(limit, connection.ping()).await {
        Ok(answered) => answered.map_err(Error::from),
        Err(_) => Err(Error::from(weir_upstream::Error::Timeout {
            place: pool.member.name.clone(),
            after: limit,
        })),
    }
}
