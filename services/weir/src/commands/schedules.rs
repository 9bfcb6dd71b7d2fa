//! `weir schedules`: what runs when.

use clap::{Args, Subcommand};
use serde_json::json;
use weir_config::Sources;
use weir_proto::common::v1::PageRequest;
use weir_proto::scheduler::v1::{
    DeleteScheduleRequest, ListSchedulesRequest, MisfirePolicy, PauseScheduleRequest, PutScheduleRequest,
    ResumeScheduleRequest, Schedule,
};

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, moment, say_done, say_json};

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
    /// List schedules (this is what `weir schedules` does by itself).
    List,
    /// Make a schedule, or change the one of that name.
    Put {
        /// Its name.
        name: String,
        /// What it does, such as `analyze`.
        operation: String,
        /// When: five fields, or six with seconds first.
        cron: String,
        /// In which time zone.
        #[arg(long, default_value = "UTC")]
        time_zone: String,
        /// What the operation is told, as JSON.
        #[arg(long, default_value = "")]
        parameters: String,
        /// Make up for missed runs with one run.
        #[arg(long)]
        run_once: bool,
        /// Its runs need no maintenance window.
        #[arg(long)]
        ignores_windows: bool,
        /// Attempts of each run at most; 0 leaves that to the worker.
        #[arg(long, default_value_t = 0)]
        attempt_max: u32,
        /// Minutes after which a run that has not begun is not begun any more; 0 means an hour.
        #[arg(long, default_value_t = 0)]
        begin_within_minutes: u32,
    },
    /// Stop a schedule from running for the time being.
    Pause {
        /// Its id.
        id: String,
    },
    /// Let a paused schedule run again.
    Resume {
        /// Its id.
        id: String,
    },
    /// Remove a schedule; the record of its runs stays.
    Delete {
        /// Its id.
        id: String,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let mut scheduler = Services(&sources).scheduler().await?;
    match arguments.action.unwrap_or(Action::List) {
        Action::List => {
            let page = Some(PageRequest {
                size: 1_000,
                token: String::new(),
            });
            let request = ListSchedulesRequest {
                project: arguments.project,
                page,
            };
            let reply = scheduler.list_schedules(request).await.map_err(refusal)?.into_inner();
            list(&reply.schedules, arguments.json)
        }
        Action::Put {
            name,
            operation,
            cron,
            time_zone,
            parameters,
            run_once,
            ignores_windows,
            attempt_max,
            begin_within_minutes,
        } => {
            let misfire = if run_once {
                MisfirePolicy::RunOnce
            } else {
                MisfirePolicy::Skip
            };
            let schedule = Schedule {
                project: arguments.project,
                name,
                operation,
                cron,
                time_zone,
                parameters_json: parameters,
                misfire: misfire.into(),
                ignores_windows,
                attempt_max,
                begin_within_ms: begin_within_minutes.saturating_mul(60_000),
                ..Schedule::default()
            };
            let request = PutScheduleRequest {
                schedule: Some(schedule),
            };
            let reply = scheduler.put_schedule(request).await.map_err(refusal)?.into_inner();
            list(reply.schedule.as_slice(), arguments.json)
        }
        Action::Pause { id } => {
            scheduler
                .pause_schedule(PauseScheduleRequest {
                    id: id.clone(),
                    project: arguments.project,
                })
                .await
                .map_err(refusal)?;
            say_done(&id, "is paused", arguments.json)
        }
        Action::Resume { id } => {
            scheduler
                .resume_schedule(ResumeScheduleRequest {
                    id: id.clone(),
                    project: arguments.project,
                })
                .await
                .map_err(refusal)?;
            say_done(&id, "runs again", arguments.json)
        }
        Action::Delete { id } => {
            scheduler
                .delete_schedule(DeleteScheduleRequest {
                    id: id.clone(),
                    project: arguments.project,
                })
                .await
                .map_err(refusal)?;
            say_done(&id, "is removed", arguments.json)
        }
    }
}

fn list(schedules: &[Schedule], as_json_wanted: bool) -> Result<(), Failure> {
    if as_json_wanted {
        return say_json(&json!({ "schedules": schedules.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let headings = ["ID", "NAME", "OPERATION", "CRON", "ZONE", "NEXT RUN"];
    let mut listing = Listing::new(&headings, "no schedules");
    for schedule in schedules {
        let next = if schedule.paused {
            "paused".to_owned()
        } else {
            moment(schedule.next_run_unix_ms)
        };
        let (id, name) = (schedule.id.clone(), schedule.name.clone());
        listing.row([
            id,
            name,
            schedule.operation.clone(),
            schedule.cron.clone(),
            schedule.time_zone.clone(),
            next,
        ]);
    }
    listing.say()
}

fn as_json(schedule: &Schedule) -> serde_json::Value {
    json!({
        "id": schedule.id,
        "project": schedule.project,
        "name": schedule.name,
        "operation": schedule.operation,
        "cron": schedule.cron,
        "time_zone": schedule.time_zone,
        "paused": schedule.paused,
        "ignores_windows": schedule.ignores_windows,
        "attempt_max": schedule.attempt_max,
        "begin_within_ms": schedule.begin_within_ms,
        "next_run_unix_ms": schedule.next_run_unix_ms,
    })
}
