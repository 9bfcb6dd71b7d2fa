//! Plans of slow statements, captured by themselves: generic ones, of texts without literals, never run.
//!
//! Whoever counts statements offers those that were slow, and waits for nothing: an offer is a look into a map. One task
//! takes them at the pace of the settings. What the statement's session was set to is not told, so that its plan is
//! made as the monitor's role, with the search path that this role has in that database.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use weir_model::{Clock, Coded as _, ErrorClass, Fingerprint, Project};
use weir_runtime::TaskResult;
use weir_store::{Store, pause};
use weir_upstream::Target;

use crate::advise::{Capturable, Facts, Pace, Pacer, capturable, changed, read, shape};
use crate::aggregate::Told;
use crate::detect::SlowKey;
use crate::metrics::Metrics;
use crate::observe::Shared;
use crate::observe::explain::analysis::{Analysis, assess};
use crate::observe::explain::error::ExplainError;
use crate::observe::explain::session::{self, Order};
use crate::settings::MonitorSettings;
use crate::store::{self, NewPlan};

/// Under this name a session shows itself in `pg_stat_activity`.
const NAME: &str = "weir-monitor/capture";
/// How often the task looks whether a plan is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What a capture came to for which nobody was there.
const AWAY: &str = "away";
/// How long nothing is captured while the server is away.
const AWAY_PAUSE: Duration = Duration::from_secs(30);
/// How often old plans are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How long the store may take.
const STORE_WITHIN: Duration = Duration::from_secs(10);
/// A shape whose plan could not be had is tried again after this many times of the usual, and an hour at least.
const FAILED_FACTOR: u32 = 6;
const FAILED_AT_LEAST: Duration = Duration::from_secs(3_600);
/// A longer plan is not kept.
const KEPT_BYTES_MAX: usize = 512 * 1024;

/// How plans are captured, and how long they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pacing {
    enabled: bool,
    every: Duration,
    per_minute: usize,
    timeout: Duration,
    keep: Duration,
    plans_max: usize,
}

impl Pacing {
    /// As the settings say.
    pub(crate) const fn of(settings: &MonitorSettings) -> Self {
        Self {
            enabled: settings.plan_capture,
            every: settings.plan_capture_every,
            per_minute: settings.plan_capture_per_minute,
            timeout: settings.plan_capture_timeout,
            keep: settings.plans_keep,
            plans_max: settings.plans_max,
        }
    }

    fn pace(self) -> Pace {
        Pace {
            every_ms: ms(self.every),
            failed_every_ms: ms((self.every * FAILED_FACTOR).max(FAILED_AT_LEAST)),
            per_minute: self.per_minute,
        }
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[derive(Debug)]
struct State {
    pacer: Pacer<SlowKey>,
    pacing: Pacing,
}

/// Where slow statements are offered. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Captures {
    state: Arc<Mutex<State>>,
    clock: Clock,
}

impl Captures {
    /// Nothing offered yet.
    pub(crate) fn new(settings: &MonitorSettings, clock: Clock) -> Self {
        let pacing = Pacing::of(settings);
        let pacer = Pacer::new(pacing.pace());
        let state = Arc::new(Mutex::new(State { pacer, pacing }));
        Self { state, clock }
    }

    /// Offers a statement that was slow. Never waits.
    pub(crate) fn offer(&self, project: &Project, event: &Told<'_>) {
        let mut state = self.state();
        if !state.pacing.enabled || event.fingerprint == 0 {
            return;
        }
        let key = SlowKey {
            project: project.clone(),
            database: event.database.to_owned(),
            fingerprint: Fingerprint::new(event.fingerprint),
        };
        state.pacer.offer(key, self.clock.unix_ms());
    }

    /// Another pace from now on.
    pub(crate) fn set_pacing(&self, pacing: Pacing) {
        let mut state = self.state();
        state.pacer.set_pace(pacing.pace());
        state.pacing = pacing;
    }

    /// Shows what there was no room for.
    pub(crate) fn show(&self, metrics: &Metrics) {
        metrics.plans_dropped.with([]).set(self.state().pacer.dropped() as f64);
    }

    fn pacing(&self) -> Pacing {
        self.state().pacing
    }

    fn pacer<T>(&self, act: impl FnOnce(&mut Pacer<SlowKey>, i64) -> T) -> T {
        let now = self.clock.unix_ms();
        act(&mut self.state().pacer, now)
    }

    fn next(&self) -> Option<SlowKey> {
        let enabled = self.pacing().enabled;
        self.pacer(|pacer, now| pacer.next(now)).filter(|_| enabled)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no new plan of a shape.
enum Missed {
    /// Nobody had to be asked: it is no statement to be explained.
    Unfit,
    /// Another monitor was there first.
    Fresh,
    /// The server, or the store, is away.
    Away(String),
    /// The server said no.
    Refused(String),
}

/// The task that captures.
#[derive(Debug)]
pub(crate) struct Capturer {
    pub(super) target: Target,
    pub(super) shared: Shared,
    pub(super) captures: Captures,
    pub(super) store: Store,
    pub(super) metrics: Arc<Metrics>,
}

impl Capturer {
    /// Captures what is due until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) -> TaskResult {
        let mut forgotten: Option<Instant> = None;
        while pause(&stop, LOOK_EVERY).await {
            if let Some(key) = self.captures.next() {
                self.turn(key, &stop).await;
            }
            if forgotten.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
                forgotten = Some(Instant::now());
                self.forget().await;
            }
        }
        Ok(())
    }

    async fn turn(&self, key: SlowKey, stop: &CancellationToken) {
        let outcome = match self.capture(&key, stop).await {
            Ok(outcome) => outcome,
            Err(missed) => self.missed(key, missed),
        };
        self.metrics.plans_captured.with([outcome]).inc();
        if outcome == AWAY {
            pause(stop, AWAY_PAUSE).await;
        }
    }

    fn missed(&self, key: SlowKey, missed: Missed) -> &'static str {
        let fingerprint = key.fingerprint;
        match missed {
            Missed::Unfit | Missed::Fresh => {
                self.captures.pacer(|pacer, _| pacer.give_back());
                "skipped"
            }
            Missed::Away(error) => {
                tracing::debug!(query.fingerprint = %fingerprint, error, "no plan is captured while the server is away");
                self.captures.pacer(|pacer, _| pacer.forget(&key));
                AWAY
            }
            Missed::Refused(error) => {
                tracing::debug!(query.fingerprint = %fingerprint, error, "the plan of a slow statement cannot be had");
                self.captures.pacer(|pacer, now| pacer.failed(key, now));
                "failed"
            }
        }
    }

    /// One shape: its text, whether anybody has its plan, the plan, and what is different in it.
    async fn capture(&self, key: &SlowKey, stop: &CancellationToken) -> Result<&'static str, Missed> {
        let statement = self.statement(key).ok_or(Missed::Unfit)?;
        let pacing = self.captures.pacing();
        let now = self.captures.clock.unix_ms();
        let latest = self.within(store::latest_plan(&self.store, key)).await?;
        if latest.is_some_and(|row| row.captured_unix_ms > now - ms(pacing.every)) {
            return Err(Missed::Fresh);
        }
        let analysis = self.explain(key, &statement, pacing.timeout, stop).await?;
        if analysis.json.len() > KEPT_BYTES_MAX {
            return Err(Missed::Refused("its plan is too long to be kept".to_owned()));
        }
        let findings = serde_json::to_string(&analysis.findings).map_err(|error| Missed::Refused(error.to_string()))?;
        let new = NewPlan {
            key,
            now_unix_ms: self.captures.clock.unix_ms(),
            shape: shape(&analysis.plan).cast_signed(),
            total_cost: analysis.plan.total_cost(),
            shortened: statement.shortened,
            json: &analysis.json,
            findings: &findings,
        };
        let difference = |before: &str| {
            let before = read(before).ok()?;
            serde_json::to_string(&changed(&before, &analysis.plan)).ok()
        };
        let is_changed = self.within(store::keep_plan(&self.store, &new, difference)).await?;
        Ok(if is_changed { "changed" } else { "captured" })
    }

    fn statement(&self, key: &SlowKey) -> Option<Capturable> {
        let shape = self
            .shared
            .with(|knowledge| knowledge.statistics.shapes.get(key.fingerprint).cloned())?;
        capturable(&shape.text, shape.kind)
    }

    async fn explain(
        &self,
        key: &SlowKey,
        statement: &Capturable,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Result<Analysis, Missed> {
        let order = Order {
            sql: statement.sql.clone(),
            given: Vec::new(),
            database: key.database.clone(),
            analyze: false,
            may_write: false,
            is_plain: true,
            settings: Vec::new(),
            name: NAME,
        };
        let explained = session::run(&self.target, &order, limit, stop.cancelled()).await;
        let explained = explained.map_err(|error| missed(&error))?;
        let facts = explained.facts.as_ref().cloned().unwrap_or_else(|_| Facts::default());
        assess(explained, Vec::new(), &facts).map_err(|error| missed(&error))
    }

    async fn within<T>(&self, asked: impl Future<Output = sqlx::Result<T>>) -> Result<T, Missed> {
        let answered = timeout(STORE_WITHIN, asked)
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut));
        answered.map_err(|error| Missed::Away(self.store.error(error).to_string()))
    }

    async fn forget(&self) {
        let pacing = self.captures.pacing();
        let before = self.captures.clock.unix_ms() - ms(pacing.keep);
        let most = i64::try_from(pacing.plans_max).unwrap_or(i64::MAX);
        if let Err(Missed::Away(error)) = self.within(store::forget_plans(&self.store, before, most)).await {
            tracing::debug!(error, "old plans wait for the store");
        }
    }
}

/// What cannot be helped by asking again soon, and what may.
fn missed(error: &ExplainError) -> Missed {
    let text = error.to_string();
    match error.class() {
        ErrorClass::Unavailable | ErrorClass::Cancelled | ErrorClass::Unauthenticated => Missed::Away(text),
        _ => Missed::Refused(text),
    }
}
