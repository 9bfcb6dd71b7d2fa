//! A durable unit of work: asked for, claimed, run with a heartbeat, retried or failed, cancelled.
//!
//! The life of a job:
//!
//! ```text
//!  request ──► queued ──claim──► running ──► succeeded
//!                ▲ │                │ │ └───► failed
//!                │ └──cancel──────┐ │ │
//!                │                ▼ │ ▼
//!                │            cancelled
//!                └── retry · released at a stop · worker lost
//! ```
//!
//! What holds, whatever dies:
//!
//! - A request is stored once, by the requester's id. It is run at least once, and by one worker at a time: a claim
//!   writes the worker and the attempt, and only who still has both may write again.
//! - A change of state and the event that tells of it are one transaction.
//! - A worker that does not say in time that it lives loses its job to another; one that cannot say so (the database
//!   is away) drops the work before that.
//! - A panic ends an attempt, never the runner.
//!
//! Work must bear being repeated. It shares one task with the other jobs of its runner: what blocks a thread belongs on
//! a blocking thread. Nothing here knows what any operation means, and nothing here spawns a task.

mod attempt;
mod context;
mod facts;
mod intake;
mod job;
mod jobs;
mod lease;
mod runner;
mod work;

pub use context::JobContext;
pub use intake::intake;
pub use job::{Job, JobRequest, JobState, Progress, Window};
pub use jobs::{Jobs, JobsDepth};
pub use runner::{Runner, RunnerOptions};
pub use work::{JobError, Work, Works, WorksBuilder};

use weir_store::Migrations;

/// The table of jobs, for a service's list of migrations: before the service's own.
pub fn migrations() -> Migrations {
    Migrations::named("_sqlx_migrations_jobs", sqlx::migrate!())
}

#[cfg(test)]
mod tests;
