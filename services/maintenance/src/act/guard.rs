//! Watches over a statement while it runs, and says when it has to end.
//!
//! A job that is cancelled and a window that ends are always heeded. A guard that was given [`Parts`] also looks after
//! the users: what their statements take, as the gateways tell it; who waits for a lock of ours, and how far replicas
//! are behind, which a small connection of its own asks the server. What cannot be known is no trouble, and is said in
//! [`Guard::account`]. What was found outlives the statement: three looks in a row may be at three statements.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_jobs::{JobContext, Window};
use weir_model::Clock;
use weir_upstream::{ConnectOptions, Connection, Target};

use super::Halt;
use crate::latency::{Latency, Working};
use crate::metrics::Metrics;
use crate::observe::harm::{self, Ours};
use crate::plan::{GuardRule, Late, Streaks, blocks};

/// Time between two looks at locks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time for an answer. Without one nothing is known.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Rest after a look that came to nothing.
const REST: Duration = Duration::from_secs(1);

/// What a piece of work is watched by.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    cancelled: &'a CancellationToken,
    window: Window,
    clock: &'a Clock,
    watch: Option<Watch>,
}

/// What it takes to look after users.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// What users have to bear.
    pub rule: GuardRule,
    /// The database that is worked on.
    pub target: Target,
    /// How the sessions that work call themselves, those of programs included.
    pub name: String,
    /// What users' statements take.
    pub latency: Latency,
    /// What is done cannot wait: how long statements take and how far replicas are behind does not matter.
    pub emergency: bool,
    /// Where halts are counted.
    pub metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Watch {
    parts: Parts,
    seen: Mutex<Seen>,
    /// The connection that asks, while it does not.
    asking: Mutex<Option<Connection>>,
    /// What is told meanwhile is not usual.
    _working: Working,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Seen {
    streaks: Streaks,
    late: Late,
    /// The step that was looked at last, of statements and of replicas.
    step: u64,
    replicas_step: u64,
    looks: u64,
    unanswered: u64,
    deaf: Option<String>,
}

impl<'a> Guard<'a> {
    pub(crate) const fn new(job: &'a JobContext, clock: &'a Clock) -> Self {
        Self::of(job.cancelled(), job.window(), clock)
    }

    const fn of(cancelled: &'a CancellationToken, window: Window, clock: &'a Clock) -> Self {
        Self {
            cancelled,
            window,
            clock,
            watch: None,
        }
    }

    /// Looks after users as well, from now on and for as long as the guard lives.
    pub(crate) fn watching(mut self, parts: Parts) -> Self {
        self.watch = Some(Watch::new(parts));
        self
    }

    /// Waits for a reason to end the statement that the backend `pid` runs. Safe to drop at any time.
    pub(crate) async fn trips(&self, pid: i32) -> Halt {
        tokio::select! {
            () = self.cancelled.cancelled() => Halt::Cancelled,
            () = self.window_ends() => Halt::WindowEnded,
            halt = self.users_call(pid) => halt,
        }
    }

    /// What was looked at, what came of it, and what could not be judged, for the effect of a job.
    pub(crate) fn account(&self) -> Json {
        self.watch.as_ref().map_or(Json::Null, Watch::account)
    }

    async fn window_ends(&self) {
        let Some(ends) = self.window.ends else {
            return std::future::pending().await;
        };
        // A clock that is set while this waits counts as well.
        while let Ok(left) = ends.duration_since(self.clock.now()) {
            sleep(left.min(std::time::Duration::from_secs(1))).await;
        }
    }

    async fn users_call(&self, pid: i32) -> Halt {
        let Some(watch) = &self.watch else {
            return std::future::pending().await;
        };
        loop {
            sleep(LOOK_EVERY).await;
            if let Some(halt) = watch.listen() {
                return halt;
            }
            match watch.look(pid).await {
                Ok(Some(halt)) => return halt,
                Ok(None) => {}
                Err(Unanswered) => sleep(REST).await,
            }
        }
    }
}

/// A question that nobody answered in time.
struct Unanswered;

impl Watch {
    fn new(parts: Parts) -> Self {
        let seen = Seen {
            step: parts.latency.steps(),
            ..Seen::default()
        };
        Self {
            _working: parts.latency.working(),
            seen: Mutex::new(seen),
            asking: Mutex::new(None),
            parts,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Judges the statements of each step once, when it has ended.
    fn listen(&self) -> Option<Halt> {
        let Parts { rule, latency, .. } = &self.parts;
        let steps = latency.steps();
        if self.parts.emergency || self.with(|seen| steps <= seen.step) {
            return None;
        }
        let everybody = latency.users(self.parts.target.database());
        let words = self.with(|seen| {
            seen.step = steps;
            seen.deaf = latency.deaf().or_else(|| seen.deaf.take());
            seen.streaks.take(rule, &everybody, latency.step())
        });
        words.map(|words| self.halt("latency", Halt::UsersSuffer(words)))
    }

    /// Asks the server whom ours make wait, and once in a step how far replicas are behind.
    async fn look(&self, pid: i32) -> Result<Option<Halt>, Unanswered> {
        let (ours, due) = self.due(pid);
        let answered = timeout(ANSWER_WITHIN, self.ask(&ours, due)).await;
        let Ok(Some(halt)) = answered else {
            self.with(|seen| seen.unanswered += 1);
            return Err(Unanswered);
        };
        self.with(|seen| seen.looks += 1);
        Ok(halt)
    }

    fn due(&self, pid: i32) -> (Ours, bool) {
        let steps = self.parts.latency.steps();
        let judges_lag = !self.parts.emergency && !self.parts.rule.lag_max.is_zero();
        self.with(|seen| {
            let due = judges_lag && (seen.replicas_step < steps);
            seen.replicas_step = steps;
            let pids = BTreeSet::from([pid]);
            let name = self.parts.name.clone();
            (Ours { pids, name }, due)
        })
    }

    /// None where the connection is lost; the next question opens another. So does one that is given up: it takes the
    /// connection with it.
    async fn ask(&self, ours: &Ours, lag: bool) -> Option<Option<Halt>> {
        let held = self.asking.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut connection = match held {
            Some(connection) => connection,
            None => self.connect().await.ok()?,
        };
        let halt = self.put(&mut connection, ours, lag).await;
        if !connection.is_broken() {
            *self.asking.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
        halt.ok()
    }

    async fn put(
        &self,
        connection: &mut Connection,
        ours: &Ours,
        lag: bool,
    ) -> Result<Option<Halt>, weir_upstream::Error> {
        let rule = &self.parts.rule;
        let waiting = harm::waiting(connection, ours).await?;
        if let Some(words) = blocks(rule, &waiting) {
            return Ok(Some(self.halt("block", Halt::Blocks(words))));
        }
        if !lag {
            return Ok(None);
        }
        let replicas = harm::replicas(connection).await?;
        let words = self.with(|seen| seen.late.take(rule, &replicas));
        Ok(words.map(|words| self.halt("lag", Halt::UsersSuffer(words))))
    }

    async fn connect(&self) -> Result<Connection, weir_upstream::Error> {
        let ms = ANSWER_WITHIN.as_millis().to_string();
        let parameter = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let options = ConnectOptions {
            timeout: Some(ANSWER_WITHIN),
            application_name: Some(format!("{}/guard", self.parts.name)),
            parameters: vec![
                // A question that was given up ends at the server as well.
                parameter("statement_timeout", &ms),
                parameter("search_path", "pg_catalog"),
            ],
            ..ConnectOptions::default()
        };
        Connection::connect(&self.parts.target, options).await
    }

    fn halt(&self, reason: &str, halt: Halt) -> Halt {
        self.parts.metrics.guard_halts.with([reason]).inc();
        halt
    }

    fn account(&self) -> Json {
        let ms = |us: f64| (us / 10.0).round() / 100.0;
        self.with(|seen| {
            let Streaks {
                looks,
                judged,
                over,
                worst,
                ..
            } = &seen.streaks;
            json!({
                "latency": self.judged(seen), "latency_looks": looks, "latency_judged": judged, "latency_over": over,
                "worst_p95_ms": worst.map(|worst| ms(worst.p95_us)),
                "usual_p95_ms": worst.map(|worst| ms(worst.usual_us)),
                "lock_looks": seen.looks, "lock_looks_unanswered": seen.unanswered,
            })
        })
    }

    /// Whether statements were judged by what they took, or why not.
    fn judged(&self, seen: &Seen) -> String {
        if self.parts.emergency {
            return "not judged: what was done could not wait".to_owned();
        }
        if seen.streaks.judged > 0 {
            return "judged".to_owned();
        }
        if let Some(deaf) = &seen.deaf {
            return format!("not judged: {deaf}");
        }
        let users = self.parts.latency.users(self.parts.target.database());
        let why = match users.iter().any(|users| users.before.is_some()) {
            true => "too few statements came through the gateway meanwhile",
            false => {
                "the gateway told of too few statements of this database before the work began to know what is usual"
            }
        };
        format!("not judged: {why}")
    }
}

#[cfg(test)]
mod tests;
