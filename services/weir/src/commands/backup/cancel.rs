//! `weir backup cancel`: a job is asked to stop.

use weir_proto::backup::v1 as api;

use super::Client;
use super::words::job_json;
use crate::connect::refusal;
use crate::terminal::{Failure, say, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The job's id.
    id: String,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let request = api::CancelJobRequest {
        id: arguments.id,
        project: client.project.clone(),
    };
    let job = client
        .backup
        .cancel_job(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .job
        .unwrap_or_default();
    if client.json {
        return say_json(&job_json(&job));
    }
    say(&format!("{} is asked to stop", job.id))
}
