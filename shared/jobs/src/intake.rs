//! Takes requests from the bus into the table, each once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_bus::{Consumer, Delivery, Message};
use weir_events::decode;
use weir_proto::events::v1::JobRequested;
use weir_store::{Backoff, pause};

use crate::jobs::is_malformed;
use crate::{JobRequest, Jobs, Window, Works};

const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Well below any sensible `ack_wait`, so that a request that waits for the database is not given to another.
const RETRY_CAP: Duration = Duration::from_secs(5);
/// Attempts at a job whose requester leaves it to the worker.
const ATTEMPT_MAX: u32 = 3;

/// Reads `job.requested` until `stop`, and stores each request that `works` can do. Others are somebody else's: they
/// are acknowledged and forgotten.
///
/// A request is acknowledged after its row is committed, so none is lost; one that comes again changes nothing. One that
/// cannot be read is rejected and logged.
pub async fn intake(consumer: &mut Consumer, jobs: &Jobs, works: &Works, stop: &CancellationToken) {
    while let Some(delivery) = consumer.next(stop).await {
        let answered = match read(&delivery.message, jobs, works) {
            Ok(Some(request)) => take_in(&delivery, &request, jobs, stop).await,
            Ok(None) => delivery.ack().await,
            Err(error) => {
                tracing::error!(
                    event.subject = delivery.message.subject,
                    error,
                    "a request for a job cannot be read"
                );
                delivery.reject().await
            }
        };
        if let Err(error) = answered {
            tracing::debug!(dependency = "bus", %error, "a request was not acknowledged; it will come again");
        }
    }
}

/// Stores a request however long it takes: while the database is away, giving it back would only use it up.
async fn take_in(
    delivery: &Delivery,
    request: &JobRequest,
    jobs: &Jobs,
    stop: &CancellationToken,
) -> Result<(), weir_bus::Error> {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_CAP);
    loop {
        match jobs.in_time(insert(jobs, request)).await {
            Ok(new) => {
                tracing::info!(job.id = %request.id, job.operation = request.operation, job.new = new, "job taken in");
                return delivery.ack().await;
            }
            Err(error) if is_malformed(&error) => {
                tracing::error!(job.id = %request.id, %error, "a request for a job cannot be stored");
                return delivery.reject().await;
            }
            Err(error) => {
                tracing::warn!(dependency = "store", job.id = %request.id, %error, "a job is not stored yet; trying again");
            }
        }
        delivery.in_progress().await?;
        if !pause(stop, backoff.failed()).await {
            return delivery.retry_after(Duration::ZERO).await;
        }
    }
}

async fn insert(jobs: &Jobs, request: &JobRequest) -> Result<bool, sqlx::Error> {
    let mut connection = jobs.store().pool().acquire().await?;
    Jobs::request(&mut connection, request).await
}

/// The request in a message: none if it is another worker's, or what is wrong with it.
fn read(message: &Message, jobs: &Jobs, works: &Works) -> Result<Option<JobRequest>, String> {
    let (project, asked) =
        decode::<JobRequested>(&message.subject, &message.payload).map_err(|error| error.to_string())?;
    if !works.knows(&asked.operation) {
        return Ok(None);
    }
    if asked.project != project.as_str() {
        return Err(format!(
            "it is for project {:?} and came on the subject of {project}",
            asked.project
        ));
    }
    let id: Uuid = asked
        .job_id
        .parse()
        .map_err(|error| format!("job_id {:?}: {error}", asked.job_id))?;
    let parameters = parameters(&asked.parameters_json)?;
    Ok(Some(JobRequest {
        id,
        project,
        exclusive_key: works.exclusive_key(&asked.operation, &parameters),
        operation: asked.operation,
        parameters,
        requested_by: asked.requested_by,
        requested_at: requested_at(id).unwrap_or_else(|| jobs.facts().now()),
        attempt_max: if asked.attempt_max == 0 {
            ATTEMPT_MAX
        } else {
            asked.attempt_max
        },
        dry_run: asked.dry_run,
        begin_before: (asked.deadline_unix_ms > 0).then(|| moment(asked.deadline_unix_ms)),
        window: Window {
            ends: (asked.window_ends_unix_ms > 0).then(|| moment(asked.window_ends_unix_ms)),
            is_closed: asked.outside_window,
        },
        traceparent: message.header("traceparent").map(str::to_owned),
    }))
}

fn parameters(json: &str) -> Result<Value, String> {
    if json.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_str(json) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("parameters_json is not a JSON object".to_owned()),
        Err(error) => Err(format!("parameters_json: {error}")),
    }
}

/// A version 7 id holds the moment at which it was made.
fn requested_at(id: Uuid) -> Option<SystemTime> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Some(UNIX_EPOCH + Duration::new(seconds, nanoseconds))
}

fn moment(unix_ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or_default())
}
