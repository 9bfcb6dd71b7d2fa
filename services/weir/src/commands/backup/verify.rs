//! `weir backup verify`: everything that repositories hold is read and authenticated.

use serde_json::json;

use super::Client;
use crate::terminal::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this repository.
    #[arg(long, default_value = "")]
    repository: String,
    /// Take what is damaged from another repository that has it.
    #[arg(long)]
    mend: bool,
    /// Wait for its end; the exit status says how it ended.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let parameters = json!({ "repository": arguments.repository, "mend": arguments.mend });
    client
        .order_and_tell("verify-backups", &parameters, arguments.wait)
        .await
}
