//! What the tests of jobs share: a fresh schema, works made up on the spot, runners in the background.

use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_events::decode;
use weir_model::{Clock, Project, Secret};
use weir_proto::events::v1::{JobFailed, JobProgress, JobStarted, JobSucceeded};
use weir_store::{Store, StoreOptions};
use weir_testkit::{Postgres, eventually};

use crate::{Job, JobContext, JobError, JobRequest, JobState, Jobs, Runner, RunnerOptions, Window, Work, Works};

/// Long enough for a slow machine, short enough for a person.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// A database with the tables, and whoever works there.
pub(super) struct World {
    pub(super) url: String,
    pub(super) store: Store,
    pub(super) jobs: Jobs,
    pub(super) stop: CancellationToken,
    pub(super) running: JoinSet<()>,
}

pub(super) async fn open(url: &str) -> Store {
    let options = StoreOptions {
        url: Secret::new(url),
        schema: "weir_test",
        connections_max: 8,
        acquire_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    };
    Store::connect(options, vec![crate::migrations()]).await.unwrap()
}

impl World {
    pub(super) async fn new() -> Self {
        let database = Postgres::shared().await.database().await;
        Self::at(&database.url()).await
    }

    pub(super) async fn at(url: &str) -> Self {
        let store = open(url).await;
        let jobs = Jobs::new(&store, "maintenance", Clock::system());
        let stop = CancellationToken::new();
        Self {
            url: url.to_owned(),
            store,
            jobs,
            stop,
            running: JoinSet::new(),
        }
    }

    /// Starts a runner with a pool of its own, as another instance would have.
    pub(super) async fn runner(&mut self, works: Works, options: RunnerOptions) -> tokio::task::AbortHandle {
        let jobs = Jobs::new(&open(&self.url).await, "maintenance", Clock::system());
        let (runner, stop) = (Runner::new(&jobs, works, options), self.stop.clone());
        self.running.spawn(async move { runner.run(&stop).await })
    }

    /// Tells every runner to stop, and waits until they have.
    pub(super) async fn finish(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            if let Err(error) = ended {
                assert!(error.is_cancelled(), "{error}");
            }
        }
    }

    pub(super) async fn request(&self, request: &JobRequest) -> bool {
        let mut transaction = self.store.pool().begin().await.unwrap();
        let new = Jobs::request(&mut transaction, request).await.unwrap();
        transaction.commit().await.unwrap();
        new
    }

    /// Asks for a job of `operation`, and returns its id.
    pub(super) async fn ask(&self, operation: &str) -> Uuid {
        let request = request(operation);
        assert!(self.request(&request).await);
        request.id
    }

    pub(super) async fn job(&self, id: Uuid) -> Job {
        self.jobs.get(id).await.unwrap().unwrap()
    }

    pub(super) async fn until(&self, id: Uuid, state: JobState) -> Job {
        eventually(&format!("the job to be {}", state.as_str()), DEADLINE, async || {
            let job = self
                .jobs
                .get(id)
                .await
                .map_err(|error| error.to_string())?
                .ok_or("no such job")?;
            if job.state == state {
                Ok(job)
            } else {
                Err(format!("{job:?}"))
            }
        })
        .await
    }

    /// What is told of a job, in order.
    pub(super) async fn told(&self, id: Uuid) -> Vec<String> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as("select subject, payload from outbox order by seq")
            .fetch_all(self.store.pool())
            .await
            .unwrap();
        let told = rows.into_iter().map(|(subject, payload)| words(&subject, payload));
        told.filter(|(job, _)| *job == id.to_string())
            .map(|(_, words)| words)
            .collect()
    }
}

/// An event of a job in few words.
pub(super) fn words(subject: &str, payload: Vec<u8>) -> (String, String) {
    let payload = payload.into();
    match subject.rsplit('.').next().unwrap() {
        "started" => {
            let (_, told) = decode::<JobStarted>(subject, &payload).unwrap();
            (told.job_id, format!("started {}", told.attempt))
        }
        "progress" => {
            let (_, told) = decode::<JobProgress>(subject, &payload).unwrap();
            let progress = told.progress.unwrap();
            (told.job_id, format!("progress {} of {}", progress.done, progress.total))
        }
        "succeeded" => {
            let (_, told) = decode::<JobSucceeded>(subject, &payload).unwrap();
            (told.job_id, format!("succeeded {} {}", told.attempts, told.effect_json))
        }
        "failed" => {
            let (_, told) = decode::<JobFailed>(subject, &payload).unwrap();
            let how = if told.cancelled { " cancelled" } else { "" };
            let last = if told.r#final { " final" } else { "" };
            (
                told.job_id,
                format!("failed {} {}{last}{how}", told.attempts, told.slug),
            )
        }
        other => panic!("unknown event {other}"),
    }
}

pub(super) fn request(operation: &str) -> JobRequest {
    JobRequest {
        id: Uuid::now_v7(),
        project: Project::parse("shop").unwrap(),
        operation: operation.to_owned(),
        parameters: json!({"table": "public.orders"}),
        requested_by: "a test".to_owned(),
        requested_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        attempt_max: 3,
        exclusive_key: None,
        dry_run: false,
        begin_before: None,
        window: Window::default(),
        traceparent: None,
    }
}

/// Nothing here is found by polling unless a test asks for it: notifications have to do.
pub(super) fn options() -> RunnerOptions {
    RunnerOptions {
        concurrency: 4,
        poll_every: Duration::from_secs(3600),
        heartbeat_every: Duration::from_millis(100),
        heartbeat_dead_after: Duration::from_secs(2),
        retry_first: Duration::from_millis(20),
        retry_cap: Duration::from_millis(100),
        finish_within: DEADLINE,
        cancel_within: Duration::from_millis(200),
        ..RunnerOptions::default()
    }
}

/// The same for jobs that are tried again: their time comes without a notification.
pub(super) fn polling() -> RunnerOptions {
    RunnerOptions {
        poll_every: Duration::from_millis(20),
        ..options()
    }
}

/// A work that does what a closure says.
struct Does<F>(&'static str, F);

impl<F> Work for Does<F>
where
    F: for<'a> Fn(&'a JobContext) -> BoxFuture<'a, Result<Value, JobError>> + Send + Sync + 'static,
{
    fn operation(&self) -> &str {
        self.0
    }
    async fn run(&self, job: &JobContext) -> Result<Value, JobError> {
        (self.1)(job).await
    }
}

pub(super) fn does<F>(operation: &'static str, act: F) -> Works
where
    F: for<'a> Fn(&'a JobContext) -> BoxFuture<'a, Result<Value, JobError>> + Send + Sync + 'static,
{
    Works::builder().with(Does(operation, act)).build()
}

/// Work that takes a little while: a few questions to the database.
pub(super) async fn work_a_little(store: &Store) {
    for _ in 0..20 {
        sqlx::query("select 1").execute(store.pool()).await.unwrap();
    }
}
