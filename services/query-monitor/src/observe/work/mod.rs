//! How the work of others went: jobs that ended and rules that were broken, from the bus into rows and onto the board.
//!
//! Several monitors share one durable consumer of each stream, so that each event is written by one of them; all read
//! the rows, and so they agree, and remember after a restart. An event that comes again changes nothing.

mod told;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use weir_bus::{Bus, Consumer, ConsumerOptions, Delivery};
use weir_events::catalogue::{JOBS, SECURITY, StreamKind};
use weir_events::{SubjectPattern, gateway, jobs};
use weir_footing::Tables;
use weir_model::{Clock, Project};
use weir_runtime::{Ground, Stage, StartError, TaskResult};
use weir_store::{Backoff, Store, outbox, pause};

use super::Board;
use crate::detect::{Labels, Reading, metric};
use crate::metrics::Metrics;
use crate::store;
use crate::store::{EndingsRow, ViolationsRow};
pub(crate) use told::{Ending, Told, Violation};

/// The name of the source.
const SOURCE: &str = "work";
/// The name under which all monitors read the streams.
const CONSUMER: &str = "query-monitor";
/// Events that are written together at most.
const BATCH_MAX: usize = 128;
/// How long an event waits for others to be written with.
const BATCH_WITHIN: Duration = Duration::from_millis(5);
/// How long the store may take to write, or to read.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const READ_WITHIN: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Well below the consumer's `ack_wait`, so that what waits for the store is not given to another.
const RETRY_CAP: Duration = Duration::from_secs(5);
/// How often the rows are read, so that what another monitor has written is known soon.
const READ_EVERY: Duration = Duration::from_millis(500);
/// They are not read more often than this, however much is written.
const READ_APART: Duration = Duration::from_millis(50);
/// How long what was read counts.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// How often what nobody needs any more is let go.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// For so long a broken rule counts.
const VIOLATIONS_COUNT_MS: i64 = 5 * 60_000;
/// Operations whose name begins so are backups.
const BACKUP: &str = "backup";

/// Reads and writes from now on, as soon as the tables are there.
pub(crate) fn start(
    ground: &Ground,
    bus: &Bus,
    board: &Board,
    metrics: &Arc<Metrics>,
    tables: &Tables,
) -> Result<(), StartError> {
    let mut patterns = jobs::every_ending();
    patterns.push(jobs::every_request());
    let written = Arc::new(Notify::new());
    let work = Work {
        store: tables.store().clone(),
        board: board.clone(),
        metrics: metrics.clone(),
        clock: ground.clock.clone(),
        written,
    };
    for (name, stream, patterns) in [
        ("observe jobs", &JOBS, patterns),
        ("observe security", &SECURITY, vec![gateway::every_security_violation()]),
    ] {
        let (work, tables, consumer) = (work.clone(), tables.clone(), consumer(bus, stream, &patterns)?);
        ground.tasks.spawn(Stage::Work, name, |stop| async move {
            if tables.are_there(&stop).await {
                work.follow(consumer, &stop).await;
            }
            Ok(())
        });
    }
    let tables = tables.clone();
    ground.tasks.spawn(Stage::Work, "read work", |stop| async move {
        if tables.are_there(&stop).await {
            work.read(stop).await
        } else {
            Ok(())
        }
    });
    Ok(())
}

fn consumer(bus: &Bus, stream: &StreamKind, patterns: &[SubjectPattern]) -> Result<Consumer, weir_bus::Error> {
    let filters: Vec<&str> = patterns.iter().map(SubjectPattern::as_str).collect();
    let options = ConsumerOptions::default();
    bus.consumer(&outbox::stream_spec(stream), CONSUMER, &filters, options)
}

/// What the tasks share.
#[derive(Debug, Clone)]
struct Work {
    store: Store,
    board: Board,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// There are other rows than before.
    written: Arc<Notify>,
}

impl Work {
    /// Writes what a stream tells until told to stop.
    async fn follow(&self, mut consumer: Consumer, stop: &CancellationToken) {
        while let Some(first) = consumer.next(stop).await {
            let mut deliveries = vec![first];
            while deliveries.len() < BATCH_MAX {
                match timeout(BATCH_WITHIN, consumer.next(stop)).await {
                    Ok(Some(delivery)) => deliveries.push(delivery),
                    _ => break,
                }
            }
            let deliveries = self.legible(deliveries).await;
            if let Err(error) = self.take_in(&deliveries, stop).await {
                tracing::debug!(dependency = "bus", %error, "what was written was not acknowledged; it will come again");
            }
        }
    }

    /// Those that can be read, with what they say. The others never can be.
    async fn legible(&self, deliveries: Vec<Delivery>) -> Vec<(Delivery, Option<Told>)> {
        let mut legible = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            match told::told(&delivery.message, self.clock.unix_ms()) {
                Ok(told) => legible.push((delivery, told)),
                Err(error) => {
                    tracing::warn!(subject = delivery.message.subject, %error, "an event of the work cannot be read");
                    self.metrics.malformed.with([]).inc();
                    // One that is not heard comes again.
                    let _ = delivery.reject().await;
                }
            }
        }
        legible
    }

    /// Writes events however long it takes, and acknowledges them: given back, they would overtake each other.
    async fn take_in(
        &self,
        deliveries: &[(Delivery, Option<Told>)],
        stop: &CancellationToken,
    ) -> Result<(), weir_bus::Error> {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
        let told: Vec<&Told> = deliveries.iter().filter_map(|(_, told)| told.as_ref()).collect();
        loop {
            let written = timeout(WRITE_WITHIN, self.write(&told)).await;
            match written.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(error = %self.store.error(error), "how work went waits for the store");
                }
            }
            for (delivery, _) in deliveries {
                delivery.in_progress().await?;
            }
            if !pause(stop, backoff.failed()).await {
                for (delivery, _) in deliveries {
                    delivery.retry_after(Duration::ZERO).await?;
                }
                return Ok(());
            }
        }
        for told in told {
            self.metrics.work_events.with([told.kind()]).inc();
        }
        self.written.notify_one();
        for (delivery, _) in deliveries {
            delivery.ack().await?;
        }
        Ok(())
    }

    async fn write(&self, told: &[&Told]) -> sqlx::Result<()> {
        if told.is_empty() {
            return Ok(());
        }
        let now = self.clock.unix_ms();
        let mut connection = self.store.pool().acquire().await?;
        let mut transaction = connection.begin().await?;
        for told in told {
            match told {
                Told::DryRun { job_id } => store::note_dry_run(&mut transaction, job_id, now).await?,
                Told::Succeeded(ending) => store::note_success(&mut transaction, ending).await?,
                Told::Failed { ending, slug } => store::note_failure(&mut transaction, ending, slug).await?,
                Told::Violated(violation) => store::note_violation(&mut transaction, violation, now).await?,
            }
        }
        transaction.commit().await
    }

    /// Puts onto the board what the rows say until told to stop.
    async fn read(&self, stop: CancellationToken) -> TaskResult {
        let (mut is_well, mut forgot) = (true, None::<Instant>);
        loop {
            let read = timeout(READ_WITHIN, self.read_once()).await;
            let read = read.unwrap_or(Err(sqlx::Error::PoolTimedOut));
            if let Err(error) = &read
                && is_well
            {
                tracing::warn!(%error, "how work went cannot be read");
            }
            is_well = read.is_ok();
            if is_well && forgot.is_none_or(|forgot| forgot.elapsed() >= FORGET_EVERY) {
                forgot = Some(Instant::now());
                let _ = timeout(WRITE_WITHIN, self.forget()).await;
            }
            tokio::select! {
                () = self.written.notified() => {}
                () = tokio::time::sleep(READ_EVERY) => {}
                () = stop.cancelled() => return Ok(()),
            }
            if !pause(&stop, READ_APART).await {
                return Ok(());
            }
        }
    }

    async fn read_once(&self) -> sqlx::Result<()> {
        let now = self.clock.unix_ms();
        let mut connection = self.store.pool().acquire().await?;
        let endings = store::endings(&mut connection).await?;
        let violations = store::violations(&mut connection, now.saturating_sub(VIOLATIONS_COUNT_MS)).await?;
        drop(connection);
        let ended = endings.iter().flat_map(|row| of_endings(row, now));
        let readings = ended.chain(violations.into_iter().filter_map(of_violations));
        self.board.put(SOURCE, readings.collect(), FRESH_FOR);
        Ok(())
    }

    async fn forget(&self) -> sqlx::Result<()> {
        let mut connection = self.store.pool().acquire().await?;
        store::forget_work(&mut connection, self.clock.unix_ms()).await
    }
}

/// How often the operation failed in a row; of a backup also how old it is.
fn of_endings(row: &EndingsRow, now_unix_ms: i64) -> Vec<Reading> {
    // Whatever is in the rows was written with a project's name.
    let Ok(project) = Project::parse(&row.project) else {
        return Vec::new();
    };
    let labels = Labels::from([("operation", row.operation.clone())]);
    let failures = Reading::new(
        metric::JOB_FAILURES_IN_ROW,
        project.clone(),
        labels.clone(),
        row.failures as f64,
    );
    let note = match (row.failures, row.error_slug.as_str()) {
        (0, _) | (_, "") => String::new(),
        (_, slug) => format!("the last error is {slug}"),
    };
    let mut readings = vec![Reading { note, ..failures }];
    if row.operation.starts_with(BACKUP) && row.last_success_unix_ms > 0 {
        let age_ms = now_unix_ms.saturating_sub(row.last_success_unix_ms).max(0);
        let hours = age_ms as f64 / 3_600_000.0;
        readings.push(Reading::new(metric::BACKUP_AGE_HOURS, project, labels, hours));
    }
    readings
}

fn of_violations(row: ViolationsRow) -> Option<Reading> {
    let project = Project::parse(&row.project).ok()?;
    let labels = Labels::from([("rule", row.rule), ("action", row.action)]);
    let reading = Reading::new(metric::SECURITY_VIOLATIONS, project, labels, row.count as f64);
    Some(Reading {
        traceparent: row.traceparent,
        note: row.summary,
        ..reading
    })
}
