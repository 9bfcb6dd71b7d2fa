//! Tells of violations: an event that is kept, and a line in the log; the same at most once a minute.
//!
//! While the bus is away events wait, up to a bound; what is beyond it is counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, StreamSpec};
use weir_events::Event;
use weir_events::catalogue::SECURITY;
use weir_model::{Clock, Fingerprint, Project};
use weir_proto::common::v1::Severity;
use weir_proto::events::v1::{Door, SecurityViolation, ViolationAction};
use weir_runtime::{Ground, Stage, TaskResult};

use super::repeats::Repeats;
use crate::metrics::Metrics;
use crate::tap::message;

/// Events that wait for the bus.
const OUTGOING_MAX: usize = 10_000;
/// How long the bus may take to say that it has one.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(2);
/// How often those are looked for whose minute is over, and the bus is asked that was away.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the last may take to leave at shutdown.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// A rule was broken.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    /// All that were, where there were several.
    pub(crate) rules: Vec<&'static str>,
    /// Whether it was refused.
    pub(crate) blocks: bool,
    pub(crate) severity: Severity,
    pub(crate) score: u16,
    pub(crate) project: Project,
    pub(crate) database: Arc<str>,
    pub(crate) user: Arc<str>,
    pub(crate) application: Arc<str>,
    pub(crate) upstream: Arc<str>,
    pub(crate) client: Arc<str>,
    pub(crate) door: Door,
    pub(crate) fingerprint: Option<u64>,
    pub(crate) summary: &'static str,
    pub(crate) traceparent: Arc<str>,
}

impl Violation {
    /// What was done about it.
    pub(crate) const fn action_word(&self) -> &'static str {
        if self.blocks { "blocked" } else { "reported" }
    }

    fn fingerprint(&self) -> String {
        self.fingerprint
            .map(|number| Fingerprint::new(number).to_string())
            .unwrap_or_default()
    }

    fn event(&self, count: u32, clock: &Clock) -> Event {
        let action = if self.blocks {
            ViolationAction::Blocked
        } else {
            ViolationAction::Reported
        };
        let said = SecurityViolation {
            project: self.project.to_string(),
            rule: self.rule.to_owned(),
            action: action.into(),
            severity: self.severity.into(),
            upstream: self.upstream.to_string(),
            database: self.database.to_string(),
            user: self.user.to_string(),
            application: self.application.to_string(),
            client: self.client.to_string(),
            door: self.door.into(),
            fingerprint: self.fingerprint(),
            summary: self.summary.to_owned(),
            at_unix_ms: clock.unix_ms(),
            traceparent: self.traceparent.to_string(),
            count,
            score: u32::from(self.score),
            rules: self.rules.iter().map(|rule| (*rule).to_owned()).collect(),
        };
        weir_events::gateway::security_violation(&self.project, &said, clock)
    }

    fn log(&self, count: u32) {
        tracing::warn!(
            rule = self.rule, action = self.action_word(), count,
            project = %self.project, db.name = %self.database, db.user = %self.user, client = %self.client,
            query.fingerprint = %self.fingerprint(), score = self.score,
            "a rule of security was broken: {}", self.summary
        );
    }
}

/// Has it told what comes out of this line.
pub(crate) fn start(ground: &Ground, bus: Bus, metrics: Arc<Metrics>, line: mpsc::Receiver<Violation>) {
    let teller = Teller {
        line,
        bus,
        metrics,
        clock: ground.clock.clone(),
        repeats: Repeats::default(),
        outgoing: VecDeque::new(),
        stream: weir_store::outbox::stream_spec(&SECURITY),
    };
    ground
        .tasks
        .spawn(Stage::Flow, "security violations", |stop| teller.run(stop));
}

struct Teller {
    line: mpsc::Receiver<Violation>,
    bus: Bus,
    metrics: Arc<Metrics>,
    clock: Clock,
    repeats: Repeats,
    outgoing: VecDeque<Event>,
    stream: StreamSpec,
}

impl Teller {
    async fn run(mut self, stop: CancellationToken) -> TaskResult {
        let mut look = tokio::time::interval(LOOK_EVERY);
        while !stop.is_cancelled() {
            tokio::select! {
                heard = self.line.recv() => if let Some(violation) = heard { self.hear(violation) },
                _ = look.tick() => {}
                () = stop.cancelled() => break,
            }
            self.hear_all();
            for (violation, count) in self.repeats.due(Instant::now()) {
                self.put(&violation, count);
            }
            self.send().await;
        }
        self.leave().await;
        Ok(())
    }

    fn hear(&mut self, violation: Violation) {
        if let Some(violation) = self.repeats.hear(violation, Instant::now()) {
            self.put(&violation, 1);
        }
    }

    fn hear_all(&mut self) {
        while let Ok(violation) = self.line.try_recv() {
            self.hear(violation);
        }
    }

    fn put(&mut self, violation: &Violation, count: u32) {
        violation.log(count);
        if self.outgoing.len() >= OUTGOING_MAX {
            self.metrics.security_events.with(["lost"]).inc();
            return;
        }
        self.outgoing.push_back(violation.event(count, &self.clock));
    }

    /// Sends what waits, as far as the bus takes it. The id of an event that may have arrived is sent again as it is.
    async fn send(&mut self) {
        while let Some(event) = self.outgoing.front() {
            let id = event.id.to_string();
            let sent = self
                .bus
                .publish_durable(&self.stream, &id, message(event), PUBLISH_TIMEOUT);
            let outcome = match sent.await {
                Ok(()) => "told",
                Err(error) if error.is_retryable() => return,
                Err(error) => {
                    tracing::warn!(dependency = "bus", %error, "a violation is not told, but logged");
                    "lost"
                }
            };
            self.metrics.security_events.with([outcome]).inc();
            self.outgoing.pop_front();
        }
    }

    async fn leave(&mut self) {
        self.line.close();
        self.hear_all();
        for (violation, count) in self.repeats.rest() {
            self.put(&violation, count);
        }
        // What does not leave in time is in the log.
        let _ = tokio::time::timeout(LEAVE_WITHIN, self.send()).await;
        let left = u64::try_from(self.outgoing.len()).unwrap_or(u64::MAX);
        self.metrics.security_events.with(["lost"]).inc_by(left);
    }
}
