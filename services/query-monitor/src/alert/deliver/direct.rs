//! Carries what is held in this process to its receivers, whatever the store does meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_runtime::{Stage, TaskResult};

use super::channel::{Channel, Channels, SENDS_MAX};
use super::group::Batch;
use super::payload::Told;
use super::send::{Said, send};
use super::{Deliverer, locked};

/// The longest wait between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long what is held may still be sent once the process stops. After that it is lost, and counted.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

impl Deliverer {
    /// Sends what is held here until told to stop, then what is left, once.
    pub(super) async fn carry_direct(self, stop: CancellationToken) -> TaskResult {
        while !stop.is_cancelled() {
            let wait = self.direct_round(0);
            let news = timeout(wait, self.0.memory_news.notified());
            // Whichever came first, the groups are looked at again.
            let _ = stop.run_until_cancelled(news).await;
        }
        self.finish().await;
        Ok(())
    }

    /// Begins whatever is due by then, and says when to look again.
    fn direct_round(&self, ahead_ms: i64) -> Duration {
        let (channels, away) = (self.channels(), self.store_is_away());
        let now_ms = self.memory_ms().saturating_add(ahead_ms);
        for channel in &channels.list {
            while let Ok(permit) = channel.permits.clone().try_acquire_owned() {
                let next = locked(&self.0.memory).next(channel, now_ms, away, Uuid::now_v7());
                let Some((group, batch)) = next else { break };
                self.send_direct(channels.clone(), channel.clone(), group, batch, permit);
            }
        }
        let untold = locked(&self.0.memory).tidy(&channels.list, now_ms, away);
        self.count_dropped(untold);
        if away {
            self.show_pending(&channels);
        }
        let free: Vec<Arc<Channel>> = channels
            .list
            .iter()
            .filter(|channel| channel.permits.available_permits() > 0)
            .cloned()
            .collect();
        let due_ms = locked(&self.0.memory).due_ms(&free, away);
        let wait = due_ms.map_or(LOOK_EVERY, |due| {
            Duration::from_millis(due.saturating_sub(now_ms).max(10).unsigned_abs())
        });
        wait.min(LOOK_EVERY)
    }

    /// While the store is away, what is held here is all that is known of what waits.
    fn show_pending(&self, channels: &Channels) {
        for channel in &channels.list {
            let pending = locked(&self.0.memory).pending(channel) as f64;
            self.0.metrics.notifications_pending.with([&channel.name]).set(pending);
        }
    }

    fn send_direct(
        &self,
        channels: Arc<Channels>,
        channel: Arc<Channel>,
        group: String,
        batch: Batch,
        permit: OwnedSemaphorePermit,
    ) {
        let deliverer = self.clone();
        self.0.tasks.spawn_short(Stage::Flow, "send alert at once", async move {
            let said = deliverer.attempt(&channels, &channel, &group, &batch).await;
            drop(permit);
            deliverer.settle_direct(&channel, &group, &batch, &said);
            deliverer.0.memory_news.notify_one();
        });
    }

    fn settle_direct(&self, channel: &Channel, group: &str, batch: &Batch, said: &Said) {
        let (now_ms, jitter) = (self.memory_ms(), fastrand::f64());
        let settled = locked(&self.0.memory).settle(channel, group, batch, &said.outcome, now_ms, jitter);
        self.note(channel, group, batch.attempt, settled, said);
    }

    /// One attempt, cut short when the process stops: then nobody knows what became of it.
    pub(super) async fn attempt(&self, channels: &Channels, channel: &Channel, group: &str, batch: &Batch) -> Said {
        let told = Told {
            batch,
            channel: &channel.name,
            group,
            links: &channels.links,
        };
        let stop = self.0.tasks.stop_token(Stage::Flow);
        let cut = async {
            stop.cancelled().await;
            tokio::time::sleep(FINISH_WITHIN).await;
        };
        tokio::select! {
            said = send(channel, &told, &self.0.clock) => said,
            () = cut => Said::failed(super::retry::Outcome::UNKNOWN, "cut off by a shutdown".to_owned()),
        }
    }

    /// Sends what gathers, waits for what is under way, and counts what is lost.
    async fn finish(&self) {
        self.direct_round(i64::from(u16::MAX));
        let channels = self.channels();
        let all_in = async {
            for channel in &channels.list {
                // The store's own attempts hold places too, and end in time by themselves.
                let _ = channel.permits.acquire_many(SENDS_MAX as u32).await;
            }
        };
        let _ = timeout(FINISH_WITHIN, all_in).await;
        let untold = locked(&self.0.memory).drain(&channels.list);
        self.count_dropped(untold);
    }

    fn count_dropped(&self, untold: Vec<(String, usize)>) {
        for (channel, alerts) in untold.into_iter().filter(|(_, alerts)| *alerts > 0) {
            tracing::error!(channel, alerts, "alerts that were held in memory are lost");
            self.count(&channel, "dropped", alerts as u64);
        }
    }
}
