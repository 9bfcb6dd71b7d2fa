//! Carries what is in the store to its receivers: shares notices out, claims groups that are due, notes what became of
//! each attempt. Any number of instances do so at the same time; a group is sent by one of them.
//!
//! A claim holds for the time that an attempt may take and a little more. What a dead instance has claimed is sent by
//! another after that, under the same id, because it may have been accepted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_footing::Tables;
use weir_runtime::{Stage, TaskResult};

use super::channel::{Channel, Channels};
use super::group::{Added, Batch, Group, Settled};
use super::send::Said;
use super::{Deliverer, locked};
use crate::alert::Notice;
use crate::store::notices::{self, GroupColumns, GroupRow};

/// The longest wait between two looks: news is told by the store, and due times are known.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The shortest: a group that another instance has just taken is not looked for in a circle.
const LOOK_AFTER: Duration = Duration::from_millis(10);
/// How long the store may take for one step.
const STEP_WITHIN: Duration = Duration::from_secs(10);
/// Notices that are shared out at once.
const SHARE_MAX: i64 = 200;
/// How long a claim outlasts its attempt.
const LEASE_MARGIN_MS: i64 = 30_000;
/// How often the backlog is counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How long rows of a channel that no file has any more are kept.
const FORGET_CHANNELS_MS: i64 = 3_600_000;

/// An answer that the store has not heard of.
#[derive(Debug)]
pub(super) struct Unsaid {
    channel: Arc<Channel>,
    group: String,
    batch: Batch,
    said: Said,
}

/// A step in the store; boxed, so that what awaits it stays small.
type Step<T> = sqlx::Result<T>;

impl Deliverer {
    /// Carries until told to stop.
    pub(super) async fn carry(self, tables: Tables, stop: CancellationToken) -> TaskResult {
        if !tables.are_there(&stop).await {
            return Ok(());
        }
        tokio::join!(Box::pin(self.rounds(&stop)), Box::pin(self.0.wakes.listen(&stop)));
        Ok(())
    }

    async fn rounds(&self, stop: &CancellationToken) {
        let mut counted_at = None;
        loop {
            let done = timeout(STEP_WITHIN, Box::pin(self.round(&mut counted_at))).await;
            let done = done.unwrap_or(Err(sqlx::Error::PoolTimedOut));
            let wait = self.judge(done);
            if stop.is_cancelled() {
                return;
            }
            self.0.wakes.wait(stop, wait).await;
        }
    }

    /// Tells of a store that goes or comes, once, and says when to look again.
    fn judge(&self, done: Step<Duration>) -> Duration {
        let was_away = self.0.store_away.swap(done.is_err(), Ordering::Relaxed);
        match done {
            Ok(wait) => wait,
            Err(error) => {
                if !was_away {
                    tracing::warn!(dependency = "store", error = %self.0.store.error(error), "alerts wait for the store");
                }
                LOOK_EVERY
            }
        }
    }

    /// Does everything that is to be done now.
    async fn round(&self, counted_at: &mut Option<Instant>) -> Step<Duration> {
        self.say_again().await?;
        let channels = self.channels();
        let names: Vec<&str> = channels
            .list
            .iter()
            .filter(|channel| channel.permits.available_permits() > 0)
            .map(|channel| channel.name.as_str())
            .collect();
        let mut connection = self.0.store.pool().acquire().await?;
        if notices::are_waiting(&mut connection).await? {
            // One connection at a time: there may be no other.
            drop(connection);
            while self.share_out(&channels).await? >= SHARE_MAX as usize {}
            connection = self.0.store.pool().acquire().await?;
        }
        let due = notices::due(&mut connection, &names).await?;
        let now_ms = notices::now_ms(&mut connection).await?;
        if counted_at.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
            self.take_stock(&mut connection, &channels).await?;
            *counted_at = Some(Instant::now());
        }
        drop(connection);
        for (name, _) in due.iter().filter(|(_, due_ms)| *due_ms <= now_ms) {
            if let Some(channel) = channels.named(name) {
                self.claim(&channels, channel).await?;
            }
        }
        let next = due
            .iter()
            .map(|(_, due_ms)| Duration::from_millis(due_ms.saturating_sub(now_ms).max(0).unsigned_abs()))
            .min();
        Ok(next.unwrap_or(LOOK_EVERY).clamp(LOOK_AFTER, LOOK_EVERY))
    }

    /// Shares notices out to the groups of each channel that wants them. Returns how many there were.
    async fn share_out(&self, channels: &Channels) -> Step<usize> {
        let mut transaction = self.0.store.pool().begin().await?;
        let rows = notices::take_notices(&mut transaction, SHARE_MAX).await?;
        let told: Vec<Notice> = rows.iter().filter_map(|row| self.read(row.seq, &row.notice)).collect();
        let shares = shares(channels, &told);
        let (of, names): (Vec<&str>, Vec<&str>) = shares.keys().copied().unzip();
        let found = notices::lock_groups(&mut transaction, &of, &names).await?;
        let now_ms = notices::now_ms(&mut transaction).await?;
        let mut columns = GroupColumns::default();
        for ((name, group), told) in &shares {
            if let Some(channel) = channels.named(name) {
                let row = found.iter().find(|row| row.channel == *name && row.name == *group);
                let mut state = row.and_then(|row| self.group(row)).unwrap_or_default();
                self.add(channel, group, &mut state, told, now_ms);
                put(&mut columns, channel, group, &state);
            }
        }
        notices::save_groups(&mut transaction, &columns).await?;
        transaction.commit().await?;
        let mut memory = locked(&self.0.memory);
        for ((channel, group), told) in &shares {
            told.iter()
                .for_each(|notice| memory.hand_over(channel, group, &notice.alert_id));
        }
        Ok(rows.len())
    }

    /// Adds to a group what it is told. What a receiver was told while the store was away is not news to it.
    fn add(&self, channel: &Channel, name: &str, group: &mut Group, told: &[&Notice], now_ms: i64) {
        for notice in told {
            let known = locked(&self.0.memory).told(&channel.name, name, &notice.alert_id);
            if let Some(known) = known {
                group.add_told(known, &channel.policy, now_ms);
            }
            if group.add((*notice).clone(), &channel.policy, now_ms) == Added::Full {
                self.count(&channel.name, "dropped", 1);
            }
        }
    }

    /// A notice as it was written. One that cannot be read would keep every other waiting.
    fn read(&self, seq: i64, text: &str) -> Option<Notice> {
        let read = serde_json::from_str(text);
        if let Err(error) = &read {
            tracing::error!(seq, %error, "a notice cannot be read and is lost");
            self.count("unknown", "dropped", 1);
        }
        read.ok()
    }

    fn group(&self, row: &GroupRow) -> Option<Group> {
        let read = serde_json::from_str(&row.state);
        if let Err(error) = &read {
            tracing::error!(channel = row.channel, group = row.name, %error, "a group of alerts cannot be read and begins anew");
            self.count(&row.channel, "dropped", 1);
        }
        read.ok()
    }

    /// Claims what is due at a channel, as far as there is room, and begins to send it.
    async fn claim(&self, channels: &Arc<Channels>, channel: &Arc<Channel>) -> Step<()> {
        let mut permits = Vec::new();
        while let Ok(permit) = channel.permits.clone().try_acquire_owned() {
            permits.push(permit);
        }
        let mut transaction = self.0.store.pool().begin().await?;
        let now_ms = notices::now_ms(&mut transaction).await?;
        let rows = notices::lock_due(&mut transaction, &channel.name, now_ms, permits.len() as i64).await?;
        let begun = self.begin(&mut transaction, channel, rows, now_ms).await?;
        transaction.commit().await?;
        for ((group, batch), permit) in begun.into_iter().zip(permits) {
            self.send_claimed(channels.clone(), channel.clone(), group, batch, permit);
        }
        Ok(())
    }

    async fn begin(
        &self,
        transaction: &mut PgConnection,
        channel: &Channel,
        rows: Vec<GroupRow>,
        now_ms: i64,
    ) -> Step<Vec<(String, Batch)>> {
        let (mut columns, mut begun, mut over) = (GroupColumns::default(), Vec::new(), Vec::new());
        for row in rows {
            let mut group = self.group(&row).unwrap_or_default();
            match group.next(&channel.policy, now_ms, Uuid::now_v7()) {
                Some(batch) => begun.push((row.name.clone(), batch)),
                None if group.is_over(&channel.policy, now_ms) => {
                    over.push(row.name);
                    continue;
                }
                // The settings have changed since its time was noted.
                None => {}
            }
            put(&mut columns, channel, &row.name, &group);
        }
        notices::save_groups(transaction, &columns).await?;
        let names: Vec<&str> = begun.iter().map(|(name, _)| name.as_str()).collect();
        let timeout_ms = i64::try_from(channel.timeout.as_millis()).unwrap_or(i64::MAX);
        let until_ms = now_ms.saturating_add(timeout_ms).saturating_add(LEASE_MARGIN_MS);
        notices::lease_groups(transaction, &channel.name, &names, Some(self.0.id), until_ms).await?;
        let over: Vec<&str> = over.iter().map(String::as_str).collect();
        notices::forget_groups(transaction, &channel.name, &over).await?;
        Ok(begun)
    }

    fn send_claimed(
        &self,
        channels: Arc<Channels>,
        channel: Arc<Channel>,
        group: String,
        batch: Batch,
        permit: OwnedSemaphorePermit,
    ) {
        let deliverer = self.clone();
        self.0.tasks.spawn_short(Stage::Flow, "send alert", async move {
            let said = deliverer.attempt(&channels, &channel, &group, &batch).await;
            Box::pin(deliverer.say(Unsaid {
                channel,
                group,
                batch,
                said,
            }))
            .await;
            drop(permit);
            deliverer.wake();
        });
    }

    /// Notes an answer; one that the store does not take now is kept until it does.
    async fn say(&self, unsaid: Unsaid) {
        let settled = timeout(STEP_WITHIN, self.settle(&unsaid)).await;
        match settled.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(settled) => self.note(
                &unsaid.channel,
                &unsaid.group,
                unsaid.batch.attempt,
                settled,
                &unsaid.said,
            ),
            Err(_) => locked(&self.0.unsaid).push(unsaid),
        }
    }

    /// Whether there are answers that the store did not take.
    #[cfg(test)]
    pub(super) fn has_unsaid(&self) -> bool {
        !locked(&self.0.unsaid).is_empty()
    }

    /// Notes the answers that the store did not take. Before anything is claimed: what was accepted is not sent again.
    async fn say_again(&self) -> Step<()> {
        loop {
            let Some(unsaid) = locked(&self.0.unsaid).pop() else {
                return Ok(());
            };
            match self.settle(&unsaid).await {
                Ok(settled) => self.note(
                    &unsaid.channel,
                    &unsaid.group,
                    unsaid.batch.attempt,
                    settled,
                    &unsaid.said,
                ),
                Err(error) => {
                    locked(&self.0.unsaid).push(unsaid);
                    return Err(error);
                }
            }
        }
    }

    async fn settle(&self, unsaid: &Unsaid) -> Step<Settled> {
        let Unsaid {
            channel,
            group: name,
            batch,
            said,
        } = unsaid;
        let mut transaction = self.0.store.pool().begin().await?;
        let rows = notices::lock_groups(&mut transaction, &[&channel.name], &[name]).await?;
        let Some(mut group) = rows.first().and_then(|row| self.group(row)) else {
            return Ok(Settled::Stale);
        };
        let now_ms = notices::now_ms(&mut transaction).await?;
        let settled = group.settle(batch, &said.outcome, &channel.policy, now_ms, fastrand::f64());
        if settled == Settled::Stale {
            return Ok(settled);
        }
        let mut columns = GroupColumns::default();
        put(&mut columns, channel, name, &group);
        notices::save_groups(&mut transaction, &columns).await?;
        notices::lease_groups(&mut transaction, &channel.name, &[name], None, 0).await?;
        let line = (settled != Settled::Accepted).then(|| said.line());
        notices::note_channel(&mut transaction, &channel.name, self.0.clock.unix_ms(), line.as_deref()).await?;
        transaction.commit().await?;
        Ok(settled)
    }

    /// Counts the backlog for the metrics, and forgets channels that are no more.
    async fn take_stock(&self, connection: &mut PgConnection, channels: &Channels) -> Step<()> {
        let rows = notices::backlog(connection).await?;
        for channel in &channels.list {
            let row = rows.iter().find(|row| row.channel == channel.name);
            let held = locked(&self.0.memory).pending(channel) as f64;
            let pending = held + row.map_or(0.0, |row| row.pending as f64);
            self.0.metrics.notifications_pending.with([&channel.name]).set(pending);
        }
        let known: Vec<&str> = channels.list.iter().map(|channel| channel.name.as_str()).collect();
        for (channel, alerts) in notices::forget_channels(connection, &known, FORGET_CHANNELS_MS).await? {
            if alerts > 0 {
                tracing::error!(
                    channel,
                    alerts,
                    "a channel is gone from the settings, and nobody was told of its alerts"
                );
                self.count(&channel, "dropped", alerts.unsigned_abs());
            }
        }
        Ok(())
    }
}

/// Which group of which channel is told what, in the order of the notices.
fn shares<'a>(channels: &'a Channels, told: &'a [Notice]) -> BTreeMap<(&'a str, &'a str), Vec<&'a Notice>> {
    let mut shares: BTreeMap<(&str, &str), Vec<&Notice>> = BTreeMap::new();
    for notice in told {
        for channel in channels.list.iter().filter(|channel| channel.wants(notice)) {
            shares
                .entry((&channel.name, channel.group_of(notice)))
                .or_default()
                .push(notice);
        }
    }
    shares
}

/// Adds a group to those that are written.
fn put(columns: &mut GroupColumns, channel: &Channel, name: &str, group: &Group) {
    // A group is made of texts, numbers and lists, which JSON can always say.
    let state = serde_json::to_string(group).unwrap_or_default();
    columns.channels.push(channel.name.clone());
    columns.names.push(name.to_owned());
    columns.states.push(state);
    columns.due_ms.push(group.due_ms(&channel.policy));
    columns
        .pending
        .push(i32::try_from(group.news(&channel.policy)).unwrap_or(i32::MAX));
    columns
        .failures
        .push(i32::try_from(group.failures()).unwrap_or(i32::MAX));
}
