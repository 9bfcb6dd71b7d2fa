//! The service as a process has it: a request on the bus becomes a backup in a repository, watched from its first moment
//! to its last, and listed with what it holds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tonic::Code;
use tonic::transport::Channel;
use weir_bus::{Bus, Limits, Message};
use weir_config::Sources;
use weir_events::{catalogue, jobs};
use weir_model::{Clock, Project};
use weir_proto::backup::v1 as api;
use weir_proto::backup::v1::backup_service_client::BackupServiceClient;
use weir_proto::common::v1::JobState;
use weir_proto::events::v1::JobRequested;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_store::outbox;
use weir_testkit::{Postgres, PostgresOptions, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(40);

struct Service {
    tasks: Tasks,
    bus: Bus,
    ops: u16,
    client: BackupServiceClient<Channel>,
}

impl Service {
    async fn start(postgres: &Postgres, places: &TempDir) -> Self {
        let (port, ops) = (free_port(), free_port());
        let key = places.path().join("key");
        std::fs::write(&key, [7; 32]).unwrap();
        let repositories = format!(
            r#"[{{ name = "near", url = "file://{}", key_file = "{}" }}]"#,
            places.path().join("near").display(),
            key.display()
        );
        let settings = [
            ("DATABASE_URL", postgres.url("postgres")),
            ("WEIR_BACKUP__GRPC_LISTEN", format!("127.0.0.1:{port}")),
            ("WEIR_BACKUP__OPS_LISTEN", format!("127.0.0.1:{ops}")),
            ("WEIR_BACKUP__REPOSITORIES", repositories),
            ("WEIR_BACKUP__DATA_DIRECTORY", postgres.data_dir().display().to_string()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let sources = Sources::load(None, settings).unwrap();
        let (_, reloads) = watch::channel(sources.clone());
        let (tasks, bus) = (Tasks::new(), Bus::in_memory(Limits::default()));
        let ground = Ground::new(sources, reloads, tasks.clone(), Clock::system());
        Box::pin(weir_backup::start(ground, bus.clone())).await.unwrap();
        eventually("the service to be ready", SOON, || async {
            let (status, body) = http_get(ops, "/readyz").await.map_err(|error| error.to_string())?;
            (status == 200).then_some(()).ok_or(body)
        })
        .await;
        let client = BackupServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self {
            tasks,
            bus,
            ops,
            client,
        }
    }

    /// Tells of a request, as the scheduler does.
    async fn request(&self, id: &str, parameters: &str, dry_run: bool) {
        let request = JobRequested {
            job_id: id.to_owned(),
            project: Project::default().to_string(),
            operation: "backup".to_owned(),
            parameters_json: parameters.to_owned(),
            requested_by: "a test".to_owned(),
            dry_run,
            ..JobRequested::default()
        };
        let event = jobs::requested(&Project::default(), &request, &Clock::system());
        let message = Message::new(event.subject.to_string(), event.payload);
        let stream = outbox::stream_spec(&catalogue::JOBS);
        let id = event.id.to_string();
        self.bus.publish_durable(&stream, &id, message, SOON).await.unwrap();
    }

    /// Everything that is told of a job, from the moment when it is known.
    async fn watched(&self, id: &str) -> Vec<api::Job> {
        let request = api::WatchJobRequest {
            id: id.to_owned(),
            project: String::new(),
        };
        let watch = async || self.client.clone().watch_job(request.clone()).await;
        let mut told = eventually("the job to be taken in", SOON, async || {
            watch().await.map_err(|status| status.to_string())
        })
        .await
        .into_inner();
        let mut jobs = Vec::new();
        let all = async {
            while let Some(next) = told.message().await.unwrap() {
                jobs.push(next.job.unwrap());
            }
        };
        tokio::time::timeout(SOON, all).await.unwrap();
        jobs
    }

    async fn backups(&mut self) -> Vec<api::Backup> {
        let listed = self.client.list_backups(api::ListBackupsRequest::default()).await;
        listed.unwrap().into_inner().backups
    }

    async fn ends_in_order(self) {
        self.tasks.shut_down();
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

const FIRST: &str = "01890a5d-ac96-7000-8000-000000000001";
const SECOND: &str = "01890a5d-ac96-7000-8000-000000000002";

#[tokio::test]
async fn a_request_becomes_a_backup_that_is_watched_listed_and_counted() {
    let postgres = PostgresOptions::new().start().await;
    let rows = "create table orders as select g, repeat('x', 100) from generate_series(1, 20000) g; checkpoint";
    postgres.psql("postgres", rows).await;
    let places = tempfile::tempdir().unwrap();
    let mut service = Service::start(&postgres, &places).await;

    service.request(SECOND, r#"{"kind": "incremental"}"#, true).await;
    let plan = service.watched(SECOND).await.pop().unwrap();
    assert_eq!(plan.state(), JobState::Succeeded, "{plan:?}");
    assert!(plan.effect_json.contains("there is none yet"), "{}", plan.effect_json);

    let order = r#"{"kind": "full", "checkpoint_now": true}"#;
    service.request(FIRST, order, false).await;
    let told = service.watched(FIRST).await;
    let last = told.last().unwrap();
    assert_eq!(
        (last.state(), last.error.as_str()),
        (JobState::Succeeded, ""),
        "{last:?}"
    );
    assert_eq!(last.subject_id, FIRST);
    let effect: serde_json::Value = serde_json::from_str(&last.effect_json).unwrap();
    assert_eq!(
        (&effect["kind"], &effect["repositories"][0]),
        (&"full".into(), &"near".into())
    );

    let backups = service.backups().await;
    assert_eq!(backups.len(), 1);
    let backup = &backups[0];
    let found = (backup.id.as_str(), backup.kind(), backup.state());
    assert_eq!(found, (FIRST, api::BackupKind::Full, api::BackupState::Unproven));
    assert!(
        backup.source_bytes > 10_000_000 && backup.stored_bytes < backup.source_bytes / 3,
        "{backup:?}"
    );
    assert_eq!(backup.repositories, ["near"]);

    let request = api::GetBackupRequest {
        id: FIRST.to_owned(),
        project: String::new(),
    };
    let shown = service.client.get_backup(request.clone()).await.unwrap().into_inner();
    let orders = shown.tables.iter().find(|table| table.table == "public.orders");
    assert!(
        orders.is_some_and(|table| table.bytes > 2_000_000),
        "{:?}",
        shown.tables
    );
    let request = api::GetBackupRequest {
        project: "shop".to_owned(),
        ..request
    };
    assert_eq!(
        service.client.get_backup(request).await.unwrap_err().code(),
        Code::NotFound
    );

    // The same request again changes nothing, and what follows the backup was asked for.
    service.request(FIRST, order, false).await;
    let jobs = service
        .client
        .list_jobs(api::ListJobsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .jobs;
    let of = |name: &str| jobs.iter().filter(|job| job.operation == name).count();
    assert_eq!((of("backup"), of("expire"), of("prove")), (2, 1, 0), "{jobs:?}");
    let (_, metrics) = http_get(service.ops, "/metrics").await.unwrap();
    assert!(metrics.contains(r#"weir_backup_bytes{kind="full"}"#), "{metrics}");
    service.ends_in_order().await;

    // What is listed is known to a service that was not there.
    let mut service = Service::start(&postgres, &places).await;
    assert_eq!(service.backups().await[0].id, FIRST);
    let ops = service.ops;
    eventually("the time of the last backup", SOON, || async move {
        let (_, metrics) = http_get(ops, "/metrics").await.unwrap();
        let shown = r#"weir_backup_last_success_timestamp_seconds{project="default",kind="full"} 1"#;
        let up = r#"weir_backup_repository_up{repository="near"} 1"#;
        if metrics.contains(shown) && metrics.contains(up) {
            Ok(())
        } else {
            Err(metrics)
        }
    })
    .await;
    service.ends_in_order().await;
}
