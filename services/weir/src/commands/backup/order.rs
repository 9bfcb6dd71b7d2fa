//! Work ordered at the scheduler, and followed at the backup service until it has ended.

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::{Instant, sleep};
use tonic::Code;
use weir_proto::backup::v1 as api;
use weir_proto::common::v1::JobState;
use weir_proto::scheduler::v1::RunNowRequest;

use super::Client;
use super::words::{job_json, job_state};
use crate::commands::progress::{BACK_WITHIN, Progress, is_passing, waited};
use crate::connect::refusal;
use crate::terminal::{Failure, say, say_json};

/// The way of a request to its worker takes no longer.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// While nothing is heard of a job, it is said for how long.
const SHOW_EVERY: Duration = Duration::from_secs(1);

impl Client<'_> {
    /// Orders work; returns the id of its job.
    pub(super) async fn order(&self, operation: &str, parameters: &Json) -> Result<String, Failure> {
        let request = RunNowRequest {
            project: self.project.clone(),
            operation: operation.to_owned(),
            parameters_json: parameters.to_string(),
            dry_run: false,
            force_window: true,
        };
        let mut scheduler = self.services.scheduler().await?;
        let reply = scheduler.run_now(request).await.map_err(refusal)?;
        Ok(reply.into_inner().run.unwrap_or_default().id)
    }

    /// Orders work, follows it if that is wanted, and says what came of it. The exit status tells, too.
    pub(super) async fn order_and_tell(
        &mut self,
        operation: &str,
        parameters: &Json,
        wait: bool,
    ) -> Result<(), Failure> {
        let id = self.order(operation, parameters).await?;
        if !wait {
            return if self.json {
                say_json(&serde_json::json!({ "id": id, "state": "requested" }))
            } else {
                say(&format!(
                    "{operation} is requested as job {id}; weir backup jobs shows how far it is"
                ))
            };
        }
        let job = self.follow(&id).await?;
        self.tell(&job)?;
        verdict(&job)
    }

    fn tell(&self, job: &api::Job) -> Result<(), Failure> {
        if self.json {
            return say_json(&job_json(job));
        }
        say(&format!("{} {} {}", job.id, job.operation, job_state(job.state())))?;
        if job.effect_json.is_empty() {
            return Ok(());
        }
        say(&format!("effect: {}", job.effect_json))
    }

    /// Watches a job until it has ended, whatever happens to the connection meanwhile.
    pub(super) async fn follow(&mut self, id: &str) -> Result<api::Job, Failure> {
        let project = self.project.clone();
        waited(self.until_ended(id), &project, id).await
    }

    async fn until_ended(&mut self, id: &str) -> Result<api::Job, Failure> {
        let mut shown = Progress::new(!self.json);
        let (begun, mut heard) = (Instant::now(), None::<Instant>);
        loop {
            match self.watch(id, &mut shown, &mut heard).await {
                Ok(Some(job)) => return Ok(job),
                Ok(None) => {}
                Err(status) if status.code() == Code::NotFound && heard.is_none() => {
                    if begun.elapsed() > TAKEN_WITHIN {
                        return Err(format!("job {id} was requested, but no worker has taken it yet").into());
                    }
                }
                Err(status) if is_passing(status.code()) => {
                    if heard.unwrap_or(begun).elapsed() > BACK_WITHIN {
                        return Err(refusal(status));
                    }
                }
                Err(status) => return Err(refusal(status)),
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The job, once it has ended; none where it can be watched no longer.
    async fn watch(
        &mut self,
        id: &str,
        shown: &mut Progress,
        heard: &mut Option<Instant>,
    ) -> Result<Option<api::Job>, tonic::Status> {
        let request = api::WatchJobRequest {
            id: id.to_owned(),
            project: self.project.clone(),
        };
        let mut told = self.backup.watch_job(request).await?.into_inner();
        loop {
            let next = tokio::select! {
                next = told.message() => next?,
                () = sleep(SHOW_EVERY) => {
                    shown.show_again();
                    continue;
                }
            };
            let Some(next) = next else { return Ok(None) };
            *heard = Some(Instant::now());
            let job = next.job.unwrap_or_default();
            shown.show(&job);
            if !matches!(job.state(), JobState::Requested | JobState::Running) {
                return Ok(Some(job));
            }
        }
    }
}

/// What a job's end means for the exit status.
pub(super) fn verdict(job: &api::Job) -> Result<(), Failure> {
    match job.state() {
        JobState::Failed => Err(format!("{} failed: {} [{}]", job.operation, job.error, job.error_slug).into()),
        JobState::Cancelled => Err(format!("{} was cancelled", job.operation).into()),
        _ => Ok(()),
    }
}
