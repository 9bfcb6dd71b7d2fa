//! `weir alerts`: what is wrong and what was, who looks after it, who is told of it, and by which rules.

mod asking;
mod showing;

use clap::{Args, Subcommand};
use weir_config::Sources;

use crate::connect::Services;
use crate::terminal::Failure;
use asking::Desk;
pub(super) use showing::{alert_json as as_json, word};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// The project. Without it: default.
    #[arg(long, default_value = "", hide_default_value = true, global = true)]
    project: String,
    /// Resolved and pending ones too.
    #[arg(long)]
    all: bool,
    /// How many, the newest first.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List alerts that fire (this is what `weir alerts` does by itself).
    List,
    /// Say that somebody looks after an alert, until it is resolved.
    Acknowledge {
        /// Its id, or the beginning of it.
        id: String,
        /// Who. Without it: the user of this machine.
        #[arg(long)]
        by: Option<String>,
        /// What is to be known about it.
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
    },
    /// List the silences that count now or will, and those that ended lately.
    Silences,
    /// Tell channels nothing of alerts that fit, for a while. They fire all the same.
    Silence(asking::SilenceArguments),
    /// End a silence now.
    Unsilence {
        /// Its id, as `weir alerts silences` lists it.
        id: String,
    },
    /// List the rules that alerts come from, as they hold now.
    Rules {
        /// Only this rule.
        name: Option<String>,
    },
    /// Change a rule, or add one; what is said here replaces what was said of it here before.
    SetRule(asking::RuleArguments),
    /// Take back what was set of a rule here: it is as the file has it, or as it came.
    ResetRule {
        /// Its name.
        name: String,
    },
    /// List who is told of alerts, and how that goes.
    Channels,
    /// Send one notification to a channel, and print what its receiver says.
    Test {
        /// The channel's name.
        channel: String,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let mut desk = Desk {
        monitor: Services(&sources).monitor().await?,
        project: arguments.project,
        json: arguments.json,
    };
    match arguments.action.unwrap_or(Action::List) {
        Action::List => desk.list(arguments.all, arguments.limit).await,
        Action::Acknowledge { id, by, note } => desk.acknowledge(&id, by.or_else(|| user(&sources)), note).await,
        Action::Silences => desk.silences().await,
        Action::Silence(silence) => {
            let author = user(&sources);
            desk.silence(silence, author).await
        }
        Action::Unsilence { id } => desk.unsilence(id).await,
        Action::Rules { name } => desk.rules(name).await,
        Action::SetRule(rule) => desk.set_rule(rule).await,
        Action::ResetRule { name } => desk.reset_rule(name).await,
        Action::Channels => desk.channels().await,
        Action::Test { channel } => desk.test(channel).await,
    }
}

/// Who is logged in here.
pub(super) fn user(sources: &Sources) -> Option<String> {
    ["SUDO_USER", "USER"]
        .into_iter()
        .find_map(|name| sources.variable(name))
        .map(str::to_owned)
}
