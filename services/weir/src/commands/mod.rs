//! The command line.

mod advice;
mod alerts;
mod audit;
mod backup;
mod bench;
mod cache;
mod completions;
mod config;
mod demo;
mod doctor;
mod events;
mod exec;
mod explain;
mod firewall;
mod jobs;
mod maintenance;
mod operator;
mod pace;
mod pool;
mod probe;
mod progress;
mod project;
mod queries;
mod query;
mod reference;
mod schedules;
mod security;
mod status;
mod times;
mod token;
mod top;
mod up;
mod windows;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use weir_config::Sources;
use weir_runtime::report_failure;

use crate::terminal::{BrokenOff, Colours, Failure};

const FAILED: u8 = 1;
const BAD_SETTINGS: u8 = 2;

/// Weir stands in front of PostgreSQL: it pools, observes, maintains and backs up.
///
/// Exit status: 0 done, 1 failed or found something, 2 wrong settings or command line, 130 or 143 stopped while waiting.
#[derive(Debug, Parser)]
#[command(name = "weir", version, disable_help_subcommand = true)]
pub(crate) struct Command {
    /// The settings file; without it, the one named by `WEIR_CONFIG`, else only the environment.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whether there are colours: auto has them on a terminal, unless `NO_COLOR` is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    color: Colours,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run every service in this process, joined by an in-memory bus.
    Up,
    /// Show whether each service is ready, and what it waits for.
    Status(status::Arguments),
    /// Watch statements, sessions, pools and jobs as they are now.
    Top(top::Arguments),
    /// Run one statement through the gateway.
    Exec(exec::Arguments),
    /// Look at the gateway's pools and steer them.
    #[command(name = "pools", visible_alias = "pool")]
    Pools(pool::Arguments),
    /// List statements by the time they took.
    Queries(queries::Arguments),
    /// Show everything about one statement: figures, time, plans, alerts, advice, cache.
    Query(query::Arguments),
    /// Show the plan of a statement as a tree, with what is worth knowing of it.
    Explain(explain::Arguments),
    /// Look at the result cache, its rules and what they bring, and make results invalid.
    Cache(cache::Arguments),
    /// List alerts, acknowledge and silence them; look at rules and channels.
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
    /// Ask PostgreSQL in four ways beside each other, and check what Weir promises.
    Bench(bench::Arguments),
    /// List projects, and show what each has: its callers, limits, tokens, traffic, results in memory, backups.
    #[command(name = "project", visible_alias = "projects")]
    Project(project::Arguments),
    /// Make, list and revoke tokens of the console.
    Token(token::Arguments),
    /// Read which rules were broken, by whom, and what was done about it; with --follow as it happens.
    Security(security::Arguments),
    /// Look at the firewall of the gateway and steer it: its mode, the shapes that it knows, what is let through.
    Firewall(firewall::Arguments),
    /// Read what was asked of the console: every change, and every refusal.
    Audit(audit::Arguments),
    /// List what would serve the server and its tables better; set it, and take it back.
    #[command(name = "advise", visible_alias = "advice")]
    Advise(advice::Arguments),
    /// Follow events on the bus.
    Events(events::Arguments),
    /// Examine the set-up, and say how each finding is mended.
    Doctor(doctor::Arguments),
    /// Validate the settings, show what is in force and why, and have running services read them again.
    Config(config::Arguments),
    /// Ask an ops port over HTTP; the exit status is the answer. For container health checks.
    Probe(probe::Arguments),
    /// Print what a shell needs to complete this command.
    Completions(completions::CompletionArguments),
    /// Write manual pages, one for each subcommand.
    Man(completions::ManArguments),
    /// Run the demo workload through the gateway until stopped.
    Demo(demo::Arguments),
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        // These work without any settings.
        match self.action {
            Action::Probe(arguments) => return wait(probe::run(arguments)),
            Action::Completions(arguments) => return finish(completions::complete(&arguments)),
            Action::Man(arguments) => return finish(completions::man(&arguments)),
            Action::Config(arguments) if arguments.needs_no_settings() => return finish(config::write(&arguments)),
            Action::Backup(arguments) if arguments.needs_no_settings() => return finish(backup::write(arguments)),
            _ => {}
        }
        let sources = match Sources::from_process(self.config) {
            Ok(sources) => sources,
            Err(error) => return report_failure("weir", BAD_SETTINGS, &error),
        };
        self.color.settle(&sources);
        match self.action {
            Action::Up => up::run(sources),
            Action::Status(arguments) => wait(status::run(arguments, sources)),
            Action::Top(arguments) => wait(top::run(arguments, sources)),
            Action::Exec(arguments) => wait(exec::run(arguments, sources)),
            Action::Pools(arguments) => wait(pool::run(arguments, sources)),
            Action::Queries(arguments) => wait(queries::run(arguments, sources)),
            Action::Query(arguments) => wait(query::run(arguments, sources)),
            Action::Explain(arguments) => wait(explain::run(arguments, sources)),
            Action::Cache(arguments) => wait(cache::run(arguments, sources)),
            Action::Alerts(arguments) => wait(alerts::run(arguments, sources)),
            Action::Jobs(arguments) => wait(jobs::run(arguments, sources)),
            Action::Schedules(arguments) => wait(schedules::run(arguments, sources)),
            Action::Windows(arguments) => wait(windows::run(arguments, sources)),
            Action::Maintenance(arguments) => wait(maintenance::run(arguments, sources)),
            Action::Backup(arguments) => wait(backup::run(arguments, sources)),
            Action::Bench(arguments) => wait(bench::run(arguments, sources)),
            Action::Project(arguments) => wait(project::run(arguments, sources)),
            Action::Token(arguments) => wait(token::run(arguments, sources)),
            Action::Security(arguments) => wait(security::run(arguments, sources)),
            Action::Firewall(arguments) => wait(firewall::run(arguments, sources)),
            Action::Audit(arguments) => wait(audit::run(arguments, sources)),
            Action::Advise(arguments) => wait(advice::run(arguments, sources)),
            Action::Events(arguments) => wait(events::run(arguments, sources)),
            Action::Doctor(arguments) => wait(doctor::run(arguments, sources)),
            Action::Config(arguments) => wait(config::run(arguments, sources)),
            Action::Demo(arguments) => wait(demo::run(arguments, sources)),
            Action::Probe(arguments) => wait(probe::run(arguments)),
            Action::Completions(arguments) => finish(completions::complete(&arguments)),
            Action::Man(arguments) => finish(completions::man(&arguments)),
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
        Err(error) => report_failure("weir", status(&error), &error),
    }
}

fn status(error: &Failure) -> u8 {
    if let Some(broken_off) = error.downcast_ref::<BrokenOff>() {
        return 128_u8.saturating_add(broken_off.signal);
    }
    error.downcast_ref().map_or(FAILED, Refused::status)
}

/// A command line that clap could read and that asks for what there is not.
#[derive(Debug)]
pub(crate) struct Refused {
    status: u8,
    line: String,
}

impl Refused {
    const fn new(status: u8, line: String) -> Self {
        Self { status, line }
    }

    const fn status(&self) -> u8 {
        self.status
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Refused {}
