//! How the mirror's answers compare with the server's: outcome, rows, time.

use weir_upstream::Command;

use super::{Mirrored, note};
use crate::wire::{code, value};

/// Runs a statement by the extended protocol, whatever it comes to.
async fn run(client: &mut weir_upstream::Connection, sql: &str) {
    if let Ok(rows) = client.run(&Command::text(sql, &[])).await {
        // It may fail behind its first row.
        let _ = rows.finish().await;
    }
}

#[tokio::test]
async fn errors_and_rows_are_compared() {
    let mirrored = Mirrored::start(&[("mirror_connections", "1")]).await;
    mirrored
        .stage
        .database
        .psql("create table here as select 1 as a; create table each as select 1 as a")
        .await;
    mirrored
        .shadow
        .psql("create table there as select 1 as a; create table each as select generate_series(1, 3) as a")
        .await;
    let mut client = mirrored.client().await;
    run(&mut client, "select a from here").await;
    assert_eq!(code(&mut client, "select a from there").await, "42P01");
    run(&mut client, "select 1 / (a - 1) from each").await;
    assert_eq!(value(&mut client, "select a from each").await.as_deref(), Some("1"));
    run(&mut client, "select count(*) from each").await;
    mirrored.until_ran(5).await;
    let found = [
        mirrored.errors("ok", "42P01").await,
        mirrored.errors("42P01", "ok").await,
        mirrored.errors("22012", "22012").await,
        mirrored.requests("other").await,
        mirrored.requests("rows").await,
        mirrored.requests("same").await,
    ];
    assert_eq!(found, [1.0, 1.0, 1.0, 2.0, 1.0, 2.0]);
}

#[tokio::test]
async fn how_much_slower_the_mirror_is_can_be_told() {
    let mirrored = Mirrored::start(&[]).await;
    let slow = "create function note(what text) returns text language sql as
        'select what from (select pg_sleep(0.05)) slept'";
    mirrored.shadow.psql(slow).await;
    let mut client = mirrored.client().await;
    for _ in 0..10 {
        note(&mut client, "a").await;
    }
    mirrored.until_ran(10).await;
    let sum = async |by: &str| {
        let series = format!("weir_mirror_duration_seconds_sum{{by=\"{by}\",kind=\"select\"}}");
        mirrored.metric(&series).await
    };
    let (server, mirror) = (sum("server").await, sum("mirror").await);
    assert!(mirror >= 0.5, "{mirror}");
    assert!(server > 0.0 && server < mirror, "{server}");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_there_is_cancelled() {
    let mirrored = Mirrored::start(&[("mirror_statement_timeout", "200ms"), ("mirror_connections", "1")]).await;
    let slow = "create function note(what text) returns text language sql as
        'select what from (select pg_sleep(case what when ''long'' then 60 else 0 end)) slept'";
    mirrored.shadow.psql(slow).await;
    let mut client = mirrored.client().await;
    note(&mut client, "long").await;
    note(&mut client, "short").await;
    mirrored.until_ran(2).await;
    assert_eq!(mirrored.errors("ok", "57014").await, 1.0);
    assert_eq!(mirrored.requests("same").await, 1.0);
}

#[tokio::test]
async fn what_was_prepared_there_under_other_definitions_is_prepared_anew() {
    let mirrored = Mirrored::start(&[("mirror_connections", "1")]).await;
    mirrored.stage.database.psql("create table t as select 1 as a").await;
    mirrored.shadow.psql("create table t as select 1 as a").await;
    let mut client = mirrored.client().await;
    for _ in 0..3 {
        run(&mut client, "select * from t").await;
    }
    mirrored.until_ran(3).await;
    mirrored.shadow.psql("alter table t add b text").await;
    for _ in 0..3 {
        run(&mut client, "select * from t").await;
    }
    mirrored.until_ran(6).await;
    assert_eq!(
        (mirrored.requests("same").await, mirrored.requests("other").await),
        (6.0, 0.0)
    );
}

#[tokio::test]
async fn more_statements_than_may_stay_prepared_are_told_apart() {
    let mirrored = Mirrored::noting(&[("mirror_connections", "1"), ("prepared_max", "2")]).await;
    let mut client = mirrored.client().await;
    for _ in 0..3 {
        for what in ["a", "b", "c", "d"] {
            run(&mut client, &format!("select note('{what}') /* weir:replica */")).await;
            run(&mut client, &format!("select '{what}' from nowhere")).await;
        }
    }
    mirrored.until_ran(24).await;
    assert_eq!(mirrored.seen().await, ["a b c d"; 3].join(" "));
    assert_eq!(mirrored.errors("42P01", "42P01").await, 12.0);
    assert_eq!(mirrored.requests("same").await, 24.0);
}
