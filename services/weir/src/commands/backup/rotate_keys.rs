//! `weir backup rotate-keys`: keys are wrapped anew.

use serde_json::json;

use super::Client;
use crate::terminal::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only of this repository.
    #[arg(long, default_value = "")]
    repository: String,
    /// The key of this project's exports rather than the repository's own.
    #[arg(long, value_name = "PROJECT", default_value = "")]
    of: String,
    /// Wait for its end; the exit status says how it ended.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let parameters = json!({ "repository": arguments.repository, "project": arguments.of });
    client.order_and_tell("rotate-keys", &parameters, arguments.wait).await
}
