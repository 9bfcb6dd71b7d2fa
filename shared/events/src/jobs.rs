//! What is told of jobs: the request by the scheduler, the rest by whichever worker has it.

use bytes::Bytes;
use weir_model::{Clock, Project};
use weir_proto::events::v1::{JobFailed, JobProgress, JobRequested, JobStarted, JobSucceeded};

use crate::catalogue::{
    EventKind, JOB_FAILED, JOB_PROGRESS, JOB_REQUESTED, JOB_STARTED, JOB_SUCCEEDED, Payload, kind_of,
};
use crate::{DecodeError, Event, SubjectPattern, decode};

/// A job is wanted.
pub fn requested(project: &Project, job: &JobRequested, clock: &Clock) -> Event {
    Event::new(project, "scheduler", job, clock)
}

/// A worker has begun.
pub fn started(worker: &str, project: &Project, job: &JobStarted, clock: &Clock) -> Event {
    Event::new(project, worker, job, clock)
}

/// A job got this far.
pub fn progress(worker: &str, project: &Project, job: &JobProgress, clock: &Clock) -> Event {
    Event::new(project, worker, job, clock)
}

/// A job is done.
pub fn succeeded(worker: &str, project: &Project, job: &JobSucceeded, clock: &Clock) -> Event {
    Event::new(project, worker, job, clock)
}

/// An attempt failed.
pub fn failed(worker: &str, project: &Project, job: &JobFailed, clock: &Clock) -> Event {
    Event::new(project, worker, job, clock)
}

/// Requests of every project, for workers.
pub fn every_request() -> SubjectPattern {
    SubjectPattern::of_every_project(JOB_REQUESTED.suffix)
}

/// What workers tell of every project, for the scheduler.
pub fn every_report() -> Vec<SubjectPattern> {
    let kinds: [&EventKind; 4] = [&JOB_STARTED, &JOB_PROGRESS, &JOB_SUCCEEDED, &JOB_FAILED];
    kinds
        .iter()
        .map(|kind| SubjectPattern::of_every_project(kind.suffix))
        .collect()
}

/// How jobs of every project ended, for those who count: what succeeded, and attempts that failed.
pub fn every_ending() -> Vec<SubjectPattern> {
    let kinds: [&EventKind; 2] = [&JOB_SUCCEEDED, &JOB_FAILED];
    kinds
        .iter()
        .map(|kind| SubjectPattern::of_every_project(kind.suffix))
        .collect()
}

/// What a worker told of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// It has begun.
    Started(JobStarted),
    /// It got this far.
    Progress(JobProgress),
    /// It is done.
    Succeeded(JobSucceeded),
    /// An attempt failed.
    Failed(JobFailed),
}

impl Report {
    /// The job's id, as text.
    pub fn job_id(&self) -> &str {
        match self {
            Self::Started(job) => &job.job_id,
            Self::Progress(job) => &job.job_id,
            Self::Succeeded(job) => &job.job_id,
            Self::Failed(job) => &job.job_id,
        }
    }

    /// What the job does.
    pub fn operation(&self) -> &str {
        match self {
            Self::Started(job) => &job.operation,
            Self::Progress(job) => &job.operation,
            Self::Succeeded(job) => &job.operation,
            Self::Failed(job) => &job.operation,
        }
    }
}

/// Reads a message of [`every_report`]. `None`: a kind of event that is no report, or not one known here.
pub fn report(subject: &str, payload: &Bytes) -> Result<Option<(Project, Report)>, DecodeError> {
    fn read<M: Payload>(
        subject: &str,
        payload: &Bytes,
        report: fn(M) -> Report,
    ) -> Result<Option<(Project, Report)>, DecodeError> {
        let (project, message) = decode(subject, payload)?;
        Ok(Some((project, report(message))))
    }
    match kind_of(subject) {
        Some(kind) if *kind == JOB_STARTED => read(subject, payload, Report::Started),
        Some(kind) if *kind == JOB_PROGRESS => read(subject, payload, Report::Progress),
        Some(kind) if *kind == JOB_SUCCEEDED => read(subject, payload, Report::Succeeded),
        Some(kind) if *kind == JOB_FAILED => read(subject, payload, Report::Failed),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_which_job_it_is_about() {
        let project = Project::parse("shop").unwrap();
        let clock = Clock::manual(std::time::UNIX_EPOCH);
        let (job_id, operation) = ("j".to_owned(), "analyze".to_owned());
        let told = JobStarted {
            job_id: job_id.clone(),
            operation: operation.clone(),
            ..JobStarted::default()
        };
        let done = JobSucceeded {
            job_id: job_id.clone(),
            operation: operation.clone(),
            ..JobSucceeded::default()
        };
        let went = JobProgress {
            job_id: job_id.clone(),
            operation: operation.clone(),
            ..JobProgress::default()
        };
        let broke = JobFailed {
            job_id,
            operation,
            ..JobFailed::default()
        };
        for (event, expected) in [
            (
                started("maintenance", &project, &told, &clock),
                Report::Started(told.clone()),
            ),
            (
                progress("maintenance", &project, &went, &clock),
                Report::Progress(went.clone()),
            ),
            (
                succeeded("maintenance", &project, &done, &clock),
                Report::Succeeded(done.clone()),
            ),
            (
                failed("maintenance", &project, &broke, &clock),
                Report::Failed(broke.clone()),
            ),
        ] {
            let subject = event.subject.to_string();
            assert!(
                every_report().iter().any(|pattern| pattern.matches(&subject)),
                "{subject}"
            );
            let (from, read) = report(&subject, &event.payload).unwrap().unwrap();
            assert_eq!(
                (from.as_str(), read.job_id(), read.operation()),
                ("shop", "j", "analyze")
            );
            assert_eq!((read, event.source.as_str()), (expected, "maintenance"));
        }
    }

    #[test]
    fn a_request_is_no_report() {
        let project = Project::default();
        let event = requested(
            &project,
            &JobRequested::default(),
            &Clock::manual(std::time::UNIX_EPOCH),
        );
        let subject = event.subject.to_string();
        assert!(every_request().matches(&subject));
        assert_eq!(report(&subject, &event.payload).unwrap(), None);
        assert_eq!(event.source, "scheduler");
    }
}
