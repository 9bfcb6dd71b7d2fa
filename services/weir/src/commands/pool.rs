//! `weir pools`: looks at the gateway's pools and steers them.

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};
use weir_config::Sources;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::kill_request::Whom;

use super::operator::{Operator, signed};
use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, say, say_json};

/// What is shown without asking.
const POOLS: &str = "pools";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    operator: Operator,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a table of the console (without one, the pools, which is what `weir pools` does by itself).
    Show {
        /// The table: pools, clients, servers, stats, …; `help` lists them.
        #[arg(default_value = POOLS)]
        table: String,
    },
    /// Hand out no connection; clients wait.
    Pause {
        /// Only this database.
        #[arg(default_value = "")]
        database: String,
    },
    /// Go on.
    Resume {
        /// Only this database.
        #[arg(default_value = "")]
        database: String,
    },
    /// Close idle connections.
    Reconnect {
        /// Only this database.
        #[arg(default_value = "")]
        database: String,
    },
    /// End one client, by the id that `weir pools show clients` has, or all of a database.
    Kill {
        /// The client's id, or the database.
        whom: String,
    },
    /// Read the settings file again; what was set is forgotten.
    Reload,
    /// Change a setting until the next reload.
    Set {
        /// Its name, such as `pool_max`.
        key: String,
        /// Its value.
        value: String,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let mut gateway = Services(&sources).gateway_admin().await?;
    let proof = arguments.operator.proof()?;
    let proof = proof.as_deref();
    let json = arguments.json;
    let table = POOLS.to_owned();
    match arguments.action.unwrap_or(Action::Show { table }) {
        Action::Show { table } => {
            let shown = gateway.show(signed(api::ShowRequest { table }, proof)?).await;
            show(shown.map_err(refusal)?.into_inner(), json)
        }
        Action::Pause { database } => {
            let done = gateway.pause(signed(api::PauseRequest { database }, proof)?).await;
            counted("pools", "paused", done.map_err(refusal)?.into_inner().pools, json)
        }
        Action::Resume { database } => {
            let done = gateway.resume(signed(api::ResumeRequest { database }, proof)?).await;
            counted("pools", "resumed", done.map_err(refusal)?.into_inner().pools, json)
        }
        Action::Reconnect { database } => {
            let asked = signed(api::ReconnectRequest { database }, proof)?;
            let done = gateway.reconnect(asked).await;
            counted("pools", "reconnected", done.map_err(refusal)?.into_inner().pools, json)
        }
        Action::Kill { whom } => {
            let whom = Some(whom.parse().map_or(Whom::Database(whom), Whom::Client));
            let done = gateway.kill(signed(api::KillRequest { whom }, proof)?).await;
            counted("clients", "ended", done.map_err(refusal)?.into_inner().clients, json)
        }
        Action::Reload => {
            let done = gateway.reload(signed(api::ReloadRequest {}, proof)?).await;
            done.map_err(refusal)?;
            told("the settings file was taken over", json)
        }
        Action::Set { key, value } => {
            let asked = signed(api::SetSettingRequest { key, value }, proof)?;
            gateway.set_setting(asked).await.map_err(refusal)?;
            told("set, until the next reload", json)
        }
    }
}

/// How many of something had something done to them.
fn counted(things: &str, done: &str, count: u32, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(&json!({ things: count, "done": done }));
    }
    say(&format!("{count} {things} {done}"))
}

fn told(line: &str, json: bool) -> Result<(), Failure> {
    if json {
        say_json(&json!({ "done": line }))
    } else {
        say(line)
    }
}

fn show(shown: api::ShowResponse, json: bool) -> Result<(), Failure> {
    if json {
        let rows = shown.rows.into_iter().map(|row| {
            let values = row.values.into_iter().map(Json::String);
            Json::Object(shown.columns.iter().cloned().zip(values).collect::<Map<_, _>>())
        });
        return say_json(&json!({ "rows": rows.collect::<Vec<_>>() }));
    }
    let heads: Vec<String> = shown.columns.iter().map(|name| name.to_uppercase()).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut listing = Listing::new(&heads, "nothing");
    for row in shown.rows {
        listing.row(row.values);
    }
    listing.say()
}
