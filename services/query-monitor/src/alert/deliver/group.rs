//! What one channel knows and still has to be told of one group of alerts: gathering, one notification at a time, and
//! what becomes of it. Pure: the time is an argument, in milliseconds of whatever clock its keeper uses.
//!
//! A notification that may have reached its receiver never changes: it is repeated as it was, under the same id, until
//! an answer says what became of it. Only one that certainly did not arrive is made anew from what holds by then.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::retry::{self, Outcome};
use crate::alert::notice::{Notice, NoticeState};

/// Most alerts of a group. What is beyond is counted in the notification, not listed.
pub(crate) const ALERTS_MAX: usize = 500;
/// What still fires though a notification of it was refused or given up is told again after this long.
const REFUSED_AGAIN_MS: i64 = 15 * 60_000;

/// How a channel wants its groups told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// How long the first notice of a group waits for others.
    pub gather_ms: i64,
    /// The least time between two notifications of a group.
    pub group_interval_ms: i64,
    /// What still fires is told again after this long.
    pub repeat_ms: i64,
    /// A notification that was not accepted for this long is given up.
    pub give_up_ms: i64,
    /// Whether the end of an alert is told.
    pub send_resolved: bool,
}

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It will be told.
    News,
    /// It says nothing that the receiver does not know, or need not.
    Known,
    /// The group is full: it will be counted, not listed.
    Full,
}

/// What became of a notification after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The receiver has it.
    Accepted,
    /// It will be tried again.
    Again,
    /// The receiver does not want it.
    Refused,
    /// It was tried for too long.
    GivenUp,
    /// Somebody else has settled it already.
    Stale,
}

/// One alert of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    notice: Notice,
    /// What the receiver was last told of it.
    told: Option<Told>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    state: NoticeState,
    severity: String,
}

impl Told {
    fn of(notice: &Notice) -> Self {
        Self {
            state: notice.state,
            severity: notice.severity.clone(),
        }
    }
}

impl Line {
    fn is_firing(&self) -> bool {
        self.notice.state == NoticeState::Firing
    }

    /// Whether there is something to tell. An alert that was over before it could be told is told all the same.
    fn is_news(&self, policy: &Policy) -> bool {
        match &self.told {
            None => true,
            Some(told) if *told == Told::of(&self.notice) => false,
            Some(told) => self.is_firing() || (policy.send_resolved && told.state == NoticeState::Firing),
        }
    }

    fn is_over(&self, policy: &Policy) -> bool {
        !self.is_firing() && !self.is_news(policy)
    }
}

/// One notification: what a receiver is told at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// The same for every attempt at it.
    pub id: Uuid,
    /// What is new first, then what still fires.
    pub notices: Vec<Notice>,
    /// Alerts of the group that are not listed.
    pub more: u32,
    /// Whether it only repeats what the receiver was told before.
    pub repeat: bool,
    /// Attempts so far, this one included.
    pub attempt: u32,
    first_ms: i64,
    next_ms: i64,
    /// Whether some attempt may have reached the receiver.
    in_doubt: bool,
    /// Whether an attempt is under way, or its sender has vanished.
    sending: bool,
}

/// One group of alerts at one channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    alerts: BTreeMap<String, Line>,
    batch: Option<Batch>,
    /// When a notification was last accepted, refused or given up.
    told_ms: Option<i64>,
    /// Since when there is something new.
    news_ms: Option<i64>,
    /// Whether the last notification was refused or given up.
    refused: bool,
    /// Alerts that found no place since the last notification.
    more: u32,
}

impl Group {
    /// Takes a notice.
    pub(crate) fn add(&mut self, notice: Notice, policy: &Policy, now_ms: i64) -> Added {
        let full = self.alerts.len() >= ALERTS_MAX;
        match self.alerts.get_mut(&notice.alert_id) {
            Some(line) => line.notice = notice,
            None if full => {
                self.more = self.more.saturating_add(1);
                return Added::Full;
            }
            None => {
                let line = Line {
                    notice: notice.clone(),
                    told: None,
                };
                self.alerts.insert(notice.alert_id, line);
            }
        }
        self.look(policy, now_ms)
    }

    /// Takes a notice that the receiver has been told already, by another way.
    pub(crate) fn add_told(&mut self, notice: Notice, policy: &Policy, now_ms: i64) {
        if self.alerts.len() < ALERTS_MAX || self.alerts.contains_key(&notice.alert_id) {
            let told = Some(Told::of(&notice));
            self.alerts.insert(notice.alert_id.clone(), Line { notice, told });
            self.told_ms.get_or_insert(now_ms);
            self.look(policy, now_ms);
        }
    }

    /// Forgets what needs no more telling, and notes since when there is something new.
    fn look(&mut self, policy: &Policy, now_ms: i64) -> Added {
        let in_batch = |id: &str| {
            let batch = self.batch.as_ref();
            batch.is_some_and(|batch| batch.notices.iter().any(|notice| notice.alert_id == id))
        };
        let over: Vec<String> = self
            .alerts
            .iter()
            .filter(|(id, line)| line.is_over(policy) && !in_batch(id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            self.alerts.remove(&id);
        }
        if self.news(policy) == 0 {
            self.news_ms = None;
            return Added::Known;
        }
        self.news_ms.get_or_insert(now_ms);
        Added::News
    }

    /// Alerts of which there is something to tell.
    pub(crate) fn news(&self, policy: &Policy) -> usize {
        self.alerts.values().filter(|line| line.is_news(policy)).count()
    }

    /// Alerts that it holds.
    pub(crate) fn len(&self) -> usize {
        self.alerts.len()
    }

    /// Attempts at the present notification that failed.
    pub(crate) fn failures(&self) -> u32 {
        self.batch
            .as_ref()
            .map_or(0, |batch| batch.attempt - u32::from(batch.sending && batch.attempt > 0))
    }

    /// When there is something to do for it.
    pub(crate) fn due_ms(&self, policy: &Policy) -> i64 {
        if let Some(batch) = &self.batch {
            return batch.next_ms;
        }
        let told_ms = self.told_ms.unwrap_or(i64::MIN);
        let rested_ms = told_ms.saturating_add(policy.group_interval_ms);
        if let Some(news_ms) = self.news_ms {
            return news_ms.saturating_add(policy.gather_ms).max(rested_ms);
        }
        if self.alerts.values().any(Line::is_firing) {
            let again_ms = if self.refused {
                policy.repeat_ms.min(REFUSED_AGAIN_MS)
            } else {
                policy.repeat_ms
            };
            return told_ms.saturating_add(again_ms);
        }
        rested_ms
    }

    /// Whether nothing of it is left to tell or to remember.
    pub(crate) fn is_over(&self, policy: &Policy, now_ms: i64) -> bool {
        self.alerts.is_empty() && self.batch.is_none() && self.due_ms(policy) <= now_ms
    }

    /// The notification to send now, if its time has come. From then on it may have reached the receiver.
    pub(crate) fn next(&mut self, policy: &Policy, now_ms: i64, id: Uuid) -> Option<Batch> {
        if self.due_ms(policy) > now_ms || (self.alerts.is_empty() && self.batch.is_none()) {
            return None;
        }
        let mut batch = match self.batch.take() {
            // Whoever sent it last has not said how it went.
            Some(batch) if batch.sending || batch.in_doubt => Batch {
                in_doubt: true,
                ..batch
            },
            Some(batch) => self.fill(batch, policy),
            None => self.fill(Batch::begun(id, now_ms), policy),
        };
        batch.attempt = batch.attempt.saturating_add(1);
        batch.sending = true;
        self.batch = Some(batch.clone());
        Some(batch)
    }

    /// Puts into a notification what holds now: the news, then what fires and was told before.
    fn fill(&self, batch: Batch, policy: &Policy) -> Batch {
        let (news, rest): (Vec<&Line>, Vec<&Line>) = self.alerts.values().partition(|line| line.is_news(policy));
        let firing = rest.iter().filter(|line| line.is_firing());
        let mut news_first = news.clone();
        news_first.sort_by_key(|line| (!line.is_firing(), line.notice.since_unix_ms));
        Batch {
            notices: news_first
                .iter()
                .chain(firing)
                .map(|line| line.notice.clone())
                .collect(),
            more: self.more,
            repeat: news.is_empty(),
            ..batch
        }
    }

    /// Notes what became of an attempt. `jitter` is between 0 and 1.
    ///
    /// That an attempt failed counts for the latest one only; that one was accepted counts whenever it is heard.
    pub(crate) fn settle(
        &mut self,
        sent: &Batch,
        outcome: &Outcome,
        policy: &Policy,
        now_ms: i64,
        jitter: f64,
    ) -> Settled {
        let fails = matches!(outcome, Outcome::Later { .. });
        let meant = |batch: &mut Batch| batch.id == sent.id && (batch.attempt == sent.attempt || !fails);
        let Some(mut batch) = self.batch.take_if(meant) else {
            return Settled::Stale;
        };
        let settled = match outcome {
            Outcome::Accepted => Settled::Accepted,
            Outcome::Refused => Settled::Refused,
            Outcome::Later { .. } if now_ms.saturating_sub(batch.first_ms) >= policy.give_up_ms => Settled::GivenUp,
            Outcome::Later { after_ms, in_doubt } => {
                batch.in_doubt |= *in_doubt;
                batch.sending = false;
                batch.next_ms = now_ms.saturating_add(retry::wait_ms(batch.attempt, jitter).max(*after_ms));
                self.batch = Some(batch);
                return Settled::Again;
            }
        };
        self.close(&batch, settled != Settled::Accepted, policy, now_ms);
        settled
    }

    /// The notification is over: what was in it counts as told.
    fn close(&mut self, batch: &Batch, refused: bool, policy: &Policy, now_ms: i64) {
        for notice in &batch.notices {
            if let Some(line) = self.alerts.get_mut(&notice.alert_id) {
                line.told = Some(Told::of(notice));
            }
        }
        self.told_ms = Some(now_ms);
        self.refused = refused;
        self.more = self.more.saturating_sub(batch.more);
        self.news_ms = None;
        self.look(policy, now_ms);
    }

    /// What the receiver has been told of an alert, where that is certain.
    pub(crate) fn told(&self, alert_id: &str) -> Option<Notice> {
        let line = self.alerts.get(alert_id)?;
        let told = line.told.clone()?;
        Some(Notice {
            state: told.state,
            severity: told.severity,
            ..line.notice.clone()
        })
    }

    /// Whether it holds an alert.
    pub(crate) fn holds(&self, alert_id: &str) -> bool {
        self.alerts.contains_key(alert_id)
    }

    /// Gives an alert up to whoever keeps it from now on.
    pub(crate) fn hand_over(&mut self, alert_id: &str) {
        self.alerts.remove(alert_id);
        if let Some(batch) = &mut self.batch {
            batch.notices.retain(|notice| notice.alert_id != alert_id);
        }
        if self
            .batch
            .as_ref()
            .is_some_and(|batch| batch.notices.is_empty() && !batch.sending)
        {
            self.batch = None;
        }
    }
}

impl Batch {
    /// One without contents, whose first attempt is now.
    fn begun(id: Uuid, now_ms: i64) -> Self {
        Self {
            id,
            notices: Vec::new(),
            more: 0,
            repeat: false,
            attempt: 0,
            first_ms: now_ms,
            next_ms: now_ms,
            in_doubt: false,
            sending: false,
        }
    }

    /// One that belongs to no group, to see whether a channel works.
    pub(crate) fn alone(id: Uuid, notice: Notice) -> Self {
        Self {
            notices: vec![notice],
            attempt: 1,
            ..Self::begun(id, 0)
        }
    }

    /// How many of its alerts fire.
    pub(crate) fn firing(&self) -> usize {
        self.notices
            .iter()
            .filter(|notice| notice.state == NoticeState::Firing)
            .count()
    }
}
