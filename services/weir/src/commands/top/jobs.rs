//! Jobs of the services that do work, and how fast they get on. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_proto::backup::v1 as backup;
use weir_proto::common::v1::JobState;
use weir_proto::maintenance::v1 as maintenance;

use crate::commands::pace::Pace;

/// One job, whoever does it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) service: &'static str,
    pub(super) project: String,
    pub(super) operation: String,
    pub(super) state: JobState,
    pub(super) requested_unix_ms: i64,
    pub(super) started_unix_ms: i64,
    pub(super) ended_unix_ms: i64,
    pub(super) attempts: u32,
    pub(super) done: u64,
    /// 0: not known.
    pub(super) total: u64,
    /// Whether what is done is counted in bytes.
    pub(super) is_bytes: bool,
    pub(super) per_second: Option<f64>,
    pub(super) left: Option<Duration>,
    /// What is being done, or why it failed.
    pub(super) note: String,
}

impl Job {
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.state, JobState::Running)
    }

    pub(super) const fn has_ended(&self) -> bool {
        !matches!(self.state, JobState::Running | JobState::Requested)
    }
}

/// The jobs of both services.
#[derive(Debug, Clone, Default)]
pub(super) struct Jobs {
    maintenance: Vec<Job>,
    backup: Vec<Job>,
    paces: BTreeMap<String, Pace>,
}

impl Jobs {
    pub(super) fn all(&self) -> impl Iterator<Item = &Job> {
        self.maintenance.iter().chain(&self.backup)
    }

    pub(super) fn running(&self) -> usize {
        self.all().filter(|job| job.is_running()).count()
    }

    pub(super) fn take_maintenance(&mut self, told: Vec<maintenance::Job>, at: Duration) {
        self.maintenance = distinct(told.into_iter().map(of_maintenance));
        for job in &mut self.maintenance {
            if job.is_running() {
                let pace = self.paces.entry(job.id.clone()).or_default();
                pace.note(at, job.done);
                job.per_second = pace.per_second();
                job.left = pace.left(job.total);
            }
        }
        let running = |id: &String| self.maintenance.iter().any(|job| job.id == *id && job.is_running());
        self.paces.retain(|id, _| running(id));
    }

    pub(super) fn take_backup(&mut self, told: Vec<backup::Job>) {
        self.backup = distinct(told.into_iter().map(of_backup));
    }
}

/// A job may be listed among those under way and among the latest.
fn distinct(jobs: impl Iterator<Item = Job>) -> Vec<Job> {
    let jobs: BTreeMap<String, Job> = jobs.map(|job| (job.id.clone(), job)).collect();
    jobs.into_values().collect()
}

fn of_maintenance(told: maintenance::Job) -> Job {
    let progress = told.progress.clone().unwrap_or_default();
    let note = if told.error.is_empty() {
        progress.note
    } else {
        told.error.clone()
    };
    Job {
        service: "maintenance",
        state: told.state(),
        done: progress.done,
        total: progress.total,
        note,
        id: told.id,
        project: told.project,
        operation: told.operation,
        requested_unix_ms: told.requested_unix_ms,
        started_unix_ms: told.started_unix_ms,
        ended_unix_ms: told.ended_unix_ms,
        attempts: told.attempts,
        ..Job::default()
    }
}

fn of_backup(told: backup::Job) -> Job {
    let transfer = told.transfer.clone().unwrap_or_default();
    let is_running = told.state() == JobState::Running;
    let held = if transfer.throttled {
        ", held back for the users"
    } else {
        ""
    };
    let note = match (told.error.as_str(), is_running) {
        ("", true) => format!("{}{held}", transfer.phase),
        (error, _) => error.to_owned(),
    };
    Job {
        service: "backup",
        state: told.state(),
        done: transfer.done_bytes,
        total: transfer.total_bytes,
        is_bytes: true,
        per_second: (is_running && transfer.bytes_per_second > 0).then_some(transfer.bytes_per_second as f64),
        left: (is_running && transfer.remaining_ms > 0).then(|| Duration::from_millis(transfer.remaining_ms)),
        note,
        id: told.id,
        project: told.project,
        operation: told.operation,
        requested_unix_ms: told.requested_unix_ms,
        started_unix_ms: told.started_unix_ms,
        ended_unix_ms: told.ended_unix_ms,
        attempts: told.attempts,
    }
}
