//! Jobs of this service in a real table: how an order becomes work, what is told of it, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_config::Sources;
use weir_jobs::{Job, JobRequest, JobState, Jobs, Runner, RunnerOptions, Window, Work, Works};
use weir_model::{Clock, Coded as _, Project, Secret};
use weir_store::{Migrations, Store, StoreOptions};
use weir_testkit::{Database, Postgres, eventually};

use super::operation::{Asked, Deed, Operation};
use super::*;
use crate::cluster::Cluster;
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::orders::{BackupOrder, ExportOrder, ProofOrder};
use crate::relief::{Relief, Rule};
use crate::repo::state::{BackupEntry, BackupKind, ProofEntry};
use crate::repositories::Repositories;
use crate::settings::BackupSettings;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What a worker works with: a store, a repository in a directory, a server.
pub(crate) struct Stage {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) jobs: Jobs,
    pub(crate) _database: Database,
    pub(crate) places: tempfile::TempDir,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Stage {
    /// With repositories of these names, and more settings.
    pub(crate) async fn new(repositories: &[&str], more: &[(&str, &str)]) -> Self {
        let database = Postgres::shared().await.database().await;
        let places = tempfile::tempdir().unwrap();
        let key = places.path().join("key");
        std::fs::write(&key, [7; 32]).unwrap();
        let table = |name: &&str| {
            let url = places.path().join(name);
            format!(
                r#"{{ name = "{name}", url = "file://{}", key_file = "{}" }}"#,
                url.display(),
                key.display()
            )
        };
        let tables: Vec<String> = repositories.iter().map(table).collect();
        let mut settings = vec![
            (
                "WEIR_BACKUP__REPOSITORIES".to_owned(),
                format!("[{}]", tables.join(", ")),
            ),
            ("DATABASE_URL".to_owned(), database.url()),
        ];
        settings.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let sources = Sources::load(None, settings).unwrap();
        let (settings, target) = crate::check(&sources).unwrap();
        let store = store(&database).await;
        let clock = Clock::system();
        Self {
            jobs: Jobs::new(&store, "backup", clock.clone()),
            keeper: Arc::new(keeper(settings, target, store, clock)),
            _database: database,
            places,
            stop: CancellationToken::new(),
            running: JoinSet::new(),
        }
    }

    /// An operation that is done so.
    pub(crate) fn operation<D: Deed>(&self, deed: D) -> Operation<D> {
        let rule = Rule {
            factor: 0.0,
            margin: Duration::ZERO,
        };
        Operation::new(self.keeper.clone(), Relief::new(rule), deed)
    }

    pub(crate) fn run(&mut self, works: Works) {
        let options = RunnerOptions {
            poll_every: Duration::from_millis(50),
            heartbeat_every: Duration::from_millis(100),
            retry_first: Duration::from_millis(50),
            ..RunnerOptions::default()
        };
        let (runner, stop) = (Runner::new(&self.jobs, works, options), self.stop.clone());
        self.running.spawn(async move { runner.run(&stop).await });
    }

    pub(crate) async fn request(&self, project: &str, operation: &str, parameters: Json, dry_run: bool) -> Uuid {
        let request = JobRequest {
            id: Uuid::now_v7(),
            project: Project::parse(project).unwrap(),
            operation: operation.to_owned(),
            parameters,
            requested_by: "a test".to_owned(),
            requested_at: self.keeper.clock.now(),
            attempt_max: 3,
            exclusive_key: None,
            dry_run,
            begin_before: None,
            window: Window::default(),
            traceparent: None,
        };
        let mut connection = self.keeper.store.pool().acquire().await.unwrap();
        assert!(Jobs::request(&mut connection, &request).await.unwrap());
        request.id
    }

    pub(crate) async fn until(&self, id: Uuid, what: &str, is_so: impl Fn(&Job) -> bool) -> Job {
        eventually(what, SOON, async || {
            let job = self
                .jobs
                .get(id)
                .await
                .map_err(|error| error.to_string())?
                .ok_or("no job")?;
            if is_so(&job) { Ok(job) } else { Err(format!("{job:?}")) }
        })
        .await
    }

    pub(crate) async fn ended(&self, id: Uuid) -> Job {
        self.until(id, "the job to end", |job| {
            !matches!(job.state, JobState::Queued | JobState::Running)
        })
        .await
    }
}

async fn store(database: &Database) -> Store {
    let options = StoreOptions {
        url: Secret::new(database.url()),
        schema: "weir_backup",
        connections_max: 6,
        acquire_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    };
    let migrations = vec![weir_jobs::migrations(), Migrations::of_service(sqlx::migrate!())];
    Store::connect(options, migrations).await.unwrap()
}

fn keeper(settings: BackupSettings, target: weir_upstream::Target, store: Store, clock: Clock) -> Keeper {
    Keeper {
        config_file: None,
        repositories: Repositories::of(&settings, clock.clone()),
        cluster: Cluster::of(&settings, target).unwrap(),
        store,
        metrics: Arc::new(Metrics::register(&weir_telemetry::Registry::default())),
        clock,
        settings,
    }
}

/// Moves bytes as backups do, piece by piece, until it is done or told to stop.
pub(crate) struct Moves {
    bytes: u64,
    failures: AtomicU32,
}

impl Deed for Moves {
    type Order = BackupOrder;

    fn most(&self, order: &BackupOrder) -> u64 {
        order.bytes_per_second_max
    }

    async fn plan(&self, _: &Asked<'_>, order: &BackupOrder) -> Result<Json, Error> {
        Ok(json!({ "would_be": order.note }))
    }

    async fn run(&self, asked: &Asked<'_>, _: &BackupOrder, pace: &Pace) -> Result<Json, Error> {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Program {
                program: "pg_ctl".to_owned(),
                said: "not now".to_owned(),
            });
        }
        pace.progress().begin("copy", self.bytes);
        for _ in 0..self.bytes / 1_000 {
            pace.take(1_000).await?;
            pace.progress().add(1_000);
        }
        Ok(json!({ "backup_id": asked.id.to_string() }))
    }
}

pub(crate) const fn moves(bytes: u64, failures: u32) -> Moves {
    Moves {
        bytes,
        failures: AtomicU32::new(failures),
    }
}

/// Fails for good.
struct Refuses;

impl Deed for Refuses {
    type Order = ProofOrder;

    async fn plan(&self, _: &Asked<'_>, _: &ProofOrder) -> Result<Json, Error> {
        Ok(json!({}))
    }

    async fn run(&self, _: &Asked<'_>, _: &ProofOrder, _: &Pace) -> Result<Json, Error> {
        Err(Error::Refused {
            slug: "backup-proof-failed",
            reason: "a page is wrong".to_owned(),
        })
    }
}

fn note(job: &Job) -> Transfer {
    let said = job.progress.as_ref().map(|progress| progress.note.as_str());
    serde_json::from_str(said.unwrap_or("{}")).unwrap()
}

#[tokio::test]
async fn a_job_says_how_far_it_is_and_what_it_did() {
    let mut stage = Stage::new(&["here"], &[]).await;
    stage.run(Works::builder().with(stage.operation(moves(30_000, 0))).build());
    let id = stage
        .request("default", "backup", json!({"bytes_per_second_max": 10_000}), false)
        .await;
    let job = stage.until(id, "a rate", |job| note(job).bytes_per_second > 0).await;
    let said = note(&job);
    assert_eq!((said.phase.as_str(), said.total_bytes), ("copy", 30_000));
    assert!(
        (5_000..=15_000).contains(&said.bytes_per_second) && said.remaining_ms > 0,
        "{said:?}"
    );
    let job = stage.ended(id).await;
    assert_eq!(
        (job.state, job.effect),
        (JobState::Succeeded, Some(json!({"backup_id": id.to_string()})))
    );
    assert_eq!(
        job.progress.unwrap().done,
        30_000,
        "what was said last is where it ended"
    );
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_fails_with_its_name() {
    let mut stage = Stage::new(&["here"], &[]).await;
    let works = Works::builder()
        .with(stage.operation(moves(1_000, 2)))
        .with(stage.operation(Refuses));
    stage.run(works.build());
    let id = stage.request("default", "backup", json!({}), false).await;
    let job = stage.ended(id).await;
    assert_eq!((job.state, job.attempts), (JobState::Succeeded, 3));
    let id = stage.request("default", "prove", json!({}), false).await;
    let job = stage.ended(id).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 1));
    assert_eq!(job.slug.as_deref(), Some("backup-proof-failed"));
    for (project, parameters, slug) in [
        ("default", json!({"kind": "weekly"}), "backup-field"),
        ("default", json!({"repositories": ["there"]}), "backup-field"),
        ("shop", json!({}), "backup-not-yours"),
    ] {
        let id = stage.request(project, "backup", parameters, false).await;
        let job = stage.ended(id).await;
        assert_eq!(
            (job.state, job.slug.as_deref(), job.attempts),
            (JobState::Failed, Some(slug), 1),
            "{job:?}"
        );
    }
}

#[tokio::test]
async fn a_plan_moves_nothing_and_a_cancelled_job_stops_at_once() {
    let mut stage = Stage::new(&["here"], &[]).await;
    stage.run(Works::builder().with(stage.operation(moves(1_000_000, 0))).build());
    let id = stage
        .request(
            "default",
            "backup",
            json!({"note": "n", "bytes_per_second_max": 1_000}),
            true,
        )
        .await;
    let job = stage.ended(id).await;
    assert_eq!((job.effect, job.progress), (Some(json!({"would_be": "n"})), None));
    let id = stage
        .request("default", "backup", json!({"bytes_per_second_max": 1_000}), false)
        .await;
    stage.until(id, "it to run", |job| note(job).done_bytes > 0).await;
    let told = tokio::time::Instant::now();
    stage.jobs.cancel(id).await.unwrap();
    let job = stage.ended(id).await;
    assert_eq!(job.state, JobState::Cancelled);
    assert!(told.elapsed() < Duration::from_secs(4), "{:?}", told.elapsed());
}

#[tokio::test]
async fn keys_that_exclude_are_those_of_the_orders() {
    let stage = Stage::new(&["here"], &[]).await;
    let operation = stage.operation(moves(1, 0));
    let key = |parameters: Json| Work::exclusive_key(&operation, &parameters);
    assert_eq!(key(json!({})), key(json!({"kind": "full", "cluster": "main"})));
    assert_eq!(key(json!({"kinds": 1})), None);
    let export = crate::act::order::read::<ExportOrder>(&json!({"project": "shop"})).unwrap();
    assert_eq!(export.exclusive_key(), "shop");
}

#[tokio::test]
async fn a_backup_is_followed_by_its_proof_and_by_expiry_once() {
    let stage = Stage::new(&["here"], &[("WEIR_BACKUP__SCRATCH_DIRECTORY", "/tmp/scratch")]).await;
    let mut entry = BackupEntry {
        id: Uuid::now_v7().to_string(),
        ..BackupEntry::default()
    };
    entry.set_kind(BackupKind::Full);
    let after = Aftermath(stage.keeper.clone());
    after.of_backup(&entry).await.unwrap();
    after.of_backup(&entry).await.unwrap();
    let all = stage.jobs.list(&Project::default(), &[], None, 10).await.unwrap();
    let mut found: Vec<_> = all
        .iter()
        .map(|job| (job.operation.as_str(), job.parameters.clone()))
        .collect();
    found.sort_by_key(|(operation, _)| *operation);
    assert_eq!(
        found,
        [("expire", json!({})), ("prove", json!({"backup_id": entry.id}))]
    );
    assert!(
        all.iter().all(|job| job.id.to_string()[..13] == entry.id[..13]),
        "{all:?}"
    );
    entry.set_kind(BackupKind::Project);
    entry.id = Uuid::now_v7().to_string();
    after.of_backup(&entry).await.unwrap();
    let all = stage.jobs.list(&Project::default(), &[], None, 10).await.unwrap();
    assert_eq!(all.len(), 3, "an export is expired and not restored: {all:?}");
}

#[test]
fn a_proof_that_did_not_succeed_is_a_job_that_failed() {
    use weir_proto::backup::v1::ProofState;
    let outcome = |state: ProofState| {
        let proof = ProofEntry {
            backup_id: "b".to_owned(),
            state: state.into(),
            recovery_ms: 2_500,
            reason: "a page is wrong".to_owned(),
            ..ProofEntry::default()
        };
        proof_outcome(&proof)
    };
    let proven = outcome(ProofState::Proven).unwrap();
    assert_eq!(
        (&proven["state"], &proven["recovery_ms"]),
        (&json!("proven"), &json!(2_500))
    );
    for (state, slug) in [
        (ProofState::Failed, "backup-proof-failed"),
        (ProofState::Inconclusive, "backup-proof-inconclusive"),
        (ProofState::Running, "backup-proof-inconclusive"),
    ] {
        let error = outcome(state).unwrap_err();
        assert_eq!((error.slug(), error.is_passing()), (slug, false));
        assert!(error.to_string().contains("a page is wrong"), "{error}");
    }
}
