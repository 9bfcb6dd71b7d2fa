//! The proof that a backup can be relied upon: it is restored from the repository alone, its log is replayed, and what
//! comes out is looked at.
//!
//! What is wrong with a backup makes a proof fail. Trouble that says nothing about the backup (no programs, no room, a
//! store that is away, somebody who stops it) makes it inconclusive, and the backup stays what it was.

mod attempt;
mod beside;
mod checks;
mod choice;
mod control;
mod evidence;
mod files;
mod place;
mod programs;
pub(crate) mod scratch;
mod spool;
mod strangers;
mod target;

#[cfg(test)]
mod lab;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use uuid::Uuid;
use weir_proto::backup::v1::ProofState;

pub(crate) use beside::Beside;
pub(crate) use evidence::{Check, Count, Evidence};
#[cfg(test)]
pub(crate) use place::Place;
pub(crate) use programs::Programs;
pub(crate) use spool::Spool;

use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::orders::ProofOrder;
use crate::repo::Repository;
use crate::repo::state::{BackupEntry, BackupKind, ProofEntry};
use crate::settings::BackupSettings;

/// Proves a backup: the one of the order, or the one whose proof is the most overdue. An error says that there was
/// nothing to prove, or that the outcome could not be written down.
pub(crate) async fn prove(keeper: &Keeper, id: Uuid, order: &ProofOrder, pace: &Pace) -> Result<ProofEntry, Error> {
    let (repository, entry) = choose(keeper, order).await?;
    tracing::info!(proof.id = %id, backup.id = entry.id, repository = repository.name(), "a proof begins");
    let proof = attempt::Attempt::new(keeper, &repository, entry, order, id, pace)
        .run()
        .await?;
    tell(keeper, &proof);
    Ok(proof)
}

/// Ends and removes what a crash left of earlier proofs. To be called when the service starts.
pub(crate) async fn tidy(settings: &BackupSettings) {
    if let Some(directory) = &settings.scratch_directory
        && let Err(error) = place::tidy(directory).await
    {
        tracing::warn!(directory = %directory.display(), error = %error, "what was left of earlier proofs stays");
    }
}

/// The repository and the id of the backup that an order would prove.
pub(crate) async fn chosen(keeper: &Keeper, order: &ProofOrder) -> Result<(String, String), Error> {
    let (repository, entry) = choose(keeper, order).await?;
    Ok((repository.name().to_owned(), entry.id))
}

async fn choose(keeper: &Keeper, order: &ProofOrder) -> Result<(Repository, BackupEntry), Error> {
    let all: Vec<&str> = match order.repository.as_str() {
        "" => keeper.repositories.names().collect(),
        name => vec![name],
    };
    let mut trouble = None;
    for name in all {
        match choose_in(keeper, name, &order.backup_id).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => trouble = Some(error),
        }
    }
    Err(trouble.unwrap_or_else(|| nothing(&order.backup_id)))
}

fn nothing(id: &str) -> Error {
    match id {
        "" => Error::Refused {
            slug: "backup-nothing-to-prove",
            reason: "there is no backup that waits for a proof".to_owned(),
        },
        id => crate::repo::Error::NoBackup(id.to_owned()).into(),
    }
}

async fn choose_in(keeper: &Keeper, name: &str, id: &str) -> Result<Option<(Repository, BackupEntry)>, Error> {
    let repository = keeper.repositories.get(name).await?;
    let state = repository.state().await?;
    let entry = match id {
        "" => choice::most_overdue(&state),
        id => state.backup(id).ok(),
    };
    match entry.cloned() {
        Some(entry) if entry.kind() == BackupKind::Project => Err(Error::Field {
            field: "backup_id",
            reason: format!(
                "{} is an export of a project, which is not proven by a restore",
                entry.id
            ),
        }),
        Some(entry) => Ok(Some((repository, entry))),
        None => Ok(None),
    }
}

fn tell(keeper: &Keeper, proof: &ProofEntry) {
    let outcome = outcome(proof);
    keeper.metrics.proofs.with([outcome]).inc();
    if outcome == "proven" {
        show_last(&keeper.metrics, proof);
        tracing::info!(
            proof.id,
            backup.id = proof.backup_id,
            proof.recovery_ms,
            "a backup is proven"
        );
    } else {
        tracing::warn!(
            proof.id,
            backup.id = proof.backup_id,
            outcome,
            reason = proof.reason,
            "a backup is not proven"
        );
    }
}

/// Shows the last proof that succeeded. Also to be called with the one of a repository's state when the service starts.
pub(crate) fn show_last(metrics: &Metrics, proof: &ProofEntry) {
    let ended = metrics.restore_test_last_success.with([]);
    ended.set(proof.ended_unix_ms as f64 / 1000.0);
    metrics.recovery_seconds.with([]).set(proof.recovery_ms as f64 / 1000.0);
}

/// How a proof ended, in one word.
fn outcome(proof: &ProofEntry) -> &'static str {
    match ProofState::try_from(proof.state) {
        Ok(ProofState::Proven) => "proven",
        Ok(ProofState::Failed) => "failed",
        _ => "inconclusive",
    }
}
