//! The write-ahead log on its way into the repositories.
//!
//! One instance leads for the cluster. It streams the primary's log through a slot, cuts it into segments and stores it in
//! every repository; the server hears that something is safe only once it is. What the server does not have any more is
//! told of as a gap, and the slot is given up before it fills the server's disk.

pub(crate) mod archive;
mod begin;
mod ensure;
mod exposure;
mod files;
mod guard;
pub(crate) mod header;
pub(crate) mod helper;
pub(crate) mod history;
mod log;
mod mirror;
mod reception;
mod scribe;
mod server;
mod tail;
#[cfg(test)]
mod tests;
pub(crate) mod whereabouts;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_footing::Tables;
use weir_runtime::{Ground, Stage};
use weir_store::{Leadership, LeadershipOptions};

pub(crate) use ensure::ensure;
pub use helper::helper;
pub(crate) use log::{Log, Way};

use crate::keeper::Keeper;
use log::Voice;
use reception::Reception;

/// How hard whole segments are compressed.
pub(super) const WHOLE_LEVEL: i32 = 1;
/// The same for pieces of the open one, which are stored again as a part of the whole.
pub(super) const PIECE_LEVEL: i32 = -3;

/// Receives the log, on the instance that leads.
pub(crate) fn start(ground: &Ground, tables: &Tables, keeper: Arc<Keeper>) -> Log {
    let settings = &keeper.settings;
    let metrics = Arc::clone(&keeper.metrics);
    let log = Log::new(
        &keeper.cluster.name,
        settings.wal_slot_guard_bytes,
        settings.wal_exposure_max,
        metrics,
    );
    let shown = log.clone();
    ground.registry.before_scrape(move || shown.show());
    if !settings.enabled || !settings.wal {
        log.hindered(Voice::Reception, "backup.enabled or backup.wal is false");
        return log;
    }
    let (receiving, tables) = (log.clone(), tables.clone());
    ground.tasks.spawn(Stage::Work, "wal", |stop| async move {
        if tables.are_there(&stop).await {
            let name = format!("wal {}", keeper.cluster.name);
            let leadership = Leadership::new(tables.store(), &name, LeadershipOptions::default());
            receiving.hindered(Voice::Reception, "another instance receives the log");
            let leading = leadership.lead(&stop, |_| Box::pin(lead(&keeper, &receiving, &stop)));
            Box::pin(leading).await;
        }
        Ok(())
    });
    log
}

/// Receives until it is told to stop. What is stored is the same whoever stores it, so an old leader does no harm.
async fn lead(keeper: &Keeper, log: &Log, stop: &CancellationToken) {
    let mut reception = Reception {
        keeper,
        log,
        gone: None,
    };
    tokio::join!(
        reception.run(stop),
        guard::watch(keeper, log, stop),
        archive::take_in(keeper, log, stop),
    );
    log.goes_by(Way::Off);
}
