//! Watches over a statement while it runs, and says when it has to end.

use tokio::time::sleep;
use weir_jobs::JobContext;
use weir_model::Clock;

use super::Halt;

/// What a piece of work is watched by.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    job: &'a JobContext,
    clock: &'a Clock,
}

impl<'a> Guard<'a> {
    pub(crate) const fn new(job: &'a JobContext, clock: &'a Clock) -> Self {
        Self { job, clock }
    }

    /// Waits for a reason to end the statement that the backend `pid` runs. Safe to drop at any time.
    pub(crate) async fn trips(&self, _pid: i32) -> Halt {
        tokio::select! {
            () = self.job.cancelled().cancelled() => Halt::Cancelled,
            () = self.window_ends() => Halt::WindowEnded,
        }
    }

    async fn window_ends(&self) {
        let Some(ends) = self.job.window().ends else {
            return std::future::pending().await;
        };
        // A clock that is set while this waits counts as well.
        while let Ok(left) = ends.duration_since(self.clock.now()) {
            sleep(left.min(std::time::Duration::from_secs(1))).await;
        }
    }
}
