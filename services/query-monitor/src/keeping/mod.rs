//! Statistics into the store and out of it again: batches in, spans put together, the past remembered at a start.
//!
//! What was counted is in memory until its batch is written. A batch has a number and is tried until the store has it,
//! however that ends; only a process that dies without a word loses one, and the numbers of the gateways' messages
//! tell how much was in it.

mod flush;
mod forget;
mod over_time;
mod read;
mod remember;

use std::sync::Arc;
use std::time::Duration;

use weir_footing::Tables;
use weir_model::Clock;
use weir_runtime::{Ground, Stage};
use weir_store::Store;

use crate::aggregate::{Kept, Level, PerLevel, Retention};
use crate::metrics::Metrics;
use crate::observe::Shared;
use crate::store::Written;

pub(crate) use read::Period;

/// How long ago a gateway may have been heard of for its counts to be shown still.
const GATEWAYS_FOR_MS: i64 = 7 * 86_400_000;

/// Moves statistics between memory and the store.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    pub(crate) store: Store,
    pub(crate) shared: Shared,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    /// The name of this monitor: new at each start, as its counts begin anew.
    pub(crate) monitor: Arc<str>,
    pub(crate) flush_every: Duration,
    pub(crate) tidy_every: Duration,
    pub(crate) retention: Retention,
    pub(crate) shapes_max: usize,
}

impl Keeper {
    /// Which rows there are now.
    pub(crate) fn kept(&self, written: &Written, now_unix_ms: i64) -> Kept {
        let mut from_unix_ms = PerLevel::default();
        for level in Level::ALL {
            let back = i64::try_from(self.retention.of(level).as_millis()).unwrap_or(i64::MAX);
            *from_unix_ms.of_mut(level) = level.floor(now_unix_ms.saturating_sub(back));
        }
        Kept {
            from_unix_ms,
            until_unix_ms: written.made_until,
        }
    }
}

/// Starts what moves statistics, once the tables are there.
pub(crate) fn start(ground: &Ground, tables: &Tables, keeper: &Keeper) {
    let (flushing, there) = (keeper.clone(), tables.clone());
    // After everything that counts.
    ground.tasks.spawn(Stage::Watch, "write statistics", |stop| async move {
        if there.are_there(&stop).await {
            flushing.remember_in_time(&stop).await;
            flushing.flush(stop).await
        } else {
            Ok(())
        }
    });
    let (making, there) = (keeper.clone(), tables.clone());
    ground
        .tasks
        .spawn(Stage::Work, "put statistics together", |stop| async move {
            if there.are_there(&stop).await {
                making.put_together(stop).await
            } else {
                Ok(())
            }
        });
}
