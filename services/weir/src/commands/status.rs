//! `weir status`: every service, ready or not, and what it waits for.

use std::net::SocketAddr;

use clap::Args;
use serde_json::{Value as Json, json};
use weir_backup::BackupSettings;
use weir_cache::CacheSettings;
use weir_config::Sources;
use weir_console::ConsoleSettings;
use weir_maintenance::MaintenanceSettings;
use weir_pool_gateway::GatewaySettings;
use weir_query_monitor::MonitorSettings;
use weir_scheduler::SchedulerSettings;

use crate::commands::probe;
use crate::connect::reachable;
use crate::terminal::{Failure, Listing, say_json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

struct State {
    service: &'static str,
    ops: SocketAddr,
    report: Option<Json>,
}

impl State {
    fn is_ready(&self) -> bool {
        self.report
            .as_ref()
            .and_then(|report| report.get("ready"))
            .and_then(Json::as_bool)
            .unwrap_or(false)
    }

    fn word(&self) -> &'static str {
        match &self.report {
            None => "unreachable",
            Some(_) if self.is_ready() => "ready",
            Some(_) => "not ready",
        }
    }

    /// Dependencies that are not up, with their reasons.
    fn waits_for(&self) -> String {
        let dependencies = self
            .report
            .as_ref()
            .and_then(|report| report.get("dependencies"))
            .and_then(Json::as_array);
        let down = dependencies
            .into_iter()
            .flatten()
            .filter(|item| item.get("state").is_some_and(|state| state != "up"));
        let words = down.map(|item| {
            let field = |name| item.get(name).and_then(Json::as_str).unwrap_or_default();
            format!("{}: {}", field("name"), field("reason"))
        });
        words.collect::<Vec<_>>().join("; ")
    }
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let doors = [
        ("pool-gateway", sources.section::<GatewaySettings>()?.ops_listen),
        ("query-monitor", sources.section::<MonitorSettings>()?.ops_listen),
        ("cache", sources.section::<CacheSettings>()?.ops_listen),
        ("scheduler", sources.section::<SchedulerSettings>()?.ops_listen),
        ("maintenance", sources.section::<MaintenanceSettings>()?.ops_listen),
        ("backup", sources.section::<BackupSettings>()?.ops_listen),
        ("console", sources.section::<ConsoleSettings>()?.listen),
    ];
    let mut states = Vec::new();
    for (service, ops) in doors {
        let answer = probe::get(&format!("http://{}/readyz", reachable(ops))).await.ok();
        let report = answer.and_then(|(_, body)| serde_json::from_str(&body).ok());
        states.push(State { service, ops, report });
    }
    show(&arguments, &states)?;
    match states.iter().filter(|state| !state.is_ready()).count() {
        0 => Ok(()),
        away => Err(format!("{away} of {} services are not ready", states.len()).into()),
    }
}

fn show(arguments: &Arguments, states: &[State]) -> Result<(), Failure> {
    if arguments.json {
        let item = |state: &State| json!({ "service": state.service, "state": state.word(), "report": state.report });
        return say_json(&states.iter().map(item).collect());
    }
    let mut listing = Listing::new(&["SERVICE", "OPS", "STATE", "WAITS FOR"], "no services");
    for state in states {
        listing.row([
            state.service.to_owned(),
            state.ops.to_string(),
            state.word().to_owned(),
            state.waits_for(),
        ]);
    }
    listing.say()
}
