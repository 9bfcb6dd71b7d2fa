//! Fine rows into coarse ones, and old rows away. One monitor does it for all.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_runtime::TaskResult;
use weir_store::{Leadership, LeadershipOptions, pause};

use super::Keeper;
use crate::aggregate::{LATE_AFTER_MS, Level};
use crate::store;

/// How long one span may take.
const SPAN_WITHIN: Duration = Duration::from_secs(300);
/// Spans that are put together before others get their turn.
const SPANS_AT_ONCE: usize = 500;

impl Keeper {
    /// Puts spans together and drops old ones while this monitor leads, until told to stop.
    pub(crate) async fn put_together(self, stop: CancellationToken) -> TaskResult {
        let leadership = Leadership::new(&self.store, "statistics", LeadershipOptions::default());
        leadership
            .lead(&stop, |_| async {
                while pause(&stop, self.tidy_every).await {
                    if let Err(error) = self.put_together_once(&stop).await {
                        tracing::warn!(error = %self.store.error(error), "spans of the statistics wait");
                    }
                }
            })
            .await;
        Ok(())
    }

    async fn put_together_once(&self, stop: &CancellationToken) -> sqlx::Result<()> {
        let now = self.clock.unix_ms();
        let unwritten_ms = 3 * i64::try_from(self.flush_every.as_millis()).unwrap_or(0);
        let mut complete_until = now - LATE_AFTER_MS - unwritten_ms;
        for level in Level::ALL {
            if let Some(finer) = level.finer() {
                complete_until = self.make_level((finer, level), complete_until, stop).await?;
            }
        }
        for level in Level::ALL {
            let kept = i64::try_from(self.retention.of(level).as_millis()).unwrap_or(i64::MAX);
            let mut transaction = self.store.pool().begin().await?;
            store::drop_before(&mut transaction, level, now.saturating_sub(kept)).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Makes a level as far as the finer one is complete; says how far that is.
    async fn make_level(
        &self,
        levels: (Level, Level),
        complete_until: i64,
        stop: &CancellationToken,
    ) -> sqlx::Result<i64> {
        let mut reached = 0;
        for _ in 0..SPANS_AT_ONCE {
            let made = timeout(SPAN_WITHIN, self.make_span(levels, complete_until)).await;
            let (until, more) = made.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
            reached = until;
            if !more || stop.is_cancelled() {
                break;
            }
        }
        Ok(reached)
    }

    async fn make_span(&self, levels: (Level, Level), complete_until: i64) -> sqlx::Result<(i64, bool)> {
        let mut transaction = self.store.pool().begin().await?;
        let made = store::make_next(&mut transaction, levels, complete_until, self.shapes_max).await?;
        transaction.commit().await?;
        Ok(made)
    }
}
