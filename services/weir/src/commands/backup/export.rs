//! `weir backup export`: a project's data, as it is now or was then, encrypted to the project's own key.

use serde_json::json;

use super::Client;
use super::target::Target;
use crate::terminal::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The project whose data it is.
    of: String,
    #[command(flatten)]
    target: Target,
    /// Only into this repository; may be given several times.
    #[arg(long = "repository")]
    repositories: Vec<String>,
    /// A note for people.
    #[arg(long, default_value = "")]
    note: String,
    /// Wait for its end; the exit status says how it ended.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let target = if arguments.target.is_set() {
        arguments.target.json()?
    } else {
        serde_json::Value::Null
    };
    let parameters = json!({
        "project": arguments.of,
        "target": target,
        "repositories": arguments.repositories,
        "note": arguments.note,
    });
    client.order_and_tell("export", &parameters, arguments.wait).await
}
