//! `weir backup show`: one backup with its proofs and tables.

use serde_json::json;
use weir_model::{count_in_words, size_in_words};
use weir_proto::backup::v1 as api;

use super::Client;
use super::words::{self, backup_json, position, proof_json};
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, moment, say, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The backup's id.
    id: String,
    /// How many tables, the largest first.
    #[arg(long, default_value_t = 20)]
    tables: usize,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let request = api::GetBackupRequest {
        id: arguments.id,
        project: client.project.clone(),
    };
    let shown = client.backup.get_backup(request).await.map_err(refusal)?.into_inner();
    let backup = shown.backup.unwrap_or_default();
    if client.json {
        return say_json(&json!({
            "backup": backup_json(&backup),
            "proofs": shown.proofs.iter().map(proof_json).collect::<Vec<_>>(),
            "tables": shown.tables.iter().map(|table| json!({
                "database": table.database, "table": table.table, "rows": table.rows, "bytes": table.bytes,
            })).collect::<Vec<_>>(),
        }));
    }
    facts(&backup)?;
    for proof in &shown.proofs {
        let (at, state) = (moment(proof.started_unix_ms), words::proof_state(proof.state()));
        let reason = if proof.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", proof.reason)
        };
        say(&format!(
            "proof      {at} {state}, {}{reason}",
            words::duration(proof.recovery_ms)
        ))?;
    }
    let mut listing = Listing::new(&["DATABASE", "TABLE", "ROWS", "SIZE"], "its tables are not known");
    for table in shown.tables.iter().take(arguments.tables) {
        let rows = table
            .rows
            .map_or_else(|| "-".to_owned(), |rows| count_in_words(rows as f64));
        listing.row([
            table.database.clone(),
            table.table.clone(),
            rows,
            size_in_words(table.bytes),
        ]);
    }
    listing.say()
}

fn facts(backup: &api::Backup) -> Result<(), Failure> {
    let expires = match backup.expires_unix_ms {
        0 => "not by time".to_owned(),
        at => moment(at),
    };
    let key = backup.encryption.as_ref().map(|encryption| encryption.key_id.as_str());
    let key = key.filter(|id| !id.is_empty()).unwrap_or("none: anybody can read it");
    for (name, fact) in [
        ("backup", backup.id.clone()),
        (
            "of",
            if backup.project.is_empty() {
                backup.cluster.clone()
            } else {
                format!("project {}", backup.project)
            },
        ),
        ("kind", words::kind(backup.kind()).to_owned()),
        ("state", words::state(backup.state()).to_owned()),
        ("ended", moment(backup.ended_unix_ms)),
        (
            "expires",
            if backup.keep {
                "never: it is kept".to_owned()
            } else {
                expires
            },
        ),
        ("upon", backup.based_on_id.clone()),
        (
            "log",
            format!("{} to {}", position(backup.start), position(backup.stop)),
        ),
        ("size", size_in_words(backup.source_bytes)),
        (
            "stored",
            format!(
                "{} in {} objects",
                size_in_words(backup.stored_bytes),
                backup.stored_objects
            ),
        ),
        ("where", backup.repositories.join(", ")),
        ("key", key.to_owned()),
        ("note", backup.note.clone()),
    ] {
        if !fact.is_empty() {
            say(&format!("{name:10} {fact}"))?;
        }
    }
    if backup.corrupt_pages > 0 {
        say(&format!(
            "damaged    {} pages had a wrong checksum when they were read",
            backup.corrupt_pages
        ))?;
    }
    Ok(())
}
