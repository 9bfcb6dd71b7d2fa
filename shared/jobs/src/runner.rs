//! Works the queue off: claims, runs, takes back what other workers lost, and stops in order.

use std::future::pending;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_store::{Backoff, Store, StoreError, Wakes, outbox, pause};

use crate::attempt::Attempt;
use crate::lease::{Claim, End};
use crate::{JobError, Jobs, Works};

const FAILED_FIRST: Duration = Duration::from_millis(500);
const FAILED_CAP: Duration = Duration::from_secs(15);

/// How a runner works.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// Jobs at a time. Each needs a connection of the store now and then, so the store should have more.
    pub concurrency: usize,
    /// How often to look for jobs that nobody told of, and for those whose time has come.
    pub poll_every: Duration,
    /// How often a running job says that its worker lives.
    pub heartbeat_every: Duration,
    /// A worker that has not said so for this long has lost its job. The same for every instance.
    pub heartbeat_dead_after: Duration,
    /// The wait before the second attempt; it doubles with each further one. Up to half of it is cut off by chance.
    pub retry_first: Duration,
    /// The longest wait before another attempt.
    pub retry_cap: Duration,
    /// How long running jobs may go on after a stop; then they go back to the queue.
    pub finish_within: Duration,
    /// How long a job has to stop in order once it was told to; then its future is dropped.
    pub cancel_within: Duration,
    /// How long jobs that ended are kept.
    pub keep_ended: Duration,
}

impl Default for RunnerOptions {
    fn default() -> Self {
        Self {
            concurrency: 2,
            poll_every: Duration::from_secs(10),
            heartbeat_every: Duration::from_secs(5),
            heartbeat_dead_after: Duration::from_secs(30),
            retry_first: Duration::from_secs(10),
            retry_cap: Duration::from_secs(600),
            // Together less than the 25 s that a process has by default.
            finish_within: Duration::from_secs(14),
            cancel_within: Duration::from_secs(5),
            keep_ended: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

impl RunnerOptions {
    fn wait_after(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(30);
        self.retry_first.saturating_mul(1 << doublings).min(self.retry_cap)
    }
}

/// A worker: one instance's share of the work.
#[derive(Debug)]
pub struct Runner {
    pub(crate) jobs: Jobs,
    pub(crate) works: Works,
    pub(crate) options: RunnerOptions,
    /// Names this worker among all that ever were: its leases are its own.
    worker: String,
    wakes: Wakes,
}

impl Runner {
    /// A worker for these jobs that can do these works.
    pub fn new(jobs: &Jobs, works: Works, options: RunnerOptions) -> Self {
        let worker = format!("{}-{}", jobs.facts().source(), Uuid::now_v7());
        Self {
            jobs: jobs.clone(),
            works,
            options,
            worker,
            wakes: Wakes::of(jobs.store(), "jobs"),
        }
    }

    /// Works until `stop`; then claims no more, lets running jobs finish for a while, and puts the rest back.
    ///
    /// Dropping the future instead leaves its jobs to be taken back by another worker.
    pub async fn run(&self, stop: &CancellationToken) {
        let cut = CancellationToken::new();
        // Boxed: a task that runs this should not be as large as all that it may do.
        let slots = join_all((0..self.options.concurrency).map(|_| Box::pin(self.slot(stop, &cut))));
        let beside = async {
            tokio::join!(
                Box::pin(self.wakes.listen(stop)),
                Box::pin(self.look_after(stop)),
                self.cut_off_after(stop, &cut)
            );
            pending::<()>().await;
        };
        tokio::select! {
            _ = slots => {}
            () = beside => {}
        }
    }

    /// One job after the other.
    async fn slot(&self, stop: &CancellationToken, cut: &CancellationToken) {
        let mut backoff = Backoff::new(FAILED_FIRST, FAILED_CAP);
        while !stop.is_cancelled() {
            // Not given up halfway at a stop: a claim that was committed has to be worked off.
            let claimed_at = Instant::now();
            match self.claim(stop).await {
                Ok(Some(claim)) => {
                    backoff.reset();
                    // There may be more for the other slots.
                    self.wakes.wake();
                    Box::pin(Attempt::new(self, claim, claimed_at, cut).perform()).await;
                }
                Ok(None) => self.wakes.wait(stop, self.options.poll_every).await,
                Err(error) => {
                    tracing::warn!(dependency = "store", %error, "cannot claim jobs; trying again");
                    pause(stop, backoff.failed()).await;
                }
            }
        }
    }

    async fn cut_off_after(&self, stop: &CancellationToken, cut: &CancellationToken) {
        stop.cancelled().await;
        sleep(self.options.finish_within).await;
        cut.cancel();
    }

    async fn claim(&self, stop: &CancellationToken) -> Result<Option<Claim>, StoreError> {
        loop {
            match self.jobs.in_time(self.try_claim(stop)).await {
                // Another worker has just begun a job with the same exclusive key; the next look sees it.
                Err(StoreError::Sql {
                    source: sqlx::Error::Database(error),
                    ..
                }) if error.is_unique_violation() => {}
                claimed => return claimed,
            }
        }
    }

    async fn try_claim(&self, stop: &CancellationToken) -> Result<Option<Claim>, sqlx::Error> {
        let mut transaction = self.store().pool().begin().await?;
        let Some(claim) = Claim::next(&mut transaction, &self.worker, &self.works.operations()).await? else {
            return Ok(None);
        };
        let started = self.jobs.facts().started(&claim.job, claim.worker());
        outbox::enqueue(&mut transaction, &started, claim.job.traceparent.as_deref()).await?;
        if stop.is_cancelled() {
            // Asked for after the stop: it stays in the queue.
            return Ok(None);
        }
        transaction.commit().await?;
        Ok(Some(claim))
    }

    /// Takes back jobs of workers that are silent, fails those that came too late, forgets those that ended long ago.
    async fn look_after(&self, stop: &CancellationToken) {
        loop {
            if let Err(error) = self.look_after_once().await {
                tracing::warn!(dependency = "store", %error, "cannot look after the jobs of lost workers; trying again");
            }
            if !pause(stop, self.options.heartbeat_dead_after / 2).await {
                return;
            }
        }
    }

    async fn look_after_once(&self) -> Result<(), StoreError> {
        while self.jobs.in_time(self.take_back_one()).await? {}
        while self.jobs.in_time(self.jobs.expire_one()).await? {}
        self.jobs.in_time(self.jobs.forget(self.options.keep_ended)).await
    }

    async fn take_back_one(&self) -> Result<bool, sqlx::Error> {
        let dead_after = self.options.heartbeat_dead_after;
        let mut transaction = self.store().pool().begin().await?;
        let Some(claim) = Claim::overdue(&mut transaction, dead_after).await? else {
            return Ok(false);
        };
        tracing::warn!(job.id = %claim.job.id, job.operation = claim.job.operation, worker = claim.worker(), "worker lost its job");
        let error = JobError::retry(
            "job-worker-lost",
            format!("its worker has been silent for more than {dead_after:?}"),
        );
        let end = self.after_failure(&claim, error);
        if let Ok(end) = claim.end(&mut transaction, end).await? {
            self.jobs.tell_end(&mut transaction, &claim.job, &end).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// What becomes of a job after an attempt that failed.
    pub(crate) fn after_failure(&self, claim: &Claim, error: JobError) -> End {
        if error.retry && claim.job.attempt < claim.attempt_max {
            End::Again(error, self.options.wait_after(claim.job.attempt))
        } else {
            End::Failed(error)
        }
    }

    pub(crate) fn store(&self) -> &Store {
        self.jobs.store()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_each_attempt_up_to_its_cap() {
        let options = RunnerOptions {
            retry_first: Duration::from_secs(3),
            retry_cap: Duration::from_secs(20),
            ..RunnerOptions::default()
        };
        let waits: Vec<u64> = [1, 2, 3, 4, 5, u32::MAX]
            .map(|attempt| options.wait_after(attempt).as_secs())
            .into();
        assert_eq!(waits, [3, 6, 12, 20, 20, 20]);
    }
}
