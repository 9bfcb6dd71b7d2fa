//! `weir backup expire`: what retention does not need is given up, or what would be is printed.

use serde_json::json;
use weir_model::size_in_words;
use weir_proto::backup::v1 as api;

use super::Client;
use super::words::position;
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, say, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only in this repository.
    #[arg(long, default_value = "")]
    repository: String,
    /// Print what would be given up and what keeps the rest.
    #[arg(long)]
    dry_run: bool,
    /// Wait for its end; the exit status says how it ended.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    if !arguments.dry_run {
        let parameters = json!({ "repository": arguments.repository });
        return client.order_and_tell("expire", &parameters, arguments.wait).await;
    }
    let order = Some(api::ExpireOrder {
        repository: arguments.repository,
        ..api::ExpireOrder::default()
    });
    let reply = client.backup.plan_expiry(api::PlanExpiryRequest { order }).await;
    let plan = reply.map_err(refusal)?.into_inner();
    if client.json {
        return say_json(&json!({
            "verdicts": plan.verdicts.iter().map(|one| json!({
                "backup_id": one.backup_id, "expires": one.expires, "kept_by": one.kept_by,
            })).collect::<Vec<_>>(),
            "wal": plan.wal.iter().map(|wal| json!({
                "cluster": wal.cluster, "before": position(wal.before), "bytes": wal.bytes,
            })).collect::<Vec<_>>(),
            "freed_bytes_estimate": plan.freed_bytes_estimate,
        }));
    }
    let mut listing = Listing::new(&["BACKUP", "VERDICT", "KEPT BY"], "there is no backup");
    for one in &plan.verdicts {
        let verdict = if one.expires { "given up" } else { "kept" };
        listing.row([one.backup_id.clone(), verdict.to_owned(), one.kept_by.join(", ")]);
    }
    listing.say()?;
    for wal in &plan.wal {
        let (before, bytes) = (position(wal.before), size_in_words(wal.bytes));
        say(&format!("log of {} before {before} would go: {bytes}", wal.cluster))?;
    }
    say(&format!(
        "about {} would become free",
        size_in_words(plan.freed_bytes_estimate)
    ))
}
