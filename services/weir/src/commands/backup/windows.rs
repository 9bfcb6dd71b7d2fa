//! `weir backup windows`: to which moments one can restore, and where the gaps are.

use serde_json::{Value as Json, json};
use weir_proto::backup::v1 as api;

use super::Client;
use super::words::position;
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, moment, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The cluster.
    #[arg(long, default_value = "")]
    cluster: String,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let request = api::GetRecoveryWindowsRequest {
        cluster: arguments.cluster,
    };
    let reply = client.backup.get_recovery_windows(request).await.map_err(refusal)?;
    let windows = reply.into_inner().windows;
    if client.json {
        return say_json(&json!({ "windows": windows.iter().map(window_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(&["FROM", "TO", "FROM", "TO", "BACKUPS"], "nothing can be restored yet");
    for window in &windows {
        listing.row([
            moment(window.from_unix_ms),
            moment(window.to_unix_ms),
            position(window.from),
            position(window.to),
            window.backup_ids.len().to_string(),
        ]);
    }
    listing.say()
}

/// A window in a line.
pub(super) fn span(window: &api::RecoveryWindow) -> String {
    let (from, to) = (moment(window.from_unix_ms), moment(window.to_unix_ms));
    format!(
        "from {from} ({}) to {to} ({})",
        position(window.from),
        position(window.to)
    )
}

pub(super) fn window_json(window: &api::RecoveryWindow) -> Json {
    json!({
        "from": position(window.from),
        "to": position(window.to),
        "from_unix_ms": window.from_unix_ms,
        "to_unix_ms": window.to_unix_ms,
        "backup_ids": window.backup_ids,
    })
}
