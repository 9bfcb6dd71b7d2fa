//! The leader's work: once a second, the schedules whose time has come.
//!
//! One instance leads at a time. Should an old leader wake up after another took over, its fencing token is too old
//! and the transaction that would request a run is refused.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_model::{Clock, Project};
use weir_store::{Store, Term};

use crate::clockwork::Clockwork;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::plan::{Decision, Facts, Timetable, decide};
use crate::request::request_run;
use crate::store::{self, DueRow, NewRun};

/// A run that a schedule asked for is not begun later than this. Until then it keeps the next one from being asked for;
/// without an end, one request that no worker takes would silence its schedule for good.
const BEGIN_WITHIN_MS: i64 = 3_600_000;
/// How long the records of runs that ended are kept.
const KEEP_RUNS_MS: i64 = 30 * 24 * 3_600_000;

/// Shows that this instance leads, until it is dropped: a term that is lost ends without a word.
struct Leading<'a>(&'a Metrics);

impl<'a> Leading<'a> {
    fn shown(metrics: &'a Metrics) -> Self {
        metrics.leader.with([]).set(1.0);
        Self(metrics)
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.leader.with([]).set(0.0);
    }
}

/// Leads a term, tick by tick.
#[derive(Debug, Clone)]
pub(crate) struct Conductor {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
}

impl Conductor {
    /// Requests what is due until the term ends. False when the clockwork stopped by itself.
    pub(crate) async fn lead(&self, term: &Term, clockwork: &mut Clockwork, stop: &CancellationToken) -> bool {
        let _leading = Leading::shown(&self.metrics);
        tracing::info!(epoch = term.epoch(), "leading the schedules");
        while let Some(tick) = stop.run_until_cancelled(clockwork.tick()).await {
            if tick.is_none() {
                return false;
            }
            if let Err(error) = self.round(term).await {
                tracing::warn!(error = %error, "due schedules were left for the next second");
            }
        }
        true
    }

    async fn round(&self, term: &Term) -> Result<(), Error> {
        let now = self.clock.unix_ms();
        let mut connection = self.store.pool().acquire().await?;
        let due = store::due_schedules(&mut connection, now, now - BEGIN_WITHIN_MS).await?;
        store::forget_runs(&mut connection, now - KEEP_RUNS_MS).await?;
        drop(connection);
        for row in due {
            if let Err(error) = self.attend(term, &row, now).await {
                tracing::warn!(schedule = row.schedule.name, project = row.schedule.project, error = %error, "schedule not attended to");
            }
        }
        Ok(())
    }

    /// Decides about one schedule and writes the decision, all or nothing.
    async fn attend(&self, term: &Term, row: &DueRow, now: i64) -> Result<(), Error> {
        let schedule = &row.schedule;
        let facts = Facts {
            due_unix_ms: schedule.next_run_unix_ms,
            misfire: schedule.misfire(),
            running: row.running,
        };
        let decision = decide(&facts, now);
        if decision == Decision::Wait {
            return Ok(());
        }
        let next = Timetable::parse(&schedule.cron, &schedule.time_zone)?.next_after(now)?;
        let next = next + jitter_ms(schedule.jitter_ms);
        let mut transaction = self.store.pool().begin().await?;
        term.check(&mut transaction)
            .await
            .map_err(|error| Error::Store(error.to_string()))?;
        if !store::plan_next(&mut transaction, schedule, next).await? {
            return Ok(());
        }
        if decision == Decision::Run {
            let project = Project::parse(&schedule.project).map_err(|error| Error::Field {
                field: "project",
                reason: error.to_string(),
            })?;
            request_run(&mut transaction, &project, &scheduled_run(row, now), &self.clock).await?;
        }
        transaction.commit().await?;
        self.tell(row, decision);
        Ok(())
    }

    fn tell(&self, row: &DueRow, decision: Decision) {
        let word = match decision {
            Decision::Wait => return,
            Decision::Run => "run",
            Decision::Missed => "missed",
            Decision::Overlap => "overlap",
        };
        self.metrics.decisions.with([word]).inc();
        tracing::info!(
            schedule = row.schedule.name,
            project = row.schedule.project,
            decision = word,
            "schedule was due"
        );
    }
}

fn scheduled_run(row: &DueRow, now: i64) -> NewRun {
    let schedule = &row.schedule;
    NewRun {
        id: Uuid::now_v7(),
        schedule_id: Some(schedule.id),
        project: schedule.project.clone(),
        operation: schedule.operation.clone(),
        parameters: schedule.parameters.clone(),
        requested_by: format!("schedule {}", schedule.name),
        dry_run: false,
        requested_unix_ms: now,
        begin_before_unix_ms: now + BEGIN_WITHIN_MS,
    }
}

/// A part of the jitter, by the random bits of a fresh id.
fn jitter_ms(most: i64) -> i64 {
    let (_, random) = Uuid::now_v7().as_u64_pair();
    i64::try_from(random % u64::try_from(most.max(0)).unwrap_or_default().saturating_add(1)).unwrap_or_default()
}
