//! ANALYZE by request, and how jobs fare.

use serde_json::Value as Json;
use sqlx::Connection as _;
use uuid::Uuid;
use weir_events::jobs::Report;
use weir_proto::common::v1::{JobState, PageRequest};
use weir_proto::events::v1::JobRequested;
use weir_proto::maintenance::v1 as api;
use weir_testkit::{Postgres, eventually};

use crate::stage::{Maintenance, SOON, analysed, analyze, changed, database_with, hold, tables_of};

#[tokio::test]
async fn a_table_with_many_changes_is_analysed_as_planned_and_before_and_after_are_told() {
    let database = database_with(&[("big", 1_000), ("small", 49), ("\"Odd \"\"name\"", 500)]).await;
    let mut maintenance = Maintenance::of(&database).await;
    let plan = maintenance.plan("").await;
    let facts = |candidate: &api::Candidate| {
        let facts = candidate.facts.clone().unwrap();
        (
            candidate.table.clone(),
            candidate.selected,
            candidate.action.clone(),
            facts.changed_tuples,
        )
    };
    assert_eq!(
        plan.iter().map(facts).collect::<Vec<_>>(),
        [
            ("public.Odd \"name".to_owned(), true, "analyze".to_owned(), 500),
            ("public.big".to_owned(), true, "analyze".to_owned(), 1_000),
            ("public.small".to_owned(), false, String::new(), 49),
        ]
    );
    assert!(plan[2].reason.contains("49 of 49 rows changed"), "{}", plan[2].reason);
    assert!(
        plan[2].reason.contains("below the threshold of 55"),
        "{}",
        plan[2].reason
    );
    assert!(plan[1].facts.as_ref().is_some_and(|facts| facts.size_bytes >= 8_192));

    let request = analyze("");
    let effect = maintenance.effect_of(&request).await;
    let reasons = |candidate: &api::Candidate| (candidate.table.clone(), candidate.reason.clone());
    let selected = plan.iter().filter(|candidate| candidate.selected);
    let planned = effect["planned"].as_array().unwrap().iter().map(|entry| {
        let text = |field: &str| entry[field].as_str().unwrap().to_owned();
        (text("table"), text("reason"))
    });
    assert_eq!(planned.collect::<Vec<_>>(), selected.map(reasons).collect::<Vec<_>>());
    assert_eq!(
        (&effect["dry_run"], &effect["left"]),
        (&Json::from(false), &Json::from(1))
    );
    let big = &effect["pieces"][1];
    assert_eq!(
        (&big["before"]["changed_tuples"], &big["before"]["last_analyze_unix_ms"]),
        (&Json::from(1_000), &Json::Null)
    );
    assert_eq!(
        (&big["after"]["changed_tuples"], &big["after"]["live_tuples"]),
        (&Json::from(0), &Json::from(1_000))
    );
    assert!(
        big["after"]["last_analyze_unix_ms"]
            .as_i64()
            .is_some_and(|moment| moment > 0)
    );
    assert_eq!(analysed(&database).await, "Odd \"name,big");
    assert!(maintenance.plan("").await.iter().all(|candidate| !candidate.selected));

    let job = maintenance.job(&request.job_id).await;
    assert_eq!(
        (job.state(), job.attempts, job.project.as_str()),
        (JobState::Succeeded, 1, "shop")
    );
    assert_eq!(
        job.progress.map(|progress| (progress.done, progress.total)),
        Some((2, 2))
    );
    assert_eq!(serde_json::from_str::<Json>(&job.effect_json).unwrap(), effect);
    maintenance.stop().await;
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let database = database_with(&[("big", 1_000)]).await;
    let mut maintenance = Maintenance::of(&database).await;
    let dry = JobRequested {
        dry_run: true,
        ..analyze("")
    };
    let effect = maintenance.effect_of(&dry).await;
    assert_eq!(
        (effect["dry_run"].as_bool(), tables_of(&effect, "planned")),
        (Some(true), vec!["public.big".to_owned()])
    );
    assert!(tables_of(&effect, "pieces").is_empty());
    assert_eq!(analysed(&database).await, "");
    maintenance.stop().await;
}

#[tokio::test]
async fn only_the_tables_asked_for_are_analysed_and_unknown_ones_fail_at_once() {
    let database = database_with(&[("orders_1", 100), ("orders_2", 100), ("users", 100)]).await;
    let mut maintenance = Maintenance::of(&database).await;
    let one = maintenance.effect_of(&analyze(r#"{"table":"public.orders_2"}"#)).await;
    assert_eq!(tables_of(&one, "pieces"), ["public.orders_2"]);
    let some = maintenance.effect_of(&analyze(r#"{"table":"public.orders*"}"#)).await;
    assert_eq!(tables_of(&some, "pieces"), ["public.orders_1"]);
    assert_eq!(analysed(&database).await, "orders_1,orders_2");
    for parameters in [
        r#"{"table":"public.nothing"}"#,
        r#"{"table":"users"}"#,
        r#"{"table":5}"#,
    ] {
        let failed = maintenance.failure_of(&analyze(parameters)).await;
        assert_eq!(
            (failed.r#final, failed.attempts, failed.slug.as_str()),
            (true, 1, "maintenance-field"),
            "{failed:?}"
        );
    }
    assert_eq!(analysed(&database).await, "orders_1,orders_2");
    let request = api::PlanRequest {
        project: "shop".to_owned(),
        table: "public.nothing".to_owned(),
        ..api::PlanRequest::default()
    };
    let refused = maintenance.client.clone().plan(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    maintenance.stop().await;
}

#[tokio::test]
async fn a_table_that_somebody_holds_is_left_within_the_lock_timeout() {
    let database = database_with(&[("free", 1_000), ("held", 1_000)]).await;
    let mut maintenance = Maintenance::start(&[
        ("DATABASE_URL", &database.url()),
        ("WEIR_MAINTENANCE__LOCK_TIMEOUT", "300ms"),
    ])
    .await;
    let held = hold(&database, "held").await;
    let effect = maintenance.effect_of(&analyze("")).await;
    assert_eq!(tables_of(&effect, "pieces"), ["public.free", "public.held"]);
    assert_eq!(effect["pieces"][0]["after"]["changed_tuples"], 0);
    let skipped = effect["pieces"][1]["reason"].as_str().unwrap();
    assert!(skipped.contains("lock timeout"), "{skipped}");
    held.close().await.unwrap();
    let effect = maintenance.effect_of(&analyze("")).await;
    assert_eq!(tables_of(&effect, "pieces"), ["public.held"]);
    assert_eq!(analysed(&database).await, "free,held");
    maintenance.stop().await;
}

#[tokio::test]
async fn a_table_of_somebody_else_is_told_as_left() {
    let database = database_with(&[("theirs", 1_000)]).await;
    let role = format!("app_{}", Uuid::now_v7().simple());
    database.psql(&format!("create role {role} login")).await;
    let as_role = database.url().replacen("postgres@", &format!("{role}@"), 1);
    let mut maintenance = Maintenance::start(&[("DATABASE_URL", &as_role), ("WEIR_STORE__URL", &database.url())]).await;
    let effect = maintenance.effect_of(&analyze("")).await;
    let skipped = effect["pieces"][0]["reason"].as_str().unwrap();
    assert!(skipped.contains("theirs"), "{skipped}");
    assert_eq!(analysed(&database).await, "");
    maintenance.stop().await;
}

#[tokio::test]
async fn a_running_job_is_stopped_when_it_is_cancelled() {
    let database = database_with(&[("held", 1_000)]).await;
    let mut maintenance = Maintenance::start(&[
        ("DATABASE_URL", &database.url()),
        ("WEIR_MAINTENANCE__LOCK_TIMEOUT", "10m"),
    ])
    .await;
    let held = hold(&database, "held").await;
    let request = analyze("");
    maintenance.request(&request).await;
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and query like 'analyze%'
        and state = 'active'";
    eventually("the statement to wait", SOON, || async {
        (database.psql(waits).await == "1").then_some(())
    })
    .await;
    let cancel = api::CancelJobRequest {
        id: request.job_id.clone(),
        project: "shop".to_owned(),
    };
    maintenance.client.clone().cancel_job(cancel).await.unwrap();
    let ended = loop {
        match maintenance.next_step().await {
            Report::Failed(failed) => break failed,
            Report::Succeeded(done) => panic!("{done:?}"),
            _ => {}
        }
    };
    assert_eq!(
        (ended.job_id.as_str(), ended.cancelled, ended.r#final),
        (request.job_id.as_str(), true, true)
    );
    assert_eq!(maintenance.job(&request.job_id).await.state(), JobState::Cancelled);
    eventually("the statement to be gone", SOON, || async {
        (database.psql(waits).await == "0").then_some(())
    })
    .await;
    held.close().await.unwrap();
    maintenance.stop().await;
}

#[tokio::test]
async fn a_request_that_comes_twice_is_done_once_and_jobs_are_listed_by_project() {
    let database = database_with(&[("big", 1_000)]).await;
    let mut maintenance = Maintenance::of(&database).await;
    let (twice, last) = (analyze(""), analyze(""));
    maintenance.request(&twice).await;
    maintenance.request(&twice).await;
    let foreign = JobRequested {
        operation: "backup".to_owned(),
        ..analyze("")
    };
    maintenance.request(&foreign).await;
    maintenance.request(&last).await;
    let mut steps = Vec::new();
    while steps.len() < 4 {
        match maintenance.next_step().await {
            Report::Started(job) => steps.push(("started", job.job_id)),
            Report::Succeeded(job) => steps.push(("succeeded", job.job_id)),
            other => panic!("{other:?}"),
        }
    }
    let of = |request: &JobRequested| {
        let id = request.job_id.clone();
        [("started", id.clone()), ("succeeded", id)]
    };
    assert_eq!(steps, [of(&twice), of(&last)].concat());

    let mut client = maintenance.client.clone();
    let (mut ids, mut token) = (Vec::new(), String::new());
    loop {
        let request = api::ListJobsRequest {
            project: "shop".to_owned(),
            states: vec![JobState::Succeeded.into()],
            page: Some(PageRequest { size: 1, token }),
        };
        let answer = client.list_jobs(request).await.unwrap().into_inner();
        ids.extend(answer.jobs.into_iter().map(|job| job.id));
        token = answer.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, [last.job_id, twice.job_id]);
    for project in ["", "blog"] {
        let request = api::ListJobsRequest {
            project: project.to_owned(),
            ..api::ListJobsRequest::default()
        };
        assert!(client.list_jobs(request).await.unwrap().into_inner().jobs.is_empty());
    }
    let unknown = api::GetJobRequest {
        id: Uuid::nil().to_string(),
        project: "shop".to_owned(),
    };
    assert_eq!(client.get_job(unknown).await.unwrap_err().code(), tonic::Code::NotFound);
    maintenance.stop().await;
}

#[tokio::test]
async fn while_the_upstream_is_away_the_job_is_tried_again_later() {
    let store = Postgres::shared().await.database().await;
    let mut upstream = Postgres::start().await;
    let database = upstream.database().await;
    changed(&database, &[("big", 1_000)]).await;
    let mut maintenance =
        Maintenance::start(&[("DATABASE_URL", &database.url()), ("WEIR_STORE__URL", &store.url())]).await;
    upstream.stop().await;
    let request = analyze("");
    let failed = maintenance.failure_of(&request).await;
    assert_eq!(
        (failed.r#final, failed.slug.as_str()),
        (false, "upstream-unreachable"),
        "{failed:?}"
    );
    let away = maintenance
        .client
        .clone()
        .plan(api::PlanRequest {
            project: "shop".to_owned(),
            ..api::PlanRequest::default()
        })
        .await
        .unwrap_err();
    assert_eq!(away.code(), tonic::Code::Unavailable, "{away}");
    upstream.start_again().await;
    // An immediate stop forgets the statistics: the change is made anew.
    database.psql("insert into big select generate_series(1, 1000)").await;
    let effect = maintenance.effect(&request.job_id).await;
    assert_eq!(tables_of(&effect, "pieces"), ["public.big"]);
    assert_eq!(maintenance.job(&request.job_id).await.attempts, 2);
    maintenance.stop().await;
}

#[tokio::test]
async fn a_schedule_may_be_told_to_leave_the_tables_alone_and_an_operator_not() {
    let database = database_with(&[("big", 1_000)]).await;
    let mut maintenance =
        Maintenance::start(&[("DATABASE_URL", &database.url()), ("AUTO_ANALYZE_ENABLED", "false")]).await;
    let scheduled = JobRequested {
        requested_by: "schedule nightly".to_owned(),
        ..analyze("")
    };
    let effect = maintenance.effect_of(&scheduled).await;
    assert!(
        effect["skipped"]
            .as_str()
            .is_some_and(|why| why.contains("auto_analyze")),
        "{effect}"
    );
    assert_eq!(analysed(&database).await, "");
    let effect = maintenance.effect_of(&analyze("")).await;
    assert_eq!(tables_of(&effect, "pieces"), ["public.big"]);
    maintenance.stop().await;
}
