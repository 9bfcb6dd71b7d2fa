//! `weir backup drill`: a backup is restored on a scratch server and checked, and the evidence is printed.

use serde_json::json;
use weir_proto::backup::v1 as api;

use super::Client;
use super::order::verdict;
use super::target::Target;
use super::words::{duration, job_json, position, proof_json, proof_state};
use crate::connect::refusal;
use crate::terminal::{Failure, Listing, say, say_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The backup. Without it: the one whose proof is the most overdue.
    #[arg(default_value = "")]
    id: String,
    #[command(flatten)]
    target: Target,
    /// How thorough: changed or full. Without it: as the settings say.
    #[arg(long, value_parser = ["changed", "full"])]
    depth: Option<String>,
    /// The repository to restore from. Without it: each in turn.
    #[arg(long, default_value = "")]
    repository: String,
}

pub(super) async fn run(mut client: Client<'_>, arguments: Arguments) -> Result<(), Failure> {
    let target = if arguments.target.is_set() {
        arguments.target.json()?
    } else {
        serde_json::Value::Null
    };
    let parameters = json!({
        "backup_id": arguments.id,
        "target": target,
        "depth": arguments.depth.as_deref().unwrap_or("unspecified"),
        "repository": arguments.repository,
    });
    let id = client.order("prove", &parameters).await?;
    let job = client.follow(&id).await?;
    // A proof has the id of its job. Where there is none, the job says why.
    let request = api::GetProofRequest {
        id,
        project: client.project.clone(),
    };
    match client.backup.get_proof(request).await {
        Ok(proof) => print(&proof.into_inner(), client.json)?,
        Err(_) if client.json => say_json(&job_json(&job))?,
        Err(status) => say(&format!("no evidence is stored: {}", refusal(status)))?,
    }
    verdict(&job)
}

fn print(proof: &api::GetProofResponse, as_json: bool) -> Result<(), Failure> {
    let summary = proof.summary.clone().unwrap_or_default();
    if as_json {
        let checks = proof.checks.iter().map(|check| {
            json!({
                "name": check.name, "passed": check.passed, "examined": check.examined,
                "duration_ms": check.duration_ms, "findings": check.findings,
            })
        });
        return say_json(&json!({ "proof": proof_json(&summary), "checks": checks.collect::<Vec<_>>() }));
    }
    say(&format!(
        "backup {} {}: restored from {}, recovered to {} in {}",
        summary.backup_id,
        proof_state(summary.state()),
        summary.repository,
        position(summary.recovered_to),
        duration(summary.recovery_ms),
    ))?;
    if !summary.reason.is_empty() {
        say(&summary.reason)?;
    }
    let mut listing = Listing::new(&["CHECK", "PASSED", "EXAMINED", "TOOK"], "nothing was checked");
    for check in &proof.checks {
        let passed = if check.passed { "yes" } else { "no" };
        listing.row([
            check.name.clone(),
            passed.to_owned(),
            check.examined.to_string(),
            duration(check.duration_ms),
        ]);
    }
    listing.say()?;
    let findings = proof.checks.iter().flat_map(|check| &check.findings);
    findings
        .into_iter()
        .try_for_each(|finding| say(&format!("  {finding}")))
}
