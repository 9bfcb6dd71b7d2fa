//! `weir backup jobs`: what the service does, did and will do.

use serde_json::json;
use weir_model::size_in_words;
use weir_proto::backup::v1 as api;
use weir_proto::common::v1::PageRequest;

use super::Client;
use super::words::{job_json, job_state};
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, moment, say_json, shortened};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this operation, such as backup or prove; may be given several times.
    #[arg(long = "operation")]
    operations: Vec<String>,
    /// How many.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let request = api::ListJobsRequest {
        project: client.project.clone(),
        operations: arguments.operations,
        page: Some(PageRequest {
            size: arguments.limit,
            token: String::new(),
        }),
        ..api::ListJobsRequest::default()
    };
    let jobs = client
        .backup
        .list_jobs(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .jobs;
    if client.json {
        return say_json(&json!({ "jobs": jobs.iter().map(job_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(
        &["ID", "REQUESTED", "OPERATION", "STATE", "DONE", "RESULT"],
        "no jobs yet",
    );
    for job in &jobs {
        let result = if job.error.is_empty() {
            &job.effect_json
        } else {
            &job.error
        };
        listing.row([
            job.id.clone(),
            moment(job.requested_unix_ms),
            job.operation.clone(),
            job_state(job.state()).to_owned(),
            done(job),
            shortened(result, 60),
        ]);
    }
    listing.say()
}

fn done(job: &api::Job) -> String {
    let Some(transfer) = &job.transfer else {
        return "-".to_owned();
    };
    let percent = transfer
        .done_bytes
        .saturating_mul(100)
        .checked_div(transfer.total_bytes);
    let percent = percent.map(|percent| format!(" ({percent} %)")).unwrap_or_default();
    format!("{}{percent}", size_in_words(transfer.done_bytes))
}
