//! What has to be watched over time: how many connections are used, and how fast sequences run out.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_footing::Tables;
use weir_runtime::{Ground, Stage};
use weir_store::pause;

use super::{Adviser, Facts, Peak, SequenceSample};
use crate::advise::{Sequence, used};
use crate::error::Error;
use crate::observe::advice as observe;
use crate::store::advice as rows;

const EVERY: Duration = Duration::from_secs(300);
const CONNECTIONS: &str = "connections";
/// Sequences of which less is used are not worth a row.
const USED_MIN: f64 = 0.01;

impl Adviser {
    /// Settles changes that a crash has cut off, and takes samples from time to time.
    pub(crate) fn start(&self, ground: &Ground, tables: &Tables) {
        let (adviser, tables) = (self.clone(), tables.clone());
        ground.tasks.spawn(Stage::Work, "advice", |stop| async move {
            if tables.are_there(&stop).await {
                adviser.watch(&stop).await;
            }
            Ok(())
        });
    }

    async fn watch(&self, stop: &CancellationToken) {
        loop {
            let Some(looked) = stop.run_until_cancelled(self.look()).await else {
                return;
            };
            // The next look is soon enough; readiness tells of a server that is away.
            if let Err(error) = looked {
                tracing::debug!(error = %error, "no samples for advice were taken");
            }
            if !pause(stop, EVERY).await {
                return;
            }
        }
    }

    async fn look(&self) -> Result<(), Error> {
        self.settle_now().await?;
        let mut session = self.open().await?;
        let connection = session.connection();
        let connections = observe::connections_in_use(connection).await?;
        let sequences = observe::sequences(connection).await?;
        session.close().await;
        let mut samples = vec![(CONNECTIONS.to_owned(), connections)];
        let share = |sequence: &Sequence| Some((name_of(sequence), used(sequence).filter(|used| *used >= USED_MIN)?));
        samples.extend(sequences.iter().filter_map(share));
        let (pool, now) = (self.store.pool(), self.clock.unix_ms());
        self.stored(rows::sample(pool, self.target.database(), &samples, now).await)?;
        Ok(())
    }
}

fn name_of(sequence: &Sequence) -> String {
    format!("sequence {}", sequence.name)
}

/// Puts what was sampled where rules find it.
pub(super) fn remember(facts: &mut Facts, row: &rows::HistoryRow) {
    if row.object == CONNECTIONS {
        let hours = facts.now_unix_ms.saturating_sub(row.first_unix_ms) as f64 / 3_600_000.0;
        facts.peak = Some(Peak {
            connections: row.most,
            hours,
        });
    }
    let sequence = facts
        .sequences
        .iter_mut()
        .find(|sequence| name_of(sequence) == row.object);
    if let Some(sequence) = sequence {
        sequence.earlier = Some(SequenceSample {
            at_unix_ms: row.first_unix_ms,
            used: row.first,
        });
    }
}
