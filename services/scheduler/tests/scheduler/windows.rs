//! Maintenance windows: kept, shown, stamped on requests, and what operators are told outside of them.

use std::time::Duration;

use crate::stage::{DAY, MORNING, NEXT_THREE, SOON, Scheduler, Worker, clock, fresh, schedule};
use weir_proto::scheduler::v1 as api;
use weir_testkit::eventually;

const HOUR: Duration = Duration::from_secs(3_600);
const HOUR_MS: i64 = 3_600_000;
/// 02:00 on the day after [`MORNING`]; the default window lasts until six.
const NEXT_TWO: i64 = NEXT_THREE - HOUR_MS;

fn window(name: &str, start: &str, end: &str) -> api::Window {
    api::Window {
        project: "shop".to_owned(),
        name: name.to_owned(),
        start: start.to_owned(),
        end: end.to_owned(),
        ..api::Window::default()
    }
}

impl Scheduler {
    async fn windows(&self, project: &str) -> api::ListWindowsResponse {
        let request = api::ListWindowsRequest {
            project: project.to_owned(),
        };
        self.client.clone().list_windows(request).await.unwrap().into_inner()
    }

    async fn put_window(&self, window: api::Window) -> Result<api::PutWindowResponse, tonic::Status> {
        let request = api::PutWindowRequest { window: Some(window) };
        Ok(self.client.clone().put_window(request).await?.into_inner())
    }

    async fn delete_window(&self, project: &str, name: &str) -> Result<(), tonic::Status> {
        let request = api::DeleteWindowRequest {
            project: project.to_owned(),
            name: name.to_owned(),
        };
        self.client.clone().delete_window(request).await.map(|_| ())
    }

    async fn order(&self, request: api::RunNowRequest) -> Result<api::Run, tonic::Status> {
        let answer = self.client.clone().run_now(request).await?;
        Ok(answer.into_inner().run.unwrap())
    }
}

/// Names of windows, with those in brackets that do not count.
fn names(answer: &api::ListWindowsResponse) -> Vec<String> {
    let name = |window: &api::Window| match window.in_force {
        true => window.name.clone(),
        false => format!("({})", window.name),
    };
    answer.windows.iter().map(name).collect()
}

fn order(operation: &str) -> api::RunNowRequest {
    api::RunNowRequest {
        project: "shop".to_owned(),
        operation: operation.to_owned(),
        ..api::RunNowRequest::default()
    }
}

#[tokio::test]
async fn windows_of_a_project_take_the_place_of_the_default_and_stand_as_they_say() {
    let ((bus, database), clock) = (fresh().await, clock());
    let settings = vec![
        ("MAINTENANCE_WINDOW_START", "03:00".to_owned()),
        ("MAINTENANCE_WINDOW_END", "05:00".to_owned()),
        ("WEIR_SCHEDULER__WINDOW_TIME_ZONE", "Europe/Vienna".to_owned()),
    ];
    let scheduler = Scheduler::start_with(&database.url(), &bus, &clock, settings).await;
    // Three in Vienna is two in UTC.
    let before = scheduler.windows("shop").await;
    assert_eq!(names(&before), ["default"]);
    assert_eq!(before.windows[0].source(), api::WindowSource::Default);
    assert_eq!((before.is_open, before.next_open_unix_ms), (false, NEXT_TWO));

    let night = api::Window {
        weekdays: vec![api::Weekday::Friday.into(), api::Weekday::Saturday.into()],
        time_zone: "UTC".to_owned(),
        ..window("night", "22:00", "04:00")
    };
    let put = scheduler.put_window(night.clone()).await.unwrap();
    assert!(put.created && put.window.unwrap().in_force);
    let morning = scheduler.put_window(window("morning", "04:00", "5:30")).await.unwrap();
    assert!(morning.created);
    // 2027-01-15 is a Friday.
    let then = scheduler.windows("shop").await;
    assert_eq!(names(&then), ["morning", "night", "(default)"]);
    assert_eq!(then.next_open_unix_ms, MORNING + 14 * HOUR_MS);
    assert_eq!(then.windows[1].weekdays, night.weekdays);
    assert_eq!(
        (then.windows[0].end.as_str(), then.windows[0].source()),
        ("05:30", api::WindowSource::Operator)
    );
    clock.advance(15 * HOUR);
    let open = scheduler.windows("shop").await;
    assert!(open.is_open, "{open:?}");
    assert_eq!(
        open.open_until_unix_ms,
        MORNING + 21 * HOUR_MS + HOUR_MS / 2,
        "they touch"
    );

    // Another project has none of them, and cannot take them away.
    assert_eq!(names(&scheduler.windows("blog").await), ["default"]);
    let foreign = scheduler.delete_window("blog", "night").await.unwrap_err();
    assert_eq!(foreign.code(), tonic::Code::NotFound);
    let off = api::Window {
        disabled: true,
        ..window("morning", "04:00", "05:30")
    };
    assert!(!scheduler.put_window(off).await.unwrap().created);
    assert_eq!(
        names(&scheduler.windows("shop").await),
        ["(morning)", "night", "(default)"]
    );
    scheduler.delete_window("shop", "night").await.unwrap();
    let none = scheduler.windows("shop").await;
    assert_eq!(names(&none), ["(morning)", "(default)"]);
    assert_eq!(
        (none.is_open, none.next_open_unix_ms),
        (false, 0),
        "all of its own are off"
    );
    scheduler.delete_window("shop", "morning").await.unwrap();
    assert_eq!(names(&scheduler.windows("shop").await), ["default"]);
    scheduler.stop().await;
}

#[tokio::test]
async fn a_window_that_cannot_be_is_refused_and_named() {
    let (bus, database) = fresh().await;
    let scheduler = Scheduler::start(&database.url(), &bus, &clock(), "[]").await;
    let zone = api::Window {
        time_zone: "Mars/Olympus".to_owned(),
        ..window("n", "22:00", "04:00")
    };
    let project = api::Window {
        project: "not a project".to_owned(),
        ..window("n", "22:00", "04:00")
    };
    for (wrong, word) in [
        (window("", "22:00", "04:00"), "name"),
        (window("default", "22:00", "04:00"), "kept for"),
        (window("learned-1", "22:00", "04:00"), "kept for"),
        (window("n", "24:00", "04:00"), "start"),
        (window("n", "22:00", "4"), "end"),
        (zone, "time zone"),
        (project, "project"),
    ] {
        let refused = scheduler.put_window(wrong).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(word), "{word}: {refused}");
    }
    for number in 0..50 {
        scheduler
            .put_window(window(&format!("n{number}"), "22:00", "04:00"))
            .await
            .unwrap();
    }
    let full = scheduler.put_window(window("n50", "22:00", "04:00")).await.unwrap_err();
    assert_eq!(full.code(), tonic::Code::ResourceExhausted);
    assert!(
        !scheduler
            .put_window(window("n49", "21:00", "04:00"))
            .await
            .unwrap()
            .created
    );
    assert_eq!(scheduler.windows("shop").await.windows.len(), 51);
    scheduler.stop().await;
}

#[tokio::test]
async fn windows_of_the_settings_follow_them_while_it_runs() {
    let (bus, database) = fresh().await;
    let settings = vec![(
        "WEIR_SCHEDULER__WINDOWS",
        r#"[{ name = "gone", start = "01:00", end = "02:00", project = "shop" },
            { name = "kept", start = "03:00", end = "04:00", project = "shop", weekdays = "mon-fri" }]"#
            .to_owned(),
    )];
    let scheduler = Scheduler::start_with(&database.url(), &bus, &clock(), settings).await;
    let listed = |expected: &'static [&'static str]| {
        let scheduler = &scheduler;
        async move {
            eventually("the windows of the settings", SOON, || async {
                let found = scheduler.windows("shop").await;
                let seen = names(&found);
                (seen == expected).then_some(found).ok_or_else(|| format!("{seen:?}"))
            })
            .await
        }
    };
    let found = listed(&["gone", "kept", "(default)"]).await;
    assert_eq!(found.windows[1].source(), api::WindowSource::File);
    assert_eq!(found.windows[1].weekdays, [1, 2, 3, 4, 5]);
    for refused in [
        scheduler
            .put_window(window("kept", "05:00", "06:00"))
            .await
            .unwrap_err(),
        scheduler.delete_window("shop", "kept").await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
        assert!(refused.message().contains("scheduler.windows"), "{refused}");
    }
    scheduler.put_window(window("own", "05:00", "06:00")).await.unwrap();
    scheduler.set(
        "WEIR_SCHEDULER__WINDOWS",
        r#"[{ name = "kept", start = "03:30", end = "04:00", project = "shop" }]"#,
    );
    let found = listed(&["kept", "own", "(default)"]).await;
    assert_eq!(found.windows[0].start, "03:30");
    scheduler.set("WEIR_SCHEDULER__WINDOWS", "[]");
    listed(&["own", "(default)"]).await;

    // The default follows too.
    scheduler.set("WEIR_SCHEDULER__WINDOW_START", "07:45");
    eventually("the default window of the settings", SOON, || async {
        let start = scheduler.windows("blog").await.windows[0].start.clone();
        (start == "07:45").then_some(()).ok_or(start)
    })
    .await;
    scheduler.stop().await;
}

#[tokio::test]
async fn runs_of_schedules_say_how_the_windows_stand() {
    let ((bus, database), clock) = (fresh().await, clock());
    let mut worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    let hourly = |name, operation: &str| api::Schedule {
        operation: operation.to_owned(),
        ..schedule(name, "0 * * * *")
    };
    scheduler.put_new(hourly("a vacuum", "vacuum")).await;
    let free = api::Schedule {
        ignores_windows: true,
        attempt_max: 7,
        begin_within_ms: 600_000,
        ..hourly("b free", "vacuum")
    };
    let put = scheduler.put_new(free).await;
    assert_eq!(
        (put.ignores_windows, put.attempt_max, put.begin_within_ms),
        (true, 7, 600_000)
    );
    scheduler.put_new(hourly("c backup", "backup")).await;
    let heard = async |worker: &mut Worker| {
        let mut heard = Vec::new();
        for _ in 0..3 {
            let request = worker.next_done().await;
            scheduler
                .run_in(&request.job_id, weir_proto::common::v1::JobState::Succeeded)
                .await;
            heard.push(request);
        }
        heard.sort_by(|one, other| one.requested_by.cmp(&other.requested_by));
        heard
    };

    // Nine in the morning.
    clock.advance(HOUR);
    let day = heard(&mut worker).await;
    let stamps: Vec<(i64, bool)> = day
        .iter()
        .map(|run| (run.window_ends_unix_ms, run.outside_window))
        .collect();
    assert_eq!(stamps, [(0, true), (0, false), (0, false)]);
    let attempts: Vec<u32> = day.iter().map(|run| run.attempt_max).collect();
    assert_eq!(attempts, [0, 7, 0]);
    let waits: Vec<i64> = day.iter().map(|run| run.deadline_unix_ms - MORNING - HOUR_MS).collect();
    assert_eq!(waits, [HOUR_MS, 600_000, HOUR_MS]);
    let kept = scheduler.run(&day[0].job_id).await;
    assert_eq!((kept.window_ends_unix_ms, kept.outside_window), (0, true));

    // Three at night.
    clock.advance(Duration::from_millis((NEXT_THREE - MORNING - HOUR_MS).unsigned_abs()));
    // Not at its time: eighteen were missed, and are left out.
    eventually("what was missed to be left out", SOON, || async {
        let missed = scheduler
            .metric("weir_scheduler_decisions_total{decision=\"missed\"}")
            .await;
        (missed >= 3.0).then_some(()).ok_or(missed)
    })
    .await;
    clock.advance(HOUR);
    let night = heard(&mut worker).await;
    let stamps: Vec<(i64, bool)> = night
        .iter()
        .map(|run| (run.window_ends_unix_ms, run.outside_window))
        .collect();
    assert_eq!(stamps, [(NEXT_TWO + 4 * HOUR_MS, false), (0, false), (0, false)]);
    assert_eq!(
        scheduler.run(&night[0].job_id).await.window_ends_unix_ms,
        NEXT_TWO + 4 * HOUR_MS
    );
    scheduler.stop().await;
}

#[tokio::test]
async fn an_operator_outside_of_the_windows_is_told_when_the_next_opens_unless_he_forces_it() {
    let ((bus, database), clock) = (fresh().await, clock());
    let mut worker = Worker::on(&bus);
    let scheduler = Scheduler::start(&database.url(), &bus, &clock, "[]").await;
    for heavy in ["vacuum", "reindex", "reorganize", "freeze", "verify", "auto"] {
        let refused = scheduler.order(order(heavy)).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{heavy}");
        for word in [heavy, "2027-01-16 02:00:00Z", "force_window"] {
            assert!(refused.message().contains(word), "{refused}");
        }
    }
    let forced = api::RunNowRequest {
        force_window: true,
        ..order("vacuum")
    };
    let dry = api::RunNowRequest {
        dry_run: true,
        ..order("reindex")
    };
    for request in [forced.clone(), dry, order("analyze"), order("sweep"), order("backup")] {
        let run = scheduler.order(request).await.unwrap();
        let heard = worker.next().await;
        assert_eq!(
            (heard.job_id.as_str(), heard.operation.as_str()),
            (run.id.as_str(), run.operation.as_str())
        );
        assert_eq!(
            (heard.window_ends_unix_ms, heard.outside_window),
            (0, false),
            "{}",
            run.operation
        );
    }
    clock.advance(20 * HOUR);
    scheduler.order(order("vacuum")).await.unwrap();
    assert_eq!(worker.next().await.window_ends_unix_ms, NEXT_TWO + 4 * HOUR_MS);
    scheduler.order(forced).await.unwrap();
    assert_eq!(worker.next().await.window_ends_unix_ms, 0);

    // A project whose windows are all off has none to wait for.
    let off = api::Window {
        disabled: true,
        ..window("off", "02:00", "06:00")
    };
    scheduler.put_window(off).await.unwrap();
    clock.advance(DAY);
    let refused = scheduler.order(order("vacuum")).await.unwrap_err();
    assert!(refused.message().contains("none is ever open"), "{refused}");
    // What is not on the list needs none.
    scheduler.set("WEIR_SCHEDULER__WINDOWED_OPERATIONS", "reindex");
    eventually("the list to be taken over", SOON, || async {
        scheduler
            .order(order("vacuum"))
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    })
    .await;
    scheduler.stop().await;
}
