//! Clocks that jump, nights of summer time, and a scheduler that was away: a run each time, and never a flood.

use std::time::Duration;

use crate::stage::{DAY, DAY_MS, MORNING, NEXT_THREE, SOON, Scheduler, Worker, clock, fresh, of_shop, schedule};
use chrono::DateTime;
use weir_model::Clock;
use weir_proto::common::v1::JobState;
use weir_proto::scheduler::v1 as api;
use weir_testkit::eventually;

const MINUTE: Duration = Duration::from_secs(60);

fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

fn clock_at(text: &str) -> Clock {
    Clock::manual(std::time::UNIX_EPOCH + Duration::from_millis(at(text).unsigned_abs()))
}

/// Lets the clock go on to a moment by minutes, each of which the leader has looked at.
async fn go_on(scheduler: &Scheduler, worker: &mut Worker, clock: &Clock, until: &str, runs: &mut Vec<i64>) {
    // Due each minute, so that its run shows that the leader has been there.
    while clock.unix_ms() < at(until) {
        clock.advance(10 * MINUTE);
        loop {
            let request = worker.next_done().await;
            let run = scheduler.run_in(&request.job_id, JobState::Succeeded).await;
            if request.requested_by == "schedule witness" {
                break;
            }
            runs.push(run.requested_unix_ms);
        }
    }
}

/// When a schedule of Berlin ran between two moments of UTC.
async fn runs_between(cron: &str, from: &str, until: &str) -> Vec<i64> {
    let ((bus, database), clock) = (fresh().await, clock_at(from));
    let mut worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    let nightly = api::Schedule {
        time_zone: "Europe/Berlin".to_owned(),
        ..schedule("nightly", cron)
    };
    scheduler.put_new(nightly).await;
    scheduler.put_new(schedule("witness", "*/10 * * * *")).await;
    let mut runs = Vec::new();
    go_on(&scheduler, &mut worker, &clock, until, &mut runs).await;
    scheduler.stop().await;
    runs
}

#[tokio::test]
async fn a_time_that_the_night_leaves_out_runs_once_after_the_gap() {
    // Two in Berlin does not come on 2026-03-29; one in UTC is three there.
    let runs = runs_between("30 2 * * *", "2026-03-29T00:20:00Z", "2026-03-29T02:40:00Z").await;
    let hours: Vec<i64> = runs
        .iter()
        .map(|run| (run - at("2026-03-29T01:00:00Z")) / 3_600_000)
        .collect();
    assert_eq!(hours, [0], "{runs:?}");
}

#[tokio::test]
async fn a_time_that_comes_twice_in_a_night_runs_once() {
    // Half past two in Berlin comes at half past midnight and at half past one in UTC on 2026-10-25.
    let runs = runs_between("30 2 * * *", "2026-10-24T23:50:00Z", "2026-10-25T02:00:00Z").await;
    assert_eq!(runs, [at("2026-10-25T00:30:00Z")]);
}

#[tokio::test]
async fn a_scheduler_that_was_away_for_a_day_requests_one_run_or_none() {
    let ((bus, database), clock) = (fresh().await, clock());
    let mut worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    let once = api::Schedule {
        misfire: api::MisfirePolicy::RunOnce.into(),
        ..schedule("once", "* * * * *")
    };
    scheduler.put_new(once).await;
    scheduler.put_new(schedule("skip", "* * * * *")).await;
    scheduler.stop().await;

    // 1440 times of each have passed. Two come back, of which one leads.
    clock.advance(DAY + MINUTE / 2);
    let one = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    let two = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    let made_up = worker.next_done().await;
    assert_eq!(made_up.requested_by, "schedule once");
    one.run_in(&made_up.job_id, JobState::Succeeded).await;
    eventually("both to be planned anew", SOON, || async {
        let schedules = one.schedules("shop").await;
        let planned = schedules
            .iter()
            .all(|schedule| schedule.next_run_unix_ms == MORNING + DAY_MS + 60_000);
        planned.then_some(()).ok_or_else(|| format!("{schedules:?}"))
    })
    .await;
    assert_eq!(one.runs(of_shop()).await.len(), 1);
    // And go on as ever.
    clock.advance(MINUTE);
    let mut names = [
        worker.next_done().await.requested_by,
        worker.next_done().await.requested_by,
    ];
    names.sort();
    assert_eq!(names, ["schedule once", "schedule skip"]);
    assert_eq!(two.runs(of_shop()).await.len(), 3);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_and_is_set_back_neither_floods_nor_silences() {
    let ((bus, database), clock) = (fresh().await, clock());
    let mut worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    scheduler.put_new(schedule("nightly", "0 3 * * *")).await;
    let often = api::Schedule {
        misfire: api::MisfirePolicy::RunOnce.into(),
        ..schedule("often", "*/10 * * * *")
    };
    scheduler.put_new(often).await;
    let planned = |nightly: i64, often: i64| {
        let scheduler = &scheduler;
        async move {
            eventually("both to be planned", SOON, || async {
                let schedules = scheduler.schedules("shop").await;
                let seen: Vec<i64> = schedules.iter().map(|schedule| schedule.next_run_unix_ms).collect();
                (seen == [nightly, often])
                    .then_some(())
                    .ok_or_else(|| format!("{seen:?}"))
            })
            .await;
        }
    };
    planned(NEXT_THREE, MORNING + 600_000).await;

    // A hundred days ahead: one run makes up for all, and nobody takes it.
    clock.advance(100 * DAY);
    let ahead = worker.next().await;
    assert_eq!(ahead.requested_by, "schedule often");
    planned(NEXT_THREE + 100 * DAY_MS, MORNING + 100 * DAY_MS + 600_000).await;

    // And back: what is planned for in a hundred days is planned anew, and the request of that time holds nothing up.
    clock.set_back(100 * DAY);
    planned(NEXT_THREE, MORNING + 600_000).await;
    clock.advance(10 * MINUTE);
    assert_eq!(worker.next_done().await.requested_by, "schedule often");
    planned(NEXT_THREE, MORNING + 1_200_000).await;
    let astray = scheduler
        .metric("weir_scheduler_decisions_total{decision=\"astray\"}")
        .await;
    assert!((astray - 2.0).abs() < f64::EPSILON, "{astray}");

    // Set back by five minutes just after a run, as the witness proves: that does not come again.
    clock.set_back(5 * MINUTE);
    scheduler.put_new(schedule("witness", "6,11 8 * * *")).await;
    for minutes in [1, 5] {
        clock.advance(minutes * MINUTE);
        assert_eq!(worker.next_done().await.requested_by, "schedule witness");
    }
    clock.advance(9 * MINUTE);
    let next = worker.next_done().await;
    let run = scheduler.run_in(&next.job_id, JobState::Succeeded).await;
    assert_eq!(
        (run.requested_by.as_str(), run.requested_unix_ms),
        ("schedule often", MORNING + 1_200_000)
    );
    assert_eq!(scheduler.runs(of_shop()).await.len(), 5);
    scheduler.stop().await;
}
