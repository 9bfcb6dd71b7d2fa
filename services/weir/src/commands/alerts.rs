//! `weir alerts`: what is wrong, and what was.

use clap::Args;
use serde_json::json;
use weir_config::Sources;
use weir_proto::common::v1::PageRequest;
use weir_proto::monitor::v1::{Alert, AlertState, ListAlertsRequest};

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, moment, say_json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The project.
    #[arg(long, default_value = "")]
    project: String,
    /// Resolved ones too.
    #[arg(long)]
    all: bool,
    /// How many.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let states = if arguments.all {
        Vec::new()
    } else {
        vec![AlertState::Firing.into()]
    };
    let page = Some(PageRequest {
        size: arguments.limit,
        token: String::new(),
    });
    let request = ListAlertsRequest {
        project: arguments.project,
        states,
        page,
    };
    let mut monitor = Services(&sources).monitor().await?;
    let alerts = monitor.list_alerts(request).await.map_err(refusal)?.into_inner().alerts;
    if arguments.json {
        return say_json(&json!({ "alerts": alerts.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(&["SINCE", "STATE", "RULE", "SUMMARY"], "no alerts");
    for alert in &alerts {
        listing.row([
            moment(alert.since_unix_ms),
            word(alert),
            alert.rule.clone(),
            alert.summary.clone(),
        ]);
    }
    listing.say()
}

fn word(alert: &Alert) -> String {
    match alert.state() {
        AlertState::Firing => "firing".to_owned(),
        AlertState::Pending => "pending".to_owned(),
        AlertState::Resolved => format!("resolved {}", moment(alert.resolved_unix_ms)),
        AlertState::Unspecified => "-".to_owned(),
    }
}

fn as_json(alert: &Alert) -> serde_json::Value {
    json!({
        "id": alert.id,
        "rule": alert.rule,
        "state": word(alert).split(' ').next(),
        "summary": alert.summary,
        "value": alert.value,
        "threshold": alert.threshold,
        "since_unix_ms": alert.since_unix_ms,
        "resolved_unix_ms": alert.resolved_unix_ms,
        "fingerprint": alert.fingerprint,
        "labels": alert.labels,
        "runbook": alert.runbook,
    })
}
