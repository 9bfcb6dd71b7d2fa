//! Backups, exports and proofs that there are.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_proto::backup::v1 as api;

use crate::http::body::{Path, Query};
use crate::http::{Body, Console, Operator, Page, Paged as _, Problem, Scoped};

/// Which backups are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BackupsQuery {
    /// Only exports of this project; a token sees those of its own only.
    #[serde(default)]
    project: String,
    /// Only of this kind.
    #[param(inline)]
    kind: Option<KindFilter>,
    /// Only in this state; expired and shredded ones are listed if they are asked for.
    #[param(inline)]
    state: Option<StateFilter>,
    /// Only those complete at or after this time, in milliseconds since 1970.
    #[serde(default)]
    #[param(default = 0)]
    since: i64,
}

/// A kind of backup.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::BackupKindFilter)]
pub(crate) enum KindFilter {
    Full,
    Incremental,
    Differential,
    Project,
}

/// A state of a backup.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = console::BackupStateFilter)]
pub(crate) enum StateFilter {
    Unproven,
    Proven,
    Failed,
    Expired,
    Shredded,
}

impl From<KindFilter> for api::BackupKind {
    fn from(kind: KindFilter) -> Self {
        match kind {
            KindFilter::Full => Self::Full,
            KindFilter::Incremental => Self::Incremental,
            KindFilter::Differential => Self::Differential,
            KindFilter::Project => Self::Project,
        }
    }
}

impl From<StateFilter> for api::BackupState {
    fn from(state: StateFilter) -> Self {
        match state {
            StateFilter::Unproven => Self::Unproven,
            StateFilter::Proven => Self::Proven,
            StateFilter::Failed => Self::Failed,
            StateFilter::Expired => Self::Expired,
            StateFilter::Shredded => Self::Shredded,
        }
    }
}

/// Backups.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Backups)]
pub(crate) struct BackupList {
    /// The newest first.
    backups: Vec<api::Backup>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// On whose behalf the backup service is asked: a token's own project; nobody's for the operator, who sees all.
fn behalf(scoped: &Scoped) -> Option<String> {
    scoped.caller.project.as_ref().map(ToString::to_string)
}

/// Backups of the cluster and exports of projects; for a token of a project, its exports.
#[utoipa::path(get, path = "/database/backups", tag = "backups", params(BackupsQuery, Page), responses((status = 200, description = "a page of backups", body = BackupList)))]
pub(crate) async fn list(
    State(console): State<Console>,
    scoped: Scoped,
    Query(query): Query<BackupsQuery>,
    page: Page,
) -> Result<Json<BackupList>, Problem> {
    let kinds = query.kind.map(|kind| api::BackupKind::from(kind).into());
    let states = query.state.map(|state| api::BackupState::from(state).into());
    let asked = api::ListBackupsRequest {
        project: behalf(&scoped).unwrap_or(query.project),
        cluster: String::new(),
        kinds: kinds.into_iter().collect(),
        states: states.into_iter().collect(),
        since_unix_ms: query.since,
        page: page.request(),
    };
    let mut backup = console.services.backup();
    let listed = backup.list_backups(console.services.ask(asked)).await?.into_inner();
    Ok(Json(BackupList {
        backups: listed.backups,
        next: listed.page.next(),
    }))
}

/// One backup with its proofs and the tables it holds.
#[utoipa::path(get, path = "/database/backups/{id}", tag = "backups", params(("id" = Uuid, Path, description = "the backup's id")), responses((status = 200, description = "the backup", body = api::GetBackupResponse)))]
pub(crate) async fn show(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<Uuid>,
) -> Result<Json<api::GetBackupResponse>, Problem> {
    get(&console, id, behalf(&scoped).unwrap_or_default()).await.map(Json)
}

async fn get(console: &Console, id: Uuid, project: String) -> Result<api::GetBackupResponse, Problem> {
    let asked = api::GetBackupRequest {
        id: id.to_string(),
        project,
    };
    let mut backup = console.services.backup();
    Ok(backup.get_backup(console.services.ask(asked)).await?.into_inner())
}

/// A backup that somebody may see.
pub(super) async fn find(console: &Console, id: Uuid, project: String) -> Result<api::Backup, Problem> {
    let found = get(console, id, project).await?.backup;
    found.ok_or_else(|| Problem::not_found(format!("there is no backup {id}")))
}

/// What to say about a backup. What is left out stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = console::BackupRemark)]
pub(crate) struct Remark {
    /// A note for people; an empty one removes it.
    #[schema(max_length = 4096)]
    note: Option<String>,
    /// Whether retention must leave it alone.
    keep: Option<bool>,
}

/// Changes what people say about a backup.
#[utoipa::path(put, path = "/database/backups/{id}", tag = "backups", params(("id" = Uuid, Path, description = "the backup's id")), request_body = Remark, responses((status = 200, description = "the backup as it is now", body = api::Backup)))]
pub(crate) async fn annotate(
    State(console): State<Console>,
    scoped: Scoped,
    Path(id): Path<Uuid>,
    Body(remark): Body<Remark>,
) -> Result<Json<api::Backup>, Problem> {
    if remark.note.is_none() && remark.keep.is_none() {
        return Err(Problem::strange("say what to change: note or keep"));
    }
    super::orders::check_note(remark.note.as_deref())?;
    let project = behalf(&scoped).unwrap_or_default();
    find(&console, id, project.clone()).await?;
    let asked = api::AnnotateBackupRequest {
        id: id.to_string(),
        note: remark.note,
        keep: remark.keep,
        project,
    };
    let mut backup = console.services.backup();
    let annotated = backup.annotate_backup(console.services.ask(asked)).await?;
    Ok(Json(annotated.into_inner().backup.unwrap_or_default()))
}

/// Which proofs are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProofsQuery {
    /// Only of this backup.
    backup: Option<Uuid>,
}

/// Proofs.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::Proofs)]
pub(crate) struct ProofList {
    /// The newest first.
    proofs: Vec<api::ProofSummary>,
    /// How to go on; null: this page was the last.
    next: Option<String>,
}

/// What was proven when, and how long recovery took.
#[utoipa::path(get, path = "/database/backup/proofs", tag = "backups", params(ProofsQuery, Page), responses((status = 200, description = "a page of proofs", body = ProofList)))]
pub(crate) async fn proofs(
    State(console): State<Console>,
    Operator(_): Operator,
    Query(query): Query<ProofsQuery>,
    page: Page,
) -> Result<Json<ProofList>, Problem> {
    let asked = api::ListProofsRequest {
        backup_id: query.backup.map(|id| id.to_string()).unwrap_or_default(),
        page: page.request(),
        ..api::ListProofsRequest::default()
    };
    let mut backup = console.services.backup();
    let listed = backup.list_proofs(console.services.ask(asked)).await?.into_inner();
    Ok(Json(ProofList {
        proofs: listed.proofs,
        next: listed.page.next(),
    }))
}

/// One proof with its evidence.
#[utoipa::path(get, path = "/database/backup/proofs/{id}", tag = "backups", params(("id" = Uuid, Path, description = "the proof's id: that of its job")), responses((status = 200, description = "the outcome and each check", body = api::GetProofResponse)))]
pub(crate) async fn proof(
    State(console): State<Console>,
    Operator(_): Operator,
    Path(id): Path<Uuid>,
) -> Result<Json<api::GetProofResponse>, Problem> {
    get_proof(&console, &id.to_string()).await.map(Json)
}

pub(super) async fn get_proof(console: &Console, id: &str) -> Result<api::GetProofResponse, Problem> {
    let asked = api::GetProofRequest {
        id: id.to_owned(),
        project: String::new(),
    };
    let mut backup = console.services.backup();
    Ok(backup.get_proof(console.services.ask(asked)).await?.into_inner())
}
