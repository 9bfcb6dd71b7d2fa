//! What a running job knows of itself, and what it can say.

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_model::Project;

use crate::lease::Claim;
use crate::{Progress, Window};

/// One attempt at one job, as its work sees it.
#[derive(Debug)]
pub struct JobContext {
    claim: Claim,
    stop: CancellationToken,
    /// A child, so that the work cannot cancel itself by it.
    cancelled: CancellationToken,
    progress: watch::Sender<Option<Progress>>,
}

impl JobContext {
    pub(crate) fn new(claim: Claim) -> Self {
        let (progress, _) = watch::channel(None);
        let stop = CancellationToken::new();
        Self {
            claim,
            cancelled: stop.child_token(),
            stop,
            progress,
        }
    }

    /// A job that no runner runs, for tests of what works under one: it ends with its window, or by the token.
    #[cfg(any(test, feature = "detached"))]
    pub fn detached(project: Project, operation: &str, window: Window) -> (Self, CancellationToken) {
        let context = Self::new(Claim::detached(project, operation, window));
        let stop = context.stop.clone();
        (context, stop)
    }

    /// The job's id.
    pub const fn id(&self) -> Uuid {
        self.claim.job.id
    }

    /// On whose behalf.
    pub const fn project(&self) -> &Project {
        &self.claim.job.project
    }

    /// What to do.
    pub fn operation(&self) -> &str {
        &self.claim.job.operation
    }

    /// How: a JSON object.
    pub const fn parameters(&self) -> &Value {
        &self.claim.parameters
    }

    /// Who asked.
    pub fn requested_by(&self) -> &str {
        &self.claim.requested_by
    }

    /// Plan only and change nothing.
    pub const fn dry_run(&self) -> bool {
        self.claim.dry_run
    }

    /// When it may work. A worker keeps to it by itself.
    pub const fn window(&self) -> Window {
        self.claim.window
    }

    /// Which attempt this is, counted from 1.
    pub const fn attempt(&self) -> u32 {
        self.claim.job.attempt
    }

    /// Attempts allowed.
    pub const fn attempt_max(&self) -> u32 {
        self.claim.attempt_max
    }

    /// Says how far the job is. Cheap: it is stored and told at most once a second, and only the latest counts.
    pub fn progress(&self, done: u64, total: u64, note: &str) {
        self.progress.send_replace(Some(Progress {
            done,
            total,
            note: note.replace('\0', " "),
        }));
    }

    /// Trips when the job is to stop: cancelled, the service is stopping, or the job was given to another worker.
    pub const fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    pub(crate) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(crate) const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// What was said last.
    pub(crate) fn latest(&self) -> Option<Progress> {
        self.progress.borrow().clone()
    }

    pub(crate) fn said(&self) -> watch::Receiver<Option<Progress>> {
        self.progress.subscribe()
    }
}
