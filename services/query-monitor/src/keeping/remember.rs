//! The past of every project, from the rows, after a start.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_model::Project;
use weir_store::pause;

use super::{GATEWAYS_FOR_MS, Keeper};
use crate::aggregate::{Cell, Level, Part, cover};
use crate::store::{self, Written};

/// How long the store may take, and how long to wait before it is asked again.
const WITHIN: Duration = Duration::from_secs(60);
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How far back rules look.
const BACK_MS: i64 = 73 * 3_600_000;
/// How far back ten seconds are told apart, and minutes.
const SECONDS_BACK_MS: i64 = 6 * 60_000;

impl Keeper {
    /// Remembers the past; a store that goes away in the middle is asked again.
    pub(crate) async fn remember_in_time(&self, stop: &CancellationToken) {
        loop {
            let remembered = timeout(WITHIN, self.remember()).await;
            match remembered.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                Ok(()) => return,
                Err(error) => tracing::warn!(error = %self.store.error(error), "the past waits for the store"),
            }
            if !pause(stop, AGAIN_AFTER).await {
                return;
            }
        }
    }

    /// Reads what other monitors and earlier ones wrote of the last three days into the history.
    pub(crate) async fn remember(&self) -> sqlx::Result<()> {
        let now = self.clock.unix_ms();
        let mut transaction = self.store.pool().begin().await?;
        let written = store::begin_snapshot(&mut transaction).await?;
        let mut all = Vec::new();
        for part in self.parts(&written, now) {
            let period = (part.from_unix_ms, part.to_unix_ms);
            let wholes = store::read_wholes(&mut transaction, part.level, period).await?;
            all.push((part.level, wholes));
        }
        let gateways = store::read_intake(&mut transaction, &self.monitor, now - GATEWAYS_FOR_MS).await?;
        transaction.commit().await?;
        self.shared.with(|knowledge| {
            for (monitor, seen) in gateways {
                knowledge.statistics.intake.hear_of(&monitor, seen);
            }
        });
        // All or nothing, so that nothing is remembered twice.
        all.iter().for_each(|(level, wholes)| self.recall(*level, wholes));
        Ok(())
    }

    /// Seconds for the last minutes, whatever is coarser for the time before.
    fn parts(&self, written: &Written, now: i64) -> Vec<Part> {
        let kept = self.kept(written, now);
        let lately = Level::Minutes.floor(now - SECONDS_BACK_MS);
        let mut parts = cover(&kept, now - BACK_MS, lately);
        parts.push(Part {
            level: Level::Seconds,
            from_unix_ms: parts.last().map_or(lately, |last| last.to_unix_ms.max(lately)),
            to_unix_ms: i64::MAX,
        });
        parts
    }

    fn recall(&self, level: Level, wholes: &[(Project, i64, Cell)]) {
        self.shared.with(|knowledge| {
            for whole in wholes {
                knowledge.statistics.remember(level, whole);
            }
        });
    }
}
