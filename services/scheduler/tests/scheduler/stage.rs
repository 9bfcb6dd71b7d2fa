//! A scheduler on real servers, a worker beside it, and the times that tests begin at.

use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use weir_bus::{Bus, Consumer, ConsumerOptions, Limits, Message};
use weir_config::Sources;
use weir_events::{Event, catalogue, decode, jobs};
use weir_model::{Clock, Project};
use weir_proto::common::v1::JobState;
use weir_proto::events::v1::{JobRequested, JobSucceeded};
use weir_proto::scheduler::v1 as api;
use weir_proto::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_store::outbox;
use weir_testkit::{Database, Postgres, eventually, free_port, http_get};

pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);
pub(crate) const DAY_MS: i64 = 24 * 3_600_000;
/// 2027-01-15, 08:00 UTC: where clocks that stand still begin.
pub(crate) const MORNING: i64 = 1_800_000_000_000;
pub(crate) const NEXT_THREE: i64 = MORNING + 19 * 3_600_000;

pub(crate) struct Scheduler {
    pub(crate) tasks: Tasks,
    pub(crate) ops_port: u16,
    pub(crate) client: SchedulerServiceClient<Channel>,
    reload: watch::Sender<Sources>,
    settings: Vec<(String, String)>,
}

pub(crate) fn bus() -> Bus {
    Bus::in_memory(Limits::default())
}

pub(crate) fn clock() -> Clock {
    Clock::manual(UNIX_EPOCH + Duration::from_millis(MORNING.unsigned_abs()))
}

pub(crate) fn project(name: &str) -> Project {
    Project::parse(name).unwrap()
}

impl Scheduler {
    /// A scheduler with these schedules in its settings.
    pub(crate) async fn start(store_url: &str, bus: &Bus, clock: &Clock, schedules: &str) -> Self {
        let schedules = ("WEIR_SCHEDULER__SCHEDULES", schedules.to_owned());
        Self::start_with(store_url, bus, clock, vec![schedules]).await
    }

    /// A scheduler with these settings beside those that every one has here.
    pub(crate) async fn start_with(
        store_url: &str,
        bus: &Bus,
        clock: &Clock,
        more: Vec<(&'static str, String)>,
    ) -> Self {
        let (port, ops_port) = (free_port(), free_port());
        let settings = [
            ("WEIR_STORE__URL", store_url.to_owned()),
            ("WEIR_STORE__ACQUIRE_TIMEOUT", "1s".to_owned()),
            ("WEIR_SCHEDULER__GRPC_LISTEN", format!("127.0.0.1:{port}")),
            ("WEIR_SCHEDULER__OPS_LISTEN", format!("127.0.0.1:{ops_port}")),
        ];
        let settings: Vec<_> = settings
            .into_iter()
            .chain(more)
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let sources = Sources::load(None, settings.clone()).unwrap();
        let (reload, reloaded) = watch::channel(sources.clone());
        let tasks = Tasks::new();
        let ground = Ground::new(sources, reloaded, tasks.clone(), clock.clone());
        Box::pin(weir_scheduler::start(ground, bus.clone())).await.unwrap();
        eventually("the scheduler to be ready", SOON, || async {
            let (status, body) = http_get(ops_port, "/readyz").await.map_err(|error| error.to_string())?;
            (status == 200).then_some(()).ok_or(body)
        })
        .await;
        let client = SchedulerServiceClient::connect(format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self {
            tasks,
            ops_port,
            client,
            reload,
            settings,
        }
    }

    /// Changes a setting while it runs.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let kept = self.settings.iter().filter(|(one, _)| one != name).cloned();
        let changed = kept.chain([(name.to_owned(), value.to_owned())]);
        self.reload.send_replace(Sources::load(None, changed).unwrap());
    }

    pub(crate) async fn put(&self, schedule: api::Schedule) -> Result<api::PutScheduleResponse, tonic::Status> {
        let request = api::PutScheduleRequest {
            schedule: Some(schedule),
        };
        Ok(self.client.clone().put_schedule(request).await?.into_inner())
    }

    pub(crate) async fn put_new(&self, schedule: api::Schedule) -> api::Schedule {
        let answer = self.put(schedule).await.unwrap();
        assert!(answer.created);
        answer.schedule.unwrap()
    }

    pub(crate) async fn schedules(&self, project: &str) -> Vec<api::Schedule> {
        let request = api::ListSchedulesRequest {
            project: project.to_owned(),
            page: None,
        };
        let answer = self.client.clone().list_schedules(request).await;
        answer.unwrap().into_inner().schedules
    }

    pub(crate) async fn runs(&self, request: api::ListRunsRequest) -> Vec<api::Run> {
        self.client.clone().list_runs(request).await.unwrap().into_inner().runs
    }

    pub(crate) async fn run_now(&self, project: &str) -> api::Run {
        let request = api::RunNowRequest {
            project: project.to_owned(),
            operation: "analyze".to_owned(),
            ..api::RunNowRequest::default()
        };
        let answer = self.client.clone().run_now(request).await;
        answer.unwrap().into_inner().run.unwrap()
    }

    pub(crate) async fn run(&self, id: &str) -> api::Run {
        let request = of_shops(id);
        self.client
            .clone()
            .get_run(request)
            .await
            .unwrap()
            .into_inner()
            .run
            .unwrap()
    }

    pub(crate) async fn run_in(&self, id: &str, state: JobState) -> api::Run {
        eventually("the run to be in that state", SOON, || async {
            let run = self.run(id).await;
            let seen = format!("{run:?}");
            (run.state() == state).then_some(run).ok_or(seen)
        })
        .await
    }

    /// The value of a metric, 0 if it is not there yet.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let (_, body) = http_get(self.ops_port, "/metrics").await.unwrap();
        let line = body.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0.0, |value| value.split_whitespace().last().unwrap().parse().unwrap())
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

/// Who hears the requests and reports on them.
pub(crate) struct Worker {
    pub(crate) bus: Bus,
    pub(crate) requests: Consumer,
}

impl Worker {
    pub(crate) fn on(bus: &Bus) -> Self {
        let requests = jobs::every_request();
        let stream = outbox::stream_spec(&catalogue::JOBS);
        let requests = bus.consumer(&stream, "worker", &[requests.as_str()], ConsumerOptions::default());
        Self {
            bus: bus.clone(),
            requests: requests.unwrap(),
        }
    }

    pub(crate) async fn next(&mut self) -> JobRequested {
        let next = tokio::time::timeout(SOON, self.requests.next(&CancellationToken::new())).await;
        let Ok(Some(delivery)) = next else {
            panic!("no job was requested");
        };
        delivery.ack().await.unwrap();
        let (of, request) = decode::<JobRequested>(&delivery.message.subject, &delivery.message.payload).unwrap();
        assert_eq!(of.as_str(), request.project);
        request
    }

    pub(crate) async fn report(&self, event: Event) {
        let message = Message {
            subject: event.subject.to_string(),
            headers: Vec::new(),
            payload: event.payload,
        };
        let stream = outbox::stream_spec(&catalogue::JOBS);
        self.bus
            .publish_durable(&stream, &event.id.to_string(), message, SOON)
            .await
            .unwrap();
    }

    pub(crate) async fn succeed(&self, of: &str, job_id: &str) {
        let done = JobSucceeded {
            job_id: job_id.to_owned(),
            operation: "analyze".to_owned(),
            effect_json: r#"{"tables":1}"#.to_owned(),
            attempts: 1,
            ended_unix_ms: MORNING,
            ..JobSucceeded::default()
        };
        self.report(jobs::succeeded("w", &project(of), &done, &Clock::system()))
            .await;
    }

    pub(crate) async fn next_done(&mut self) -> JobRequested {
        let request = self.next().await;
        self.succeed(&request.project, &request.job_id).await;
        request
    }
}

pub(crate) fn schedule(name: &str, cron: &str) -> api::Schedule {
    api::Schedule {
        project: "shop".to_owned(),
        name: name.to_owned(),
        operation: "analyze".to_owned(),
        cron: cron.to_owned(),
        ..api::Schedule::default()
    }
}

pub(crate) fn of_shops(id: &str) -> api::GetRunRequest {
    api::GetRunRequest {
        id: id.to_owned(),
        project: "shop".to_owned(),
    }
}

pub(crate) fn of_shop() -> api::ListRunsRequest {
    api::ListRunsRequest {
        project: "shop".to_owned(),
        ..api::ListRunsRequest::default()
    }
}

pub(crate) async fn fresh() -> (Bus, Database) {
    (bus(), Postgres::shared().await.database().await)
}

/// The leader's term and name.
pub(crate) async fn leader(database: &Database) -> String {
    database
        .psql("select epoch || ' ' || holder from weir_scheduler.leaders where name = 'schedules'")
        .await
}
