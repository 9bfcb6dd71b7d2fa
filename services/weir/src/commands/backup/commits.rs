//! `weir backup commits`: what was committed when, so that one can go back to just before it.

use serde_json::json;
use weir_proto::backup::v1 as api;
use weir_proto::common::v1::PageRequest;

use super::Client;
use super::target::unix_ms;
use super::words::{changes, commit_json, position};
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, moment, say_json, shortened};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only at or after this time, such as 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only those that changed this table, as schema.name.
    #[arg(long, default_value = "")]
    table: String,
    /// Only in this database.
    #[arg(long, default_value = "")]
    database: String,
    /// How many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let moment_of = |time: &Option<String>| time.as_deref().map_or(Ok(0), unix_ms);
    let request = api::ListCommitsRequest {
        from_unix_ms: moment_of(&arguments.from)?,
        until_unix_ms: moment_of(&arguments.until)?,
        table: arguments.table,
        database: arguments.database,
        page: Some(PageRequest {
            size: arguments.limit,
            token: String::new(),
        }),
        ..api::ListCommitsRequest::default()
    };
    let commits = client
        .backup
        .list_commits(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .commits;
    if client.json {
        return say_json(&json!({ "commits": commits.iter().map(commit_json).collect::<Vec<_>>() }));
    }
    let mut listing = Listing::new(
        &["COMMITTED", "XID", "POSITION", "DATABASE", "CHANGED"],
        "no such commit is in the archived log",
    );
    for commit in &commits {
        listing.row([
            moment(commit.committed_unix_ms),
            commit.xid.to_string(),
            position(commit.position),
            commit.database.clone(),
            shortened(&changes(commit), 80),
        ]);
    }
    listing.say()
}
