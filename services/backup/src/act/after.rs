//! What follows from work that succeeded: figures, and jobs of their own for what is to be done next.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use uuid::{Builder, Uuid, Variant, Version};
use weir_jobs::{JobRequest, Jobs, Window};
use weir_model::Project;

use super::order::{Order, read};
use super::refusal::Refusal;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::{ExpireOrder, ProofOrder};
use crate::repo::state::{BackupEntry, BackupKind, Position, ProofEntry};

/// Attempts at what follows.
const ATTEMPT_MAX: u32 = 3;

/// Asks for what follows.
#[derive(Debug, Clone)]
pub(crate) struct Aftermath(pub(crate) Arc<Keeper>);

impl Aftermath {
    /// A backup was taken: it is proven, if each is to be, and what it made superfluous goes.
    pub(crate) async fn of_backup(&self, entry: &BackupEntry) -> Result<(), Error> {
        let settings = &self.0.settings;
        if settings.prove_each && settings.scratch_directory.is_some() && entry.kind() != BackupKind::Project {
            self.ask::<ProofOrder>(&entry.id, json!({ "backup_id": entry.id }))
                .await?;
        }
        self.ask::<ExpireOrder>(&entry.id, json!({})).await
    }

    /// Asks once, however often the same is asked for.
    async fn ask<O: Order>(&self, backup: &str, parameters: Json) -> Result<(), Error> {
        let request = JobRequest {
            id: following(backup, O::OPERATION),
            project: Project::default(),
            exclusive_key: Some(read::<O>(&parameters)?.exclusive_key()),
            operation: O::OPERATION.to_owned(),
            parameters,
            requested_by: format!("backup {backup}"),
            requested_at: self.0.clock.now(),
            attempt_max: ATTEMPT_MAX,
            dry_run: false,
            begin_before: None,
            window: Window::default(),
            traceparent: None,
        };
        let store = &self.0.store;
        let asked = async {
            let mut connection = store.pool().acquire().await?;
            Jobs::request(&mut connection, &request).await
        };
        asked.await.map(drop).map_err(|error| Error::Store(store.error(error)))
    }
}

/// The id of the job that follows a backup: the same whenever it is asked for, and of the same moment as the backup's.
fn following(backup: &str, operation: &str) -> Uuid {
    let hash = blake3::hash(format!("{backup} {operation}").as_bytes());
    let mut bytes: [u8; 16] = std::array::from_fn(|at| hash.as_bytes().get(at).copied().unwrap_or_default());
    let moment = Uuid::parse_str(backup).unwrap_or_default().into_bytes();
    for (to, from) in bytes.iter_mut().zip(moment).take(6) {
        *to = from;
    }
    let id = Builder::from_bytes(bytes).with_version(Version::SortRand);
    id.with_variant(Variant::RFC4122).into_uuid()
}

/// The word of a kind, as metrics and effects have it.
pub(crate) const fn word_of(kind: BackupKind) -> &'static str {
    match kind {
        BackupKind::Unspecified => "unknown",
        BackupKind::Full => "full",
        BackupKind::Incremental => "incremental",
        BackupKind::Differential => "differential",
        BackupKind::Project => "project",
    }
}

/// Counts a backup or export that is listed now, and says what a job that made it did.
pub(crate) fn taken(keeper: &Keeper, entry: &BackupEntry, repositories: &[String]) -> Json {
    let kind = word_of(entry.kind());
    let took = Duration::from_millis(entry.ended_unix_ms.abs_diff(entry.started_unix_ms));
    keeper.metrics.duration_seconds.with([kind]).observe(took.as_secs_f64());
    keeper.metrics.bytes.with([kind]).set(entry.stored_bytes as f64);
    json!({
        "backup_id": entry.id,
        "kind": kind,
        "project": entry.project,
        "based_on_id": entry.based_on,
        "repositories": repositories,
        "source_bytes": entry.source_bytes,
        "stored_bytes": entry.stored_bytes,
        "stored_objects": entry.stored_objects,
        "corrupt_pages": entry.corrupt_pages,
        "start": entry.start.map(position),
        "stop": entry.stop.map(position),
        "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    })
}

fn position(position: Position) -> Json {
    json!({ "timeline": position.timeline, "lsn": position.lsn })
}

/// What the job of a proof did; a proof that did not succeed is a job that failed.
pub(crate) fn proof_outcome(proof: &ProofEntry) -> Result<Json, Error> {
    let refused = |refusal: Refusal, what: &str| {
        let reason = format!("backup {} {what}: {}", proof.backup_id, proof.reason);
        Err(refusal.because(reason))
    };
    match proof.state {
        PROVEN => Ok(json!({
            "proof_id": proof.id,
            "backup_id": proof.backup_id,
            "state": "proven",
            "recovery_ms": proof.recovery_ms,
            "recovered_to": proof.recovered_to.map(position),
        })),
        FAILED => refused(Refusal::ProofFailed, "did not stand its proof"),
        _ => refused(
            Refusal::ProofInconclusive,
            "could not be proven, which says nothing about it",
        ),
    }
}

/// States of proofs, numbered as in the protocol.
const PROVEN: i32 = weir_proto::backup::v1::ProofState::Proven as i32;
const FAILED: i32 = weir_proto::backup::v1::ProofState::Failed as i32;
