//! The command line.

mod advice;
mod alerts;
mod backup;
mod cache;
mod config;
mod demo;
mod events;
mod exec;
mod jobs;
mod maintenance;
mod pool;
mod probe;
mod queries;
mod schedules;
mod status;
mod up;
mod windows;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use weir_config::Sources;
use weir_runtime::report_failure;

use crate::terminal::Failure;

const FAILED: u8 = 1;
const BAD_SETTINGS: u8 = 2;

/// Weir stands in front of PostgreSQL: it pools, observes, maintains and backs up.
///
/// Exit status: 0 done, 1 failed, 2 wrong settings or command line.
#[derive(Debug, Parser)]
#[command(name = "weir", version, disable_help_subcommand = true)]
pub(crate) struct Command {
    /// The settings file; without it, the one named by `WEIR_CONFIG`, else only the environment.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run every service in this process, joined by an in-memory bus.
    Up,
    /// Show whether each service is ready, and what it waits for.
    Status(status::Arguments),
    /// Run one statement through the gateway.
    Exec(exec::Arguments),
    /// Look at the gateway's pools and steer them.
    Pool(pool::Arguments),
    /// List statements by the time they took.
    Queries(queries::Arguments),
    /// Look at the result cache, its rules and what they bring, and make results invalid.
    Cache(cache::Arguments),
    /// List alerts.
    Alerts(alerts::Arguments),
    /// List, start, show and cancel jobs.
    Jobs(jobs::Arguments),
    /// List, make, change and remove schedules.
    Schedules(schedules::Arguments),
    /// Look at maintenance windows, make, change and remove them.
    Windows(windows::Arguments),
    /// Look at what maintenance would do.
    Maintenance(maintenance::Arguments),
    /// Take backups, restore them and prove them; look at the catalogue, the log and the keys.
    Backup(backup::Arguments),
    /// List what would serve the server and its tables better; set it, and take it back.
    Advice(advice::Arguments),
    /// Follow events on the bus.
    Events(events::Arguments),
    /// Validate the settings, and show what is in force and why.
    Config(config::Arguments),
    /// Ask an ops port over HTTP; the exit status is the answer. For container health checks.
    Probe(probe::Arguments),
    /// Run the demo workload through the gateway until stopped.
    Demo(demo::Arguments),
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        // These work without any settings.
        match self.action {
            Action::Probe(arguments) => return wait(probe::run(arguments)),
            Action::Config(arguments) if arguments.needs_no_settings() => return finish(config::write(&arguments)),
            Action::Backup(arguments) if arguments.needs_no_settings() => return finish(backup::write(arguments)),
            _ => {}
        }
        let sources = match Sources::from_process(self.config) {
            Ok(sources) => sources,
            Err(error) => return report_failure("weir", BAD_SETTINGS, &error),
        };
        match self.action {
            Action::Up => up::run(sources),
            Action::Status(arguments) => wait(status::run(arguments, sources)),
            Action::Exec(arguments) => wait(exec::run(arguments, sources)),
            Action::Pool(arguments) => wait(pool::run(arguments, sources)),
            Action::Queries(arguments) => wait(queries::run(arguments, sources)),
            Action::Cache(arguments) => wait(cache::run(arguments, sources)),
            Action::Alerts(arguments) => wait(alerts::run(arguments, sources)),
            Action::Jobs(arguments) => wait(jobs::run(arguments, sources)),
            Action::Schedules(arguments) => wait(schedules::run(arguments, sources)),
            Action::Windows(arguments) => wait(windows::run(arguments, sources)),
            Action::Maintenance(arguments) => wait(maintenance::run(arguments, sources)),
            Action::Backup(arguments) => wait(backup::run(arguments, sources)),
            Action::Advice(arguments) => wait(advice::run(arguments, sources)),
            Action::Events(arguments) => wait(events::run(arguments, sources)),
            Action::Config(arguments) => finish(config::run(&arguments, &sources)),
            Action::Demo(arguments) => wait(demo::run(arguments, sources)),
            Action::Probe(arguments) => wait(probe::run(arguments)),
        }
    }
}

fn wait(work: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => finish(runtime.block_on(work)),
        Err(error) => report_failure("weir", FAILED, &error),
    }
}

fn finish(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<weir_config::Error>() => report_failure("weir", BAD_SETTINGS, &error),
        Err(error) => report_failure("weir", FAILED, &error),
    }
}
