//! What people ask about channels: how they fare, and whether one works.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use uuid::Uuid;
use weir_proto::monitor::v1 as api;

use super::channel::Channel;
use super::group::Batch;
use super::payload::Told;
use super::retry::Outcome;
use super::send::{Said, send};
use super::settings::Kind;
use super::{Deliverer, locked};
use crate::alert::notice::{Notice, NoticeState};
use crate::error::Error;
use crate::store::notices::{self, BacklogRow, ChannelRow};

/// How long the store is asked; without it, what this instance knows has to do.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// The group of notifications that only try a channel.
const TRY_GROUP: &str = "test";

impl Deliverer {
    /// Every channel and how it fares.
    pub(crate) async fn list(&self) -> api::ListChannelsResponse {
        let asked = timeout(ASK_WITHIN, self.ask()).await;
        let (rows, backlog) = asked.unwrap_or(Err(sqlx::Error::PoolTimedOut)).unwrap_or_default();
        let channels = self.channels();
        let shown = channels.list.iter().map(|channel| {
            let row = rows
                .iter()
                .find(|row| row.name == channel.name)
                .cloned()
                .unwrap_or_default();
            let waits = backlog
                .iter()
                .find(|row| row.channel == channel.name)
                .cloned()
                .unwrap_or_default();
            self.show(channel, row, &waits)
        });
        api::ListChannelsResponse {
            channels: shown.collect(),
        }
    }

    async fn ask(&self) -> sqlx::Result<(Vec<ChannelRow>, Vec<BacklogRow>)> {
        let mut connection = self.0.store.pool().acquire().await?;
        Ok((
            notices::channel_rows(&mut connection).await?,
            notices::backlog(&mut connection).await?,
        ))
    }

    fn show(&self, channel: &Channel, row: ChannelRow, waits: &BacklogRow) -> api::AlertChannel {
        let own = locked(&self.0.fares).get(&channel.name).cloned().unwrap_or_default();
        // Whoever heard the channel last knows best: another instance, or this one while the store was away.
        let (last_error_unix_ms, last_error) =
            (row.last_error_unix_ms, row.last_error).max((own.last_error_unix_ms, own.last_error));
        let held = locked(&self.0.memory).pending(channel);
        api::AlertChannel {
            name: channel.name.clone(),
            kind: channel.kind.as_str().to_owned(),
            place: channel.place(),
            severities: channel.file.severities.clone(),
            projects: channel.file.projects.clone(),
            rules: channel.file.rules.clone(),
            send_resolved: channel.file.send_resolved,
            pending: waits.pending.unsigned_abs().saturating_add(held as u64),
            retries: u32::try_from(waits.failures).unwrap_or(u32::MAX),
            last_success_unix_ms: row.last_success_unix_ms.max(own.last_success_unix_ms),
            last_error_unix_ms,
            last_error,
        }
    }

    /// Sends a notification that says it is a test, once. What it opens elsewhere it closes again.
    pub(crate) async fn try_channel(&self, name: &str) -> Result<api::TestChannelResponse, Error> {
        let channels = self.channels();
        let channel = channels.named(name).ok_or_else(|| Error::NotFound {
            what: "channel",
            name: name.chars().take(64).collect(),
        })?;
        let began = Instant::now();
        let Ok(Ok(_permit)) = timeout(channel.timeout, channel.permits.acquire()).await else {
            let said = Said::failed(Outcome::UNREACHED, "the channel is busy with alerts".to_owned());
            return Ok(answer(said, began.elapsed()));
        };
        let told = |batch| async move {
            let told = Told {
                batch: &batch,
                channel: &channel.name,
                group: TRY_GROUP,
                links: &self.channels().links,
            };
            send(channel, &told, &self.0.clock).await
        };
        let now = self.0.clock.unix_ms();
        let said = told(Batch::alone(Uuid::now_v7(), trial(channel, now, NoticeState::Firing))).await;
        if said.outcome == Outcome::Accepted && matches!(channel.kind, Kind::Pagerduty | Kind::Alertmanager) {
            told(Batch::alone(Uuid::now_v7(), trial(channel, now, NoticeState::Resolved))).await;
        }
        Ok(answer(said, began.elapsed()))
    }
}

fn answer(said: Said, took: Duration) -> api::TestChannelResponse {
    api::TestChannelResponse {
        accepted: said.outcome == Outcome::Accepted,
        status: said.status,
        answer: said.text,
        took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
    }
}

/// An alert that is none.
fn trial(channel: &Channel, now_unix_ms: i64, state: NoticeState) -> Notice {
    Notice {
        alert_id: Uuid::nil().to_string(),
        key: format!("weir-test-{}", channel.name),
        group: TRY_GROUP.to_owned(),
        state,
        rule: "test".to_owned(),
        severity: "info".to_owned(),
        project: "default".to_owned(),
        labels: BTreeMap::from([("channel".to_owned(), channel.name.clone())]),
        summary: format!("This is a test of the channel {}. Nothing is wrong.", channel.name),
        value: 0.0,
        threshold: 0.0,
        since_unix_ms: now_unix_ms,
        resolved_unix_ms: if state == NoticeState::Resolved { now_unix_ms } else { 0 },
        fingerprint: String::new(),
        runbook: String::new(),
        traces: Vec::new(),
    }
}
