//! The leader's work: once a second, the schedules whose time has come.
//!
//! One instance leads at a time. Should an old leader wake up after another took over, its fencing token is too old
//! and the transaction that would request a run is refused.

use std::sync::Arc;

use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_model::{Clock, Project};
use weir_store::{Store, Term};

use crate::clockwork::Clockwork;
use crate::error::Error;
use crate::file;
use crate::metrics::Metrics;
use crate::plan::{Decision, Facts, Stamp, Timetable, decide, of_schedule};
use crate::request::request_run;
use crate::store::{self, DueRow, NewRun, ScheduleRow};
use crate::terms::CurrentTerms;
use crate::windows::opening_of;

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
    pub(crate) terms: CurrentTerms,
}

/// What a term has seen so far.
struct Seen {
    /// Settings that are not in the rows yet are marked as changed.
    terms: CurrentTerms,
    /// The time of the last round. `None`: there was none.
    round_unix_ms: Option<i64>,
}

impl Conductor {
    /// Requests what is due until the term ends. False when the clockwork stopped by itself.
    pub(crate) async fn lead(&self, term: &Term, clockwork: &mut Clockwork, stop: &CancellationToken) -> bool {
        let _leading = Leading::shown(&self.metrics);
        tracing::info!(epoch = term.epoch(), "leading the schedules");
        let mut seen = self.nothing_seen();
        while let Some(tick) = stop.run_until_cancelled(clockwork.tick()).await {
            if tick.is_none() {
                return false;
            }
            if let Err(error) = self.round(term, &mut seen).await {
                tracing::warn!(error = %error, "due schedules were left for the next second");
            }
        }
        true
    }

    fn nothing_seen(&self) -> Seen {
        let mut terms = self.terms.clone();
        terms.mark_changed();
        Seen {
            terms,
            round_unix_ms: None,
        }
    }

    async fn round(&self, term: &Term, seen: &mut Seen) -> Result<(), Error> {
        let now = self.clock.unix_ms();
        self.follow_file(term, seen).await?;
        if seen.round_unix_ms.is_none_or(|last| now < last) {
            self.realign(term, now).await?;
        }
        seen.round_unix_ms = Some(now);
        let mut connection = self.store.pool().acquire().await?;
        let due = store::due_schedules(&mut connection, now).await?;
        store::forget_runs(&mut connection, now - KEEP_RUNS_MS).await?;
        drop(connection);
        for row in due {
            if let Err(error) = self.attend(term, &row, now).await {
                tracing::warn!(schedule = row.schedule.name, project = row.schedule.project, error = %error, "schedule not attended to");
            }
        }
        Ok(())
    }

    async fn follow_file(&self, term: &Term, seen: &mut Seen) -> Result<(), Error> {
        if !seen.terms.has_changed().unwrap_or_default() {
            return Ok(());
        }
        let terms = seen.terms.borrow().clone();
        file::follow(&self.store, term, &terms.settings, &self.clock).await?;
        // Only now: what could not be written is tried again.
        seen.terms.borrow_and_update();
        Ok(())
    }

    /// Plans anew what is planned for a time that is much too far ahead, because the clock was set back since.
    async fn realign(&self, term: &Term, now: i64) -> Result<(), Error> {
        let mut connection = self.store.pool().acquire().await?;
        let schedules = store::unpaused_schedules(&mut connection).await?;
        drop(connection);
        for schedule in schedules {
            if let Err(error) = self.realign_one(term, &schedule, now).await {
                tracing::warn!(schedule = schedule.name, project = schedule.project, error = %error, "schedule not planned anew");
            }
        }
        Ok(())
    }

    async fn realign_one(&self, term: &Term, schedule: &ScheduleRow, now: i64) -> Result<(), Error> {
        let timetable = Timetable::parse(&schedule.cron, &schedule.time_zone)?;
        if !timetable.is_astray(schedule.next_run_unix_ms, schedule.jitter_ms, now)? {
            return Ok(());
        }
        let next = timetable.next_after(now)? + jitter_ms(schedule.jitter_ms);
        let mut transaction = self.store.pool().begin().await?;
        check(term, &mut transaction).await?;
        store::plan_next(&mut transaction, schedule, next).await?;
        transaction.commit().await?;
        self.metrics.decisions.with(["astray"]).inc();
        tracing::warn!(
            schedule = schedule.name,
            project = schedule.project,
            "the clock was set back; schedule is planned anew"
        );
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
        check(term, &mut transaction).await?;
        if !store::plan_next(&mut transaction, schedule, next).await? {
            return Ok(());
        }
        if decision == Decision::Run {
            let project = Project::parse(&schedule.project).map_err(|error| Error::Field {
                field: "project",
                reason: error.to_string(),
            })?;
            let stamp = self.stamp_of(&mut transaction, schedule, now).await?;
            request_run(&mut transaction, &project, &scheduled_run(row, now, stamp), &self.clock).await?;
        }
        transaction.commit().await?;
        self.tell(row, decision);
        Ok(())
    }

    async fn stamp_of(&self, connection: &mut PgConnection, schedule: &ScheduleRow, now: i64) -> Result<Stamp, Error> {
        let terms = self.terms.borrow().clone();
        if schedule.ignores_windows || !terms.is_windowed(&schedule.operation) {
            return Ok(Stamp::default());
        }
        let opening = opening_of(connection, &schedule.project, &terms, now).await?;
        Ok(of_schedule(&opening))
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

async fn check(term: &Term, transaction: &mut PgConnection) -> Result<(), Error> {
    let leading = term.check(transaction).await;
    leading.map_err(|error| Error::Store(error.to_string()))
}

fn scheduled_run(row: &DueRow, now: i64, stamp: Stamp) -> NewRun {
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
        begin_before_unix_ms: now + schedule.begin_within_ms,
        attempt_max: u32::try_from(schedule.attempt_max).unwrap_or_default(),
        stamp,
    }
}

/// A part of the jitter, by the random bits of a fresh id.
fn jitter_ms(most: i64) -> i64 {
    let (_, random) = Uuid::now_v7().as_u64_pair();
    i64::try_from(random % u64::try_from(most.max(0)).unwrap_or_default().saturating_add(1)).unwrap_or_default()
}
