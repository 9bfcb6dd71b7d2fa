//! What is told while the store is away: the same groups, held in this process. Pure: the time is an argument.

use std::collections::HashMap;

use uuid::Uuid;

use super::channel::Channel;
use super::group::{Added, Batch, Group, Policy, Settled};
use super::retry::Outcome;
use crate::alert::notice::Notice;

/// Most alerts that are held, of all channels together.
pub(crate) const ALERTS_MAX: usize = 2_000;
/// What was told is remembered this long after the store has come back, so that it is not told again from there.
const REMEMBER_MS: i64 = 10 * 60_000;

/// Groups by channel and name.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    groups: HashMap<(String, String), Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    group: Group,
    /// Whether it is being sent.
    busy: bool,
    touched_ms: i64,
}

/// While the store is there, whoever reads it repeats what still fires.
fn policy(channel: &Channel, store_away: bool) -> Policy {
    let repeat_ms = if store_away { channel.policy.repeat_ms } else { i64::MAX };
    Policy {
        repeat_ms,
        ..channel.policy
    }
}

impl Memory {
    /// Takes a notice. False: there is no room.
    pub(crate) fn add(&mut self, channel: &Channel, notice: Notice, now_ms: i64, store_away: bool) -> bool {
        let full = self.alerts() >= ALERTS_MAX;
        let key = (channel.name.clone(), channel.group_of(&notice).to_owned());
        if full
            && !self
                .groups
                .get(&key)
                .is_some_and(|kept| kept.group.holds(&notice.alert_id))
        {
            return false;
        }
        let kept = self.groups.entry(key).or_default();
        kept.touched_ms = now_ms;
        kept.group.add(notice, &policy(channel, store_away), now_ms) != Added::Full
    }

    fn alerts(&self) -> usize {
        self.groups.values().map(|kept| kept.group.len()).sum()
    }

    /// Alerts of which a channel still has to be told something.
    pub(crate) fn pending(&self, channel: &Channel) -> usize {
        let of_channel = self.groups.iter().filter(|((name, _), _)| *name == channel.name);
        of_channel.map(|(_, kept)| kept.group.news(&channel.policy)).sum()
    }

    /// The next notification of a channel that is due, and its group.
    pub(crate) fn next(
        &mut self,
        channel: &Channel,
        now_ms: i64,
        store_away: bool,
        id: Uuid,
    ) -> Option<(String, Batch)> {
        let policy = policy(channel, store_away);
        let free = self
            .groups
            .iter_mut()
            .filter(|((name, _), kept)| *name == channel.name && !kept.busy);
        let due = free.filter(|(_, kept)| kept.group.due_ms(&policy) <= now_ms);
        for ((_, group), kept) in due {
            if let Some(batch) = kept.group.next(&policy, now_ms, id) {
                kept.busy = true;
                return Some((group.clone(), batch));
            }
        }
        None
    }

    /// When the next group of any channel is due.
    pub(crate) fn due_ms(&self, channels: &[std::sync::Arc<Channel>], store_away: bool) -> Option<i64> {
        let free = self.groups.iter().filter(|(_, kept)| !kept.busy);
        let due = free.filter_map(|((name, _), kept)| {
            let channel = channels.iter().find(|channel| channel.name == *name)?;
            Some(kept.group.due_ms(&policy(channel, store_away)))
        });
        due.min()
    }

    /// Notes what became of an attempt.
    pub(crate) fn settle(
        &mut self,
        channel: &Channel,
        group: &str,
        sent: &Batch,
        outcome: &Outcome,
        now_ms: i64,
        jitter: f64,
    ) -> Settled {
        let key = (channel.name.clone(), group.to_owned());
        let Some(kept) = self.groups.get_mut(&key) else {
            return Settled::Stale;
        };
        (kept.busy, kept.touched_ms) = (false, now_ms);
        kept.group.settle(sent, outcome, &channel.policy, now_ms, jitter)
    }

    /// What a receiver has been told of an alert from here.
    pub(crate) fn told(&self, channel: &str, group: &str, alert_id: &str) -> Option<Notice> {
        let key = (channel.to_owned(), group.to_owned());
        self.groups.get(&key)?.group.told(alert_id)
    }

    /// The store has an alert: it is nobody's here any more.
    pub(crate) fn hand_over(&mut self, channel: &str, group: &str, alert_id: &str) {
        let key = (channel.to_owned(), group.to_owned());
        if let Some(kept) = self.groups.get_mut(&key) {
            kept.group.hand_over(alert_id);
        }
    }

    /// Forgets what needs no more telling. Returns the alerts, by channel, of channels that are no more and that nobody
    /// was told of.
    pub(crate) fn tidy(
        &mut self,
        channels: &[std::sync::Arc<Channel>],
        now_ms: i64,
        store_away: bool,
    ) -> Vec<(String, usize)> {
        let mut untold = Vec::new();
        self.groups.retain(|(name, _), kept| {
            let Some(channel) = channels.iter().find(|channel| channel.name == *name) else {
                untold.push((name.clone(), kept.group.len()));
                return false;
            };
            let news = kept.group.news(&channel.policy) > 0 || kept.busy;
            let old = now_ms.saturating_sub(kept.touched_ms) >= REMEMBER_MS;
            news || !(kept.group.is_over(&policy(channel, store_away), now_ms) || (!store_away && old))
        });
        untold
    }

    /// Lets go of everything. Returns the alerts, by channel, that nobody was told of.
    pub(crate) fn drain(&mut self, channels: &[std::sync::Arc<Channel>]) -> Vec<(String, usize)> {
        let untold = channels
            .iter()
            .map(|channel| (channel.name.clone(), self.pending(channel)));
        let untold = untold.filter(|(_, count)| *count > 0).collect();
        self.groups.clear();
        untold
    }
}
