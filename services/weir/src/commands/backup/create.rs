//! `weir backup create`: a backup is taken, or its plan is printed.

use serde_json::json;
use weir_model::size_in_words;
use weir_proto::backup::v1 as api;

use super::Client;
use super::words::{self, duration, obstacle, obstacle_json};
use crate::connect::refusal;
use crate::terminal::{Failure, say, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What sort: full, incremental or differential. Without it: incremental, or full where there is none yet.
    #[arg(long, value_parser = ["full", "incremental", "differential"])]
    kind: Option<String>,
    /// Only into this repository; may be given several times.
    #[arg(long = "repository")]
    repositories: Vec<String>,
    /// A note for people.
    #[arg(long, default_value = "")]
    note: String,
    /// Most bytes read per second; 0: as the settings say.
    #[arg(long, default_value_t = 0)]
    bytes_per_second: u64,
    /// Begin with an immediate checkpoint rather than a spread one.
    #[arg(long)]
    checkpoint_now: bool,
    /// Print what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Wait for its end; the exit status says how it ended.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    if arguments.dry_run {
        return plan(client, arguments).await;
    }
    let parameters = json!({
        "kind": arguments.kind.as_deref().unwrap_or("unspecified"),
        "repositories": arguments.repositories,
        "note": arguments.note,
        "bytes_per_second_max": arguments.bytes_per_second,
        "checkpoint_now": arguments.checkpoint_now,
    });
    client.order_and_tell("backup", &parameters, arguments.wait).await
}

async fn plan(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let kind = match arguments.kind.as_deref() {
        Some("full") => api::BackupKind::Full,
        Some("incremental") => api::BackupKind::Incremental,
        Some("differential") => api::BackupKind::Differential,
        _ => api::BackupKind::Unspecified,
    };
    let order = Some(api::BackupOrder {
        kind: kind.into(),
        repositories: arguments.repositories,
        ..api::BackupOrder::default()
    });
    let reply = client.backup.plan_backup(api::PlanBackupRequest { order }).await;
    let plan = reply.map_err(refusal)?.into_inner();
    if client.json {
        return say_json(&json!({
            "kind": words::kind(plan.kind()),
            "reason": plan.reason,
            "based_on_id": plan.based_on_id,
            "source": plan.source,
            "way": plan.way().as_str_name().trim_start_matches("BACKUP_WAY_").to_lowercase(),
            "read_bytes": plan.read_bytes,
            "stored_bytes_estimate": plan.stored_bytes_estimate,
            "duration_ms_estimate": plan.duration_ms_estimate,
            "obstacles": plan.obstacles.iter().map(obstacle_json).collect::<Vec<_>>(),
        }));
    }
    say(&format!("{}: {}", words::kind(plan.kind()), plan.reason))?;
    if !plan.based_on_id.is_empty() {
        say(&format!("upon {}", plan.based_on_id))?;
    }
    say(&format!(
        "reads {} of the {}",
        size_in_words(plan.read_bytes),
        plan.source
    ))?;
    if plan.duration_ms_estimate > 0 {
        let (stored, takes) = (
            size_in_words(plan.stored_bytes_estimate),
            duration(plan.duration_ms_estimate),
        );
        say(&format!("stores about {stored}, takes about {takes}"))?;
    }
    plan.obstacles.iter().try_for_each(|one| say(&obstacle(one)))
}
