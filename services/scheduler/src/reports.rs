//! What workers tell of jobs, into the records of the runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_bus::{Consumer, Delivery};
use weir_events::jobs;
use weir_model::Project;
use weir_proto::events::v1::{JobFailed, JobProgress};
use weir_runtime::TaskResult;
use weir_store::{Backoff, Store, pause};

use crate::error::is_malformed;
use crate::metrics::Metrics;
use crate::store::{self, Report};

/// How long the store may take to write one report.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Well below the consumer's `ack_wait`, so that a report that waits for the store is not given to another.
const RETRY_CAP: Duration = Duration::from_secs(5);

/// A report on a run of ours.
struct Told {
    project: Project,
    run: Uuid,
    operation: String,
    report: Report,
}

/// Writes reports into records until told to stop.
pub(crate) async fn follow(
    mut consumer: Consumer,
    store: Store,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> TaskResult {
    while let Some(delivery) = consumer.next(&stop).await {
        let answered = match jobs::report(&delivery.message.subject, &delivery.message.payload) {
            Ok(Some((project, said))) => match told(project, said) {
                Some(told) => take_in(&delivery, &told, &store, &metrics, &stop).await,
                // A job that no run of ours stands for.
                None => delivery.ack().await,
            },
            Ok(None) => delivery.ack().await,
            Err(error) => {
                tracing::warn!(subject = delivery.message.subject, error = %error, "a report cannot be read");
                delivery.reject().await
            }
        };
        if let Err(error) = answered {
            tracing::debug!(dependency = "bus", %error, "a report was not acknowledged; it will come again");
        }
    }
    Ok(())
}

/// Writes a report however long it takes: while the store is away, giving it back would only use it up, and the reports
/// of one run would overtake each other.
async fn take_in(
    delivery: &Delivery,
    told: &Told,
    store: &Store,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Result<(), weir_bus::Error> {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
    loop {
        let written = timeout(WRITE_WITHIN, write(store, told)).await;
        match written.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(changed) => {
                count(metrics, told, changed);
                return delivery.ack().await;
            }
            Err(error) if is_malformed(&error) => {
                tracing::error!(job.id = %told.run, error = %store.error(error), "a report cannot be stored");
                return delivery.reject().await;
            }
            Err(error) => {
                tracing::warn!(job.id = %told.run, error = %store.error(error), "a report waits for the store");
            }
        }
        delivery.in_progress().await?;
        if !pause(stop, backoff.failed()).await {
            return delivery.retry_after(Duration::ZERO).await;
        }
    }
}

async fn write(store: &Store, told: &Told) -> sqlx::Result<bool> {
    let mut connection = store.pool().acquire().await?;
    store::record(&mut connection, told.project.as_str(), told.run, &told.report).await
}

fn count(metrics: &Metrics, told: &Told, changed: bool) {
    let state = match &told.report {
        Report::Succeeded { .. } => "succeeded",
        Report::Failed { ended: Some(state), .. } => state,
        _ => return,
    };
    if changed {
        metrics.runs_ended.with([&told.operation, state]).inc();
    }
}

fn told(project: Project, said: jobs::Report) -> Option<Told> {
    let run = said.job_id().parse().ok()?;
    let operation = said.operation().to_owned();
    let report = match said {
        jobs::Report::Started(job) => Report::Started {
            at_unix_ms: job.started_unix_ms,
            attempt: i64::from(job.attempt),
        },
        jobs::Report::Progress(job) => progress(job),
        jobs::Report::Succeeded(job) => Report::Succeeded {
            at_unix_ms: job.ended_unix_ms,
            effect: serde_json::from_str(&job.effect_json).unwrap_or(serde_json::Value::Null),
            attempts: i64::from(job.attempts),
        },
        jobs::Report::Failed(job) => failed(job),
    };
    Some(Told {
        project,
        run,
        operation,
        report,
    })
}

fn progress(job: JobProgress) -> Report {
    let progress = job.progress.unwrap_or_default();
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Report::Progress {
        done: signed(progress.done),
        total: signed(progress.total),
        note: progress.note,
    }
}

fn failed(job: JobFailed) -> Report {
    let ended = match (job.cancelled, job.r#final) {
        (true, _) => Some("cancelled"),
        (false, true) => Some("failed"),
        (false, false) => None,
    };
    Report::Failed {
        at_unix_ms: job.ended_unix_ms,
        error: job.error,
        slug: job.slug,
        attempts: i64::from(job.attempts),
        ended,
    }
}
