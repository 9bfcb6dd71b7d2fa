//! `weir explain`: the plan of a statement as a tree, with what is worth knowing of it.

mod tree;

use std::io::Read as _;

use clap::Args;
use serde_json::{Value as Json, json};
use weir_config::Sources;
use weir_proto::common::v1::value::Kind;
use weir_proto::common::v1::{Null, Severity, Value};
use weir_proto::monitor::v1 as api;

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, milliseconds, say, say_json};

/// A statement beyond this is a mistake.
const STATEMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The statement, without EXPLAIN in front of it, with `$1`, `$2`, … where parameters stand; `-` reads it from standard
    /// input.
    sql: String,
    /// A parameter as text; give it once for each, or none for a plan that fits any values. `--null` stands for a NULL.
    #[arg(long = "param", short = 'p', value_name = "VALUE", allow_hyphen_values = true)]
    parameters: Vec<String>,
    /// The text that stands for NULL among the parameters.
    #[arg(long, value_name = "TEXT")]
    null: Option<String>,
    /// Run it, and measure rows, times and buffers. Whatever it changes is rolled back.
    #[arg(long)]
    analyze: bool,
    /// Let --analyze run a statement that writes or locks. It is rolled back even so.
    #[arg(long, requires = "analyze")]
    allow_writes: bool,
    /// The database. Without it: that of database.url.
    #[arg(long, default_value = "", hide_default_value = true)]
    database: String,
    /// Longest time for it, in milliseconds; 0, or more than monitor.explain_timeout: that.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    timeout_ms: u32,
    /// A setting for this statement alone, such as `work_mem=64MB` or `enable_seqscan=off`; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Print the plan in PostgreSQL's own manner.
    #[arg(long)]
    text: bool,
    /// Print JSON: the nodes, the findings, and the plan as PostgreSQL gives it.
    #[arg(long)]
    json: bool,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("NAME=VALUE is expected, such as work_mem=64MB")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let request = api::AnalyzeRequest {
        sql: statement(&arguments.sql)?,
        parameters: arguments.parameters.iter().map(|text| arguments.value(text)).collect(),
        database: arguments.database.clone(),
        analyze: arguments.analyze,
        allow_writes: arguments.allow_writes,
        timeout_ms: arguments.timeout_ms,
        settings: arguments.settings.iter().cloned().collect(),
    };
    let mut monitor = Services(&sources).monitor().await?;
    let answer = monitor.analyze(request).await.map_err(refusal)?.into_inner();
    match (arguments.json, arguments.text) {
        (true, _) => say_json(&as_json(&answer)),
        (false, text) => people(&answer, text),
    }
}

impl Arguments {
    fn value(&self, text: &str) -> Value {
        let kind = if self.null.as_deref() == Some(text) {
            Kind::Null(Null {})
        } else {
            Kind::Text(text.to_owned())
        };
        Value { kind: Some(kind) }
    }
}

fn statement(sql: &str) -> Result<String, Failure> {
    if sql != "-" {
        return Ok(sql.to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(STATEMENT_BYTES_MAX)
        .read_to_string(&mut text)?;
    if text.trim().is_empty() {
        return Err("there is no statement on standard input".into());
    }
    Ok(text)
}

fn people(answer: &api::AnalyzeResponse, text: bool) -> Result<(), Failure> {
    if text {
        say(answer.plan_text.trim_end())?;
    } else {
        tree::lines(&answer.nodes).iter().try_for_each(|line| say(line))?;
    }
    if answer.nodes_left_out > 0 && !text {
        say(&format!("and {} nodes more", answer.nodes_left_out))?;
    }
    say(&times(answer))?;
    answer.findings.iter().try_for_each(say_finding)?;
    answer
        .warnings
        .iter()
        .try_for_each(|warning| say(&format!("mind: {warning}")))
}

fn times(answer: &api::AnalyzeResponse) -> String {
    let time = |what: &str, ms: Option<f64>| ms.map(|ms| format!("{what} {}", milliseconds(ms)));
    let known = [
        time("planned in", answer.planning_ms),
        time("run in", answer.execution_ms),
    ];
    let mut parts: Vec<String> = known.into_iter().flatten().collect();
    if answer.generic {
        parts.push("for any values of the parameters".to_owned());
    }
    parts.push(format!("plan {}", answer.plan_shape));
    parts.join(", ")
}

/// A finding, with what can be done about it.
pub(super) fn say_finding(finding: &api::Finding) -> Result<(), Failure> {
    let node = finding.node.map(|node| format!(" (node {node})")).unwrap_or_default();
    say(&format!(
        "{:<9} {}{node}: {}",
        severity(finding),
        finding.slug,
        finding.text
    ))?;
    if finding.hint.is_empty() {
        return Ok(());
    }
    say(&format!("          {}", finding.hint))
}

fn severity(finding: &api::Finding) -> &'static str {
    match finding.severity() {
        Severity::Unspecified => "-",
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

pub(super) fn finding_json(finding: &api::Finding) -> Json {
    json!({
        "slug": finding.slug,
        "severity": severity(finding),
        "node": finding.node,
        "text": finding.text,
        "hint": finding.hint,
        "figures": finding.figures,
    })
}

fn as_json(answer: &api::AnalyzeResponse) -> Json {
    json!({
        "plan": serde_json::from_str::<Json>(&answer.plan_json).unwrap_or(Json::Null),
        "plan_text": answer.plan_text,
        "plan_shape": answer.plan_shape,
        "planning_ms": answer.planning_ms,
        "execution_ms": answer.execution_ms,
        "generic": answer.generic,
        "nodes": answer.nodes.iter().map(tree::as_json).collect::<Vec<_>>(),
        "nodes_left_out": answer.nodes_left_out,
        "findings": answer.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "warnings": answer.warnings,
    })
}
