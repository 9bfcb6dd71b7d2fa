//! Ages of real databases.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _, PgConnection};
use weir_testkit::{Database, Postgres, PostgresOptions, eventually};
use weir_upstream::{ConnectOptions, Target};

use super::*;

const SOON: Duration = Duration::from_secs(20);

async fn connected(url: &str) -> Connection {
    let target = Target::parse(url).unwrap();
    Connection::connect(&target, ConnectOptions::default()).await.unwrap()
}

async fn census(url: &str) -> Census {
    let mut connection = connected(url).await;
    let census = ages(&mut connection, 1_000).await.unwrap();
    connection.close().await;
    census
}

fn of<'a>(census: &'a Census, name: &str) -> &'a TableAge {
    let found = census.tables.iter().find(|table| table.table.name == name);
    found.unwrap_or_else(|| panic!("{name} is not there"))
}

async fn number(database: &Database, question: &str) -> u64 {
    database.psql(question).await.parse().unwrap()
}

const BURN: &str = "do $$ begin for i in 1..3000 loop perform pg_current_xact_id(); commit; end loop; end $$";

#[tokio::test]
async fn ages_are_those_of_the_server() {
    let database = Postgres::shared().await.database().await;
    database.psql("create table t (id int, note text)").await;
    database.psql(BURN).await;
    let census = census(&database.url()).await;
    let server = &census.server;
    assert_eq!(server.database, database.name());
    let next = number(&database, "select pg_snapshot_xmax(pg_current_snapshot())").await;
    assert!(next.abs_diff(server.next.transactions) < 1_000, "{next} {server:?}");
    let cluster = database.psql("select system_identifier from pg_control_system()").await;
    assert_eq!(server.cluster, cluster);
    let age = number(
        &database,
        "select age(datfrozenxid) from pg_database where datname = current_database()",
    )
    .await;
    assert!(
        age >= server.age.transactions && age - server.age.transactions < 1_000,
        "{age} {server:?}"
    );
    assert!(server.server_age.transactions >= server.age.transactions);
    assert_eq!(
        (server.freeze_max.transactions, server.freeze_max.multixacts),
        (200_000_000, 400_000_000)
    );
    assert_eq!(
        (server.failsafe.transactions, server.block_bytes),
        (1_600_000_000, 8_192)
    );
    // A superuser may look at the files; one of them holds up to 52,352.
    assert!(
        server
            .members
            .is_some_and(|members| members % 52_352 == 0 && members < 1 << 20),
        "{server:?}"
    );
    let found = of(&census, "t");
    assert!((3_000..10_000).contains(&found.heap.age.transactions), "{found:?}");
    assert_eq!(
        (found.apart, found.has_autovacuum, found.heap.limit.transactions),
        (None, false, 200_000_000)
    );
    let worst = census.tables.first().unwrap();
    assert_eq!(worst.apart, Some(Apart::System), "{worst:?}");
}

#[tokio::test]
async fn settings_of_a_table_lower_its_limit_and_those_of_its_toast_stand_alone() {
    let database = Postgres::shared().await.database().await;
    database
        .psql(
            "create table plain (note text);
             create table low (note text) with (autovacuum_freeze_max_age = 150000, autovacuum_multixact_freeze_max_age = 20000);
             create table high (note text) with (autovacuum_freeze_max_age = 2000000000);
             create table toasted (note text) with (autovacuum_freeze_max_age = 150000, toast.autovacuum_freeze_max_age = 120000)",
        )
        .await;
    let census = census(&database.url()).await;
    let limits = |name: &str| {
        let table = of(&census, name);
        let pair = |heap: &HeapAge| (heap.limit.transactions, heap.limit.multixacts);
        (pair(&table.heap), pair(table.toast.as_ref().unwrap()))
    };
    let usual = (200_000_000, 400_000_000);
    assert_eq!(limits("plain"), (usual, usual));
    assert_eq!(limits("low"), ((150_000, 20_000), (150_000, 20_000)));
    assert_eq!(limits("high"), (usual, usual));
    assert_eq!(limits("toasted"), ((150_000, 400_000_000), (120_000, 400_000_000)));
}

#[tokio::test]
async fn only_what_holds_this_database_back_counts() {
    let postgres = Postgres::start().await;
    let (database, other) = (postgres.database().await, postgres.database().await);
    let horizon = async || census(&database.url()).await.server.horizon_age;
    assert!(horizon().await < 100);
    let mut elsewhere = PgConnection::connect(&other.url()).await.unwrap();
    elsewhere.execute("begin; select pg_current_xact_id()").await.unwrap();
    database.psql(BURN).await;
    assert!(horizon().await < 100, "another database holds nobody back");
    elsewhere.close().await.unwrap();
    let mut here = PgConnection::connect(&database.url()).await.unwrap();
    here.execute("begin isolation level repeatable read; select 1")
        .await
        .unwrap();
    database.psql(BURN).await;
    let held = horizon().await;
    assert!((2_900..3_200).contains(&held), "{held}");
    let reading = census(&database.url()).await.reading(7);
    assert_eq!(
        reading.xid - reading.horizon.unwrap(),
        census(&database.url()).await.server.horizon_age
    );
    here.close().await.unwrap();
    eventually("the horizon to move", SOON, async || {
        (horizon().await < 100).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_role_without_rights_and_with_a_strange_search_path_is_answered() {
    let database = Postgres::shared().await.database().await;
    let role = format!("app_{}", uuid::Uuid::now_v7().simple());
    database
        .psql(&format!(
            "create role {role} login; create schema evil; grant usage on schema evil to public;
             create function evil.age(xid) returns int language sql as 'select 1 / 0';
             create function evil.mxid_age(xid) returns int language sql as 'select 1 / 0';
             create table evil.pg_class (); create table public.t (id int); grant create on schema public to {role};
             alter role {role} set search_path = evil, pg_catalog"
        ))
        .await;
    let mut owner = connected(&database.url()).await;
    owner
        .simple_query("create temporary table mine (id int)")
        .await
        .unwrap();
    let url = database.url().replacen("postgres@", &format!("{role}@"), 1);
    let census = census(&url).await;
    assert_eq!(census.server.members, None);
    assert_eq!(of(&census, "t").apart, None);
    assert_eq!(of(&census, "mine").apart, Some(Apart::Temporary));
    assert_eq!(of(&census, "pg_proc").apart, Some(Apart::System));
    owner.close().await;
}

#[tokio::test]
async fn an_autovacuum_against_wraparound_is_seen_at_its_table() {
    let postgres = PostgresOptions::new()
        .setting("autovacuum", "on")
        .setting("autovacuum_naptime", "1s")
        .setting("autovacuum_freeze_max_age", "100000")
        .start()
        .await;
    let database = postgres.database().await;
    database
        .psql(
            "create table t (id int, note text) with (autovacuum_enabled = off);
             insert into t select g, repeat('x', 500) from generate_series(1, 2000) g",
        )
        .await;
    let seen = census(&database.url()).await;
    assert!(of(&seen, "t").heap.pages > 100, "{:?}", of(&seen, "t"));
    // It waits for the lock of a table that is too old, and is seen to wait.
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    holder
        .execute("begin; lock table t in share update exclusive mode")
        .await
        .unwrap();
    database
        .psql("do $$ begin for i in 1..101000 loop perform pg_current_xact_id(); commit; end loop; end $$")
        .await;
    eventually("the autovacuum", SOON, async || {
        let seen = census(&database.url()).await;
        let table = of(&seen, "t");
        if table.has_autovacuum {
            Ok(())
        } else {
            Err(format!("{table:?}"))
        }
    })
    .await;
    holder.close().await.unwrap();
    eventually("the autovacuum to end", SOON, async || {
        let seen = census(&database.url()).await;
        let table = of(&seen, "t");
        let is_young = !table.has_autovacuum && table.heap.age.transactions < 100_000;
        if is_young { Ok(()) } else { Err(format!("{table:?}")) }
    })
    .await;
}
