//! The scheduler as it runs: schedules are put over gRPC or in the settings, a worker hears what is requested and reports.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use uuid::Uuid;
use weir_bus::{Bus, Consumer, ConsumerOptions, Limits, Message};
use weir_config::Sources;
use weir_events::{Event, catalogue, decode, jobs};
use weir_model::{Clock, Project};
use weir_proto::common::v1::{JobState, PageRequest, Progress};
use weir_proto::events::v1::{JobFailed, JobProgress, JobRequested, JobStarted, JobSucceeded};
use weir_proto::scheduler::v1 as api;
use weir_proto::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use weir_runtime::{Ground, Outcome, Tasks};
use weir_store::outbox;
use weir_testkit::{Database, Postgres, eventually, free_port, http_get};

const SOON: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const DAY_MS: i64 = 24 * 3_600_000;
/// 2027-01-15, 08:00 UTC: where clocks that stand still begin.
const MORNING: i64 = 1_800_000_000_000;
const NEXT_THREE: i64 = MORNING + 19 * 3_600_000;

struct Scheduler {
    tasks: Tasks,
    ops_port: u16,
    client: SchedulerServiceClient<Channel>,
}

fn bus() -> Bus {
    Bus::in_memory(Limits::default())
}

fn clock() -> Clock {
    Clock::manual(UNIX_EPOCH + Duration::from_millis(MORNING.unsigned_abs()))
}

fn project(name: &str) -> Project {
    Project::parse(name).unwrap()
}

impl Scheduler {
    /// A scheduler with these schedules in its settings.
    async fn start(store_url: &str, bus: &Bus, clock: &Clock, schedules: &str) -> Self {
        let (port, ops_port) = (free_port(), free_port());
        let settings = [
            ("WEIR_STORE__URL", store_url.to_owned()),
            ("WEIR_STORE__ACQUIRE_TIMEOUT", "1s".to_owned()),
            ("WEIR_SCHEDULER__GRPC_LISTEN", format!("127.0.0.1:{port}")),
            ("WEIR_SCHEDULER__OPS_LISTEN", format!("127.0.0.1:{ops_port}")),
            ("WEIR_SCHEDULER__SCHEDULES", schedules.to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let sources = Sources::load(None, settings).unwrap();
        let (_, reloaded) = watch::channel(sources.clone());
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
        }
    }

    async fn put(&self, schedule: api::Schedule) -> Result<api::PutScheduleResponse, tonic::Status> {
        let request = api::PutScheduleRequest {
            schedule: Some(schedule),
        };
        Ok(self.client.clone().put_schedule(request).await?.into_inner())
    }

    async fn put_new(&self, schedule: api::Schedule) -> api::Schedule {
        let answer = self.put(schedule).await.unwrap();
        assert!(answer.created);
        answer.schedule.unwrap()
    }

    async fn schedules(&self, project: &str) -> Vec<api::Schedule> {
        let request = api::ListSchedulesRequest {
            project: project.to_owned(),
            page: None,
        };
        let answer = self.client.clone().list_schedules(request).await;
        answer.unwrap().into_inner().schedules
    }

    async fn runs(&self, request: api::ListRunsRequest) -> Vec<api::Run> {
        self.client.clone().list_runs(request).await.unwrap().into_inner().runs
    }

    async fn run_now(&self, project: &str) -> api::Run {
        let request = api::RunNowRequest {
            project: project.to_owned(),
            operation: "analyze".to_owned(),
            ..api::RunNowRequest::default()
        };
        let answer = self.client.clone().run_now(request).await;
        answer.unwrap().into_inner().run.unwrap()
    }

    async fn run(&self, id: &str) -> api::Run {
        let request = api::GetRunRequest { id: id.to_owned() };
        self.client
            .clone()
            .get_run(request)
            .await
            .unwrap()
            .into_inner()
            .run
            .unwrap()
    }

    async fn run_in(&self, id: &str, state: JobState) -> api::Run {
        eventually("the run to be in that state", SOON, || async {
            let run = self.run(id).await;
            let seen = format!("{run:?}");
            (run.state() == state).then_some(run).ok_or(seen)
        })
        .await
    }

    /// The value of a metric, 0 if it is not there yet.
    async fn metric(&self, name: &str) -> f64 {
        let (_, body) = http_get(self.ops_port, "/metrics").await.unwrap();
        let line = body.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0.0, |value| value.split_whitespace().last().unwrap().parse().unwrap())
    }

    async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

/// Who hears the requests and reports on them.
struct Worker {
    bus: Bus,
    requests: Consumer,
}

impl Worker {
    fn on(bus: &Bus) -> Self {
        let requests = jobs::every_request();
        let stream = outbox::stream_spec(&catalogue::JOBS);
        let requests = bus.consumer(&stream, "worker", &[requests.as_str()], ConsumerOptions::default());
        Self {
            bus: bus.clone(),
            requests: requests.unwrap(),
        }
    }

    async fn next(&mut self) -> JobRequested {
        let next = tokio::time::timeout(SOON, self.requests.next(&CancellationToken::new())).await;
        let Ok(Some(delivery)) = next else {
            panic!("no job was requested");
        };
        delivery.ack().await.unwrap();
        let (of, request) = decode::<JobRequested>(&delivery.message.subject, &delivery.message.payload).unwrap();
        assert_eq!(of.as_str(), request.project);
        request
    }

    async fn report(&self, event: Event) {
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

    async fn succeed(&self, of: &str, job_id: &str) {
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

    async fn next_done(&mut self) -> JobRequested {
        let request = self.next().await;
        self.succeed(&request.project, &request.job_id).await;
        request
    }
}

fn schedule(name: &str, cron: &str) -> api::Schedule {
    api::Schedule {
        project: "shop".to_owned(),
        name: name.to_owned(),
        operation: "analyze".to_owned(),
        cron: cron.to_owned(),
        ..api::Schedule::default()
    }
}

fn of_shop() -> api::ListRunsRequest {
    api::ListRunsRequest {
        project: "shop".to_owned(),
        ..api::ListRunsRequest::default()
    }
}

async fn fresh() -> (Bus, Database) {
    (bus(), Postgres::shared().await.database().await)
}

/// The leader's term and name.
async fn leader(database: &Database) -> String {
    database
        .psql("select epoch || ' ' || holder from weir_scheduler.leaders where name = 'schedules'")
        .await
}

#[tokio::test]
async fn a_schedule_that_cannot_be_is_refused_and_named() {
    let (bus, database) = fresh().await;
    let scheduler = Scheduler::start(&database.url(), &bus, &clock(), "[]").await;
    let good = || schedule("nightly", "0 3 * * *");
    for (wrong, word) in [
        (schedule("nightly", "at three"), "cron"),
        (schedule("nightly", "0 0 30 2 *"), "never comes"),
        (schedule("", "0 3 * * *"), "name"),
        (schedule("a\0b", "0 3 * * *"), "name"),
        (schedule(&"n".repeat(64), "0 3 * * *"), "name"),
        (
            api::Schedule {
                time_zone: "Mars/Olympus".to_owned(),
                ..good()
            },
            "time zone",
        ),
        (
            api::Schedule {
                project: "not a project".to_owned(),
                ..good()
            },
            "project",
        ),
        (
            api::Schedule {
                operation: String::new(),
                ..good()
            },
            "operation",
        ),
        (
            api::Schedule {
                parameters_json: "{".to_owned(),
                ..good()
            },
            "parameters_json",
        ),
        (
            api::Schedule {
                parameters_json: "[]".to_owned(),
                ..good()
            },
            "parameters_json",
        ),
        (
            api::Schedule {
                parameters_json: r#"{"a":"\u0000"}"#.to_owned(),
                ..good()
            },
            "parameters_json",
        ),
    ] {
        let refused = scheduler.put(wrong).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(word), "{word}: {refused}");
    }
    assert!(scheduler.schedules("shop").await.is_empty());

    let zoned = api::Schedule {
        time_zone: "Europe/Vienna".to_owned(),
        ..good()
    };
    let put = scheduler.put_new(zoned.clone()).await;
    assert_eq!(
        put.next_run_unix_ms,
        NEXT_THREE - 3_600_000,
        "three in Vienna is two in UTC"
    );
    let again = scheduler.put(zoned).await.unwrap();
    assert_eq!((again.created, again.schedule.unwrap().id), (false, put.id));
    assert!(scheduler.schedules("").await.is_empty() && scheduler.schedules("blog").await.is_empty());
    scheduler.stop().await;
}

#[tokio::test]
async fn two_schedulers_request_once_and_the_other_goes_on_when_the_leader_loses_its_lock() {
    let (bus, database) = fresh().await;
    let mut worker = Worker::on(&bus);
    let clock = Clock::system();
    let one = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    let two = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    one.put_new(schedule("always", "* * * * * *")).await;

    let mut requested = HashSet::new();
    for _ in 0..3 {
        assert!(
            requested.insert(worker.next_done().await.job_id),
            "a run was requested twice"
        );
    }
    let leading = one.metric("weir_scheduler_leader").await + two.metric("weir_scheduler_leader").await;
    assert!((leading - 1.0).abs() < f64::EPSILON, "{leading} lead");
    let before = leader(&database).await;
    let killed = database
        .psql(
            "select count(pg_terminate_backend(pid)) from pg_locks join pg_stat_activity a using (pid)
             where locktype = 'advisory' and granted and application_name = 'weir_scheduler leader schedules'
                and a.datname = current_database()",
        )
        .await;
    assert_eq!(killed, "1");
    let after = eventually("another leader", SOON, || async {
        let now = leader(&database).await;
        (now != before).then_some(now)
    })
    .await;
    assert_ne!(before.split_once(' ').unwrap().1, after.split_once(' ').unwrap().1);
    // The term that was lost may have left one request behind; what follows it is the new leader's.
    for _ in 0..4 {
        assert!(
            requested.insert(worker.next_done().await.job_id),
            "a run was requested twice"
        );
    }
    let leading = one.metric("weir_scheduler_leader").await + two.metric("weir_scheduler_leader").await;
    assert!((leading - 1.0).abs() < f64::EPSILON, "{leading} lead after the change");
    // Nothing is requested any more, so that what was can be compared.
    let id = one.schedules("shop").await[0].id.clone();
    one.client
        .clone()
        .pause_schedule(api::PauseScheduleRequest { id })
        .await
        .unwrap();
    let runs = one.runs(of_shop()).await;
    let due: HashSet<i64> = runs.iter().map(|run| run.requested_unix_ms / 1_000).collect();
    assert_eq!(due.len(), runs.len(), "a second was served twice: {runs:?}");
    for _ in requested.len()..runs.len() {
        requested.insert(worker.next().await.job_id);
    }
    assert_eq!(requested, runs.into_iter().map(|run| run.id).collect());
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_run_that_has_not_ended_keeps_the_next_from_being_requested() {
    let (bus, database) = fresh().await;
    let mut worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &Clock::system(), "[]").await;
    let put = scheduler.put_new(schedule("always", "* * * * * *")).await;
    let first = worker.next().await;
    assert_eq!(
        (first.schedule_id.as_str(), first.requested_by.as_str()),
        (put.id.as_str(), "schedule always")
    );
    assert!(first.deadline_unix_ms > 0, "it could be begun at any time");
    eventually("overlaps", SOON, || async {
        let overlaps = scheduler
            .metric("weir_scheduler_decisions_total{decision=\"overlap\"}")
            .await;
        (overlaps >= 2.0).then_some(()).ok_or(overlaps)
    })
    .await;
    assert_eq!(scheduler.runs(of_shop()).await.len(), 1);
    worker.succeed("shop", &first.job_id).await;
    let second = worker.next().await;
    assert_ne!(second.job_id, first.job_id);

    // A request that nobody began in time is not begun any more, and does not silence its schedule.
    database
        .psql(
            "update weir_scheduler.runs set requested_unix_ms = requested_unix_ms - 3700000 where state = 'requested'",
        )
        .await;
    assert_ne!(worker.next().await.job_id, second.job_id);
    scheduler.stop().await;
}

#[tokio::test]
async fn a_paused_or_removed_schedule_requests_nothing() {
    let ((bus, database), clock) = (fresh().await, clock());
    let mut worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    let paused = scheduler.put_new(schedule("paused", "0 3 * * *")).await;
    let removed = scheduler.put_new(schedule("removed", "0 3 * * *")).await;
    // Its run shows that the leader has looked at all: of those due at one time, the oldest comes first.
    scheduler.put_new(schedule("witness", "0 3 * * *")).await;
    let mut client = scheduler.client.clone();

    clock.advance(Duration::from_millis((NEXT_THREE - MORNING).unsigned_abs()));
    let both: HashSet<String> = [worker.next_done().await, worker.next_done().await]
        .map(|request| request.schedule_id)
        .into();
    assert_eq!(both, HashSet::from([paused.id.clone(), removed.id.clone()]));
    let witness = worker.next_done().await;
    assert_eq!(witness.requested_by, "schedule witness");
    scheduler.run_in(&witness.job_id, JobState::Succeeded).await;
    let pause = api::PauseScheduleRequest { id: paused.id.clone() };
    for _ in 0..2 {
        let now = client.pause_schedule(pause.clone()).await.unwrap().into_inner();
        assert_eq!(
            now.schedule.map(|now| (now.paused, now.next_run_unix_ms)),
            Some((true, 0))
        );
    }
    let id = removed.id.clone();
    client
        .delete_schedule(api::DeleteScheduleRequest { id: id.clone() })
        .await
        .unwrap();
    let gone = client
        .delete_schedule(api::DeleteScheduleRequest { id })
        .await
        .unwrap_err();
    assert_eq!(gone.code(), tonic::Code::NotFound);

    clock.advance(DAY);
    let witness = worker.next_done().await;
    assert_eq!(witness.requested_by, "schedule witness");
    scheduler.run_in(&witness.job_id, JobState::Succeeded).await;
    let resume = api::ResumeScheduleRequest { id: paused.id.clone() };
    let resumed = client
        .resume_schedule(resume)
        .await
        .unwrap()
        .into_inner()
        .schedule
        .unwrap();
    assert_eq!(
        resumed.next_run_unix_ms,
        NEXT_THREE + 2 * DAY_MS,
        "the pause was made up for"
    );
    clock.advance(DAY);
    assert_eq!(worker.next_done().await.schedule_id, paused.id);
    assert_eq!(worker.next_done().await.requested_by, "schedule witness");
    assert_eq!(
        scheduler.runs(of_shop()).await.len(),
        6,
        "the runs of a removed schedule stay"
    );
    scheduler.stop().await;
}

#[tokio::test]
async fn a_run_by_hand_is_requested_with_everything_asked_for() {
    let (bus, database) = fresh().await;
    let mut worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock(), "[]").await;
    let request = api::RunNowRequest {
        project: "shop".to_owned(),
        operation: "analyze".to_owned(),
        parameters_json: r#"{"table":"public.orders"}"#.to_owned(),
        dry_run: true,
    };
    let run = scheduler
        .client
        .clone()
        .run_now(request.clone())
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    let heard = worker.next().await;
    assert_eq!(
        (&heard.job_id, heard.dry_run, heard.project.as_str()),
        (&run.id, true, "shop")
    );
    assert_eq!(heard.parameters_json, request.parameters_json);
    assert_eq!(
        (run.state(), run.requested_unix_ms, run.dry_run),
        (JobState::Requested, MORNING, true)
    );
    assert_eq!(scheduler.run(&run.id).await, run);
    let others = api::ListRunsRequest {
        project: "blog".to_owned(),
        ..of_shop()
    };
    assert!(scheduler.runs(others).await.is_empty());

    let mut client = scheduler.client.clone();
    let unknown = client
        .get_run(api::GetRunRequest {
            id: Uuid::nil().to_string(),
        })
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    let strange = client
        .get_run(api::GetRunRequest { id: "x".to_owned() })
        .await
        .unwrap_err();
    assert_eq!(strange.code(), tonic::Code::InvalidArgument);
    let list = api::RunNowRequest {
        parameters_json: "[]".to_owned(),
        ..request
    };
    assert_eq!(
        client.run_now(list).await.unwrap_err().code(),
        tonic::Code::InvalidArgument
    );
    scheduler.stop().await;
}

#[tokio::test]
async fn schedules_of_the_settings_follow_them_and_others_stay() {
    let ((bus, database), clock) = (fresh().await, clock());
    let file = |kept: &str, changed: &str| {
        format!(
            r#"[{{ name = "kept", operation = "analyze", cron = "{kept}", project = "shop" }},
                {{ name = "changed", operation = "analyze", cron = "{changed}", project = "shop" }}]"#
        )
    };
    let removed = r#"[{ name = "removed", operation = "analyze", cron = "0 3 * * *", project = "shop" }, "#;
    let with_removed = file("0 3 * * *", "0 4 * * *").replacen('[', removed, 1);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, &with_removed).await;
    let names = |schedules: &[api::Schedule]| -> Vec<String> {
        schedules.iter().map(|schedule| schedule.name.clone()).collect()
    };
    let all = |scheduler: &Scheduler, expected: Vec<&'static str>| {
        let scheduler = scheduler.client.clone();
        async move {
            eventually("the schedules of the file", SOON, || async {
                let request = api::ListSchedulesRequest {
                    project: "shop".to_owned(),
                    page: None,
                };
                let found = scheduler
                    .clone()
                    .list_schedules(request)
                    .await
                    .map_err(|error| error.to_string())?;
                let found = found.into_inner().schedules;
                let seen = format!("{found:?}");
                (names(&found) == expected).then_some(found).ok_or(seen)
            })
            .await
        }
    };
    let before = all(&scheduler, vec!["changed", "kept", "removed"]).await;
    scheduler.put_new(schedule("by hand", "0 3 * * *")).await;
    scheduler.stop().await;

    // The time of the unchanged one has passed by half a minute: it is late, not lost.
    clock.advance(Duration::from_millis((NEXT_THREE - MORNING).unsigned_abs()) + Duration::from_secs(30));
    let mut worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, &file("0 3 * * *", "0 5 * * *")).await;
    let after = all(&scheduler, vec!["by hand", "changed", "kept"]).await;
    assert_eq!(after[1].next_run_unix_ms, NEXT_THREE + 2 * 3_600_000);
    assert_eq!((&after[1].id, &after[2].id), (&before[0].id, &before[1].id));
    let ran: HashSet<String> = [worker.next_done().await, worker.next_done().await]
        .map(|request| request.requested_by)
        .into();
    assert_eq!(
        ran,
        HashSet::from(["schedule by hand".to_owned(), "schedule kept".to_owned()])
    );
    scheduler.stop().await;
}

#[tokio::test]
async fn what_was_missed_is_left_out_or_made_up_for_once() {
    let ((bus, database), clock) = (fresh().await, clock());
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    let once = api::Schedule {
        misfire: api::MisfirePolicy::RunOnce.into(),
        ..schedule("once", "0 3 * * *")
    };
    scheduler.put_new(once).await;
    scheduler.put_new(schedule("skip", "0 3 * * *")).await;
    scheduler.stop().await;

    clock.advance(3 * DAY);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    let planned = eventually("both to be planned anew", SOON, || async {
        let schedules = scheduler.schedules("shop").await;
        let planned = schedules
            .iter()
            .all(|schedule| schedule.next_run_unix_ms == NEXT_THREE + 3 * DAY_MS);
        let seen = format!("{schedules:?}");
        planned.then_some(schedules).ok_or(seen)
    })
    .await;
    assert_eq!(planned[1].last_run, None);
    let runs = scheduler.runs(of_shop()).await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(planned[0].last_run.as_ref(), Some(&runs[0]));
    scheduler.stop().await;
}

fn started(job_id: &str, attempt: u32) -> JobStarted {
    JobStarted {
        job_id: job_id.to_owned(),
        operation: "analyze".to_owned(),
        attempt,
        started_unix_ms: MORNING + i64::from(attempt),
        ..JobStarted::default()
    }
}

fn failed(job_id: &str, last: bool) -> JobFailed {
    JobFailed {
        job_id: job_id.to_owned(),
        operation: "analyze".to_owned(),
        error: "it broke".to_owned(),
        slug: "upstream-lost".to_owned(),
        attempts: 1,
        r#final: last,
        ended_unix_ms: MORNING,
        ..JobFailed::default()
    }
}

#[tokio::test]
async fn reports_land_in_the_record_and_late_or_doubled_ones_change_nothing() {
    let (bus, database) = fresh().await;
    let worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock(), "[]").await;
    let run = scheduler.run_now("shop").await;
    let (of, time) = (project("shop"), Clock::system());
    worker
        .report(jobs::started("w", &of, &started(&run.id, 1), &time))
        .await;
    let progress = JobProgress {
        job_id: run.id.clone(),
        progress: Some(Progress {
            done: 1,
            total: 3,
            note: "public.orders".to_owned(),
        }),
        ..JobProgress::default()
    };
    worker.report(jobs::progress("w", &of, &progress, &time)).await;
    worker
        .report(jobs::failed("w", &of, &failed(&run.id, false), &time))
        .await;
    let seen = eventually("the first attempt's failure", SOON, || async {
        let seen = scheduler.run(&run.id).await;
        (!seen.error.is_empty()).then_some(seen)
    })
    .await;
    assert_eq!(
        (seen.state(), seen.attempts, seen.started_unix_ms),
        (JobState::Running, 1, MORNING + 1)
    );
    assert_eq!((seen.ended_unix_ms, seen.error_slug.as_str()), (0, "upstream-lost"));
    assert_eq!(seen.progress, progress.progress);
    worker
        .report(jobs::started("w", &of, &started(&run.id, 2), &time))
        .await;
    // Not from the run's project: nothing of it is true.
    worker
        .report(jobs::failed("w", &project("blog"), &failed(&run.id, true), &time))
        .await;
    worker.succeed("shop", &run.id).await;
    let done = scheduler.run_in(&run.id, JobState::Succeeded).await;
    assert_eq!(
        (done.attempts, done.started_unix_ms, done.ended_unix_ms),
        (2, MORNING + 1, MORNING)
    );
    assert_eq!(
        (done.effect_json.as_str(), done.error.as_str()),
        (r#"{"tables":1}"#, "")
    );

    worker
        .report(jobs::started("w", &of, &started(&run.id, 3), &time))
        .await;
    worker
        .report(jobs::failed("w", &of, &failed(&run.id, true), &time))
        .await;
    worker.succeed("shop", &run.id).await;
    let cancelled = scheduler.run_now("shop").await;
    let stopped = JobFailed {
        cancelled: true,
        ..failed(&cancelled.id, true)
    };
    worker.report(jobs::failed("w", &of, &stopped, &time)).await;
    // Reports are read in order, so the ones before have been read too.
    scheduler.run_in(&cancelled.id, JobState::Cancelled).await;
    assert_eq!(scheduler.run(&run.id).await, done);
    let ended = r#"weir_scheduler_runs_total{operation="analyze",state="succeeded"}"#;
    assert!((scheduler.metric(ended).await - 1.0).abs() < f64::EPSILON);
    scheduler.stop().await;
}

#[tokio::test]
async fn reports_wait_for_a_store_that_is_away() {
    let bus = bus();
    let mut postgres = Postgres::start().await;
    let worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&postgres.url("postgres"), &bus, &clock(), "[]").await;
    let run = scheduler.run_now("shop").await;
    postgres.stop().await;
    let start = jobs::started("w", &project("shop"), &started(&run.id, 1), &Clock::system());
    worker.report(start).await;
    worker.succeed("shop", &run.id).await;
    let request = api::GetRunRequest { id: run.id.clone() };
    let away = scheduler.client.clone().get_run(request.clone()).await.unwrap_err();
    assert_eq!(away.code(), tonic::Code::Unavailable, "{away}");
    postgres.start_again().await;
    let done = eventually("the record to be complete", SOON, || async {
        let answer = scheduler.client.clone().get_run(request.clone()).await;
        let run = answer.map_err(|error| error.to_string())?.into_inner().run.unwrap();
        let seen = format!("{run:?}");
        (run.state() == JobState::Succeeded).then_some(run).ok_or(seen)
    })
    .await;
    assert_eq!((done.started_unix_ms, done.attempts), (MORNING + 1, 1));
    scheduler.stop().await;
}

#[tokio::test]
async fn runs_and_schedules_are_paged_and_runs_filtered() {
    let (bus, database) = fresh().await;
    let worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock(), "[]").await;
    let mut expected = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        scheduler.put_new(schedule(name, "0 3 * * *")).await;
        expected.insert(0, scheduler.run_now("shop").await.id);
        scheduler.run_now("blog").await;
    }
    let mut client = scheduler.client.clone();
    let (mut runs, mut names, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = Some(PageRequest { size: 2, token });
        let answer = client
            .list_runs(api::ListRunsRequest { page, ..of_shop() })
            .await
            .unwrap()
            .into_inner();
        runs.extend(answer.runs.into_iter().map(|run| run.id));
        token = answer.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(runs, expected, "the newest first, each once");
    loop {
        let request = api::ListSchedulesRequest {
            project: "shop".to_owned(),
            page: Some(PageRequest { size: 2, token }),
        };
        let answer = client.list_schedules(request).await.unwrap().into_inner();
        names.extend(answer.schedules.into_iter().map(|schedule| schedule.name));
        token = answer.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    worker.succeed("shop", &expected[2]).await;
    scheduler.run_in(&expected[2], JobState::Succeeded).await;
    let ended = api::ListRunsRequest {
        states: vec![JobState::Succeeded.into()],
        ..of_shop()
    };
    let ended: Vec<String> = scheduler.runs(ended).await.into_iter().map(|run| run.id).collect();
    assert_eq!(ended, [expected[2].clone()]);
    let unscheduled = api::ListRunsRequest {
        schedule_id: Uuid::nil().to_string(),
        ..of_shop()
    };
    assert!(scheduler.runs(unscheduled).await.is_empty());
    scheduler.stop().await;
}
