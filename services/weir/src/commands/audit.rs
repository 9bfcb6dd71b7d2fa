//! `weir audit`: what was asked of the console, by whom, and what was answered.

use clap::Args;
use serde_json::{Value as Json, json};
use weir_config::{Setting as _, Sources};
use weir_console::{AuditEntry, AuditWanted, Desk};
use weir_model::Clock;

use crate::terminal::{Failure, Listing, moment, say_json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only what names this, in its action or its target.
    #[arg(long)]
    search: Option<String>,
    /// Only what this caller asked: the name of a token.
    #[arg(long)]
    actor: Option<String>,
    /// Only what was asked in the last so long, such as 24h.
    #[arg(long, value_parser = std::time::Duration::read)]
    since: Option<std::time::Duration>,
    /// Only what was refused.
    #[arg(long)]
    refused: bool,
    /// Most entries.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let clock = Clock::system();
    let back_ms = arguments
        .since
        .map(|back| i64::try_from(back.as_millis()).unwrap_or(i64::MAX));
    let wanted = AuditWanted {
        search: arguments.search,
        actor: arguments.actor,
        since_unix_ms: back_ms.map_or(0, |back| clock.unix_ms().saturating_sub(back)),
        refused_only: arguments.refused,
        limit: i64::from(arguments.limit),
        ..AuditWanted::default()
    };
    let entries = Desk::open(&sources, clock).await?.audit(&wanted).await?;
    if arguments.json {
        return say_json(&Json::Array(entries.iter().map(|entry| json!(entry)).collect()));
    }
    show(&entries)
}

fn show(entries: &[AuditEntry]) -> Result<(), Failure> {
    let headings = ["AT", "WHO", "PROJECT", "ASKED", "TARGET", "FROM", "ANSWER"];
    let mut listing = Listing::new(&headings, "nothing was asked that is written down");
    for entry in entries {
        listing.row([
            moment(entry.at_unix_ms),
            entry.actor.clone(),
            entry.project.clone().unwrap_or_else(|| "(all)".to_owned()),
            entry.action.clone(),
            entry.target.clone(),
            entry.remote.clone(),
            entry
                .status
                .map_or_else(|| "none".to_owned(), |status| status.to_string()),
        ]);
    }
    listing.say()
}
