//! Prepared statements over a pool whose connections change between transactions.

use super::described::frame;
use super::faults::raw::{Raw, query, tags};
use super::{Stage, extended, value};

#[tokio::test]
async fn a_name_that_sql_has_used_is_taken_until_it_is_closed() {
    let stage = Stage::with_pool(1).await;
    let mut client = Raw::log_in(&stage).await;
    let parse = frame(b'P', b"mine\0select 1\0\0\0");
    let close = frame(b'C', b"Smine\0");
    let sync = frame(b'S', b"");
    let mut said = async |request: &[&[u8]]| {
        client.send(&request.concat()).await;
        tags(&client.until_ready().await)
    };
    assert_eq!(said(&[&parse, &sync]).await, "1Z");
    assert_eq!(said(&[&query("execute mine")]).await, "TDCZ");
    assert_eq!(said(&[&parse, &sync]).await, "EZ");
    assert_eq!(said(&[&close, &sync]).await, "3Z");
    assert_eq!(said(&[&parse, &sync]).await, "1Z");
    assert_eq!(value(&mut stage.client().await, "select 2").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_repeated_text_is_prepared_once_and_answers_as_before() {
    let stage = Stage::with_pool(1).await;
    let mut client = stage.client().await;
    for _ in 0..5 {
        assert_eq!(
            extended(&mut client, "select 1 + 1").await.unwrap().as_deref(),
            Some("2")
        );
    }
    let known = "select count(*) from pg_prepared_statements where statement = 'select 1 + 1'";
    assert_eq!(value(&mut client, known).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn changed_definitions_never_reach_a_client_as_an_error() {
    changed_definitions("transaction", "1").await;
    // A session that has its connection for itself is told no more of them.
    changed_definitions("session", "2").await;
}

async fn changed_definitions(mode: &str, pool_max: &str) {
    let stage = Stage::with(&[("pool_mode", mode), ("pool_max", pool_max), ("pool_min", "0")]).await;
    stage
        .database
        .psql("create table t (a int); insert into t values (7)")
        .await;
    let mut client = stage.client().await;
    for _ in 0..3 {
        assert_eq!(
            extended(&mut client, "select * from t").await.unwrap().as_deref(),
            Some("7")
        );
    }
    // Nobody tells the gateway.
    stage
        .database
        .psql("alter table t alter a type text using 'now ' || a")
        .await;
    assert_eq!(
        extended(&mut client, "select * from t").await.unwrap().as_deref(),
        Some("now 7")
    );
    // Through the gateway, from another client.
    let mut other = stage.client().await;
    other.simple_query("alter table t add b int").await.unwrap();
    for _ in 0..3 {
        assert_eq!(
            extended(&mut client, "select * from t").await.unwrap().as_deref(),
            Some("now 7")
        );
    }
}

#[tokio::test]
async fn one_text_means_what_the_search_path_says() {
    let stage = Stage::with_pool(1).await;
    stage
        .database
        .psql("create schema one; create schema two; create table one.t as select 'in one'::text as a; create table two.t as select 2 as a")
        .await;
    let (mut one, mut two) = (stage.client().await, stage.client().await);
    one.simple_query("set search_path = one").await.unwrap();
    two.simple_query("set search_path = two").await.unwrap();
    for _ in 0..4 {
        assert_eq!(
            extended(&mut one, "select a from t").await.unwrap().as_deref(),
            Some("in one")
        );
        assert_eq!(
            extended(&mut two, "select a from t").await.unwrap().as_deref(),
            Some("2")
        );
    }
}

#[tokio::test]
async fn more_statements_than_a_connection_keeps_are_prepared_again() {
    let stage = Stage::with(&[("pool_max", "1"), ("pool_min", "0"), ("prepared_max", "3")]).await;
    let mut client = stage.client().await;
    for round in 0..4 {
        for number in 0..10 {
            let sql = format!("select {number}::int");
            let seen = extended(&mut client, &sql).await.unwrap();
            assert_eq!(seen, Some(number.to_string()), "round {round}");
        }
    }
    let kept = value(&mut client, "select count(*) from pg_prepared_statements")
        .await
        .unwrap();
    assert!(kept.parse::<u32>().unwrap() <= 3, "{kept} are kept");
}

#[tokio::test]
async fn statements_that_somebody_threw_away_are_prepared_again() {
    let stage = Stage::with_pool(1).await;
    let (mut client, mut other) = (stage.client().await, stage.client().await);
    for _ in 0..3 {
        extended(&mut client, "select 5").await.unwrap();
    }
    // In a text of several statements nobody looks for it.
    for away in [
        "deallocate all",
        "do $$ begin deallocate all; end $$",
        "select 1; deallocate all",
    ] {
        other
            .simple_query(away)
            .await
            .unwrap_or_else(|error| panic!("{away}: {error}"));
        assert_eq!(
            extended(&mut client, "select 5").await.unwrap().as_deref(),
            Some("5"),
            "after {away}"
        );
    }
}

/// Names a statement, and runs what has that name.
fn name(sql: &str) -> Vec<u8> {
    let parse = frame(b'P', &[b"mine\0", sql.as_bytes(), b"\0\0\0"].concat());
    [parse, frame(b'S', b"")].concat()
}

fn run() -> Vec<u8> {
    let bind = frame(b'B', b"\0mine\0\0\0\0\0\0\0");
    [bind, frame(b'E', b"\0\0\0\0\0"), frame(b'S', b"")].concat()
}

async fn said(client: &mut Raw, request: &[u8]) -> String {
    client.send(request).await;
    tags(&client.until_ready().await)
}

#[tokio::test]
async fn all_that_is_prepared_is_forgotten_at_once_and_only_if_that_is_done() {
    let stage = Stage::with_pool(1).await;
    let mut client = Raw::log_in(&stage).await;
    let mut says = async |request: &[u8]| said(&mut client, request).await;
    assert_eq!(says(&name("select 1")).await, "1Z");
    assert_eq!(says(&run()).await, "2DCZ");
    for end in ["commit", "rollback"] {
        says(&query("begin; select 1")).await;
        assert_eq!(says(&query("deallocate all")).await, "CZ", "{end}");
        // The name is free, and the same text is there no more.
        assert_eq!(says(&name("select 1")).await, "1Z", "{end}");
        assert_eq!(says(&run()).await, "2DCZ", "{end}");
        assert_eq!(says(&query(end)).await, "CZ");
        assert_eq!(says(&run()).await, "2DCZ", "{end}: what was prepared behind it stays");
    }
    says(&query("begin; select 1 / 0")).await;
    assert_eq!(says(&query("deallocate all")).await, "EZ");
    says(&query("rollback")).await;
    assert_eq!(says(&run()).await, "2DCZ", "nothing was forgotten");
    // Sent in one go, the text is parsed behind what forgets it.
    let all = [
        &query("begin; select 1")[..],
        &query("deallocate all"),
        &name("select 1"),
        &run(),
    ]
    .concat();
    client.send(&all).await;
    let mut answers = String::new();
    for _ in 0..4 {
        answers += &tags(&client.until_ready().await);
    }
    assert!(answers.ends_with("CZ1Z2DCZ"), "{answers}");
}

#[tokio::test]
async fn a_type_that_somebody_made_anew_is_found_by_its_name() {
    let stage = Stage::with_pool(1).await;
    let mut client = Raw::log_in(&stage).await;
    for labels in ["'a'", "'a', 'b'", "'b', 'a'"] {
        let made = format!("drop type if exists mood; create type mood as enum ({labels})");
        stage.database.psql(&made).await;
        for _ in 0..3 {
            let parse = frame(b'P', b"\0select $1::mood\0\0\0");
            let bind = frame(b'B', b"\0\0\0\0\0\x01\0\0\0\x01a\0\0");
            let all = [parse, bind, frame(b'E', b"\0\0\0\0\0"), frame(b'S', b"")].concat();
            assert_eq!(said(&mut client, &all).await, "12DCZ", "{labels}");
        }
    }
}

#[tokio::test]
async fn a_table_that_is_no_more_is_forgotten_with_the_next_of_its_name() {
    let stage = Stage::with_pool(1).await;
    let mut client = Raw::log_in(&stage).await;
    let ways = [
        ("create table t (a", ")", "rollback"),
        ("create temp table t (a", ") on commit drop", "commit"),
        ("create temp table t (a", ")", "rollback"),
    ];
    for (create, options, end) in ways {
        for kind in ["int", "text", "date", "int", "uuid"] {
            said(&mut client, &query("begin")).await;
            let made = said(&mut client, &query(&format!("{create} {kind}{options}"))).await;
            assert_eq!(made, "CZ", "{create} {kind}");
            for _ in 0..3 {
                let parse = frame(b'P', b"\0select * from t\0\0\0");
                let bind = frame(b'B', b"\0\0\0\0\0\0\0\0");
                let all = [parse, bind, frame(b'E', b"\0\0\0\0\0"), frame(b'S', b"")].concat();
                assert_eq!(said(&mut client, &all).await, "12CZ", "{create} {kind}");
            }
            assert_eq!(said(&mut client, &query(end)).await, "CZ");
        }
    }
}

#[tokio::test]
async fn what_was_prepared_for_definitions_that_were_undone_is_prepared_anew() {
    let stage = Stage::with_pool(1).await;
    for _ in 0..3 {
        let mut client = Raw::log_in(&stage).await;
        let mut says = async |request: &[u8]| said(&mut client, request).await;
        says(&query("begin")).await;
        assert_eq!(says(&query("create type mood as enum ('a')")).await, "CZ");
        assert_eq!(says(&name("select $1::mood")).await, "1Z");
        let bind = frame(b'B', b"\0mine\0\0\0\0\x01\0\0\0\x01a\0\0");
        let run = [bind, frame(b'E', b"\0\0\0\0\0"), frame(b'S', b"")].concat();
        assert_eq!(says(&run).await, "2DCZ");
        assert_eq!(says(&query("rollback")).await, "CZ");
    }
}
