//! `weir advise`: what would serve the server and its tables better, done on request and taken back.

use clap::{Args, Subcommand};
use serde_json::json;
use weir_config::Sources;
use weir_proto::common::v1::PageRequest;
use weir_proto::maintenance::v1::{
    Advice, AdviceActivation, AdviceConfidence, AdviceImpact, ApplyAdviceRequest, Change, ChangeState,
    ListAdviceRequest, ListAdviceResponse, ListChangesRequest, RevertAdviceRequest,
};

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, moment, say, say_json};

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
    /// Only advice of this kind; may be given several times.
    #[arg(long)]
    kind: Vec<String>,
    /// List what was left without advice instead, with the reason.
    #[arg(long)]
    left: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List advice (this is what `weir advise` does by itself).
    List,
    /// Set what a piece of advice proposed when it was listed last.
    Apply {
        /// Its id.
        id: String,
        /// Who wants it, for the record.
        #[arg(long, default_value = "")]
        by: String,
    },
    /// Put back what was there before a change.
    Revert {
        /// The id of the change.
        id: String,
    },
    /// List what was changed on advice.
    Changes {
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let mut maintenance = Services(&sources).maintenance().await?;
    let (project, json) = (arguments.project, arguments.json);
    match arguments.action.unwrap_or(Action::List) {
        Action::List => {
            let kinds = arguments.kind;
            let request = ListAdviceRequest {
                project,
                kinds,
                ..ListAdviceRequest::default()
            };
            let reply = maintenance.list_advice(request).await;
            list(&reply.map_err(refusal)?.into_inner(), json, arguments.left)
        }
        Action::Apply { id, by } => {
            let request = ApplyAdviceRequest {
                project,
                id,
                by,
                ..ApplyAdviceRequest::default()
            };
            let reply = maintenance.apply_advice(request).await;
            changed(reply.map_err(refusal)?.into_inner().change, json)
        }
        Action::Revert { id } => {
            let request = RevertAdviceRequest {
                project,
                change_id: id,
                ..RevertAdviceRequest::default()
            };
            let reply = maintenance.revert_advice(request).await;
            changed(reply.map_err(refusal)?.into_inner().change, json)
        }
        Action::Changes { limit } => {
            let page = Some(PageRequest {
                size: limit,
                token: String::new(),
            });
            let request = ListChangesRequest {
                project,
                page,
                ..ListChangesRequest::default()
            };
            let reply = maintenance.list_changes(request).await;
            changes(&reply.map_err(refusal)?.into_inner().changes, json)
        }
    }
}

fn list(reply: &ListAdviceResponse, as_json: bool, left: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({
            "advice": reply.advice.iter().map(advice_json).collect::<Vec<_>>(),
            "left": reply.left.iter().map(|left| json!({ "what": left.what, "reason": left.reason })).collect::<Vec<_>>(),
            "more": reply.more,
        }));
    }
    if left {
        let mut listing = Listing::new(&["WHAT", "LEFT BECAUSE"], "nothing was left");
        for left in &reply.left {
            listing.row([left.what.clone(), left.reason.clone()]);
        }
        return listing.say();
    }
    let mut listing = Listing::new(&["IMPACT", "ID", "NOW", "BETTER", "REASON"], "no advice");
    for advice in &reply.advice {
        listing.row([
            impact(advice).to_owned(),
            advice.id.clone(),
            now(advice),
            better(advice),
            advice.reason.clone(),
        ]);
    }
    listing.say()?;
    if reply.more > 0 {
        say(&format!("and {} more", reply.more))?;
    }
    Ok(())
}

fn impact(advice: &Advice) -> &'static str {
    match advice.impact() {
        AdviceImpact::Danger => "danger",
        AdviceImpact::High => "high",
        AdviceImpact::Medium => "medium",
        AdviceImpact::Low => "low",
        AdviceImpact::Unspecified => "-",
    }
}

fn now(advice: &Advice) -> String {
    if advice.setting.is_empty() {
        return "-".to_owned();
    }
    advice.current.clone().unwrap_or_else(|| "not set".to_owned())
}

/// The value to set; for a person, what to run.
fn better(advice: &Advice) -> String {
    if advice.setting.is_empty() {
        let statement = if advice.statement.is_empty() {
            &advice.summary
        } else {
            &advice.statement
        };
        return format!("by hand: {statement}");
    }
    let value = advice.proposed.clone().unwrap_or_else(|| "not set".to_owned());
    match advice.activation() {
        AdviceActivation::Restart => format!("{value} (restart)"),
        _ if !advice.applicable => format!("{value} (by hand)"),
        _ => value,
    }
}

fn changed(change: Option<Change>, as_json: bool) -> Result<(), Failure> {
    let change = change.unwrap_or_default();
    if as_json {
        return say_json(&change_json(&change));
    }
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
    let what = if change.table.is_empty() {
        change.setting.clone()
    } else {
        format!("{} of {}", change.setting, change.table)
    };
    let note = if change.note.is_empty() {
        String::new()
    } else {
        format!(" ({})", change.note)
    };
    let line = match change.state() {
        ChangeState::PendingRestart => {
            format!(
                "{what} is {} after the next restart of the server",
                value(&change.new_value)
            )
        }
        ChangeState::Reverted => format!("{what} is {} again{note}", value(&change.old_value)),
        _ => format!("{what} is {}{note}", value(&change.new_value)),
    };
    say(&format!("{line}; change {}", change.id))
}

fn changes(changes: &[Change], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({ "changes": changes.iter().map(change_json).collect::<Vec<_>>() }));
    }
    let headings = ["ID", "WHEN", "STATE", "WHAT", "BEFORE", "AFTER", "BY", "NOTE"];
    let mut listing = Listing::new(&headings, "nothing was changed on advice");
    for change in changes {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        listing.row([
            change.id.clone(),
            moment(change.begun_unix_ms),
            state(change).to_owned(),
            format!("{} {}", change.table, change.setting).trim().to_owned(),
            value(&change.old_value),
            value(&change.new_value),
            change.by.clone(),
            change.note.clone(),
        ]);
    }
    listing.say()
}

fn state(change: &Change) -> &'static str {
    match change.state() {
        ChangeState::Unspecified => "-",
        ChangeState::Applying => "applying",
        ChangeState::Applied => "applied",
        ChangeState::PendingRestart => "pending restart",
        ChangeState::Reverting => "reverting",
        ChangeState::Reverted => "reverted",
        ChangeState::Superseded => "superseded",
        ChangeState::Failed => "failed",
    }
}

pub(super) fn advice_json(advice: &Advice) -> serde_json::Value {
    let confidence = match advice.confidence() {
        AdviceConfidence::Measured => "measured",
        AdviceConfidence::Derived => "derived",
        AdviceConfidence::Guessed => "guessed",
        AdviceConfidence::Unspecified => "-",
    };
    json!({
        "id": advice.id,
        "kind": advice.kind,
        "database": advice.database,
        "table": advice.table,
        "part": advice.part,
        "impact": impact(advice),
        "confidence": confidence,
        "summary": advice.summary,
        "reason": advice.reason,
        "setting": advice.setting,
        "current": advice.current,
        "proposed": advice.proposed,
        "restart": advice.activation() == AdviceActivation::Restart,
        "applicable": advice.applicable,
        "by_hand": advice.by_hand,
        "statement": advice.statement,
    })
}

fn change_json(change: &Change) -> serde_json::Value {
    json!({
        "id": change.id,
        "advice_id": change.advice_id,
        "kind": change.kind,
        "database": change.database,
        "table": change.table,
        "setting": change.setting,
        "old_value": change.old_value,
        "new_value": change.new_value,
        "was_in_force": change.was_in_force,
        "state": state(change),
        "note": change.note,
        "by": change.by,
        "reason": change.reason,
        "begun_unix_ms": change.begun_unix_ms,
        "ended_unix_ms": change.ended_unix_ms,
    })
}
