//! Reads a log to its end: what comes is told as soon as nothing more has come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::FutureExt as _;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, Interval, interval};
use weir_bus::{Bus, Message};
use weir_model::{Clock, Project};
use weir_proto::cache::v1::{DdlWatch, FollowerState};
use weir_proto::events::v1::CacheInvalidated;
use weir_tags::Buckets;
use weir_upstream::{Connection, Replication, StandbyStatus};

use super::catalogue;
use super::core::{Core, Ripening};
use super::decode::Decoder;
use super::eyes::{Eyes, snapshot};
use super::lost::Lost;
use super::managing::Manager;
use super::news::{Head, News};
use super::opening::Opened;
use super::orders::OrderId;
use super::state::{Log, Shared};
use super::visible::Snapshot;
use crate::metrics::Metrics;

/// How often the server hears how far its log was taken, at least.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Frames that are taken before anything is told.
const BATCH_FRAMES: usize = 256;
/// From PostgreSQL's beginning of time to Unix'.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// Who waits for which order.
pub(crate) type Waiting = Mutex<HashMap<OrderId, oneshot::Sender<(Arc<str>, u64)>>>;

/// What following shares with everything around it.
#[derive(Clone)]
pub(crate) struct Around {
    pub(crate) bus: Bus,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) policy: watch::Receiver<u64>,
    pub(crate) database: Arc<str>,
    pub(crate) upstream: Arc<str>,
    pub(crate) tags_max: usize,
}

/// One log and who reads it.
pub(crate) struct Watching<'a> {
    around: Around,
    manager: &'a Manager,
    keeper: &'a tokio::sync::Mutex<Connection>,
    ripening: &'a Mutex<Ripening>,
    stream: Replication,
    eyes: Eyes,
    core: Core,
    log: Log,
    version: u32,
    is_everything: bool,
    status: Interval,
    told_lsn: u64,
    slot: String,
    /// When the first commit came that was not told yet.
    since: Option<Instant>,
    /// Commits on the server wait until this log has them.
    is_awaited: &'a AtomicBool,
}

impl<'a> Watching<'a> {
    pub(crate) fn new(
        around: Around,
        manager: &'a Manager,
        keeper: &'a tokio::sync::Mutex<Connection>,
        ripening: &'a Mutex<Ripening>,
        target: weir_upstream::Target,
        opened: Opened,
        is_awaited: &'a AtomicBool,
    ) -> Self {
        let catalogue = around.shared.lock().catalogue.clone();
        let buckets = Arc::new(Buckets::new());
        let head = Head {
            epoch: opened.epoch.clone(),
            upstream: around.upstream.clone(),
            database: around.database.clone(),
        };
        let decoder = Decoder::new(catalogue, around.tags_max);
        let (server, horizon_lsn) = (opened.server, opened.horizon_lsn);
        let version = server.version;
        Self {
            manager,
            keeper,
            ripening,
            stream: opened.stream,
            eyes: opened.eyes,
            core: Core::new(
                decoder,
                opened.before,
                News::new(head),
                buckets.clone(),
                server,
                horizon_lsn,
            ),
            log: Log {
                epoch: opened.epoch,
                sequence: 0,
                at: super::news::Positions::default(),
                horizon_lsn,
                buckets,
                target,
            },
            version,
            is_everything: opened.is_everything,
            status: interval(STATUS_EVERY),
            told_lsn: 0,
            slot: opened.slot,
            since: None,
            is_awaited,
            around,
        }
    }

    /// Goes on until the log is lost.
    pub(crate) async fn run(mut self) -> Lost {
        loop {
            if let Err(lost) = self.step().await {
                return lost;
            }
        }
    }

    async fn step(&mut self) -> Result<(), Lost> {
        let Self {
            stream,
            eyes,
            core,
            status,
            around,
            since,
            ..
        } = self;
        let (is_held, is_waiting) = (core.pending.is_held(), core.pending.is_waiting());
        tokio::select! {
            frame = stream.next(), if !is_held => {
                let unix_us = unix_us(&around.clock);
                since.get_or_insert_with(Instant::now);
                core.take(frame?, unix_us)?;
                drain(stream, core, unix_us)?;
            }
            seen = eyes.look(is_held), if is_waiting => {
                let seen = seen?;
                self.see(&seen).await?;
            }
            _ = status.tick() => self.core.owes_reply |= self.told_lsn < self.core.applied_lsn() || is_held,
            changed = around.policy.changed() => {
                changed.map_err(|_| Lost::other("the service stops".to_owned()))?;
            }
        }
        self.publish().await;
        self.reply().await
    }

    async fn see(&mut self, seen: &Snapshot) -> Result<(), Lost> {
        let was_useful = self.core.pending.look(seen);
        self.eyes.was_useful(was_useful);
        if self.core.is_ripe(seen) {
            self.reload().await?;
            self.eyes.was_useful(true);
        }
        Ok(())
    }

    /// Reads the catalogue anew while the log waits, and has the server know meanwhile that somebody is here.
    async fn reload(&mut self) -> Result<(), Lost> {
        let reading = read_catalogue(
            self.keeper,
            self.manager,
            self.ripening,
            self.version,
            self.is_everything,
        );
        let mut reading = std::pin::pin!(reading);
        let status = StandbyStatus {
            written: self.told_lsn,
            flushed: self.told_lsn,
            applied: self.told_lsn,
            ..StandbyStatus::default()
        };
        let catalogue = loop {
            tokio::select! {
                read = &mut reading => break read?,
                _ = self.status.tick() => self.stream.tell(&status).await?,
            }
        };
        let catalogue = Arc::new(catalogue);
        // First what holds for tables, then, with the next message, how far everything is visible.
        self.around.shared.lock().catalogue = catalogue.clone();
        self.core.go_on(catalogue);
        Ok(())
    }

    /// Tells what there is to tell. Before the catalogue was read for the first time that is nothing.
    async fn publish(&mut self) {
        if self.log.sequence == 0 && self.core.pending.is_held() {
            self.since = None;
            return;
        }
        let policy_generation = *self.around.policy.borrow_and_update();
        let now = self.core.positions(policy_generation);
        let messages = self.core.news.messages(now);
        let has_tags = messages.iter().any(|message| message.received_unix_us > 0);
        for message in messages {
            self.tell(message, now.kill_lsn).await;
        }
        let since = self.since.take();
        if let Some(since) = since.filter(|_| has_tags) {
            self.count(since);
        }
        self.answer_orders();
    }

    async fn tell(&mut self, message: CacheInvalidated, kill_lsn: u64) {
        self.log.sequence = message.sequence;
        self.log.at = super::news::Positions {
            applied_lsn: message.applied_lsn,
            visible_lsn: message.visible_lsn,
            kill_lsn,
            policy_generation: message.policy_generation,
        };
        {
            let mut known = self.around.shared.lock();
            known.pending = self.core.pending.len();
            if known.log.is_none() {
                known.state = FollowerState::Following;
                known.hindrance = String::new();
                known.slot.clone_from(&self.slot);
                known.ddl_watch = DdlWatch::EventTriggers;
            }
            known.log = Some(self.log.clone());
        }
        let event = weir_events::cache::invalidated(&Project::default(), &message, &self.around.clock);
        let told = Message::new(event.subject.to_string(), event.payload.clone()).with_headers(event.headers());
        if let Err(error) = self.around.bus.publish(told).await {
            // Its number is gone with it: gateways see the gap and ask for the whole state.
            self.around.metrics.messages_lost.with([]).inc();
            tracing::debug!(%error, "a message to the gateways was not sent");
        }
    }

    fn count(&mut self, since: Instant) {
        let (metrics, lag) = (&self.around.metrics, since.elapsed());
        metrics.invalidation_lag_seconds.with([]).observe(lag.as_secs_f64());
        let counts = std::mem::take(&mut self.core.counts);
        metrics.commits.with([]).inc_by(counts.commits);
        metrics.tags.with([]).inc_by(counts.tags);
        metrics.kills.with([]).inc_by(counts.kills);
        metrics.collapsed.with([]).inc_by(counts.collapsed);
        let lag_us = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        let unix_s = self.around.clock.unix_ms().unsigned_abs() / 1_000;
        self.around.shared.lock().lags.add(lag_us, unix_s);
    }

    fn answer_orders(&mut self) {
        if self.core.ordered.is_empty() {
            return;
        }
        let mut waiting = lock(&self.around.waiting);
        for id in self.core.ordered.drain(..) {
            if let Some(waits) = waiting.remove(&id) {
                // Who asked may have gone.
                let _ = waits.send((self.log.epoch.clone(), self.log.sequence));
            }
        }
    }

    async fn reply(&mut self) -> Result<(), Lost> {
        let applied = self.core.applied_lsn();
        // Where commits wait for us, they wait for each word.
        let is_due = self.is_awaited.load(Ordering::Relaxed) && applied > self.told_lsn;
        if !std::mem::take(&mut self.core.owes_reply) && !is_due {
            return Ok(());
        }
        let status = StandbyStatus {
            written: applied,
            flushed: applied,
            applied,
            clock: unix_us(&self.around.clock) - POSTGRES_EPOCH_US,
            wants_reply: false,
        };
        self.told_lsn = applied;
        Ok(self.stream.tell(&status).await?)
    }
}

/// Takes what has come already, up to a message's worth. Behind that, what was told before waits for nobody's large
/// transaction.
fn drain(stream: &mut Replication, core: &mut Core, unix_us: i64) -> Result<(), Lost> {
    for _ in 0..BATCH_FRAMES {
        if core.news.is_full() || core.pending.is_held() {
            break;
        }
        match stream.next().now_or_never() {
            Some(frame) => core.take(frame?, unix_us)?,
            None => break,
        }
    }
    Ok(())
}

async fn read_catalogue(
    keeper: &tokio::sync::Mutex<Connection>,
    manager: &Manager,
    ripening: &Mutex<Ripening>,
    version: u32,
    is_everything: bool,
) -> Result<super::tables::Catalogue, Lost> {
    let mut keeper = keeper.lock().await;
    let mut facts = catalogue::read(&mut keeper, version, &manager.publication).await?;
    let changes = facts.changes();
    let is_unchanged = is_everything || changes.add.is_empty() && changes.remove.is_empty();
    if !is_unchanged {
        let is_complete = manager.apply(&mut keeper, &facts, &changes).await?;
        lock(ripening).is_incomplete = !is_complete;
        facts = catalogue::read(&mut keeper, version, &manager.publication).await?;
    }
    let published = facts.published();
    let unknown = {
        let mut ripening = lock(ripening);
        ripening.keep(&published);
        ripening.unknown(&published)
    };
    let running = if unknown.is_empty() {
        Vec::new()
    } else {
        snapshot(&mut keeper).await?.running().to_vec()
    };
    let mut ripening = lock(ripening);
    if !unknown.is_empty() {
        ripening.wait(unknown, running);
    }
    Ok(facts.catalogue(&ripening.ripe, &manager.publication))
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_us(clock: &Clock) -> i64 {
    let since = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
