//! How backups stand: whether they are taken, where they are, what would be lost now, and how far back one can go.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use weir_proto::backup::v1 as api;
use weir_proto::common::v1::PageRequest;

use super::places::{get_repositories, get_wal, get_windows};
use crate::http::jobs::{Job, StateFilter};
use crate::http::{Console, Operator, Problem};

/// Backups and proofs that are looked through for the last of each sort.
const LOOKED: u32 = 200;
const RUNNING_MAX: u32 = 50;

/// How backups stand.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = console::BackupStatus)]
pub(crate) struct Status {
    /// Whether backups can be taken: they are switched on, and there is somewhere to keep them.
    enabled: bool,
    /// Where they are kept.
    repositories: Vec<api::Repository>,
    /// The last of each kind, the newest first.
    last_backups: Vec<api::Backup>,
    /// The last proofs, the newest first; at most five.
    last_proofs: Vec<api::ProofSummary>,
    /// How the log of each cluster gets there.
    wal: Vec<api::WalState>,
    /// Milliseconds of commits that would be lost if the server were gone now; null: the log does not come in.
    exposure_ms: Option<u64>,
    /// The spans of time to which one can restore, in order; more than one: log is missing between them.
    windows: Vec<api::RecoveryWindow>,
    /// Jobs under way.
    running: Vec<Job>,
    /// What could not be found out, a sentence each; none: all of this is known.
    missing: Vec<String>,
}

/// How backups stand. One that is switched off says so.
#[utoipa::path(get, path = "/database/backup/status", tag = "backups", responses((status = 200, description = "how they stand", body = Status)))]
pub(crate) async fn show(State(console): State<Console>, Operator(_): Operator) -> Result<Json<Status>, Problem> {
    let repositories = get_repositories(&console).await?.repositories;
    let is_kept = !repositories.is_empty();
    let mut status = Status {
        enabled: is_kept && is_on(&console),
        repositories,
        last_backups: Vec::new(),
        last_proofs: Vec::new(),
        wal: Vec::new(),
        exposure_ms: None,
        windows: Vec::new(),
        running: Vec::new(),
        missing: Vec::new(),
    };
    if is_kept {
        status.fill(&console).await;
    }
    Ok(Json(status))
}

/// As the settings say that the console reads, like the scheduler does.
fn is_on(console: &Console) -> bool {
    let sources = console.sources.borrow();
    let set: Option<bool> = sources.of_another("backup", "enabled").unwrap_or_default();
    let named = sources.variable("BACKUP_ENABLED").map(str::trim);
    set.unwrap_or(named != Some("false"))
}

impl Status {
    /// Each part by itself: what cannot be found out hides nothing else.
    async fn fill(&mut self, console: &Console) {
        let (backups, proofs, wal, windows, running) = tokio::join!(
            backups(console),
            proofs(console),
            get_wal(console),
            get_windows(console),
            running(console),
        );
        self.last_backups = self.known("backups", backups).unwrap_or_default();
        self.last_proofs = self.known("proofs", proofs).unwrap_or_default();
        self.wal = self.known("log", wal).map(|wal| wal.clusters).unwrap_or_default();
        self.windows = self
            .known("windows", windows)
            .map(|windows| windows.windows)
            .unwrap_or_default();
        self.running = self.known("jobs", running).unwrap_or_default();
        let coming = self.wal.iter().filter(|wal| wal.way() != api::WalWay::Off);
        self.exposure_ms = coming.map(|wal| wal.exposure_ms).max();
    }

    fn known<T>(&mut self, what: &str, part: Result<T, Problem>) -> Option<T> {
        part.map_err(|problem| self.missing.push(format!("{what}: {}", problem.detail())))
            .ok()
    }
}

fn page(size: u32) -> Option<PageRequest> {
    Some(PageRequest {
        size,
        token: String::new(),
    })
}

/// The last of each kind.
async fn backups(console: &Console) -> Result<Vec<api::Backup>, Problem> {
    let asked = api::ListBackupsRequest {
        page: page(LOOKED),
        ..api::ListBackupsRequest::default()
    };
    let mut backup = console.services.backup();
    let listed = backup.list_backups(console.services.ask(asked)).await?.into_inner();
    let mut last: Vec<api::Backup> = Vec::new();
    for backup in listed.backups {
        if last.iter().all(|known| known.kind != backup.kind) {
            last.push(backup);
        }
    }
    Ok(last)
}

async fn proofs(console: &Console) -> Result<Vec<api::ProofSummary>, Problem> {
    let asked = api::ListProofsRequest {
        page: page(5),
        ..api::ListProofsRequest::default()
    };
    let mut backup = console.services.backup();
    Ok(backup
        .list_proofs(console.services.ask(asked))
        .await?
        .into_inner()
        .proofs)
}

async fn running(console: &Console) -> Result<Vec<Job>, Problem> {
    let asked = api::ListJobsRequest {
        states: StateFilter::Active.states(),
        page: page(RUNNING_MAX),
        ..api::ListJobsRequest::default()
    };
    let mut backup = console.services.backup();
    let listed = backup.list_jobs(console.services.ask(asked)).await?.into_inner();
    Ok(listed.jobs.into_iter().map(Job::of_backup).collect())
}
