//! Has each pool as large as its controller says, where that is wanted.

use std::collections::HashMap;
use std::time::Duration;

use super::Door;
use super::account::{Sums, Totals};
use crate::pool::{Controller, Pool, PoolKey, Seen};

/// The sweep looks so often before a controller decides.
const LOOKS: u32 = 5;

/// What is seen of the pools.
#[derive(Debug, Default)]
pub(super) struct Scale {
    pools: HashMap<PoolKey, Watched>,
    sums: Sums,
    looks: u32,
}

/// What is seen of one pool.
#[derive(Debug)]
struct Watched {
    controller: Controller,
    active: usize,
    waited: bool,
}

impl Scale {
    /// Looks at every pool, and now and then decides.
    pub(super) fn look(&mut self, door: &Door, wanted: bool) {
        if !wanted {
            return self.end(door);
        }
        let all = door.pools.all();
        self.pools.retain(|key, _| all.iter().any(|pool| pool.key == *key));
        for pool in &all {
            let (state, bounds) = (pool.state(), pool.configured());
            let watched = self.pools.entry(pool.key.clone()).or_insert_with(|| Watched {
                controller: Controller::new(bounds),
                active: 0,
                waited: false,
            });
            watched.active += state.active;
            watched.waited |= state.waiting > 0 && !state.paused;
        }
        self.looks += 1;
        if self.looks >= LOOKS {
            self.looks = 0;
            let before = std::mem::replace(&mut self.sums, door.witness.sums());
            for pool in &all {
                self.decide(door, pool, &before);
            }
        }
    }

    fn decide(&mut self, door: &Door, pool: &std::sync::Arc<Pool>, before: &Sums) {
        let of = |sums: &Sums| sums.get(&pool.key.owner()).copied().unwrap_or_default();
        let done = of(&self.sums).minus(of(before));
        let Some(watched) = self.pools.get_mut(&pool.key) else {
            return;
        };
        let active = std::mem::take(&mut watched.active);
        let seen = Seen {
            active: f64::from(u32::try_from(active).unwrap_or(u32::MAX)) / f64::from(LOOKS),
            waited: std::mem::take(&mut watched.waited),
            latency: mean(done),
        };
        let limit = watched.controller.step(seen, pool.configured());
        pool.limit(Some(limit));
        let gauge = door.metrics.pool_limit.with([&pool.key.database, &pool.key.user]);
        gauge.set(f64::from(u32::try_from(limit).unwrap_or(u32::MAX)));
    }

    /// Pools are as large as the settings say again.
    fn end(&mut self, door: &Door) {
        if self.pools.is_empty() {
            return;
        }
        for pool in door.pools.all() {
            pool.limit(None);
        }
        *self = Self::default();
    }
}

/// What a statement took the server, on average.
fn mean(done: Totals) -> Option<Duration> {
    done.server_us.checked_div(done.statements).map(Duration::from_micros)
}
