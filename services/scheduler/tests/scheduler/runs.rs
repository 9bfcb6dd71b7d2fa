//! What is known of runs: reports of workers, late or doubled ones, pages.

use crate::stage::{MORNING, SOON, Scheduler, Worker, bus, clock, fresh, of_shop, of_shops, project, schedule};
use uuid::Uuid;
use weir_events::jobs;
use weir_model::Clock;
use weir_proto::common::v1::{JobState, PageRequest, Progress};
use weir_proto::events::v1::{JobFailed, JobProgress, JobStarted};
use weir_proto::scheduler::v1 as api;
use weir_testkit::{Postgres, eventually};

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
    let request = of_shops(&run.id);
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
