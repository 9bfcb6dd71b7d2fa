//! The life of a process: settings, telemetry, start, signals, the ladder, an exit status.
//!
//! Exit status: 0 after an orderly end, 1 when it could not start, a task died or work was cut off, 2 when the
//! settings or the command line cannot be.

use std::fmt::Display;
use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use weir_config::Sources;
use weir_model::Clock;
use weir_telemetry::Telemetry;

use crate::ground::{Ground, Service, StartError};
use crate::reload::Reloader;
use crate::settings::RuntimeSettings;
use crate::signals::{Signals, Wish};
use crate::tasks::{Outcome, Tasks};

const FAILED: u8 = 1;
const BAD_SETTINGS: u8 = 2;

/// The command line of a service.
#[derive(Debug, Parser)]
#[command(version, disable_help_subcommand = true)]
pub struct ServiceArguments {
    /// The settings file; without it, the one named by `WEIR_CONFIG`, else only the environment.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The whole `main` of a service that runs alone.
pub fn service_main<F, Fut>(service: Service, start: F) -> ExitCode
where
    F: FnOnce(Ground) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    let arguments = ServiceArguments::parse();
    match Sources::from_process(arguments.config) {
        Ok(sources) => exit_with(
            service.name,
            live(service.name, sources, [service], |[ground]| start(ground)),
        ),
        Err(error) => report_failure(service.name, BAD_SETTINGS, &error),
    }
}

/// Builds the runtime, runs the process to its end, and turns the end into an exit status.
pub fn exit_with(name: &str, life: impl Future<Output = Result<Outcome, StartError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report_failure(name, FAILED, &error),
    };
    match runtime.block_on(life) {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Crashed(how)) => report_failure(name, FAILED, &format!("a task died: {how}")),
        Ok(Outcome::Forced(stage)) => report_failure(
            name,
            FAILED,
            &format!("work was cut off while stopping (stage {stage:?})"),
        ),
        Err(error) if error.is::<weir_config::Error>() => report_failure(name, BAD_SETTINGS, &error),
        Err(error) => report_failure(name, FAILED, &error),
    }
}

/// Says on standard error, in one line, why a command failed.
pub fn report_failure(name: &str, status: u8, why: &dyn Display) -> ExitCode {
    let why = why.to_string().replace('\n', " ");
    // When even standard error is gone, the exit status is all that is left to say.
    let _ = writeln!(std::io::stderr(), "{name}: {why}");
    ExitCode::from(status)
}

/// Runs `N` services in this process from start to end.
pub async fn live<const N: usize, F, Fut>(
    name: &'static str,
    sources: Sources,
    services: [Service; N],
    start: F,
) -> Result<Outcome, StartError>
where
    F: FnOnce([Ground; N]) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    check(&sources, &services)?;
    let mut grace = sources.section::<RuntimeSettings>()?.shutdown_grace;
    let telemetry = Telemetry::init(&sources.section()?, name)?;
    let mut signals = Signals::listen()?;
    let reloader = Reloader::new(sources.clone(), &services, telemetry.filter());
    let tasks = Tasks::new();
    let clock = Clock::system();
    let grounds = services.map(|service| Ground {
        standing: Some(reloader.standing(service)),
        ..Ground::new(sources.clone(), reloader.follow(), tasks.clone(), clock.clone())
    });

    let started = tokio::select! {
        started = start(grounds) => started,
        () = until_stop(&mut signals) => Ok(()),
    };
    if started.is_ok() && !tasks.is_asked() {
        tracing::info!(process = name, "started");
        until_asked(&tasks, &mut signals, &reloader).await;
    }
    if let Ok(settings) = reloader.now().section::<RuntimeSettings>() {
        grace = settings.shutdown_grace;
    }
    tracing::info!(process = name, "stopping");
    let outcome = tokio::select! {
        outcome = tasks.descend(grace) => outcome,
        () = cut_off_on_second_signal(&tasks, &mut signals) => Outcome::Clean,
    };
    telemetry.flush().await;
    started.map(|()| outcome)
}

fn check(sources: &Sources, services: &[Service]) -> Result<(), weir_config::Error> {
    services.iter().try_for_each(|service| (service.check)(sources))
}

async fn until_stop(signals: &mut Signals) {
    while signals.next().await != Wish::Stop {}
}

/// Impatience is a wish too: what is left is dropped, and the ladder reports it.
async fn cut_off_on_second_signal(tasks: &Tasks, signals: &mut Signals) {
    until_stop(signals).await;
    tasks.cut_off();
    std::future::pending::<()>().await;
}

async fn until_asked(tasks: &Tasks, signals: &mut Signals, reloader: &Reloader) {
    loop {
        tokio::select! {
            () = tasks.asked() => return,
            wish = signals.next() => match wish {
                Wish::Stop => return,
                // It is logged either way.
                Wish::Reload => drop(reloader.reload()),
            },
        }
    }
}
