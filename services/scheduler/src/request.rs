//! The one door into work: a run's record and its `job.requested`, in one transaction.

use sqlx::PgConnection;
use weir_events::jobs;
use weir_model::{Clock, Project};
use weir_proto::events::v1::JobRequested;
use weir_store::outbox;

use crate::store::{self, NewRun};

/// Writes the record of a run and the event that asks a worker for it. Both are there after the commit, or neither.
pub(crate) async fn request_run(
    transaction: &mut PgConnection,
    project: &Project,
    run: &NewRun,
    clock: &Clock,
) -> sqlx::Result<()> {
    store::insert_run(transaction, run).await?;
    let message = JobRequested {
        job_id: run.id.to_string(),
        project: run.project.clone(),
        operation: run.operation.clone(),
        parameters_json: run.parameters.to_string(),
        requested_by: run.requested_by.clone(),
        schedule_id: run.schedule_id.map(|id| id.to_string()).unwrap_or_default(),
        dry_run: run.dry_run,
        deadline_unix_ms: run.begin_before_unix_ms,
        attempt_max: run.attempt_max,
        window_ends_unix_ms: run.stamp.window_ends_unix_ms,
        outside_window: run.stamp.outside_window,
    };
    let event = jobs::requested(project, &message, clock);
    outbox::enqueue(transaction, &event, weir_telemetry::traceparent().as_deref()).await
}
