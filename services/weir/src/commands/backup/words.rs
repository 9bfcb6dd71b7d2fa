//! What the service says, as a person reads it and as a program does.

use serde_json::{Value as Json, json};
use weir_proto::backup::v1 as api;
use weir_proto::common::v1::JobState;

use crate::terminal::moment;

pub(super) const fn kind(kind: api::BackupKind) -> &'static str {
    match kind {
        api::BackupKind::Unspecified => "-",
        api::BackupKind::Full => "full",
        api::BackupKind::Incremental => "incremental",
        api::BackupKind::Differential => "differential",
        api::BackupKind::Project => "project",
    }
}

pub(super) const fn state(state: api::BackupState) -> &'static str {
    match state {
        api::BackupState::Unspecified => "-",
        api::BackupState::Unproven => "unproven",
        api::BackupState::Proven => "proven",
        api::BackupState::Failed => "failed its proof",
        api::BackupState::Expired => "expired",
        api::BackupState::Shredded => "shredded",
    }
}

pub(super) const fn proof_state(state: api::ProofState) -> &'static str {
    match state {
        api::ProofState::Unspecified => "-",
        api::ProofState::Running => "running",
        api::ProofState::Proven => "proven",
        api::ProofState::Failed => "failed",
        api::ProofState::Inconclusive => "inconclusive",
    }
}

pub(super) const fn job_state(state: JobState) -> &'static str {
    match state {
        JobState::Unspecified => "-",
        JobState::Requested => "requested",
        JobState::Running => "running",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}

/// A place in the log as PostgreSQL writes it, behind its timeline.
pub(super) fn position(position: Option<api::LogPosition>) -> String {
    let place = |position: api::LogPosition| {
        let (high, low) = (position.lsn >> 32, position.lsn & 0xFFFF_FFFF);
        format!("{}:{high:X}/{low:X}", position.timeline)
    };
    position.map_or_else(|| "-".to_owned(), place)
}

/// A time that something takes.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{:.1} s", ms as f64 / 1e3),
        10_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{:.1} h", ms as f64 / 3.6e6),
    }
}

pub(super) fn backup_json(backup: &api::Backup) -> Json {
    json!({
        "id": backup.id,
        "cluster": backup.cluster,
        "project": backup.project,
        "kind": kind(backup.kind()),
        "state": backup.state().as_str_name().trim_start_matches("BACKUP_STATE_").to_lowercase(),
        "started_unix_ms": backup.started_unix_ms,
        "ended_unix_ms": backup.ended_unix_ms,
        "based_on_id": backup.based_on_id,
        "start": position(backup.start),
        "stop": position(backup.stop),
        "source_bytes": backup.source_bytes,
        "stored_bytes": backup.stored_bytes,
        "stored_objects": backup.stored_objects,
        "repositories": backup.repositories,
        "server_version": backup.server_version,
        "system_identifier": backup.system_identifier.to_string(),
        "key_id": backup.encryption.as_ref().map(|encryption| &encryption.key_id),
        "proof": backup.proof.as_ref().map(proof_json),
        "note": backup.note,
        "keep": backup.keep,
        "expires_unix_ms": backup.expires_unix_ms,
        "corrupt_pages": backup.corrupt_pages,
    })
}

pub(super) fn proof_json(proof: &api::ProofSummary) -> Json {
    json!({
        "id": proof.id,
        "backup_id": proof.backup_id,
        "state": proof_state(proof.state()),
        "started_unix_ms": proof.started_unix_ms,
        "ended_unix_ms": proof.ended_unix_ms,
        "recovery_ms": proof.recovery_ms,
        "reason": proof.reason,
        "repository": proof.repository,
        "recovered_to": position(proof.recovered_to),
    })
}

pub(super) fn job_json(job: &api::Job) -> Json {
    let parsed = |text: &str| serde_json::from_str::<Json>(text).unwrap_or(Json::Null);
    json!({
        "id": job.id,
        "project": job.project,
        "operation": job.operation,
        "state": job_state(job.state()),
        "parameters": parsed(&job.parameters_json),
        "requested_unix_ms": job.requested_unix_ms,
        "started_unix_ms": job.started_unix_ms,
        "ended_unix_ms": job.ended_unix_ms,
        "transfer": job.transfer.as_ref().map(|transfer| json!({
            "phase": transfer.phase,
            "done_bytes": transfer.done_bytes,
            "total_bytes": transfer.total_bytes,
            "moved_bytes": transfer.moved_bytes,
            "bytes_per_second": transfer.bytes_per_second,
            "remaining_ms": transfer.remaining_ms,
            "throttled": transfer.throttled,
        })),
        "effect": parsed(&job.effect_json),
        "error": job.error,
        "error_slug": job.error_slug,
        "attempts": job.attempts,
        "subject_id": job.subject_id,
    })
}

pub(super) fn commit_json(commit: &api::Commit) -> Json {
    json!({
        "xid": commit.xid,
        "position": position(commit.position),
        "committed_unix_ms": commit.committed_unix_ms,
        "database": commit.database,
        "changes": commit.changes.iter().map(|change| json!({
            "table": change.table,
            "inserted": change.inserted,
            "updated": change.updated,
            "deleted": change.deleted,
            "replaced": change.replaced,
        })).collect::<Vec<_>>(),
    })
}

/// A commit in a line.
pub(super) fn commit(commit: &api::Commit) -> String {
    let at = moment(commit.committed_unix_ms);
    format!(
        "{at}  xid {}  {}  {}",
        commit.xid,
        position(commit.position),
        changes(commit)
    )
}

pub(super) fn changes(commit: &api::Commit) -> String {
    let change = |change: &api::TableChange| {
        let replaced = if change.replaced { " replaced" } else { "" };
        let (inserted, updated, deleted) = (change.inserted, change.updated, change.deleted);
        format!("{} +{inserted} ~{updated} -{deleted}{replaced}", change.table)
    };
    commit.changes.iter().map(change).collect::<Vec<_>>().join(", ")
}

pub(super) fn obstacle_json(obstacle: &api::Obstacle) -> Json {
    json!({ "slug": obstacle.slug, "detail": obstacle.detail, "can_be_forced": obstacle.can_be_forced })
}

pub(super) fn obstacle(obstacle: &api::Obstacle) -> String {
    let forced = if obstacle.can_be_forced {
        "; --force goes on nevertheless"
    } else {
        ""
    };
    format!("in the way: {} [{}]{forced}", obstacle.detail, obstacle.slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_times_are_written_as_postgresql_and_people_write_them() {
        let place = api::LogPosition {
            timeline: 3,
            lsn: 0x1_4A00_00F8,
        };
        assert_eq!(
            (position(Some(place)).as_str(), position(None).as_str()),
            ("3:1/4A0000F8", "-")
        );
        let durations = [400, 42_000, 600_000, 9_000_000].map(duration);
        assert_eq!(durations, ["0.4 s", "42 s", "10 min", "2.5 h"]);
    }
}
