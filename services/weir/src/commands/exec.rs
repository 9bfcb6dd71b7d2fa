//! `weir exec`: one statement through the gateway.

use clap::Args;
use serde_json::{Value as Json, json};
use weir_config::Sources;
use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;
use weir_proto::gateway::v1::{ExecuteRequest, ExecuteResponse, Parameter};

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, Listing, say, say_json};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One SQL statement, with `$1`, `$2`, … where parameters stand.
    sql: String,
    /// A parameter as text; give it once for each.
    #[arg(long = "param", short = 'p', value_name = "VALUE")]
    parameters: Vec<String>,
    /// The project on whose behalf it runs. Without it: default.
    #[arg(long, default_value = "")]
    project: String,
    /// The database; without it, the upstream's own.
    #[arg(long, default_value = "")]
    database: String,
    /// Cancel the statement after this many milliseconds; 0: as gateway.statement_timeout says.
    #[arg(long, default_value_t = 0)]
    timeout_ms: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let text = |text: &String| Value {
        kind: Some(Kind::Text(text.clone())),
    };
    let parameters = arguments.parameters.iter();
    let parameters = parameters
        .map(|value| Parameter {
            value: Some(text(value)),
            type_name: String::new(),
        })
        .collect();
    let request = ExecuteRequest {
        project: arguments.project.clone(),
        database: arguments.database.clone(),
        sql: arguments.sql.clone(),
        parameters,
        timeout_ms: arguments.timeout_ms,
        application: "weir exec".to_owned(),
        ..ExecuteRequest::default()
    };
    let mut gateway = Services(&sources).gateway().await?;
    let reply = gateway.execute(request).await.map_err(refusal)?.into_inner();
    if arguments.json {
        say_json(&as_json(&reply))
    } else {
        table(&reply)
    }
}

fn table(reply: &ExecuteResponse) -> Result<(), Failure> {
    if !reply.columns.is_empty() {
        let headings: Vec<&str> = reply.columns.iter().map(|column| column.name.as_str()).collect();
        let mut listing = Listing::new(&headings, "no rows");
        for row in &reply.rows {
            listing.row(row.values.iter().map(shown));
        }
        listing.say()?;
    }
    let timing = reply.timing.unwrap_or_default();
    let total_ms = std::time::Duration::from_micros(timing.total_us).as_secs_f64() * 1e3;
    say(&format!(
        "{} ({total_ms:.1} ms, fingerprint {})",
        reply.command_tag, reply.fingerprint
    ))
}

fn as_json(reply: &ExecuteResponse) -> Json {
    let row = |values: &Vec<Value>| -> Json {
        reply
            .columns
            .iter()
            .zip(values)
            .map(|(column, value)| (column.name.clone(), json_of(value)))
            .collect()
    };
    json!({
        "rows": reply.rows.iter().map(|item| row(&item.values)).collect::<Vec<_>>(),
        "rows_affected": reply.rows_affected,
        "command_tag": reply.command_tag,
        "fingerprint": reply.fingerprint,
    })
}

fn json_of(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::Null(_)) => Json::Null,
        Some(Kind::Bool(flag)) => json!(flag),
        Some(Kind::Int64(number)) => json!(number),
        Some(Kind::Double(number)) => json!(number),
        Some(Kind::Text(text) | Kind::Numeric(text)) => json!(text),
        Some(Kind::Json(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        Some(Kind::Typed(typed)) => json!(typed.text),
        Some(Kind::Bytes(bytes)) => json!(hexadecimal(bytes)),
        Some(Kind::Array(array)) => array.elements.iter().map(json_of).collect(),
    }
}

fn shown(value: &Value) -> String {
    match json_of(value) {
        Json::Null => "NULL".to_owned(),
        Json::String(text) => text,
        other => other.to_string(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}
