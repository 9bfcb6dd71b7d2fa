//! How a process lives: named tasks, the shutdown ladder, readiness, the doors.
//!
//! Nothing in Weir is spawned outside [`Tasks`], nothing listens outside [`bind`], and no service installs a signal
//! handler of its own. This crate decides nothing about queries, jobs or alerts.

mod door;
mod ground;
mod ops;
mod process;
mod readiness;
mod release;
mod settings;
mod signals;
mod tasks;
mod workers;

pub use door::{GrpcDoor, OpenDoor, adopt, bind};
pub use ground::{Ground, Service, StartError};
pub use ops::{health_routes, serve_ops};
pub use process::{ServiceArguments, exit_with, live, report_failure, service_main};
pub use readiness::{Dependency, DependencyReport, DependencyState, Readiness, Report};
pub use release::{Listener, Release};
pub use settings::RuntimeSettings;
pub use tasks::{Outcome, Stage, TaskError, TaskResult, Tasks};
pub use workers::Worker;
