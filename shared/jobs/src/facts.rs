//! What is told of jobs, in the words of the protocol.

use std::time::SystemTime;

use weir_events::{Event, jobs};
use weir_model::Clock;
use weir_proto::common::v1 as common;
use weir_proto::events::v1::{JobFailed, JobProgress, JobStarted, JobSucceeded};

use crate::Progress;
use crate::job::Named;
use crate::lease::End;

/// Makes the events of one service's jobs.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    source: &'static str,
    clock: Clock,
}

impl Facts {
    pub(crate) const fn new(source: &'static str, clock: Clock) -> Self {
        Self { source, clock }
    }

    pub(crate) const fn source(&self) -> &'static str {
        self.source
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(crate) fn started(&self, job: &Named, worker: &str) -> Event {
        let told = JobStarted {
            job_id: job.id.to_string(),
            project: job.project.to_string(),
            operation: job.operation.clone(),
            worker: worker.to_owned(),
            attempt: job.attempt,
            started_unix_ms: self.clock.unix_ms(),
        };
        jobs::started(self.source, &job.project, &told, &self.clock)
    }

    pub(crate) fn progress(&self, job: &Named, progress: &Progress) -> Event {
        let told = JobProgress {
            job_id: job.id.to_string(),
            project: job.project.to_string(),
            operation: job.operation.clone(),
            progress: Some(common::Progress {
                done: progress.done,
                total: progress.total,
                note: progress.note.clone(),
            }),
        };
        jobs::progress(self.source, &job.project, &told, &self.clock)
    }

    /// None for a released job: nothing happened that its next start does not tell.
    pub(crate) fn ended(&self, job: &Named, end: &End) -> Option<Event> {
        match end {
            End::Released => None,
            End::Succeeded(effect) => Some(self.succeeded(job, effect)),
            End::Failed(_) | End::Again(..) | End::Cancelled => Some(self.failed(job, end)),
        }
    }

    fn succeeded(&self, job: &Named, effect: &serde_json::Value) -> Event {
        let told = JobSucceeded {
            job_id: job.id.to_string(),
            project: job.project.to_string(),
            operation: job.operation.clone(),
            effect_json: effect.to_string(),
            attempts: job.attempt,
            ended_unix_ms: self.clock.unix_ms(),
        };
        jobs::succeeded(self.source, &job.project, &told, &self.clock)
    }

    fn failed(&self, job: &Named, end: &End) -> Event {
        let (slug, error) = match end.error() {
            Some(error) => (error.slug, error.error.as_str()),
            None => ("job-cancelled", "it was cancelled"),
        };
        let told = JobFailed {
            job_id: job.id.to_string(),
            project: job.project.to_string(),
            operation: job.operation.clone(),
            error: error.to_owned(),
            slug: slug.to_owned(),
            attempts: job.attempt,
            r#final: !matches!(end, End::Again(..)),
            cancelled: matches!(end, End::Cancelled),
            ended_unix_ms: self.clock.unix_ms(),
        };
        jobs::failed(self.source, &job.project, &told, &self.clock)
    }
}
