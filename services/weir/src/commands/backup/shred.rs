//! `weir backup shred`: a project's key is destroyed, and with it whatever only that key opens.

use serde_json::json;
use weir_proto::backup::v1 as api;

use super::Client;
use crate::connect::refusal;
use crate::terminal::{Failure, moment, say, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The project whose key is destroyed.
    of: String,
    /// The project's name once more: it cannot be undone.
    #[arg(long, value_name = "PROJECT")]
    confirm: String,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let request = api::ShredProjectRequest {
        project: arguments.of,
        confirmation: arguments.confirm,
    };
    let shredded = client
        .backup
        .shred_project(request)
        .await
        .map_err(refusal)?
        .into_inner();
    if client.json {
        return say_json(&json!({
            "exports_shredded": shredded.exports_shredded,
            "remaining_backup_ids": shredded.remaining_backup_ids,
            "remaining_until_unix_ms": shredded.remaining_until_unix_ms,
        }));
    }
    say(&format!(
        "{} exports can be read by nobody any more",
        shredded.exports_shredded
    ))?;
    let remaining = shredded.remaining_backup_ids.len();
    if remaining == 0 {
        return Ok(());
    }
    let until = match shredded.remaining_until_unix_ms {
        0 => "one of them is kept without end".to_owned(),
        at => format!("the last of them expires at {}", moment(at)),
    };
    say(&format!(
        "{remaining} backups of the whole cluster still hold its rows; {until}"
    ))
}
