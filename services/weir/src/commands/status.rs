//! `weir status`: every service, ready or not, and what it waits for.

use clap::Args;
use serde_json::{Value as Json, json};
use weir_config::Sources;

use crate::connect::doors;
use crate::terminal::{Failure, Listing, say_json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

struct State {
    service: &'static str,
    url: String,
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
    let mut states = Vec::new();
    for (service, place) in doors(&sources)? {
        let answer = place.get("readyz").await.ok();
        let report = answer.and_then(|answer| serde_json::from_str(&answer.body).ok());
        let url = place.url;
        states.push(State { service, url, report });
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
            state
                .url
                .split_once("://")
                .map_or(state.url.as_str(), |(_, place)| place)
                .to_owned(),
            state.word().to_owned(),
            state.waits_for(),
        ]);
    }
    listing.say()
}
