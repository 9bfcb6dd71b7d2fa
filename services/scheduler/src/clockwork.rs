//! What wakes the scheduler: the one file that knows `tokio-cron-scheduler`.
//!
//! The crate fixes a zone's offset when a job is added, so it would be an hour off after a change of summer time
//! (`docs/decisions/0005-clockwork.md`). It therefore drives a single job, every second; which schedules are due is
//! decided by `plan/` from rows.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// A clockwork that is silent for so long has stopped, or the wall clock was set back.
const SILENT_MAX: Duration = Duration::from_secs(10);

/// Wakes its owner every second until it is stopped. The crate's own task outlives a drop, so one is made for the
/// whole process and not one a term.
pub(crate) struct Clockwork {
    scheduler: JobScheduler,
    ticks: mpsc::Receiver<()>,
}

impl Clockwork {
    /// Starts ticking.
    pub(crate) async fn start() -> Result<Self, JobSchedulerError> {
        // One tick of room: a tick that finds the last one unread adds nothing.
        let (tick, ticks) = mpsc::channel(1);
        let scheduler = JobScheduler::new().await?;
        let job = Job::new("* * * * * *", move |_, _| {
            let _ = tick.try_send(());
        })?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok(Self { scheduler, ticks })
    }

    /// Waits for the next tick. `None` when the clockwork has stopped by itself.
    pub(crate) async fn tick(&mut self) -> Option<()> {
        timeout(SILENT_MAX, self.ticks.recv()).await.ok().flatten()
    }

    /// Stops ticking.
    pub(crate) async fn stop(&mut self) -> Result<(), JobSchedulerError> {
        self.scheduler.shutdown().await
    }
}
