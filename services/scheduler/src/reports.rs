//! What workers tell of jobs, into the records of the runs.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_bus::{Consumer, Message};
use weir_events::{DecodeError, catalogue, decode};
use weir_proto::events::v1::{JobFailed, JobProgress, JobStarted, JobSucceeded};
use weir_runtime::TaskResult;
use weir_store::Store;

use crate::metrics::Metrics;
use crate::store::{self, Report};

/// How long a report that could not be written waits before it is given out again.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// Writes reports into records until told to stop.
pub(crate) async fn follow(
    mut consumer: Consumer,
    store: Store,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> TaskResult {
    while let Some(delivery) = consumer.next(&stop).await {
        match read(&delivery.message) {
            Ok(Some((id, report))) => match write(&store, id, &report).await {
                Ok(changed) => {
                    count(&metrics, &delivery.message, &report, changed);
                    delivery.ack().await?;
                }
                Err(error) => {
                    tracing::warn!(job.id = %id, error = %store.error(error), "a report waits for the store");
                    delivery.retry_after(RETRY_AFTER).await?;
                }
            },
            // A report of another kind, or of a job that no run of ours stands for.
            Ok(None) => delivery.ack().await?,
            Err(error) => {
                tracing::warn!(subject = delivery.message.subject, error = %error, "a report cannot be read");
                delivery.reject().await?;
            }
        }
    }
    Ok(())
}

async fn write(store: &Store, id: Uuid, report: &Report) -> sqlx::Result<bool> {
    let mut connection = store.pool().acquire().await?;
    store::record(&mut connection, id, report).await
}

fn count(metrics: &Metrics, message: &Message, report: &Report, changed: bool) {
    let state = match report {
        Report::Succeeded { .. } => "succeeded",
        Report::Failed { ended: Some(state), .. } => state,
        _ => return,
    };
    if changed {
        let operation = decode::<JobStarted>(&message.subject, &message.payload).map(|(_, job)| job.operation);
        metrics.runs_ended.with([&operation.unwrap_or_default(), state]).inc();
    }
}

/// The run a report is about, and what it says. `None` where it says nothing about a run.
fn read(message: &Message) -> Result<Option<(Uuid, Report)>, DecodeError> {
    let (subject, payload) = (&message.subject, &message.payload);
    let Some(kind) = catalogue::kind_of(subject) else {
        return Ok(None);
    };
    let (job_id, report) = match kind.suffix {
        suffix if suffix == catalogue::JOB_STARTED.suffix => {
            let (_, job) = decode::<JobStarted>(subject, payload)?;
            let report = Report::Started {
                at_unix_ms: job.started_unix_ms,
                attempt: i64::from(job.attempt),
            };
            (job.job_id, report)
        }
        suffix if suffix == catalogue::JOB_PROGRESS.suffix => {
            let (_, job) = decode::<JobProgress>(subject, payload)?;
            let progress = job.progress.unwrap_or_default();
            let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let (done, total) = (signed(progress.done), signed(progress.total));
            (
                job.job_id,
                Report::Progress {
                    done,
                    total,
                    note: progress.note,
                },
            )
        }
        suffix if suffix == catalogue::JOB_SUCCEEDED.suffix => {
            let (_, job) = decode::<JobSucceeded>(subject, payload)?;
            let effect = serde_json::from_str(&job.effect_json).unwrap_or(serde_json::Value::Null);
            (
                job.job_id,
                Report::Succeeded {
                    at_unix_ms: job.ended_unix_ms,
                    effect,
                },
            )
        }
        suffix if suffix == catalogue::JOB_FAILED.suffix => failed(decode::<JobFailed>(subject, payload)?.1),
        _ => return Ok(None),
    };
    Ok(job_id.parse().ok().map(|id| (id, report)))
}

fn failed(job: JobFailed) -> (String, Report) {
    let ended = match (job.cancelled, job.r#final) {
        (true, _) => Some("cancelled"),
        (false, true) => Some("failed"),
        (false, false) => None,
    };
    let attempts = i64::from(job.attempts);
    (
        job.job_id,
        Report::Failed {
            at_unix_ms: job.ended_unix_ms,
            error: job.error,
            slug: job.slug,
            attempts,
            ended,
        },
    )
}
