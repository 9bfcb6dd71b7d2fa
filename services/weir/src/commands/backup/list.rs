//! `weir backup list`: the catalogue.

use serde_json::json;
use weir_model::size_in_words;
use weir_proto::backup::v1 as api;
use weir_proto::common::v1::PageRequest;

use super::Client;
use super::words::{self, backup_json};
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, moment, say_json, shortened};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Those that expired or were shredded, too.
    #[arg(long)]
    all: bool,
    /// Only of this kind: full, incremental, differential or project; may be given several times.
    #[arg(long, value_parser = ["full", "incremental", "differential", "project"])]
    kind: Vec<String>,
    /// How many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let kinds = arguments.kind.iter().filter_map(|kind| {
        let name = format!("BACKUP_KIND_{}", kind.to_uppercase());
        api::BackupKind::from_str_name(&name).map(i32::from)
    });
    let request = api::ListBackupsRequest {
        project: client.project.clone(),
        kinds: kinds.collect(),
        states: if arguments.all { (1..=5).collect() } else { Vec::new() },
        page: Some(PageRequest {
            size: arguments.limit,
            token: String::new(),
        }),
        ..api::ListBackupsRequest::default()
    };
    let backups = client
        .backup
        .list_backups(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .backups;
    if client.json {
        return say_json(&json!({ "backups": backups.iter().map(backup_json).collect::<Vec<_>>() }));
    }
    let headings = [
        "ID",
        "ENDED",
        "KIND",
        "STATE",
        "SIZE",
        "STORED",
        "RESTORES IN",
        "WHERE",
        "NOTE",
    ];
    let mut listing = Listing::new(&headings, "no backups yet");
    for backup in &backups {
        listing.row([
            backup.id.clone(),
            moment(backup.ended_unix_ms),
            kind(backup),
            state(backup),
            size_in_words(backup.source_bytes),
            size_in_words(backup.stored_bytes),
            restores_in(backup),
            backup.repositories.join(", "),
            shortened(&backup.note, 30),
        ]);
    }
    listing.say()
}

fn kind(backup: &api::Backup) -> String {
    match backup.project.as_str() {
        "" => words::kind(backup.kind()).to_owned(),
        project => format!("project {project}"),
    }
}

fn state(backup: &api::Backup) -> String {
    let kept = if backup.keep { ", kept" } else { "" };
    let damaged = if backup.corrupt_pages > 0 {
        ", with damaged pages"
    } else {
        ""
    };
    format!("{}{kept}{damaged}", words::state(backup.state()))
}

/// What the last proof measured.
fn restores_in(backup: &api::Backup) -> String {
    let proven = backup
        .proof
        .as_ref()
        .filter(|proof| proof.state() == api::ProofState::Proven);
    proven.map_or_else(|| "-".to_owned(), |proof| words::duration(proof.recovery_ms))
}
