//! How a process lives: named tasks, the shutdown ladder, readiness, the doors.
//!
//! Nothing in Weir is spawned outside [`Tasks`], nothing listens outside [`bind`], and no service installs a signal
//! handler of its own. This crate decides nothing about queries, jobs or alerts.

mod door;
mod ground;
mod home;
mod ops;
mod process;
mod readiness;
mod release;
mod reload;
mod settings;
mod signals;
mod standing;
mod tasks;
pub mod tls;
mod workers;

pub use door::{GrpcDoor, OpenDoor, adopt, bind, bind_encrypted};
pub use ground::{Ground, Service, StartError};
pub use home::is_from_this_machine;
pub use ops::{health_routes, serve_ops, settings_routes};
pub use process::{ServiceArguments, exit_with, live, report_failure, service_main};
pub use readiness::{Dependency, DependencyReport, DependencyState, Readiness, Report};
pub use release::{Listener, Release};
pub use reload::{Reloaded, Reloader, ServiceReloaded};
pub use settings::RuntimeSettings;
pub use standing::{InForce, Settings, Standing, Waiting};
pub use tasks::{Outcome, Stage, TaskError, TaskResult, Tasks};
pub use workers::Worker;
