//! `weir backup proofs`: what was proven when, and how long recovery took.

use serde_json::json;
use weir_proto::backup::v1 as api;
use weir_proto::common::v1::PageRequest;

use super::Client;
use super::words::{duration, proof_json, proof_state};
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, moment, say_json, shortened};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only of this backup.
    #[arg(long, default_value = "")]
    backup: String,
    /// How many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let request = api::ListProofsRequest {
        backup_id: arguments.backup,
        project: client.project.clone(),
        page: Some(PageRequest {
            size: arguments.limit,
            token: String::new(),
        }),
        ..api::ListProofsRequest::default()
    };
    let proofs = client
        .backup
        .list_proofs(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .proofs;
    if client.json {
        return say_json(&json!({ "proofs": proofs.iter().map(proof_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(
        &["ID", "BACKUP", "BEGUN", "STATE", "RECOVERED IN", "FROM", "REASON"],
        "nothing was proven yet",
    );
    for proof in &proofs {
        listing.row([
            proof.id.clone(),
            proof.backup_id.clone(),
            moment(proof.started_unix_ms),
            proof_state(proof.state()).to_owned(),
            duration(proof.recovery_ms),
            proof.repository.clone(),
            shortened(&proof.reason, 60),
        ]);
    }
    listing.say()
}
