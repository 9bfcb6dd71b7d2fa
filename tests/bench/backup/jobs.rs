//! A job of the backup service, requested as an operator does.

use std::time::Duration;

use tokio::time::sleep;
use weir_proto::common::v1::JobState;
use weir_proto::scheduler::v1::{GetRunRequest, Run, RunNowRequest};

use crate::Failure;
use crate::stage::Stage;

const POLL: Duration = Duration::from_millis(20);

/// Requests a job and waits for its end. Its record, which says when it began and ended.
pub(crate) async fn run(stage: &Stage, operation: &str, parameters: &serde_json::Value) -> Result<Run, Failure> {
    let request = RunNowRequest {
        project: String::new(),
        operation: operation.to_owned(),
        parameters_json: parameters.to_string(),
        dry_run: false,
        force_window: true,
    };
    let answer = stage.scheduler.clone().run_now(request).await?;
    let mut run = answer.into_inner().run.ok_or("the scheduler answered without a run")?;
    while ![JobState::Succeeded, JobState::Failed, JobState::Cancelled].contains(&run.state()) {
        sleep(POLL).await;
        let request = GetRunRequest {
            id: run.id.clone(),
            ..GetRunRequest::default()
        };
        let answer = stage.scheduler.clone().get_run(request).await?;
        run = answer.into_inner().run.ok_or("the run is gone")?;
    }
    if run.state() == JobState::Succeeded {
        return Ok(run);
    }
    let said = format!("{operation}: {}: {}", run.error_slug, run.error);
    Err(format!("{said}\n{}", stage.output("backup")).into())
}

/// Seconds that a job took.
pub(crate) fn seconds(run: &Run) -> f64 {
    (run.ended_unix_ms - run.started_unix_ms) as f64 / 1e3
}
