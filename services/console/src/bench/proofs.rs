//! What is verified beside the load: that the latest backup was restored, and that projects do not see each other.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use weir_config::Error;
use weir_model::Project;
use weir_proto::backup::v1::{ListProofsRequest, ProofState};
use weir_runtime::tls;

use super::judge::Found;
use super::report::Verdict;
use crate::auth::{Grant, Keyring, Role};
use crate::health::ops::{self, NoAnswer};
use crate::http::Problem;
use crate::services::Services;
use crate::settings::ConsoleSettings;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const OWN: &str = "weir-bench-own";
const OTHER: &str = "weir-bench-other";

/// Where the console of these settings is.
#[derive(Debug, Clone)]
pub(super) struct Own {
    url: String,
    /// Its own certificate, where it encrypts.
    trust: Option<Arc<ClientConfig>>,
}

impl Own {
    pub(super) fn of(settings: &ConsoleSettings) -> Result<Self, Error> {
        let place = crate::services::reachable(settings.listen);
        let Some(certificate) = &settings.tls_certificate else {
            let url = format!("http://{place}");
            return Ok(Self { url, trust: None });
        };
        Ok(Self {
            url: format!("https://{place}"),
            trust: Some(Arc::new(tls::client_of("console.tls_certificate", certificate)?)),
        })
    }
}

/// Whether the latest proof that says something about a backup says that it is good.
pub(super) async fn backup(services: &Services) -> Found {
    let asked = ListProofsRequest {
        states: vec![ProofState::Proven.into(), ProofState::Failed.into()],
        ..ListProofsRequest::default()
    };
    let told = match services.backup().list_proofs(services.ask(asked)).await {
        Ok(told) => told.into_inner(),
        Err(status) => {
            return Found::new(
                Verdict::Skipped,
                format!("backups cannot be asked about: {}", Problem::from(status).detail()),
            );
        }
    };
    match told.proofs.first() {
        None => Found::new(
            Verdict::Skipped,
            "no backup was ever proven: weir backup create, then weir backup verify",
        ),
        Some(proof) if proof.state() == ProofState::Proven => Found::new(
            Verdict::Pass,
            format!("backup {} was restored in {} ms", proof.backup_id, proof.recovery_ms),
        ),
        Some(proof) => Found::new(Verdict::Fail, format!("backup {}: {}", proof.backup_id, proof.reason)),
    }
}

/// Asks the console with a token of one project for what is another's.
pub(super) async fn isolation(console: &Own, keyring: Option<&Keyring>) -> Found {
    let Some(keyring) = keyring else {
        return Found::new(
            Verdict::Skipped,
            "the console's tables cannot be reached, so no token can be made",
        );
    };
    let grant = Grant {
        name: "benchmark: isolation".to_owned(),
        project: Project::parse(OWN).ok(),
        role: Role::Viewer,
        expires_unix_ms: None,
        created_by: "benchmark".to_owned(),
    };
    let (row, secret) = match keyring.create(&grant).await {
        Ok(made) => made,
        Err(error) => return Found::new(Verdict::Skipped, format!("no token can be made: {error}")),
    };
    let found = try_to_see(console, &secret).await;
    if let Err(error) = keyring.revoke(row.id).await {
        tracing::warn!(%error, token = %row.id, "a token of the benchmark's stays");
    }
    found.unwrap_or_else(|error| {
        Found::new(
            Verdict::Skipped,
            format!("the console at {} cannot be asked: {error}", console.url),
        )
    })
}

/// What a token of one project must not see.
async fn try_to_see(console: &Own, secret: &str) -> Result<Found, NoAnswer> {
    let others = [
        format!("/database/monitoring/queries?project={OTHER}"),
        format!("/database/monitoring/alerts?project={OTHER}"),
        format!("/database/jobs?project={OTHER}"),
        "/database/tokens".to_owned(),
        "/database/security/audit".to_owned(),
        "/database/configuration".to_owned(),
        "/database/connections".to_owned(),
    ];
    for path in &others {
        let status = asked(console, path, secret).await?;
        if ![403, 404].contains(&status) {
            let note = format!("{path} was answered with {status}");
            return Ok(Found::new(Verdict::Fail, note));
        }
    }
    if asked(console, "/session", secret).await? != 200 {
        return Ok(Found::new(Verdict::Fail, "a token of a project is not let in"));
    }
    let note = format!("{} calls were refused", others.len());
    Ok(Found::new(Verdict::Pass, note))
}

async fn asked(console: &Own, path: &str, secret: &str) -> Result<u16, NoAnswer> {
    let url = format!("{}{path}", console.url);
    let answer = ops::get_trusting(&url, Some(secret), console.trust.as_ref(), ANSWER_WITHIN).await;
    answer.map(|(status, _)| status)
}
