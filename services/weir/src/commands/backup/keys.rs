//! `weir backup keys`: which keys there are, and how old they are. Never a key itself.

use serde_json::json;
use weir_proto::backup::v1 as api;

use super::Client;
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, moment, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only of this repository.
    #[arg(long, default_value = "")]
    repository: String,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let request = api::ListKeysRequest {
        repository: arguments.repository,
        project: client.project.clone(),
    };
    let keys = client
        .backup
        .list_keys(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .keys;
    if client.json {
        let keys = keys.iter().map(|key| {
            json!({
                "id": key.id, "repository": key.repository, "project": key.project, "purpose": purpose(key),
                "created_unix_ms": key.created_unix_ms, "retired_unix_ms": key.retired_unix_ms,
                "shredded_unix_ms": key.shredded_unix_ms, "backups": key.backups, "at_hand": key.at_hand,
            })
        });
        return say_json(&json!({ "keys": keys.collect::<Vec<_>>() }));
    }
    let headings = ["KEY", "OF", "FOR", "STATE", "MADE", "BACKUPS", "AT HAND"];
    let mut listing = Listing::new(&headings, "there is no key: nothing is encrypted");
    for key in &keys {
        let of = if key.project.is_empty() {
            &key.repository
        } else {
            &key.project
        };
        listing.row([
            key.id.clone(),
            of.clone(),
            purpose(key).to_owned(),
            state(key),
            moment(key.created_unix_ms),
            key.backups.to_string(),
            if key.at_hand { "yes" } else { "no" }.to_owned(),
        ]);
    }
    listing.say()
}

fn purpose(key: &api::Key) -> &'static str {
    match key.purpose() {
        api::KeyPurpose::Unspecified => "-",
        api::KeyPurpose::Wrapping => "wrapping",
        api::KeyPurpose::Repository => "repository",
        api::KeyPurpose::Project => "exports",
    }
}

fn state(key: &api::Key) -> String {
    match (key.shredded_unix_ms, key.retired_unix_ms) {
        (0, 0) => "in use".to_owned(),
        (0, retired) => format!("retired {}", moment(retired)),
        (shredded, _) => format!("destroyed {}", moment(shredded)),
    }
}
