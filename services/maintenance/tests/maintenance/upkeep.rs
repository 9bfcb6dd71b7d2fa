//! Rewrites, leftovers, checks and freezing as runs do them, and what is written down of them.

use serde_json::Value as Json;
use sqlx::{Connection as _, PgConnection};
use weir_proto::maintenance::v1 as api;
use weir_testkit::{Database, Postgres};

use crate::stage::{Maintenance, job};

/// Small relations count here as well.
const EVERY_BYTE: [(&str, &str); 3] = [
    ("WEIR_MAINTENANCE__REINDEX_WASTE_BYTES", "0"),
    ("WEIR_MAINTENANCE__REORGANIZE_WASTE_BYTES", "0"),
    ("WEIR_MAINTENANCE__REORGANIZE_PATIENCE", "1s"),
];

async fn maintenance_of(database: &Database) -> Maintenance {
    let url = database.url();
    let mut settings = vec![("DATABASE_URL", url.as_str())];
    settings.extend(EVERY_BYTE);
    Maintenance::start(&settings).await
}

/// A table and its index of which most is waste, vacuumed, so that nothing else is due.
async fn bloated() -> Database {
    let database = Postgres::shared().await.database().await;
    database
        .psql(
            "create extension pageinspect; create extension pg_repack; create extension amcheck;
             create table t (id int primary key, x text) with (autovacuum_enabled = off);
             insert into t select g, repeat('x', 200) from generate_series(1, 20000) g",
        )
        .await;
    waste(&database).await;
    database
}

/// Deletes three of four rows.
async fn waste(database: &Database) {
    database.psql("delete from t where id % 4 <> 0").await;
    database.psql("vacuum (truncate false, analyze) t").await;
}

async fn plan(maintenance: &Maintenance, operation: &str) -> Vec<api::Candidate> {
    let request = api::PlanRequest {
        project: "shop".to_owned(),
        operation: operation.to_owned(),
        ..api::PlanRequest::default()
    };
    let answer = maintenance.client.clone().plan(request).await.unwrap();
    answer.into_inner().candidates
}

fn only(effect: &Json) -> &Json {
    let [piece] = effect["pieces"].as_array().unwrap().as_slice() else {
        panic!("not one piece: {effect}");
    };
    piece
}

#[tokio::test]
async fn a_bloated_index_is_built_anew_and_gives_back_what_was_foretold() {
    let database = bloated().await;
    let mut maintenance = maintenance_of(&database).await;
    let line = &plan(&maintenance, "reindex").await[0];
    let expected = line.expected.unwrap();
    assert!(
        line.selected && line.index == "t_pkey" && line.reason.contains(" is waste ("),
        "{line:?}"
    );
    let size = "select pg_relation_size('t_pkey')";
    let before: u64 = database.psql(size).await.parse().unwrap();
    let effect = maintenance.effect_of(&job("reindex", "")).await;
    assert_eq!(only(&effect)["outcome"], "done", "{effect}");
    let after: u64 = database.psql(size).await.parse().unwrap();
    let back = before - after;
    assert!(
        (expected.reclaim_low_bytes..=expected.reclaim_high_bytes).contains(&back),
        "{back} is not foretold by {expected:?}"
    );
    assert_eq!(effect["reclaimed_bytes"], back);

    let request = api::GetCalibrationRequest {
        project: "shop".to_owned(),
    };
    let calibration = maintenance.client.clone().get_calibration(request).await.unwrap();
    let kinds = calibration.into_inner().kinds;
    assert_eq!(
        (kinds[0].kind.as_str(), kinds[0].pieces, kinds[0].within),
        ("reindex", 1, 1)
    );

    // What filled up again at once needs another remedy.
    database
        .psql("insert into t select g, 'y' from generate_series(100001, 120000) g")
        .await;
    waste(&database).await;
    let again = &plan(&maintenance, "reindex").await[0];
    assert!(
        !again.selected && again.reason.contains("fillfactor"),
        "{}",
        again.reason
    );
    maintenance.stop().await;
}

#[tokio::test]
async fn a_reorganisation_is_refused_while_somebody_is_in_the_way_and_he_is_named() {
    let database = bloated().await;
    let mut maintenance = maintenance_of(&database).await;
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid() from t limit 1")
        .fetch_one(&mut *held)
        .await
        .unwrap();
    let size = "select pg_table_size('t')";
    let before: u64 = database.psql(size).await.parse().unwrap();
    let effect = maintenance.effect_of(&job("reorganize", "")).await;
    let piece = only(&effect);
    let reason = piece["reason"].as_str().unwrap();
    assert_eq!(piece["outcome"], "left", "{effect}");
    assert!(reason.contains(&format!("pid {pid}")), "{reason}");
    assert_eq!(database.psql(size).await, before.to_string());

    held.rollback().await.unwrap();
    let effect = maintenance.effect_of(&job("reorganize", "")).await;
    assert_eq!(only(&effect)["outcome"], "done", "{effect}");
    let after: u64 = database.psql(size).await.parse().unwrap();
    assert!(after * 3 < before, "{before} {after}");
    maintenance.stop().await;
}

#[tokio::test]
async fn a_table_is_locked_to_be_written_anew_only_by_name_and_not_in_vain() {
    let database = bloated().await;
    let other = Postgres::shared().await.database().await;
    let mut maintenance = maintenance_of(&database).await;
    let unnamed = maintenance.failure_of(&job("reorganize", r#"{"full":true}"#)).await;
    assert_eq!((unnamed.r#final, unnamed.slug.as_str()), (true, "maintenance-field"));

    // Rows that died while a writer is open anywhere on the server cannot be left out.
    let mut writer = PgConnection::connect(&other.url()).await.unwrap();
    let mut writes = writer.begin().await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid() from pg_current_xact_id()")
        .fetch_one(&mut *writes)
        .await
        .unwrap();
    let named = r#"{"table":"public.t","full":true}"#;
    let effect = maintenance.effect_of(&job("reorganize", named)).await;
    let reason = only(&effect)["reason"].as_str().unwrap();
    assert!(
        reason.contains("a rewrite would reclaim nothing") && reason.contains(&format!("pid {pid}")),
        "{effect}"
    );
    writes.rollback().await.unwrap();
    let effect = maintenance.effect_of(&job("reorganize", named)).await;
    assert_eq!(only(&effect)["outcome"], "done", "{effect}");
    assert!(effect["reclaimed_bytes"].as_i64().unwrap() > 1_000_000, "{effect}");
    maintenance.stop().await;
}

#[tokio::test]
async fn what_a_rewrite_left_behind_is_swept_at_any_hour_and_a_users_own_stays() {
    let database = bloated().await;
    database.psql("create index users_ccnew on t (x)").await;
    let mut reader = PgConnection::connect(&database.url()).await.unwrap();
    let mut reads = reader.begin().await.unwrap();
    sqlx::query("set transaction isolation level repeatable read")
        .execute(&mut *reads)
        .await
        .unwrap();
    sqlx::query("select count(*) from t")
        .execute(&mut *reads)
        .await
        .unwrap();
    let mut cutter = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::query("set lock_timeout = '300ms'")
        .execute(&mut cutter)
        .await
        .unwrap();
    let cut = sqlx::query("reindex index concurrently t_pkey")
        .execute(&mut cutter)
        .await;
    assert!(cut.is_err());
    reads.rollback().await.unwrap();
    let invalid = "select string_agg(indexrelid::regclass::text, ',') from pg_index where not indisvalid";
    assert_eq!(database.psql(invalid).await, "t_pkey_ccnew");

    let mut maintenance = maintenance_of(&database).await;
    let closed = weir_proto::events::v1::JobRequested {
        outside_window: true,
        requested_by: "schedule auto".to_owned(),
        ..job("auto", "")
    };
    let effect = maintenance.effect_of(&closed).await;
    assert_eq!(only(&effect)["kind"], "sweep", "{effect}");
    assert_eq!(
        only(&effect)["after"]["removed"][0],
        "index public.t_pkey_ccnew",
        "{effect}"
    );
    assert_eq!(database.psql(invalid).await, "");
    assert_eq!(database.psql("select to_regclass('users_ccnew')").await, "users_ccnew");
    maintenance.stop().await;
}

#[tokio::test]
async fn indexes_are_checked_in_turn_and_tables_frozen_by_name() {
    let database = bloated().await;
    database.psql("create index t_x on t (x)").await;
    let mut maintenance = maintenance_of(&database).await;
    for expected in ["t_pkey", "t_x"] {
        let effect = maintenance.effect_of(&job("verify", "")).await;
        let piece = only(&effect);
        assert_eq!(
            (&piece["index"], &piece["after"]["sound"]),
            (&Json::from(expected), &Json::from(true)),
            "{effect}"
        );
    }
    let effect = maintenance.effect_of(&job("verify", "")).await;
    assert!(effect["pieces"].as_array().unwrap().is_empty(), "{effect}");

    let effect = maintenance.effect_of(&job("freeze", r#"{"table":"public.t"}"#)).await;
    let piece = only(&effect);
    assert_eq!(piece["outcome"], "done", "{effect}");
    assert!(
        piece["after"]["xid_age"].as_u64() < piece["before"]["xid_age"].as_u64(),
        "{effect}"
    );
    maintenance.stop().await;
}
