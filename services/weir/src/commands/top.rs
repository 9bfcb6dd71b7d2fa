//! `weir top`: statements, sessions, pools, jobs and alerts as they are now.
//!
//! What is known is a state; answers and keys change it, and a picture is made of it. Each service is asked by itself,
//! with a deadline, and one that is away is shown as away and stops nothing.

mod ask;
mod console;
mod hear;
mod jobs;
mod keys;
mod live;
mod panes;
mod plain;
mod rates;
mod recent;
mod screen;
mod state;
mod table;
pub(super) mod units;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use weir_config::Sources;
use weir_model::Clock;

use self::ask::Asker;
use self::state::State;
use super::operator::Operator;
use crate::connect::Services;
use crate::terminal::{Failure, has_colours, terminals_obey};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The project.
    #[arg(long, default_value = "")]
    project: String,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    interval: f64,
    /// Print one round as plain text and end. So it is without a terminal, too. The exit status is 1 where no service
    /// could be asked anything.
    #[arg(long)]
    once: bool,
    /// Print one round as JSON and end.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: Operator,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.5..=60.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("it is from 0.5 to 60".to_owned())
    }
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let asker = Asker::new(Services(&sources).lazily()?, arguments.operator.proof()?);
    let clock = Clock::system();
    let project = if arguments.project == "default" {
        String::new()
    } else {
        arguments.project
    };
    let state = State::new(project, Duration::from_secs_f64(arguments.interval), clock.unix_ms());
    if arguments.once || arguments.json || !is_terminal() {
        return plain::round(state, &asker, &clock, arguments.json).await;
    }
    live::run(state, asker, clock, has_colours()).await
}

/// Whether somebody looks and types there, and the cursor can be moved.
fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && terminals_obey()
}
