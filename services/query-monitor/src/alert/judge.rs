//! Four times a second: what lies on the board is judged.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use weir_model::Clock;
use weir_runtime::TaskResult;
use weir_store::pause;

use super::mind::Memory;
use super::{Outbound, OutcomesAt, Parts, Said};
use crate::detect::SlowLately;
use crate::metrics::Metrics;
use crate::observe::{Board, Shared};

/// An alert is told within two seconds of its condition.
const TICK: Duration = Duration::from_millis(250);
/// How often budgets are looked at.
const OBJECTIVES_EVERY_MS: i64 = 1_000;
/// How long what this task puts on the board counts: it puts it again much sooner, or does not judge either.
const FRESH_FOR: Duration = Duration::from_secs(60);
/// How often it is put again though nothing changed.
const AGAIN_EVERY_MS: i64 = 15_000;
/// Longest text of a statement in a summary.
const TEXT_CHARACTERS: usize = 120;

/// Brings what only the monitor itself knows to the board, and judges all that is there.
pub(super) struct Judge {
    shared: Shared,
    board: Board,
    metrics: Arc<Metrics>,
    outcomes: OutcomesAt,
    outbound: Arc<dyn Outbound>,
    memory: Memory,
    news: Arc<Notify>,
    said: watch::Receiver<Said>,
    clock: Clock,
    slow: SlowLately,
    slow_put_unix_ms: Option<i64>,
    objectives_put_unix_ms: Option<i64>,
    refused: u64,
}

impl Judge {
    pub(super) fn new(
        parts: &Parts,
        memory: &Memory,
        news: &Arc<Notify>,
        said: watch::Receiver<Said>,
        clock: Clock,
    ) -> Self {
        Self {
            shared: parts.shared.clone(),
            board: parts.board.clone(),
            metrics: parts.metrics.clone(),
            outcomes: parts.outcomes.clone(),
            outbound: parts.outbound.clone(),
            memory: memory.clone(),
            news: news.clone(),
            said,
            clock,
            slow: SlowLately::default(),
            slow_put_unix_ms: None,
            objectives_put_unix_ms: None,
            refused: 0,
        }
    }

    /// Judges until told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) -> TaskResult {
        while pause(&stop, TICK).await {
            let now = self.clock.unix_ms();
            self.look_for_slow(now);
            self.look_at_objectives(now);
            self.judge(now);
        }
        Ok(())
    }

    fn look_for_slow(&mut self, now: i64) {
        let taken = self.shared.with(|knowledge| knowledge.slow.take());
        let quiet_since = now - millis(self.said.borrow().resolve_after);
        let changed = self.slow.turn(taken, quiet_since, now);
        if changed || is_due(self.slow_put_unix_ms, now, AGAIN_EVERY_MS) {
            let readings = self.shared.with(|knowledge| {
                let text = |print| knowledge.statistics.shape(print).map(|shape| shape.text.as_str());
                self.slow
                    .readings(|print| text(print).unwrap_or_default().chars().take(TEXT_CHARACTERS).collect())
            });
            self.board.put("slow", readings, FRESH_FOR);
            self.slow_put_unix_ms = Some(now);
        }
    }

    fn look_at_objectives(&mut self, now: i64) {
        if is_due(self.objectives_put_unix_ms, now, OBJECTIVES_EVERY_MS) {
            let readings = self.said.borrow().objectives.readings(&(self.outcomes)(now));
            self.board.put("objectives", readings, FRESH_FOR);
            self.objectives_put_unix_ms = Some(now);
        }
    }

    fn judge(&mut self, now: i64) {
        let sheets = self.board.read();
        let (notices, (dropped, refused)) = self.memory.with(|mind| {
            let Some(mind) = mind else {
                return Default::default();
            };
            if mind.tick(now, &sheets, &self.clock) {
                self.news.notify_one();
            }
            let notices = if mind.away { mind.take_notices() } else { Vec::new() };
            (notices, mind.take_dropped())
        });
        if !notices.is_empty() {
            self.outbound.direct(&notices);
        }
        self.metrics.alerts_dropped.with(["queue"]).inc_by(dropped);
        self.metrics
            .alerts_dropped
            .with(["alerts"])
            .inc_by(refused.saturating_sub(self.refused));
        self.refused = refused;
    }
}

/// A clock that was set back makes everything due.
fn is_due(before: Option<i64>, now: i64, every_ms: i64) -> bool {
    before.is_none_or(|before| !(0..every_ms).contains(&(now - before)))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
