//! Batches into the store.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use weir_model::Fingerprint;
use weir_runtime::TaskResult;
use weir_store::pause;

use super::{GATEWAYS_FOR_MS, Keeper};
use crate::aggregate::{Closed, SeenBy, Shape, Statistics};
use crate::store::{self, Batch, Row};

/// How soon a gateway that was never met is known to the store.
const MEET_EVERY: Duration = Duration::from_millis(500);
/// How long the store may take for one batch; one that accepts statements and never answers must not stop everything.
const WRITE_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take for the last one.
const LAST_WITHIN: Duration = Duration::from_secs(10);

/// One batch with everything that goes with it.
#[derive(Debug)]
struct Load {
    closed: std::sync::Arc<Closed>,
    shapes: Vec<(Fingerprint, Shape)>,
    intake: SeenBy,
}

impl Keeper {
    /// Writes what was counted, every few seconds, until told to stop, and then once more. Which gateways there are is
    /// written at once.
    pub(crate) async fn flush(self, stop: CancellationToken) -> TaskResult {
        let mut due = Instant::now() + self.flush_every;
        while pause(&stop, self.flush_every.min(MEET_EVERY)).await {
            self.meet_gateways().await;
            if Instant::now() >= due {
                self.flush_once(WRITE_WITHIN).await;
                due = Instant::now() + self.flush_every;
            }
        }
        // One batch may still be on its way, and what came since is another.
        for _ in 0..2 {
            self.flush_once(LAST_WITHIN).await;
        }
        Ok(())
    }

    async fn meet_gateways(&self) {
        let met = self.shared.with(|knowledge| knowledge.statistics.intake.unknown());
        if met.is_empty() {
            return;
        }
        let written = timeout(LAST_WITHIN, async {
            let mut connection = self.store.pool().acquire().await?;
            store::meet_gateways(&mut connection, &self.monitor, &met).await
        });
        // If not, it is tried again in a moment, and whoever looks after the store has said so already.
        if matches!(written.await, Ok(Ok(()))) {
            self.shared.with(|knowledge| knowledge.statistics.intake.known(&met));
        }
    }

    /// Writes one batch, if there is something to write.
    pub(crate) async fn flush_once(&self, within: Duration) {
        let now = self.clock.unix_ms();
        let load = self.shared.with(|knowledge| self.load(&mut knowledge.statistics, now));
        let Some(load) = load else { return };
        let number = load.closed.number;
        let written = timeout(within, self.write(&load, now)).await;
        match written.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(()) => {
                self.shared.with(|knowledge| {
                    knowledge.statistics.written(number);
                    knowledge.statistics.shapes.written(&load.shapes);
                });
                self.metrics.batches_written.with([]).inc();
            }
            Err(error) => {
                self.metrics.batches_failed.with([]).inc();
                tracing::warn!(error = %self.store.error(error), batch = number, "statistics wait for the store");
            }
        }
    }

    fn load(&self, statistics: &mut Statistics, now_unix_ms: i64) -> Option<Load> {
        let closed = statistics.close(now_unix_ms)?;
        let own = statistics.intake.own();
        let intake = own.map(|(gateway, seen)| (gateway.to_owned(), *seen)).collect();
        Some(Load {
            closed,
            shapes: statistics.shapes.unwritten(),
            intake,
        })
    }

    async fn write(&self, load: &Load, now_unix_ms: i64) -> sqlx::Result<()> {
        let mut transaction = self.store.pool().begin().await?;
        let batch = Batch {
            monitor: &self.monitor,
            number: load.closed.number,
            rows: self.rows(&load.closed),
            shapes: &load.shapes,
            intake: load.intake.clone(),
        };
        store::write_batch(&mut transaction, batch, now_unix_ms).await?;
        let others = store::read_intake(&mut transaction, &self.monitor, now_unix_ms - GATEWAYS_FOR_MS).await?;
        let batches = store::read_batches(&mut transaction).await?;
        transaction.commit().await?;
        self.shared.with(|knowledge| {
            knowledge.statistics.peers.written(&batches, now_unix_ms);
            for (monitor, seen) in others {
                knowledge.statistics.intake.hear_of(&monitor, seen);
            }
        });
        Ok(())
    }

    fn rows<'a>(&self, closed: &'a Closed) -> Vec<Row<'a>> {
        let cells = closed.spans.iter().flat_map(|(span, cells)| {
            let line = move |(line, cell)| (span, line, cell);
            cells.iter().map(line)
        });
        self.shared.with(|knowledge| {
            let row = |(span_unix_ms, line, cell): (i64, &crate::aggregate::Line, &'a _)| Row {
                span_unix_ms,
                key: knowledge.statistics.key(*line),
                cell,
            };
            cells.map(row).collect()
        })
    }
}
