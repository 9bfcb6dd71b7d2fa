//! What is known of backups and proofs, in the words of the protocol. Pure.

use weir_proto::backup::v1 as api;

use crate::catalog::Listed;
use crate::repo::state::{BackupKind, BackupState, Position, ProofEntry};
use crate::settings::BackupSettings;

const DAY_MS: i64 = 24 * 3_600_000;

/// A backup of the catalogue.
pub(crate) fn backup(listed: &Listed, settings: &BackupSettings) -> api::Backup {
    let entry = &listed.entry;
    api::Backup {
        id: entry.id.clone(),
        cluster: listed.cluster.clone(),
        project: entry.project.clone(),
        kind: entry.kind,
        state: entry.state,
        started_unix_ms: entry.started_unix_ms,
        ended_unix_ms: entry.ended_unix_ms,
        based_on_id: entry.based_on.clone(),
        start: entry.start.map(position),
        stop: entry.stop.map(position),
        source_bytes: entry.source_bytes,
        stored_bytes: entry.stored_bytes,
        stored_objects: entry.stored_objects,
        repositories: listed.repositories.clone(),
        server_version: entry.server_version,
        system_identifier: listed.system_identifier,
        compression: entry.compression,
        encryption: Some(encryption(listed)),
        proof: listed.proofs.first().map(|(repository, last)| proof(repository, last)),
        note: entry.note.clone(),
        keep: entry.keep,
        expires_unix_ms: expires(listed, settings),
        corrupt_pages: entry.corrupt_pages,
    }
}

fn encryption(listed: &Listed) -> api::Encryption {
    let scheme = match (&listed.key, listed.entry.kind()) {
        (None, _) => api::EncryptionScheme::None,
        (Some(_), BackupKind::Project) => api::EncryptionScheme::Project,
        (Some(_), _) => api::EncryptionScheme::Repository,
    };
    api::Encryption {
        scheme: scheme.into(),
        key_id: listed.key.clone().unwrap_or_default(),
    }
}

/// When the days are over for which it is kept, if days decide.
fn expires(listed: &Listed, settings: &BackupSettings) -> i64 {
    let entry = &listed.entry;
    let own = settings.projects.0.iter().find(|own| own.project == entry.project);
    let days = own
        .and_then(|own| own.retention_days)
        .unwrap_or(settings.retention_days);
    let is_given_up = matches!(entry.state(), BackupState::Expired | BackupState::Shredded);
    if days == 0 || entry.keep || is_given_up {
        return 0;
    }
    entry.ended_unix_ms.saturating_add(i64::from(days) * DAY_MS)
}

/// A place in the log.
pub(crate) const fn position(position: Position) -> api::LogPosition {
    api::LogPosition {
        timeline: position.timeline,
        lsn: position.lsn,
    }
}

/// A proof that a repository has.
pub(crate) fn proof(repository: &str, proof: &ProofEntry) -> api::ProofSummary {
    api::ProofSummary {
        id: proof.id.clone(),
        backup_id: proof.backup_id.clone(),
        state: proof.state,
        depth: proof.depth,
        started_unix_ms: proof.started_unix_ms,
        ended_unix_ms: proof.ended_unix_ms,
        recovery_ms: proof.recovery_ms,
        reason: proof.reason.clone(),
        repository: repository.to_owned(),
        recovered_to: proof.recovered_to.map(position),
    }
}
