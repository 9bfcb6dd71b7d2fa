//! `weir maintenance`: what would be done, and why.

use clap::{Args, Subcommand};
use serde_json::json;
use weir_config::Sources;
use weir_proto::maintenance::v1::{Candidate, PlanRequest};

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, say_json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the plan of an operation without carrying it out.
    Plan {
        /// The operation.
        #[arg(default_value = "analyze")]
        operation: String,
        /// Only this table, as schema.name.
        #[arg(long, default_value = "")]
        table: String,
        /// The project.
        #[arg(long, default_value = "")]
        project: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let Action::Plan {
        operation,
        table,
        project,
        json,
    } = arguments.action;
    let mut maintenance = Services(&sources).maintenance().await?;
    let reply = maintenance
        .plan(PlanRequest {
            project,
            operation,
            table,
        })
        .await
        .map_err(refusal)?;
    let candidates = reply.into_inner().candidates;
    if json {
        return say_json(&json!({ "candidates": candidates.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(&["TABLE", "ACTION", "REASON"], "no tables");
    for candidate in &candidates {
        let action = if candidate.selected {
            candidate.action.clone()
        } else {
            "-".to_owned()
        };
        listing.row([candidate.table.clone(), action, candidate.reason.clone()]);
    }
    listing.say()
}

fn as_json(candidate: &Candidate) -> serde_json::Value {
    json!({
        "table": candidate.table,
        "action": candidate.action,
        "selected": candidate.selected,
        "reason": candidate.reason,
    })
}
