//! Tells the bus when a pool is nearly used up, and when it no longer is.

use std::collections::HashMap;

use tokio::time::Instant;
use weir_bus::Bus;
use weir_proto::events::v1::{PoolPressure, PoolState};
use weir_runtime::Stage;

use super::Door;
use crate::pool::{Change, Pool, PoolKey, Pressure};
use crate::tap::message;

/// The pressure of every pool.
#[derive(Debug)]
pub(super) struct Gauge {
    pools: HashMap<PoolKey, Pressure>,
    bus: Bus,
    instance: String,
}

impl Gauge {
    pub(super) fn new(bus: Bus, instance: String) -> Self {
        Self {
            pools: HashMap::new(),
            bus,
            instance,
        }
    }

    /// Looks at every pool.
    pub(super) fn look(&mut self, door: &Door) {
        let (all, now) = (door.pools.all(), Instant::now());
        self.pools.retain(|key, _| all.iter().any(|pool| pool.key == *key));
        for pool in &all {
            let (state, max) = (pool.state(), pool.bounds().max);
            let pressure = self.pools.entry(pool.key.clone()).or_default();
            let change = pressure.look(state.active, max, now);
            let gauge = door.metrics.pool_pressure.with([&pool.key.database, &pool.key.user]);
            gauge.set(f64::from(u8::from(pressure.is_high())));
            if let Some(change) = change {
                self.tell(door, pool, change);
            }
        }
    }

    fn tell(&self, door: &Door, pool: &Pool, change: Change) {
        let reason = door.witness.why(pool);
        let (database, user) = (&pool.key.database, &pool.key.user);
        let pressure = match change {
            Change::Rose => PoolPressure::High,
            Change::Fell(_) => PoolPressure::Normal,
        };
        match change {
            Change::Rose => tracing::warn!(
                pool.database = database,
                pool.user = user,
                reason,
                "a pool is nearly used up"
            ),
            Change::Fell(lasted) => {
                tracing::info!(
                    pool.database = database,
                    pool.user = user,
                    lasted_s = lasted.as_secs(),
                    "a pool has room again"
                );
            }
        }
        let state = PoolState {
            instance: self.instance.clone(),
            at_unix_ms: door.wall.clock().unix_ms(),
            pools: vec![pool.facts()],
            pressure: pressure.into(),
            reason,
            ..PoolState::default()
        };
        let event = weir_events::gateway::pool_state(&pool.project(), &state, door.wall.clock());
        let message = message(&event);
        let bus = self.bus.clone();
        door.pools
            .common()
            .tasks
            .spawn_short(Stage::Flow, "pool state", async move {
                // Lossy: whoever listens again later sees the next change.
                if let Err(error) = bus.publish(message).await {
                    tracing::debug!(error = %error, "the state of a pool was not told");
                }
            });
    }
}
