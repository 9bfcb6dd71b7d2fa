//! Work as it runs inside a job, for tests: the context of a job can only be had from a runner.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_jobs::{JobContext, JobError, JobRequest, Jobs, Runner, RunnerOptions, Window, Work, Works};
use weir_model::{Clock, Project, Secret};
use weir_store::{Migrations, Store, StoreOptions};
use weir_testkit::Postgres;

const SOON: Duration = Duration::from_secs(60);

/// Maintenance's own tables in a fresh database.
pub(crate) async fn store() -> Store {
    let options = StoreOptions {
        url: Secret::new(Postgres::shared().await.database().await.url()),
        schema: "weir_maintenance",
        connections_max: 4,
        acquire_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    };
    let migrations = vec![weir_jobs::migrations(), Migrations::of_service(sqlx::migrate!())];
    Store::connect(options, migrations).await.unwrap()
}

struct Once<F, T> {
    work: F,
    tell: mpsc::UnboundedSender<T>,
}

impl<F, T> Work for Once<F, T>
where
    F: for<'a> Fn(&'a JobContext) -> BoxFuture<'a, T> + Send + Sync + 'static,
    T: Send + 'static,
{
    fn operation(&self) -> &'static str {
        "once"
    }

    async fn run(&self, job: &JobContext) -> Result<Json, JobError> {
        let done = (self.work)(job).await;
        self.tell.send(done).unwrap();
        Ok(json!({}))
    }
}

/// Does something in a job that has this window, and returns what came of it.
pub(crate) async fn in_job<T, F>(window: Window, work: F) -> T
where
    F: for<'a> Fn(&'a JobContext) -> BoxFuture<'a, T> + Send + Sync + 'static,
    T: Send + 'static,
{
    let store = store().await;
    let clock = Clock::system();
    let jobs = Jobs::new(&store, "maintenance", clock.clone());
    let request = JobRequest {
        id: Uuid::now_v7(),
        project: Project::default(),
        operation: "once".to_owned(),
        parameters: json!({}),
        requested_by: "a test".to_owned(),
        requested_at: clock.now(),
        attempt_max: 1,
        exclusive_key: None,
        dry_run: false,
        begin_before: None,
        window,
        traceparent: None,
    };
    let mut transaction = store.pool().begin().await.unwrap();
    Jobs::request(&mut transaction, &request).await.unwrap();
    transaction.commit().await.unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    let runner = Runner::new(
        &jobs,
        Works::builder().with(Once { work, tell }).build(),
        RunnerOptions::default(),
    );
    let stop = CancellationToken::new();
    let first = async {
        let first = tokio::time::timeout(SOON, told.recv()).await;
        stop.cancel();
        first
    };
    let (first, ()) = tokio::join!(first, runner.run(&stop));
    first.unwrap().unwrap()
}
