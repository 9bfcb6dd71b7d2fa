//! `weir token`: who may call the console. It works on the console's own tables, so that there is a first token.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};
use weir_config::{Setting as _, Sources};
use weir_console::{Desk, Grant, Role, TokenRow};
use weir_model::{Clock, Project};

use crate::terminal::{Failure, Listing, moment, say, say_json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List tokens (this is what `weir token` does by itself).
    List {
        /// With those that were revoked.
        #[arg(long)]
        all: bool,
    },
    /// Make a token. It is printed once and kept nowhere.
    Create {
        /// What people call it.
        name: String,
        /// Whose data it sees. Without it: everything.
        #[arg(long)]
        project: Option<String>,
        /// What it may do: `viewer` sees, `operator` changes too.
        #[arg(long, default_value = "viewer")]
        role: Role,
        /// For how long it is good, such as 90d. Without it: until it is revoked.
        #[arg(long, value_parser = Duration::read)]
        expires: Option<Duration>,
    },
    /// End a token. Consoles notice within seconds.
    Revoke {
        /// Its id.
        id: uuid::Uuid,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let clock = Clock::system();
    let keyring = Desk::open(&sources, clock.clone()).await?.keyring();
    match arguments.action.unwrap_or(Action::List { all: false }) {
        Action::List { all } => list(&keyring.list(all).await?, arguments.json),
        Action::Create {
            name,
            project,
            role,
            expires,
        } => {
            let grant = Grant {
                name,
                project: project.map(|name| Project::parse(&name)).transpose()?,
                role,
                expires_unix_ms: expires.map(|good| end(&clock, good)),
                created_by: "command line".to_owned(),
            };
            let (row, secret) = keyring.create(&grant).await?;
            made(&row, &secret, arguments.json)
        }
        Action::Revoke { id } => {
            keyring.revoke(id).await?;
            say(&format!("{id} is revoked"))
        }
    }
}

fn end(clock: &Clock, good: Duration) -> i64 {
    let good_ms = i64::try_from(good.as_millis()).unwrap_or(i64::MAX);
    clock.unix_ms().saturating_add(good_ms)
}

fn made(row: &TokenRow, secret: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&json!({ "secret": secret, "token": row }));
    }
    // Alone on standard output, so that a script can take it.
    say(secret)
}

fn list(rows: &[TokenRow], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&Json::Array(rows.iter().map(|row| json!(row)).collect()));
    }
    let headings = [
        "NAME",
        "PROJECT",
        "ROLE",
        "MADE",
        "BY",
        "EXPIRES",
        "LAST USED",
        "STATE",
        "ID",
    ];
    let mut listing = Listing::new(&headings, "no tokens: `weir token create NAME` makes one");
    for row in rows {
        listing.row([
            row.name.clone(),
            row.project.clone().unwrap_or_else(|| "(all)".to_owned()),
            row.role.clone(),
            moment(row.created_unix_ms),
            row.created_by.clone(),
            moment(row.expires_unix_ms.unwrap_or_default()),
            moment(row.last_used_unix_ms.unwrap_or_default()),
            state(row).to_owned(),
            row.id.to_string(),
        ]);
    }
    listing.say()
}

fn state(row: &TokenRow) -> &'static str {
    match (row.revoked_unix_ms, row.expires_unix_ms) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= Clock::system().unix_ms() => "expired",
        (None, _) => "good",
    }
}
