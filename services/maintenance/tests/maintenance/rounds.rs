//! What a run does in its window, for its project, and what it writes down.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;
use weir_events::jobs::Report;
use weir_proto::events::v1::JobRequested;
use weir_proto::maintenance::v1 as api;
use weir_testkit::{Database, Postgres, eventually};

use crate::stage::{Maintenance, SOON, analysed, changed, database_with, hold, job};

fn auto(parameters: &str) -> JobRequested {
    job("auto", parameters)
}

fn of_a_schedule(request: JobRequested) -> JobRequested {
    JobRequested {
        requested_by: "schedule auto".to_owned(),
        ..request
    }
}

fn in_ms(span: Duration) -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the test is the scheduler here")]
    let now = SystemTime::now();
    i64::try_from((now + span).duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Rows of which most are dead, so that VACUUM is due; autovacuum looks away.
async fn with_dead_rows(database: &Database, table: &str) {
    let sql = format!(
        "create table {table} (id int) with (autovacuum_enabled = off); insert into {table} select generate_series(1, 5000)"
    );
    database.psql(&sql).await;
    database.psql(&format!("delete from {table} where id > 1000")).await;
}

async fn pieces(maintenance: &Maintenance, job_id: &str) -> Vec<api::Piece> {
    let request = api::ListPiecesRequest {
        project: "shop".to_owned(),
        job_id: job_id.to_owned(),
        ..api::ListPiecesRequest::default()
    };
    let answer = maintenance.client.clone().list_pieces(request).await.unwrap();
    answer.into_inner().pieces
}

#[tokio::test]
async fn outside_a_window_statistics_are_renewed_and_all_else_waits_with_its_reason() {
    let database = database_with(&[("busy", 1_000)]).await;
    with_dead_rows(&database, "stale").await;
    let mut maintenance = Maintenance::of(&database).await;
    let closed = JobRequested {
        outside_window: true,
        ..of_a_schedule(auto(""))
    };
    let effect = maintenance.effect_of(&closed).await;
    let kinds: Vec<&str> = effect["pieces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|piece| piece["kind"].as_str().unwrap())
        .collect();
    assert!(
        kinds.iter().all(|kind| *kind == "analyze") && kinds.len() == 2,
        "{effect}"
    );
    let dead = "select n_dead_tup from pg_stat_user_tables where relname = 'stale'";
    assert_eq!(database.psql(dead).await, "4000");
    let open = JobRequested {
        window_ends_unix_ms: in_ms(Duration::from_secs(3_600)),
        ..of_a_schedule(auto(""))
    };
    let effect = maintenance.effect_of(&open).await;
    assert_eq!(effect["pieces"][0]["kind"], "vacuum", "{effect}");
    eventually("the dead rows to be gone", SOON, || async {
        let dead = database.psql(dead).await;
        if dead == "0" { Ok(()) } else { Err(dead) }
    })
    .await;
    let done = pieces(&maintenance, &open.job_id).await;
    assert_eq!(
        (done[0].kind.as_str(), done[0].table.as_str(), done[0].outcome.as_str()),
        ("vacuum", "public.stale", "done")
    );
    assert!(done[0].ended_unix_ms >= done[0].started_unix_ms && done[0].expected.is_some());
    maintenance.stop().await;
}

#[tokio::test]
async fn a_window_that_ends_stops_the_statement_and_the_run() {
    let database = database_with(&[("held", 1_000), ("next", 100)]).await;
    let mut maintenance = Maintenance::start(&[
        ("DATABASE_URL", &database.url()),
        ("WEIR_MAINTENANCE__LOCK_TIMEOUT", "10m"),
    ])
    .await;
    let held = hold(&database, "held").await;
    let short = JobRequested {
        window_ends_unix_ms: in_ms(Duration::from_secs(3)),
        ..of_a_schedule(auto(""))
    };
    let effect = maintenance.effect_of(&short).await;
    assert_eq!(effect["halted"], "the window ended", "{effect}");
    assert_eq!(effect["pieces"].as_array().unwrap().len(), 1, "{effect}");
    let done = pieces(&maintenance, &short.job_id).await;
    assert_eq!(
        (done[0].outcome.as_str(), done[0].reason.as_str()),
        ("halted", "the window ended")
    );
    assert_eq!(
        database
            .psql(
                "select count(*) from pg_stat_activity where application_name like 'weir-maint/%' and state = 'active'"
            )
            .await,
        "0"
    );
    held.close().await.unwrap();
    maintenance.stop().await;
}

#[tokio::test]
async fn a_project_has_its_own_tables_jobs_and_history_and_no_other() {
    let database = Postgres::shared().await.database().await;
    database.psql("create schema ours; create schema theirs").await;
    changed(&database, &[("ours.a", 1_000), ("theirs.b", 1_000)]).await;
    let name = database.name().to_owned();
    let places = format!(
        r#"[{{ database = "{name}", project = "shop", schemas = ["ours"] }}, {{ database = "{name}", project = "blog", schemas = ["theirs"] }}]"#
    );
    let mut maintenance = Maintenance::start(&[
        ("DATABASE_URL", &database.url()),
        ("WEIR_MAINTENANCE__DATABASES", &places),
    ])
    .await;
    let request = job("analyze", "");
    let effect = maintenance.effect_of(&request).await;
    assert_eq!(effect["pieces"].as_array().unwrap().len(), 1, "{effect}");
    assert_eq!(analysed(&database).await, "a");
    let theirs = maintenance.failure_of(&job("analyze", r#"{"table":"theirs.b"}"#)).await;
    assert_eq!(
        (theirs.r#final, theirs.slug.as_str()),
        (true, "maintenance-field"),
        "{theirs:?}"
    );

    let mut client = maintenance.client.clone();
    let plan = |project: &str| api::PlanRequest {
        project: project.to_owned(),
        operation: "analyze".to_owned(),
        ..api::PlanRequest::default()
    };
    let lines = client.plan(plan("blog")).await.unwrap().into_inner().candidates;
    let tables: Vec<&str> = lines.iter().map(|line| line.table.as_str()).collect();
    assert_eq!(tables, ["theirs.b"]);
    let nobody = client.plan(plan("wiki")).await.unwrap_err();
    assert!(nobody.message().contains("wiki has no tables here"), "{nobody}");

    let foreign = api::GetJobRequest {
        id: request.job_id.clone(),
        project: "blog".to_owned(),
    };
    assert_eq!(client.get_job(foreign).await.unwrap_err().code(), tonic::Code::NotFound);
    let foreign = api::CancelJobRequest {
        id: request.job_id.clone(),
        project: "blog".to_owned(),
    };
    assert_eq!(
        client.cancel_job(foreign).await.unwrap_err().code(),
        tonic::Code::NotFound
    );
    let history = api::ListPiecesRequest {
        project: "blog".to_owned(),
        ..api::ListPiecesRequest::default()
    };
    assert!(
        client
            .list_pieces(history)
            .await
            .unwrap()
            .into_inner()
            .pieces
            .is_empty()
    );
    let own = pieces(&maintenance, &request.job_id).await;
    assert_eq!(own.len(), 1);
    let effect = |project: &str| api::GetEffectRequest {
        project: project.to_owned(),
        piece_id: own[0].id.clone(),
    };
    // Nobody is there to be asked, once enough time has passed for a question.
    eventually("the monitor to be missed", SOON, async || {
        let mut client = maintenance.client.clone();
        let told = client.get_effect(effect("shop")).await.unwrap().into_inner();
        let missed = told.missing.contains("the query monitor does not answer") && told.statements.is_empty();
        (missed && told.span_ms > 0).then_some(()).ok_or(told.missing)
    })
    .await;
    assert_eq!(
        client.get_effect(effect("blog")).await.unwrap_err().code(),
        tonic::Code::NotFound
    );
    maintenance.stop().await;
}

#[tokio::test]
async fn one_run_at_a_time_works_on_a_server() {
    let database = database_with(&[("busy", 1_000)]).await;
    let mut maintenance = Maintenance::of(&database).await;
    let mut other = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::query("select pg_advisory_lock(1464158546, 1)")
        .execute(&mut other)
        .await
        .unwrap();
    let effect = maintenance.effect_of(&of_a_schedule(auto(""))).await;
    assert!(
        effect["skipped"].as_str().unwrap().contains("another maintenance run"),
        "{effect}"
    );
    let wanted = job("vacuum", "");
    let failed = maintenance.failure_of(&wanted).await;
    assert_eq!((failed.r#final, failed.slug.as_str()), (false, "maintenance-busy"));
    other.close().await.unwrap();
    maintenance.effect(&wanted.job_id).await;
    maintenance.stop().await;
}

#[tokio::test]
async fn who_asks_for_one_thing_while_users_rest_has_it_when_the_rest_is_over() {
    let database = database_with(&[("busy", 1_000)]).await;
    with_dead_rows(&database, "stale").await;
    let mut maintenance = Maintenance::of(&database).await;
    database
        .psql(&format!(
            "insert into weir_maintenance.pieces
                 (id, job_id, project, kind, database, relation, started_at, ended_at, for_users, outcome)
             values ('{}', '{}', 'shop', 'reorganize', '{}', 'public.t', now() - interval '3 min',
                 now() - interval '2 min', true, 'halted')",
            Uuid::now_v7(),
            Uuid::now_v7(),
            database.name()
        ))
        .await;
    let wanted = job("vacuum", "");
    let failed = maintenance.failure_of(&wanted).await;
    assert_eq!(
        (failed.r#final, failed.slug.as_str()),
        (false, "maintenance-backed-off")
    );
    assert!(failed.error.contains("a rest of 13 more minutes"), "{failed:?}");
    let waits = format!(
        "select run_after between now() + interval '11 min' and now() + interval '13 min' from weir_maintenance.jobs
         where id = '{}'",
        wanted.job_id
    );
    assert_eq!(database.psql(&waits).await, "t");
    // What nobody notices does not rest; and whoever asks for all that is due is told what is left.
    let effect = maintenance.effect_of(&job("analyze", "")).await;
    assert!(!effect["pieces"].as_array().unwrap().is_empty(), "{effect}");
    let effect = maintenance.effect_of(&of_a_schedule(auto(""))).await;
    assert!(effect["left"].as_u64().is_some_and(|left| left > 0), "{effect}");
    maintenance.stop().await;
}

#[tokio::test]
async fn a_piece_that_nobody_works_on_any_more_is_written_off_by_the_next_run() {
    let database = database_with(&[("busy", 1_000)]).await;
    let mut maintenance = Maintenance::of(&database).await;
    let (piece, dead) = (Uuid::now_v7(), Uuid::now_v7());
    database
        .psql(&format!(
            "insert into weir_maintenance.pieces (id, job_id, project, kind, database, relation, started_at)
             values ('{piece}', '{dead}', 'shop', 'reindex', 'x', 'public.t', now())"
        ))
        .await;
    maintenance.effect_of(&auto("")).await;
    let left = pieces(&maintenance, &dead.to_string()).await;
    assert_eq!(
        (left[0].outcome.as_str(), left[0].reason.as_str()),
        ("failed", "whoever worked on it died")
    );
    maintenance.stop().await;
}

#[tokio::test]
async fn a_job_that_is_cancelled_ends_at_once() {
    let database = database_with(&[("held", 1_000)]).await;
    let mut maintenance = Maintenance::start(&[
        ("DATABASE_URL", &database.url()),
        ("WEIR_MAINTENANCE__LOCK_TIMEOUT", "10m"),
    ])
    .await;
    let held = hold(&database, "held").await;
    let request = auto("");
    maintenance.request(&request).await;
    eventually("a piece to be begun", SOON, || async {
        pieces(&maintenance, &request.job_id)
            .await
            .first()
            .is_some_and(|piece| piece.outcome == "running")
            .then_some(())
    })
    .await;
    let cancel = api::CancelJobRequest {
        id: request.job_id.clone(),
        project: "shop".to_owned(),
    };
    maintenance.client.clone().cancel_job(cancel).await.unwrap();
    loop {
        match maintenance.next_step().await {
            Report::Failed(failed) => break assert!(failed.cancelled, "{failed:?}"),
            Report::Succeeded(done) => panic!("{done:?}"),
            _ => {}
        }
    }
    let done = pieces(&maintenance, &request.job_id).await;
    assert_eq!(
        (done[0].outcome.as_str(), done[0].reason.as_str()),
        ("halted", "it was cancelled")
    );
    held.close().await.unwrap();
    maintenance.stop().await;
}

#[tokio::test]
async fn a_schedule_of_one_table_waits_for_its_window_without_failing() {
    let database = database_with(&[("busy", 1_000)]).await;
    let mut maintenance = Maintenance::of(&database).await;
    let closed = JobRequested {
        outside_window: true,
        ..of_a_schedule(job("reindex", r#"{"table":"public.busy"}"#))
    };
    let effect = maintenance.effect_of(&closed).await;
    assert_eq!(
        (&effect["outside_window"], &effect["left"]),
        (&true.into(), &0.into()),
        "{effect}"
    );
    maintenance.stop().await;
}
