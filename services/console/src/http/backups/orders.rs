//! Backups and exports to be taken, and proofs to be made.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_model::Project;
use weir_proto::backup::v1 as api;
use weir_proto::common::v1::JobState;

use crate::http::body::{MaybeBody, Path};
use crate::http::jobs::{Job, Order, ProjectQuery, accepted, answered, awaited, order};
use crate::http::{Body, Console, Operator, Problem, Scoped};

/// What sort of backup to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::WantedBackupKind)]
pub(crate) enum Kind {
    /// Every file read anew.
    Full,
    /// What changed since the last backup of any kind.
    Incremental,
    /// What changed since the last full one.
    Differential,
    /// One project's data as a logical export.
    Project,
}

/// A backup to be taken.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = console::WantedBackup)]
pub(crate) struct WantedBackup {
    /// What sort; null: of the whole cluster, incremental, or full where there is none yet.
    kind: Option<Kind>,
    /// Whose data an export is to hold; null: a token's own project, `default` for an operator. Only for `project`.
    project: Option<String>,
    /// Only into this repository; null: into all.
    repository: Option<String>,
    /// A note for people.
    #[schema(max_length = 4096)]
    label: Option<String>,
    /// Begin with an immediate checkpoint rather than a spread one.
    #[serde(default)]
    checkpoint_now: bool,
    /// Answer when it has ended, an hour later at most.
    #[serde(default)]
    wait: bool,
}

/// Takes a backup of the whole cluster (operators only), or exports one project's data. What is made has the job's id.
#[utoipa::path(
    post, path = "/database/backup/create", tag = "backups", params(ProjectQuery), request_body = WantedBackup,
    responses(
        (status = 200, description = "the job that was waited for, which has ended", body = Job),
        (status = 202, description = "the job as it was asked for", body = Job, headers(("Location" = String, description = "where to follow the job"))),
    )
)]
pub(crate) async fn create(
    State(console): State<Console>,
    scoped: Scoped,
    Body(wanted): Body<WantedBackup>,
) -> Result<Response, Problem> {
    let wait = wanted.wait;
    let (scoped, asked) = if wanted.kind == Some(Kind::Project) {
        export(&console, scoped, wanted).await?
    } else {
        whole(&console, scoped, wanted).await?
    };
    let job = order(&console, &scoped, asked).await?;
    Ok(answered(&console, &scoped, job, wait).await)
}

/// An export, on behalf of the project whose data it is.
async fn export(console: &Console, scoped: Scoped, wanted: WantedBackup) -> Result<(Scoped, Order), Problem> {
    let named = wanted.project.map(|name| Project::parse(&name)).transpose();
    let named = named.map_err(|error| Problem::strange(format!("project: {error}")))?;
    let project = named.unwrap_or_else(|| scoped.project.clone());
    if !scoped.sees(project.as_str()) {
        return Err(Problem::forbidden(format!("the token is not of {project}")));
    }
    check_note(wanted.label.as_deref())?;
    check_repository(console, wanted.repository.as_deref()).await?;
    let parameters = json!({
        "project": project.as_str(),
        "repositories": Vec::from_iter(wanted.repository),
        "note": wanted.label.unwrap_or_default(),
    });
    let caller = scoped.caller;
    Ok((Scoped { caller, project }, forced("export", parameters)))
}

/// A backup of the whole cluster, if nothing stands against it.
async fn whole(console: &Console, scoped: Scoped, wanted: WantedBackup) -> Result<(Scoped, Order), Problem> {
    if let Some(own) = &scoped.caller.project {
        return Err(Problem::forbidden(format!(
            "a backup of the cluster holds every project, and the token is of {own} only: kind project exports its data"
        )));
    }
    if wanted.project.is_some() {
        return Err(Problem::strange(
            "project: only an export (kind project) is of one project",
        ));
    }
    check_note(wanted.label.as_deref())?;
    let (word, kind) = match wanted.kind {
        Some(Kind::Full) => ("full", api::BackupKind::Full),
        Some(Kind::Incremental) => ("incremental", api::BackupKind::Incremental),
        Some(Kind::Differential) => ("differential", api::BackupKind::Differential),
        Some(Kind::Project) | None => ("unspecified", api::BackupKind::Unspecified),
    };
    let planned = api::BackupOrder {
        kind: kind.into(),
        repositories: wanted.repository.clone().into_iter().collect(),
        ..api::BackupOrder::default()
    };
    let asked = api::PlanBackupRequest { order: Some(planned) };
    let mut backup = console.services.backup();
    let plan = backup.plan_backup(console.services.ask(asked)).await?.into_inner();
    if let Some(obstacle) = plan.obstacles.first() {
        return Err(in_the_way(obstacle));
    }
    let parameters = json!({
        "kind": word,
        "repositories": Vec::from_iter(wanted.repository),
        "note": wanted.label.unwrap_or_default(),
        "checkpoint_now": wanted.checkpoint_now,
    });
    let (caller, project) = (scoped.caller, Project::default());
    Ok((Scoped { caller, project }, forced("backup", parameters)))
}

/// Backups keep to no maintenance window.
fn forced(operation: &str, parameters: Value) -> Order {
    Order {
        operation: operation.to_owned(),
        parameters,
        dry_run: false,
        force_window: true,
    }
}

fn in_the_way(obstacle: &api::Obstacle) -> Problem {
    Problem::new(StatusCode::CONFLICT, &obstacle.slug, obstacle.detail.clone())
}

/// A note is stored as it is, where no NUL can be.
pub(super) fn check_note(note: Option<&str>) -> Result<(), Problem> {
    let note = note.unwrap_or_default();
    if note.len() > 4096 || note.contains('\0') {
        return Err(Problem::strange("a note has 4096 bytes at most, and no NUL"));
    }
    Ok(())
}

/// An export needs somewhere to be, and only into what is known.
async fn check_repository(console: &Console, named: Option<&str>) -> Result<(), Problem> {
    let asked = console.services.ask(api::ListRepositoriesRequest {});
    let known = console
        .services
        .backup()
        .list_repositories(asked)
        .await?
        .into_inner()
        .repositories;
    if known.is_empty() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "backup-no-repository",
            "no repository is set: add one to backup.repositories",
        ));
    }
    match named {
        Some(name) if known.iter().all(|known| known.name != name) => Err(Problem::strange(format!(
            "repository: there is none of the name {name:?}"
        ))),
        _ => Ok(()),
    }
}

/// How to prove a backup.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = console::WantedProof)]
pub(crate) struct WantedProof {
    /// How thorough; null: as the settings say.
    depth: Option<Depth>,
    /// The repository to restore from; null: each in turn.
    repository: Option<String>,
    /// Answer when it has ended, an hour later at most.
    #[serde(default)]
    wait: bool,
}

/// How thorough a proof is.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::WantedDepth)]
pub(crate) enum Depth {
    /// What changed since the last proof.
    Changed,
    /// Everything, each index compared with its table.
    Full,
}

/// Whether a backup can be restored.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::RecoveryTest)]
pub(crate) struct RecoveryTest {
    /// What came of it.
    status: RecoveryStatus,
    /// The backup.
    backup_id: String,
    /// Why it failed or could not be carried out; empty otherwise.
    reason: String,
    /// The job that does it; the proof has the same id.
    job: Job,
    /// The outcome; null: there is none yet.
    proof: Option<api::ProofSummary>,
    /// Each check, in the order in which they were made.
    checks: Vec<api::Check>,
}

/// What came of a recovery test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::RecoveryStatus)]
pub(crate) enum RecoveryStatus {
    /// It is under way.
    Running,
    /// Every check passed.
    Proven,
    /// A check failed: the backup cannot be relied upon.
    Failed,
    /// It could not be carried out, which says nothing about the backup.
    Inconclusive,
}

/// Restores a backup on a scratch server and checks it.
#[utoipa::path(
    post, path = "/database/backup/{id}/test-recovery", tag = "backups",
    params(("id" = Uuid, Path, description = "the backup's id")), request_body = Option<WantedProof>,
    responses(
        (status = 200, description = "what came of it", body = RecoveryTest),
        (status = 202, description = "it is under way", body = RecoveryTest, headers(("Location" = String, description = "where to follow the job"))),
    )
)]
pub(crate) async fn test_recovery(
    State(console): State<Console>,
    Operator(caller): Operator,
    Path(id): Path<Uuid>,
    MaybeBody(wanted): MaybeBody<WantedProof>,
) -> Result<Response, Problem> {
    let backup = super::catalogue::find(&console, id, String::new()).await?;
    if backup.kind() == api::BackupKind::Project {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "conflict",
            "an export is proven by bringing it back (weir backup import), not by a restore",
        ));
    }
    if let Some(name) = &wanted.repository
        && !backup.repositories.contains(name)
    {
        return Err(Problem::strange(format!(
            "repository: {name:?} does not hold the backup"
        )));
    }
    let depth = match wanted.depth {
        Some(Depth::Changed) => "changed",
        Some(Depth::Full) => "full",
        None => "unspecified",
    };
    let parameters = json!({
        "backup_id": backup.id,
        "depth": depth,
        "repository": wanted.repository.unwrap_or_default(),
    });
    let scoped = Scoped {
        caller,
        project: Project::default(),
    };
    let mut job = order(&console, &scoped, forced("prove", parameters)).await?;
    if wanted.wait {
        job = awaited(&console, &scoped, job).await;
    }
    let test = outcome(&console, backup.id, job).await;
    if test.status == RecoveryStatus::Running {
        let id = test.job.id.clone();
        return Ok(accepted(&scoped, &id, Json(test)));
    }
    Ok(Json(test).into_response())
}

/// What came of it: the proof says so, or else the job.
async fn outcome(console: &Console, backup_id: String, job: Job) -> RecoveryTest {
    let shown = if job.has_ended() {
        super::catalogue::get_proof(console, &job.id).await.ok()
    } else {
        None
    };
    let (proof, checks) = shown.map_or((None, Vec::new()), |shown| (shown.summary, shown.checks));
    let status = status_of(&job, proof.as_ref());
    let told = proof.as_ref().map(|proof| proof.reason.clone());
    let failed = job.error.as_ref().map(|error| error.text.clone());
    RecoveryTest {
        status,
        backup_id,
        reason: told.filter(|reason| !reason.is_empty()).or(failed).unwrap_or_default(),
        job,
        proof,
        checks,
    }
}

fn status_of(job: &Job, proof: Option<&api::ProofSummary>) -> RecoveryStatus {
    if !job.has_ended() {
        return RecoveryStatus::Running;
    }
    let is_failed = job
        .error
        .as_ref()
        .is_some_and(|error| error.slug == "backup-proof-failed");
    match proof.map(api::ProofSummary::state) {
        Some(api::ProofState::Proven) => RecoveryStatus::Proven,
        Some(api::ProofState::Failed) => RecoveryStatus::Failed,
        Some(_) => RecoveryStatus::Inconclusive,
        None if job.state == JobState::Succeeded => RecoveryStatus::Proven,
        None if is_failed => RecoveryStatus::Failed,
        None => RecoveryStatus::Inconclusive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_what_its_proof_says_and_without_one_what_its_job_says() {
        let job = |state: JobState, slug: &str| {
            Job::of_backup(api::Job {
                state: state.into(),
                error_slug: slug.to_owned(),
                ..api::Job::default()
            })
        };
        let proof = |state: api::ProofState| api::ProofSummary {
            state: state.into(),
            ..api::ProofSummary::default()
        };
        let of = |job: &Job, proof: Option<api::ProofSummary>| status_of(job, proof.as_ref());
        assert_eq!(of(&job(JobState::Running, ""), None), RecoveryStatus::Running);
        let done = job(JobState::Succeeded, "");
        assert_eq!(of(&done, Some(proof(api::ProofState::Proven))), RecoveryStatus::Proven);
        let failed = job(JobState::Failed, "backup-proof-failed");
        assert_eq!(
            of(&failed, Some(proof(api::ProofState::Failed))),
            RecoveryStatus::Failed
        );
        assert_eq!(of(&failed, None), RecoveryStatus::Failed);
        let stopped = job(JobState::Cancelled, "");
        assert_eq!(of(&stopped, None), RecoveryStatus::Inconclusive);
        assert_eq!(
            of(&failed, Some(proof(api::ProofState::Inconclusive))),
            RecoveryStatus::Inconclusive
        );
    }
}
