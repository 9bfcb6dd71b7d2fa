//! How healthy everything is and was: asked every few seconds, kept in memory, written down when it changes.

pub(crate) mod ops;
mod probe;
pub(crate) mod reading;
mod record;
mod state;
mod traffic;
mod trend;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use weir_runtime::{Ground, Stage};

use crate::http::Console;
use crate::store::health::SampleRow;

pub(crate) use probe::{ANSWER_WITHIN, OWN_PROJECT, answers};
pub(crate) use state::{Change, Kind, Part, Picture, State, Status};
pub(crate) use traffic::{Reading, Span, Traffic};
pub(crate) use trend::{Direction, Trend, trend, worst};

/// Backups' places are asked less often: each answer costs a look into the store of objects.
const REPOSITORIES_EVERY: Duration = Duration::from_secs(60);
/// Changes that wait for the store; the oldest gives way.
const WAITING_MAX: usize = 2_000;
const MINUTE_MS: i64 = 60_000;
const MINUTES_MAX: usize = 720;

/// What is known of health. Cheap to clone; clones agree.
#[derive(Debug, Clone)]
pub(crate) struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    picture: watch::Sender<Arc<Picture>>,
    traffic: Mutex<Traffic>,
    waiting: Mutex<VecDeque<Change>>,
    /// One for each minute that is not written yet.
    minutes: Mutex<BTreeMap<i64, SampleRow>>,
    changed: Notify,
}

impl Health {
    pub(crate) fn new(now_unix_ms: i64) -> Self {
        Self(Arc::new(Inner {
            picture: watch::Sender::new(Arc::new(Picture::empty(now_unix_ms))),
            traffic: Mutex::default(),
            waiting: Mutex::default(),
            minutes: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// As it was at the last look.
    pub(crate) fn picture(&self) -> Arc<Picture> {
        self.0.picture.borrow().clone()
    }

    /// The first look may not have ended yet: waits for it a little.
    pub(crate) async fn known(&self, within: Duration) -> Arc<Picture> {
        let mut picture = self.0.picture.subscribe();
        let there = picture.wait_for(|picture| !picture.parts.is_empty());
        let waited = tokio::time::timeout(within, there).await;
        drop(waited);
        self.picture()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        lock(&self.0.traffic).clone()
    }

    /// Takes in a look. Says how many changes were lost because the store was away for too long.
    fn take(&self, round: probe::Round, extra: Vec<state::Sighting>, now_unix_ms: i64) -> usize {
        let mut sightings = round.sightings;
        sightings.extend(extra);
        if let Some(reading) = round.reading {
            let mut traffic = lock(&self.0.traffic);
            traffic.add(reading);
            sightings.push(reading::performance(&traffic.judge()));
        }
        let (picture, changes) = self.picture().after(sightings, now_unix_ms);
        for change in &changes {
            tracing::info!(
                health.part = change.part,
                health.state = change.state.as_str(),
                reason = change.reason,
                "health changed"
            );
        }
        self.note_minute(&picture);
        self.0.picture.send_replace(Arc::new(picture));
        self.wait_for_store(changes)
    }

    /// How the present minute is, once. What nobody could write down for hours is left out, the oldest first.
    fn note_minute(&self, picture: &Picture) {
        let minute_unix_ms = picture.at_unix_ms - picture.at_unix_ms.rem_euclid(MINUTE_MS);
        let mut minutes = lock(&self.0.minutes);
        let is_new = minutes.last_key_value().is_none_or(|(last, _)| *last < minute_unix_ms);
        if is_new && picture.status != Status::Unknown {
            let sample = sample(picture, minute_unix_ms, lock(&self.0.traffic).lately().as_ref());
            minutes.insert(minute_unix_ms, sample);
        }
        while minutes.len() > MINUTES_MAX {
            minutes.pop_first();
        }
    }

    fn wait_for_store(&self, changes: Vec<Change>) -> usize {
        if changes.is_empty() {
            return 0;
        }
        let mut waiting = lock(&self.0.waiting);
        waiting.extend(changes);
        let lost = waiting.len().saturating_sub(WAITING_MAX);
        waiting.drain(..lost);
        self.0.changed.notify_one();
        lost
    }
}

fn sample(picture: &Picture, minute_unix_ms: i64, lately: Option<&Span>) -> SampleRow {
    let connect = picture.part(Kind::Aspect, state::CONNECTIVITY);
    SampleRow {
        minute_unix_ms,
        state: picture.status.state().as_str().to_owned(),
        connect_ms: connect.and_then(|part| part.latency_ms),
        queries_per_second: lately.map(Span::calls_per_second),
        error_ratio: lately.and_then(Span::error_ratio),
        p95_ms: lately.and_then(|span| span.p95_ms),
        not_up: i32::try_from(picture.not_up()).unwrap_or(i32::MAX),
    }
}

fn lock<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at everything from now on, and writes down what changes.
pub(crate) fn start(ground: &Ground, console: &Console) {
    let (health, metrics) = (console.health.clone(), console.metrics.clone());
    ground.registry.before_scrape(move || {
        let figure = health.picture().status.figure();
        metrics.health_status.with([]).set(figure);
    });
    let looking = console.clone();
    ground.tasks.spawn(Stage::Watch, "health", |stop| async move {
        watch_all(&looking, &stop).await;
        Ok(())
    });
    let writing = console.clone();
    ground.tasks.spawn(Stage::Flow, "health record", |stop| async move {
        record::keep(&writing, &stop).await;
        Ok(())
    });
}

async fn watch_all(console: &Console, stop: &CancellationToken) {
    let (mut repositories, mut asked_at) = (Vec::new(), None::<Instant>);
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let is_due = asked_at.is_none_or(|at| begun - at >= REPOSITORIES_EVERY);
        let looks = async {
            tokio::join!(probe::look(console), async {
                if is_due {
                    Some(probe::repositories(console).await)
                } else {
                    None
                }
            })
        };
        let Some((round, listed)) = stop.run_until_cancelled(looks).await else {
            return;
        };
        if let Some(listed) = listed {
            (repositories, asked_at) = (listed, Some(begun));
        }
        let lost = console
            .health
            .take(round, repositories.clone(), console.clock.unix_ms());
        console.metrics.health_changes_lost.with([]).inc_by(lost as u64);
        stop.run_until_cancelled(sleep_until(begun + console.settings().health_every))
            .await;
    }
}
