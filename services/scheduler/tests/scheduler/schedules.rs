//! When runs are requested: by whom, how often, and what becomes of what was missed.

use std::collections::HashSet;
use std::time::Duration;

use crate::stage::{
    DAY, DAY_MS, MORNING, NEXT_THREE, SOON, Scheduler, Worker, clock, fresh, leader, of_shop, of_shops, schedule,
};
use uuid::Uuid;
use weir_model::Clock;
use weir_proto::common::v1::JobState;
use weir_proto::scheduler::v1 as api;
use weir_testkit::eventually;

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
    for _ in 0..2 {
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
    for _ in 0..3 {
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
        .pause_schedule(api::PauseScheduleRequest {
            id,
            project: "shop".to_owned(),
        })
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
    let pause = api::PauseScheduleRequest {
        id: paused.id.clone(),
        project: "shop".to_owned(),
    };
    for _ in 0..2 {
        let now = client.pause_schedule(pause.clone()).await.unwrap().into_inner();
        assert_eq!(
            now.schedule.map(|now| (now.paused, now.next_run_unix_ms)),
            Some((true, 0))
        );
    }
    let id = removed.id.clone();
    let removal = api::DeleteScheduleRequest {
        id,
        project: "shop".to_owned(),
    };
    client.delete_schedule(removal.clone()).await.unwrap();
    let gone = client.delete_schedule(removal).await.unwrap_err();
    assert_eq!(gone.code(), tonic::Code::NotFound);

    clock.advance(DAY);
    let witness = worker.next_done().await;
    assert_eq!(witness.requested_by, "schedule witness");
    scheduler.run_in(&witness.job_id, JobState::Succeeded).await;
    let resume = api::ResumeScheduleRequest {
        id: paused.id.clone(),
        project: "shop".to_owned(),
    };
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
        force_window: false,
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
    let unknown = client.get_run(of_shops(&Uuid::nil().to_string())).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    let strange = client.get_run(of_shops("x")).await.unwrap_err();
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
