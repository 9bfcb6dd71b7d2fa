//! `weir backup annotate`: what people say about a backup.

use serde_json::json;
use weir_proto::backup::v1 as api;

use super::Client;
use super::words::backup_json;
use crate::connect::refusal;
use crate::terminal::{Failure, say, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The backup's id.
    id: String,
    /// The note; an empty one removes it.
    #[arg(long)]
    note: Option<String>,
    /// Retention leaves it alone.
    #[arg(long, conflicts_with = "no_keep")]
    keep: bool,
    /// Retention decides again.
    #[arg(long)]
    no_keep: bool,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let keep = match (arguments.keep, arguments.no_keep) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    if arguments.note.is_none() && keep.is_none() {
        return Err("say what to change: --note, --keep or --no-keep".into());
    }
    let request = api::AnnotateBackupRequest {
        id: arguments.id,
        note: arguments.note,
        keep,
        project: client.project.clone(),
    };
    let reply = client.backup.annotate_backup(request).await.map_err(refusal)?;
    let backup = reply.into_inner().backup.unwrap_or_default();
    if client.json {
        return say_json(&json!({ "backup": backup_json(&backup) }));
    }
    let kept = if backup.keep { ", kept by hand" } else { "" };
    say(&format!("{}{kept}: {}", backup.id, backup.note))
}
