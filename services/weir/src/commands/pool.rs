//! `weir pool`: looks at the gateway's pools and steers them.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};
use tonic::Request;
use weir_config::Sources;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::kill_request::Whom;

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, say, say_json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The role of `database.url`, where the gateway does not run in the development profile.
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// A file with its password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a table of the console: pools, clients, servers, stats, …; `help` lists them.
    Show {
        /// The table.
        #[arg(default_value = "pools")]
        table: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
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
    /// End one client, by the id that `weir pool show clients` has, or all of a database.
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
    let proof = arguments.proof()?;
    let proof = proof.as_deref();
    match arguments.action {
        Action::Show { table, json } => {
            let shown = gateway.show(signed(api::ShowRequest { table }, proof)?).await;
            show(shown.map_err(refusal)?.into_inner(), json)
        }
        Action::Pause { database } => {
            let done = gateway.pause(signed(api::PauseRequest { database }, proof)?).await;
            pools("paused", done.map_err(refusal)?.into_inner().pools)
        }
        Action::Resume { database } => {
            let done = gateway.resume(signed(api::ResumeRequest { database }, proof)?).await;
            pools("resumed", done.map_err(refusal)?.into_inner().pools)
        }
        Action::Reconnect { database } => {
            let asked = signed(api::ReconnectRequest { database }, proof)?;
            let done = gateway.reconnect(asked).await;
            pools("reconnected", done.map_err(refusal)?.into_inner().pools)
        }
        Action::Kill { whom } => {
            let whom = Some(whom.parse().map_or(Whom::Database(whom), Whom::Client));
            let done = gateway.kill(signed(api::KillRequest { whom }, proof)?).await;
            say(&format!(
                "{} clients ended",
                done.map_err(refusal)?.into_inner().clients
            ))
        }
        Action::Reload => {
            let done = gateway.reload(signed(api::ReloadRequest {}, proof)?).await;
            done.map_err(refusal)?;
            say("the settings file was taken over")
        }
        Action::Set { key, value } => {
            let asked = signed(api::SetSettingRequest { key, value }, proof)?;
            gateway.set_setting(asked).await.map_err(refusal)?;
            say("set, until the next reload")
        }
    }
}

impl Arguments {
    /// What shows that the operator calls.
    fn proof(&self) -> Result<Option<String>, Failure> {
        let (Some(user), Some(path)) = (&self.user, &self.password_file) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let password = text.lines().next().unwrap_or_default();
        Ok(Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
    }
}

fn signed<T>(message: T, proof: Option<&str>) -> Result<Request<T>, Failure> {
    let mut request = Request::new(message);
    if let Some(proof) = proof {
        request.metadata_mut().insert("authorization", proof.parse()?);
    }
    Ok(request)
}

fn pools(what: &str, count: u32) -> Result<(), Failure> {
    say(&format!("{count} pools {what}"))
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
