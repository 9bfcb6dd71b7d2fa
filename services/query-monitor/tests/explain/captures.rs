//! Plans of slow statements, captured by themselves.

use std::time::Duration;

use weir_proto::common::v1::{PageRequest, StatementKind};
use weir_proto::monitor::v1 as api;
use weir_testkit::{Postgres, eventually};

use crate::findings::make_events;
use crate::{Monitor, NOON, SOON, nothing_runs};

const SELECT: StatementKind = StatementKind::Select;

async fn captured(monitor: &Monitor, fingerprint: u64, times: u64) -> Vec<api::CapturedPlan> {
    eventually("the plan", SOON, || async {
        let plans = monitor.plans(fingerprint).await;
        let seen = format!("{:?}", plans.iter().map(|plan| plan.captures).collect::<Vec<_>>());
        let all: u64 = plans.iter().map(|plan| plan.captures).sum();
        (all >= times).then_some(plans).ok_or(seen)
    })
    .await
}

async fn ended(monitor: &Monitor, outcome: &str, times: u64) {
    eventually("the end of a capture", SOON, || async {
        let seen = monitor.captures(outcome).await;
        (seen >= times).then_some(()).ok_or(seen)
    })
    .await;
}

#[tokio::test]
async fn a_slow_statement_has_its_plan_captured_and_a_changed_plan_is_told() {
    let database = Postgres::shared().await.database().await;
    make_events(&database).await;
    let monitor = Monitor::start(&database).await;
    let shape = [(1, "SELECT * FROM events WHERE c = $1", SELECT)];
    monitor.slow(database.name(), &shape).await;
    let plans = captured(&monitor, 1, 1).await;
    let first = &plans[0];
    assert_eq!(
        (first.first_captured_unix_ms, first.captures, first.shortened),
        (NOON, 1, false)
    );
    assert!(
        first.plan_text.starts_with("Seq Scan on public.events"),
        "{}",
        first.plan_text
    );
    assert!(
        first.plan_json.contains("$1") && !first.plan_json.contains("\n"),
        "{}",
        first.plan_json
    );
    let slugs = |plan: &api::CapturedPlan| {
        plan.findings
            .iter()
            .map(|finding| finding.slug.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(slugs(first), ["sequential-scan-filters"]);

    // Not asked again before its time, and the same plan again is the same row.
    monitor.slow(database.name(), &shape).await;
    monitor.clock.advance(Duration::from_secs(601));
    monitor.slow(database.name(), &shape).await;
    let plans = captured(&monitor, 1, 2).await;
    assert_eq!(
        (plans.len(), plans[0].captures, plans[0].captured_unix_ms),
        (1, 2, NOON + 601_000)
    );

    database.psql("create index events_c on events (c)").await;
    monitor.clock.advance(Duration::from_secs(601));
    monitor.slow(database.name(), &shape).await;
    let plans = captured(&monitor, 1, 3).await;
    assert_eq!((plans.len(), plans[0].captures), (2, 1));
    let change = &plans[0].findings[0];
    assert_eq!(
        slugs(&plans[0]),
        ["plan-changed"],
        "the index made the other finding go"
    );
    assert!(
        change.text.contains("public.events (events): Seq Scan became"),
        "{change:?}"
    );
    assert!(change.text.contains("using events_c"), "{change:?}");
    assert!(change.figures["cost_now"] < change.figures["cost_before"]);
    assert_eq!(
        (monitor.captures("captured").await, monitor.captures("changed").await),
        (2, 1)
    );
    nothing_runs(&database).await;

    // What another project runs is its own.
    let other = api::ListPlansRequest::default();
    assert!(
        monitor
            .client
            .clone()
            .list_plans(other)
            .await
            .unwrap()
            .into_inner()
            .plans
            .is_empty()
    );
    monitor.stop().await;
}

#[tokio::test]
async fn what_is_no_query_or_cannot_be_read_is_left_alone_and_a_failure_is_not_repeated() {
    let database = Postgres::shared().await.database().await;
    database
        .psql("create table t (a int, b text); create function boom() returns int language sql as 'select 1/0'")
        .await;
    let monitor = Monitor::start_with(&database, &[("WEIR_MONITOR__PLAN_CAPTURE_PER_MINUTE", "100")]).await;
    let utility = StatementKind::Utility;
    let shapes = [
        (1, "", SELECT),
        (2, "SELECT * FROM t WHERE a = $1 AND b…", SELECT),
        (3, "VACUUM t", utility),
        (4, "SELECT FROM WHERE", StatementKind::Unspecified),
        (6, "SELECT $1; DROP TABLE t", SELECT),
        (7, "CREATE TABLE u AS SELECT $1", StatementKind::Ddl),
        (8, "SELECT a, …", SELECT),
    ];
    monitor.slow(database.name(), &shapes).await;
    ended(&monitor, "skipped", 7).await;
    assert_eq!(monitor.captures("failed").await, 0);
    assert_eq!(database.psql("select to_regclass('t')").await, "t");

    let failing = [
        (5, "SELECT date $1", SELECT),
        (11, "SELECT * FROM no_such WHERE a = $1", SELECT),
    ];
    monitor.slow(database.name(), &failing).await;
    ended(&monitor, "failed", 2).await;
    monitor.slow("no_such_database", &[(13, "SELECT 1", SELECT)]).await;
    ended(&monitor, "failed", 3).await;
    let before = monitor.captures("failed").await;
    monitor.clock.advance(Duration::from_secs(1_800));
    monitor.slow(database.name(), &failing).await;
    // One that works, taken after those: they were not tried again.
    let lists = "SELECT * FROM t WHERE a IN ($1, …) AND b = $2";
    monitor
        .slow(
            database.name(),
            &[
                (21, lists, SELECT),
                (22, "DELETE FROM t WHERE a = $1", StatementKind::Delete),
            ],
        )
        .await;
    let plans = captured(&monitor, 21, 1).await;
    assert!(plans[0].shortened, "{plans:?}");
    let plans = captured(&monitor, 22, 1).await;
    assert!(plans[0].plan_text.starts_with("Delete on public.t"), "{plans:?}");
    assert_eq!(monitor.captures("failed").await, before);
    // Later they are.
    monitor.clock.advance(Duration::from_secs(1_900));
    monitor.slow(database.name(), &failing).await;
    ended(&monitor, "failed", before + 2).await;
    monitor.stop().await;
}

#[tokio::test]
async fn captures_keep_to_their_pace_and_end_in_time() {
    let database = Postgres::shared().await.database().await;
    database
        .psql(
            "create table t (a int);
             create function dawdle(int) returns int language plpgsql immutable as $$begin perform pg_sleep(60); return 1; end$$;",
        )
        .await;
    let settings = [
        ("WEIR_MONITOR__PLAN_CAPTURE_PER_MINUTE", "2"),
        ("WEIR_MONITOR__PLAN_CAPTURE_TIMEOUT", "300ms"),
    ];
    let monitor = Monitor::start_with(&database, &settings).await;
    let shapes: Vec<(u64, String)> = (1..=4)
        .map(|n| (n, format!("SELECT a + {n} FROM t WHERE a = $1")))
        .collect();
    let shapes: Vec<_> = shapes.iter().map(|(n, text)| (*n, text.as_str(), SELECT)).collect();
    monitor.slow(database.name(), &shapes).await;
    ended(&monitor, "captured", 2).await;
    // The clock stands still. The task looks twice a second, and each look would be one capture more.
    let mut looks = 0;
    eventually("some looks of the task", SOON, || {
        looks += 1;
        let (looks, monitor) = (looks, &monitor);
        async move {
            assert_eq!(monitor.captures("captured").await, 2);
            (looks >= 40).then_some(())
        }
    })
    .await;
    monitor.clock.advance(Duration::from_secs(61));
    ended(&monitor, "captured", 4).await;
    assert_eq!(database.psql("select count(*) from weir_monitor.plans").await, "4");

    monitor.clock.advance(Duration::from_secs(61));
    let long = [(31, "SELECT a FROM t WHERE a = dawdle(1) AND a = $1", SELECT)];
    monitor.slow(database.name(), &long).await;
    ended(&monitor, "failed", 1).await;
    nothing_runs(&database).await;
    monitor.stop().await;
}

#[tokio::test]
async fn captures_can_be_turned_off_and_on() {
    let database = Postgres::shared().await.database().await;
    database.psql("create table t (a int)").await;
    let off = [("WEIR_MONITOR__PLAN_CAPTURE", "false")];
    let monitor = Monitor::start_with(&database, &off).await;
    monitor
        .slow(database.name(), &[(1, "SELECT a FROM t WHERE a = $1", SELECT)])
        .await;
    let mut counted = api::GetIntakeResponse::default();
    eventually("the statement to be counted", SOON, async || {
        counted = monitor
            .client
            .clone()
            .get_intake(api::GetIntakeRequest {})
            .await
            .unwrap()
            .into_inner();
        (counted.events_received_total == 1).then_some(())
    })
    .await;
    monitor.reload_with("WEIR_MONITOR__PLAN_CAPTURE", "true");
    eventually("a plan after the reload", SOON, async || {
        monitor
            .slow(database.name(), &[(2, "SELECT a + 1 FROM t WHERE a = $1", SELECT)])
            .await;
        (!monitor.plans(2).await.is_empty()).then_some(())
    })
    .await;
    assert!(
        monitor.plans(1).await.is_empty(),
        "it was offered while captures were off"
    );
    monitor.stop().await;
}

#[tokio::test]
async fn two_monitors_capture_a_plan_once() {
    let database = Postgres::shared().await.database().await;
    database.psql("create table t (a int)").await;
    let (one, two) = (Monitor::start(&database).await, Monitor::start(&database).await);
    let shape = [(1, "SELECT a FROM t WHERE a = $1", SELECT)];
    one.slow(database.name(), &shape).await;
    captured(&one, 1, 1).await;
    two.slow(database.name(), &shape).await;
    ended(&two, "skipped", 1).await;
    let plans = two.plans(1).await;
    assert_eq!((plans.len(), plans[0].captures), (1, 1));
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_left_alone_and_a_statement_is_never_run_for_its_plan() {
    let mut postgres = Postgres::start().await;
    let store = Postgres::shared().await.database().await;
    let user = postgres.database().await;
    user.psql("create table t (a int); insert into t select generate_series(1, 10)")
        .await;
    let settings = [("DATABASE_URL", &*user.url()), ("WEIR_STORE__URL", &*store.url())];
    let monitor = Monitor::start_with(&store, &settings).await;
    let shapes = [
        (1, "DELETE FROM t WHERE a > $1", StatementKind::Delete),
        (2, "SELECT pg_notify($1, $2), nextval($3) FROM t", SELECT),
    ];
    monitor.slow(user.name(), &shapes).await;
    captured(&monitor, 1, 1).await;
    captured(&monitor, 2, 1).await;
    assert_eq!(user.psql("select count(*) from t").await, "10");
    postgres.stop().await;
    monitor
        .slow(user.name(), &[(3, "SELECT a FROM t WHERE a = $1", SELECT)])
        .await;
    ended(&monitor, "away", 1).await;
    assert_eq!(
        monitor.captures("failed").await,
        0,
        "an absence is no failure of the shape"
    );
    let (slug, error) = monitor.refused(crate::run("select 1")).await;
    assert_eq!(
        (slug.as_str(), error.code()),
        ("upstream-unreachable", tonic::Code::Unavailable)
    );
    monitor.stop().await;
}

#[tokio::test]
async fn plans_are_listed_page_by_page() {
    let database = Postgres::shared().await.database().await;
    database.psql("create table t (a int)").await;
    let monitor = Monitor::start_with(
        &database,
        &[
            ("WEIR_MONITOR__PLAN_CAPTURE_PER_MINUTE", "100"),
            ("WEIR_MONITOR__PLANS_MAX", "3"),
        ],
    )
    .await;
    let texts: Vec<(u64, String)> = (1..=5)
        .map(|n| (n, format!("SELECT a + {n} FROM t WHERE a = $1")))
        .collect();
    for (n, text) in &texts {
        monitor.slow(database.name(), &[(*n, text.as_str(), SELECT)]).await;
        captured(&monitor, *n, 1).await;
        monitor.clock.advance(Duration::from_secs(1));
    }
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let request = api::ListPlansRequest {
            project: "shop".to_owned(),
            page: Some(PageRequest { size: 2, token }),
            ..api::ListPlansRequest::default()
        };
        let answer = monitor.client.clone().list_plans(request).await.unwrap().into_inner();
        paged.extend(
            answer
                .plans
                .iter()
                .map(|plan| u64::from_str_radix(&plan.fingerprint, 16).unwrap()),
        );
        token = answer.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, [5, 4, 3, 2, 1]);
    let of_one = api::ListPlansRequest {
        project: "shop".to_owned(),
        database: "another".to_owned(),
        ..api::ListPlansRequest::default()
    };
    assert!(
        monitor
            .client
            .clone()
            .list_plans(of_one)
            .await
            .unwrap()
            .into_inner()
            .plans
            .is_empty()
    );
    let strange = api::ListPlansRequest {
        fingerprint: "xyz".to_owned(),
        ..api::ListPlansRequest::default()
    };
    let refused = monitor.client.clone().list_plans(strange).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    monitor.stop().await;
}

#[tokio::test]
async fn plans_are_forgotten_when_they_are_old_or_too_many() {
    let database = Postgres::shared().await.database().await;
    Monitor::start(&database).await.stop().await;
    let days_ago = |days: i64| NOON - days * 86_400_000;
    for (fingerprint, days) in [(1, 15), (2, 13), (3, 3), (4, 2), (5, 1)] {
        let captured = days_ago(days);
        database
            .psql(&format!(
                "insert into weir_monitor.plans (project, database, fingerprint, first_captured_unix_ms, captured_unix_ms,
                    plan_shape, plan, findings, total_cost, shortened)
                 values ('shop', 'db', {fingerprint}, {captured}, {captured}, 1, 'no plan', 'no findings', 1, false)"
            ))
            .await;
    }
    let left = "select string_agg(fingerprint::text, ' ' order by fingerprint) from weir_monitor.plans";
    for (most, expected) in [("10000", "2 3 4 5"), ("3", "3 4 5")] {
        let monitor = Monitor::start_with(&database, &[("WEIR_MONITOR__PLANS_MAX", most)]).await;
        eventually("old plans to be forgotten", SOON, || async {
            let left = database.psql(left).await;
            (left == expected).then_some(()).ok_or(left)
        })
        .await;
        // What cannot be read is still listed, as it is.
        assert_eq!(monitor.plans(5).await[0].plan_json, "no plan");
        monitor.stop().await;
    }
}
