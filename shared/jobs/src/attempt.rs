//! One attempt at one job: the work, its heartbeat, its progress, and how it ended.

use std::any::Any;
use std::convert::Infallible;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use weir_store::{Backoff, StoreError, outbox};

use crate::jobs::is_malformed;
use crate::lease::{Claim, End, Lost};
use crate::{JobContext, JobError, Progress, Runner};

const PROGRESS_EVERY: Duration = Duration::from_secs(1);
const FAILED_FIRST: Duration = Duration::from_millis(200);
const FAILED_CAP: Duration = Duration::from_secs(2);

pub(crate) struct Attempt<'a> {
    runner: &'a Runner,
    context: JobContext,
    /// The lease is good until then unless it is renewed.
    lease_ends: Instant,
    /// Trips when a stopping service can wait no longer.
    cut: &'a CancellationToken,
}

enum Outcome {
    Ended(Result<Value, JobError>),
    /// It was told to stop and did not in time.
    Dropped,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(runner: &'a Runner, claim: Claim, claimed_at: Instant, cut: &'a CancellationToken) -> Self {
        let lease_ends = claimed_at + runner.options.heartbeat_dead_after;
        Self {
            runner,
            context: JobContext::new(claim),
            lease_ends,
            cut,
        }
    }

    const fn claim(&self) -> &Claim {
        self.context.claim()
    }

    pub(crate) async fn perform(self) {
        let claim = self.claim();
        let span = tracing::info_span!(
            "job",
            job.id = %claim.job.id,
            job.operation = claim.job.operation,
            job.attempt = claim.job.attempt,
            project = %claim.job.project,
        );
        if let Some(parent) = &claim.job.traceparent {
            weir_telemetry::continue_trace(&span, parent);
        }
        self.perform_in_span().instrument(span).await;
    }

    async fn perform_in_span(self) {
        // Whatever ends this, what the work left on another thread learns of it.
        let _told = self.context.stop().clone().drop_guard();
        let said = self.context.said();
        let outcome = tokio::select! {
            outcome = self.work() => Some(outcome),
            () = self.hold() => None,
            never = self.report(said) => match never {},
        };
        match outcome {
            Some(outcome) => self.end(self.meaning_of(outcome)).await,
            None => tracing::warn!("lost the job: its worker could not say in time that it lives, or another has it"),
        }
    }

    /// The work itself, and after it was told to stop a while to do so in order.
    async fn work(&self) -> Outcome {
        let work = AssertUnwindSafe(self.runner.works.run(&self.context)).catch_unwind();
        let mut work = pin!(work);
        tokio::select! {
            ended = &mut work => return Outcome::Ended(unwound(ended)),
            () = self.cut.cancelled() => {}
            () = self.context.stop().cancelled() => {}
        }
        self.context.stop().cancel();
        let ended = timeout(self.runner.options.cancel_within, work).await;
        ended.map_or(Outcome::Dropped, |ended| Outcome::Ended(unwound(ended)))
    }

    /// Renews the lease; returns when it is lost, or so old that another worker may take the job.
    async fn hold(&self) {
        let options = &self.runner.options;
        let mut lease_ends = self.lease_ends;
        loop {
            sleep(options.heartbeat_every).await;
            let asked_at = Instant::now();
            match timeout_at(lease_ends, self.heartbeat()).await {
                Ok(Ok(Ok(cancel_requested))) => {
                    lease_ends = asked_at + options.heartbeat_dead_after;
                    if cancel_requested {
                        self.context.stop().cancel();
                    }
                }
                Ok(Ok(Err(Lost))) | Err(_) => return,
                Ok(Err(error)) => tracing::warn!(dependency = "store", %error, "heartbeat failed; trying again"),
            }
        }
    }

    async fn heartbeat(&self) -> Result<Result<bool, Lost>, StoreError> {
        let beat = async {
            let mut connection = self.runner.store().pool().acquire().await?;
            self.claim().heartbeat(&mut connection).await
        };
        beat.await.map_err(|error| self.runner.store().error(error))
    }

    /// Stores and tells progress, at most once a second; what falls between is skipped.
    async fn report(&self, mut said: watch::Receiver<Option<Progress>>) -> Infallible {
        while said.changed().await.is_ok() {
            let latest = said.borrow_and_update().clone().unwrap_or_default();
            if let Err(error) = self.runner.jobs.in_time(self.store_progress(&latest)).await {
                tracing::debug!(dependency = "store", %error, "progress not stored");
            }
            sleep(PROGRESS_EVERY).await;
        }
        pending().await
    }

    async fn store_progress(&self, progress: &Progress) -> Result<(), sqlx::Error> {
        let job = &self.claim().job;
        let mut transaction = self.runner.store().pool().begin().await?;
        // A lost lease is the heartbeat's to notice.
        if self.claim().progress(&mut transaction, progress).await?.is_ok() {
            let told = self.runner.jobs.facts().progress(job, progress);
            outbox::enqueue(&mut transaction, &told, job.traceparent.as_deref()).await?;
        }
        transaction.commit().await
    }

    /// Where the job goes from here; that it is to be cancelled is seen when this is stored.
    fn meaning_of(&self, outcome: Outcome) -> End {
        match outcome {
            // Done is done, even if it was told to stop at the last moment.
            Outcome::Ended(Ok(effect)) => End::Succeeded(effect),
            _ if self.cut.is_cancelled() => End::Released,
            Outcome::Ended(Err(error)) => self.runner.after_failure(self.claim(), error),
            Outcome::Dropped => End::Released,
        }
    }

    /// Stores the end. While the database is away it is tried again, until the service cannot wait any longer.
    async fn end(&self, mut end: End) {
        let mut backoff = Backoff::new(FAILED_FIRST, FAILED_CAP);
        loop {
            match self.runner.jobs.in_time(self.store_end(end.clone())).await {
                Ok(Ok(end)) => return log(&end),
                Ok(Err(Lost)) => {
                    return tracing::warn!("the job was given to another worker before its end was stored");
                }
                Err(error) if is_malformed(&error) && !matches!(end, End::Failed(_)) => {
                    end = End::Failed(JobError::fail("job-effect-unstorable", error));
                    continue;
                }
                Err(error) if self.cut.is_cancelled() => {
                    return tracing::warn!(dependency = "store", %error, "the end of a job was not stored; it will be run again");
                }
                Err(error) => {
                    tracing::warn!(dependency = "store", %error, "the end of a job is not stored yet; trying again");
                }
            }
            sleep(backoff.failed()).await;
        }
    }

    async fn store_end(&self, end: End) -> Result<Result<End, Lost>, sqlx::Error> {
        let mut transaction = self.runner.store().pool().begin().await?;
        if let Some(latest) = self.context.latest() {
            // What was said since the last report belongs to the record too; if the lease is lost, the next line says so.
            let _ = self.claim().progress(&mut transaction, &latest).await?;
        }
        let ended = self.claim().end(&mut transaction, end).await?;
        if let Ok(end) = &ended {
            self.runner
                .jobs
                .tell_end(&mut transaction, &self.claim().job, end)
                .await?;
        }
        transaction.commit().await?;
        Ok(ended)
    }
}

fn log(end: &End) {
    let state = end.state();
    match end.error() {
        Some(JobError { slug, error, .. }) => tracing::warn!(job.state = state, slug, error, "job failed"),
        None => tracing::info!(job.state = state, "job ended"),
    }
}

/// A panic counts as a failure that may pass.
fn unwound(ended: Result<Result<Value, JobError>, Box<dyn Any + Send>>) -> Result<Value, JobError> {
    ended.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(JobError::retry(
            "job-panicked",
            format!("the work panicked: {}", said.unwrap_or("without a word")),
        ))
    })
}
