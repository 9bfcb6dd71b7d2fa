//! `weir jobs`: runs asked for by schedules and people.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::Channel;
use weir_config::Sources;
use weir_proto::backup::v1 as backup;
use weir_proto::common::v1::{JobState, PageRequest};
use weir_proto::maintenance::v1::CancelJobRequest;
use weir_proto::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use weir_proto::scheduler::v1::{GetRunRequest, ListRunsRequest, Run, RunNowRequest};

use super::progress::{BACK_WITHIN, Progress, is_passing, waited};
use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, moment, say, say_done, say_json, shortened};

/// How often a followed run is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// The project. Without it: default.
    #[arg(long, default_value = "", global = true)]
    project: String,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List runs, the latest first (this is what `weir jobs` does by itself).
    List {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Run an operation now, such as `analyze`.
    Run {
        /// The operation.
        operation: String,
        /// What it is told, as JSON, such as `{"table": "public.orders"}`.
        #[arg(long, default_value = "")]
        parameters: String,
        /// Only report what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Do it even if no maintenance window is open, and without regard to the end of one.
        #[arg(long)]
        force_window: bool,
        /// Wait for its end; the exit status says how it ended.
        #[arg(long)]
        wait: bool,
    },
    /// Wait for the end of a run, and show how far it is; the exit status says how it ended.
    Wait {
        /// Its id.
        id: String,
    },
    /// Show one run with its effect.
    Show {
        /// Its id.
        id: String,
    },
    /// Cancel one run.
    Cancel {
        /// Its id.
        id: String,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let services = Services(&sources);
    let mut scheduler = services.scheduler().await?;
    match arguments.action.unwrap_or(Action::List { limit: 20 }) {
        Action::List { limit } => list(&mut scheduler, arguments.project, limit, arguments.json).await,
        Action::Run {
            operation,
            parameters,
            dry_run,
            force_window,
            wait,
        } => {
            let project = arguments.project.clone();
            let request = RunNowRequest {
                project: arguments.project,
                operation,
                parameters_json: parameters,
                dry_run,
                force_window,
            };
            let run = scheduler
                .run_now(request)
                .await
                .map_err(refusal)?
                .into_inner()
                .run
                .unwrap_or_default();
            let run = if wait {
                follow(&mut scheduler, project, run.id, !arguments.json).await?
            } else {
                run
            };
            show(&run, arguments.json)?;
            verdict(&run)
        }
        Action::Wait { id } => {
            let run = follow(&mut scheduler, arguments.project, id, !arguments.json).await?;
            show(&run, arguments.json)?;
            verdict(&run)
        }
        Action::Show { id } => show(&get(&mut scheduler, arguments.project, id).await?, arguments.json),
        Action::Cancel { id } => {
            cancel(&services, arguments.project, &id).await?;
            say_done(&id, "is asked to stop", arguments.json)
        }
    }
}

/// Whichever worker has it is asked to stop it.
async fn cancel(services: &Services<'_>, project: String, id: &str) -> Result<(), Failure> {
    let request = CancelJobRequest {
        id: id.to_owned(),
        project: project.clone(),
    };
    match services.maintenance().await?.cancel_job(request).await {
        Err(status) if status.code() == Code::NotFound => {
            let request = backup::CancelJobRequest {
                id: id.to_owned(),
                project,
            };
            let cancelled = services.backup().await?.cancel_job(request).await;
            cancelled.map(drop).map_err(refusal)
        }
        cancelled => cancelled.map(drop).map_err(refusal),
    }
}

async fn get(scheduler: &mut SchedulerServiceClient<Channel>, project: String, id: String) -> Result<Run, Failure> {
    let reply = scheduler
        .get_run(GetRunRequest { id, project })
        .await
        .map_err(refusal)?;
    Ok(reply.into_inner().run.unwrap_or_default())
}

async fn follow(
    scheduler: &mut SchedulerServiceClient<Channel>,
    project: String,
    id: String,
    is_shown: bool,
) -> Result<Run, Failure> {
    waited(until_ended(scheduler, &project, &id, is_shown), &project, &id).await
}

async fn until_ended(
    scheduler: &mut SchedulerServiceClient<Channel>,
    project: &str,
    id: &str,
    is_shown: bool,
) -> Result<Run, Failure> {
    let mut shown = Progress::new(is_shown);
    let mut heard = Instant::now();
    loop {
        let (id, project) = (id.to_owned(), project.to_owned());
        match scheduler.get_run(GetRunRequest { id, project }).await {
            Ok(reply) => {
                let run = reply.into_inner().run.unwrap_or_default();
                if !matches!(run.state(), JobState::Requested | JobState::Running) {
                    return Ok(run);
                }
                shown.show(&run);
                heard = Instant::now();
            }
            Err(status) if is_passing(status.code()) && heard.elapsed() < BACK_WITHIN => {}
            Err(status) => return Err(refusal(status)),
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

async fn list(
    scheduler: &mut SchedulerServiceClient<Channel>,
    project: String,
    limit: u32,
    as_json_wanted: bool,
) -> Result<(), Failure> {
    let page = Some(PageRequest {
        size: limit,
        token: String::new(),
    });
    let request = ListRunsRequest {
        project,
        page,
        ..ListRunsRequest::default()
    };
    let runs = scheduler.list_runs(request).await.map_err(refusal)?.into_inner().runs;
    if as_json_wanted {
        return say_json(&json!({ "runs": runs.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(
        &["ID", "REQUESTED", "OPERATION", "STATE", "BY", "RESULT"],
        "no runs yet",
    );
    for run in &runs {
        let result = if run.error.is_empty() {
            &run.effect_json
        } else {
            &run.error
        };
        listing.row([
            run.id.clone(),
            moment(run.requested_unix_ms),
            run.operation.clone(),
            word(run).to_owned(),
            run.requested_by.clone(),
            shortened(result, 60),
        ]);
    }
    listing.say()
}

fn show(run: &Run, as_json_wanted: bool) -> Result<(), Failure> {
    if as_json_wanted {
        return say_json(&as_json(run));
    }
    say(&format!("{} {} {}", run.id, run.operation, word(run)))?;
    if run.outside_window {
        say("window: none was open, so that only what cannot wait is done")?;
    } else if run.window_ends_unix_ms > 0 {
        say(&format!("window: until {}", moment(run.window_ends_unix_ms)))?;
    }
    for (name, text) in [("error", &run.error), ("effect", &run.effect_json)] {
        if !text.is_empty() {
            say(&format!("{name}: {text}"))?;
        }
    }
    Ok(())
}

fn verdict(run: &Run) -> Result<(), Failure> {
    match run.state() {
        JobState::Failed | JobState::Cancelled => Err(format!("the run {}: {}", word(run), run.error).into()),
        _ => Ok(()),
    }
}

fn word(run: &Run) -> &'static str {
    match run.state() {
        JobState::Unspecified => "-",
        JobState::Requested => "requested",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

fn as_json(run: &Run) -> Json {
    let parsed = |text: &str| serde_json::from_str::<Json>(text).unwrap_or(Json::Null);
    json!({
        "id": run.id,
        "project": run.project,
        "operation": run.operation,
        "state": word(run),
        "parameters": parsed(&run.parameters_json),
        "requested_by": run.requested_by,
        "requested_unix_ms": run.requested_unix_ms,
        "started_unix_ms": run.started_unix_ms,
        "ended_unix_ms": run.ended_unix_ms,
        "attempts": run.attempts,
        "window_ends_unix_ms": run.window_ends_unix_ms,
        "outside_window": run.outside_window,
        "effect": parsed(&run.effect_json),
        "error": run.error,
    })
}
