//! Changes of definitions kill, and what is told follows them.

use crate::harness::{Cache, SOON, Touched, logical, number, oid};
use weir_bus::{Bus, Limits};
use weir_proto::cache::v1 as api;
use weir_tags::Tag;
use weir_testkit::eventually;

#[tokio::test]
async fn every_change_of_definitions_or_rights_kills_and_nothing_of_temporary_tables_does() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql(
            "create table t (id int primary key, n int); create view v as select * from t;
             create materialized view m as select * from t; create role reader;
             create policy p on t using (true);
             create table part (id int primary key) partition by range (id);
             create table part1 partition of part for values from (0) to (10);
             create table spare (id int primary key); create table plain (id int primary key, n int)",
        )
        .await;
    let mut cache = Cache::of(&database).await;
    for sql in [
        "create or replace view v as select id, n from t where true",
        "refresh materialized view m",
        "grant select on t to reader",
        "revoke select on t from reader",
        "alter policy p on t using (id > 0)",
        "alter table t enable row level security",
        "alter table plain alter n type bigint using n + 1",
        "create function f() returns int language sql as 'select 1'",
        "drop function f()",
        "drop view v",
        "alter table part attach partition spare for values from (10) to (20)",
        "alter table part detach partition spare",
        "alter table t rename n to m",
        "drop table part1",
        "set session_replication_role = replica; drop table spare",
    ] {
        let touched = cache.touched(&postgres, &database, sql).await;
        assert!(touched.killed, "{sql}");
    }
    // The catalogue has to be quiet again before what must not kill is told apart.
    cache.touched(&postgres, &database, "select 1").await;
    for sql in [
        "create temp table x (id int primary key); alter table x add y int; create index on x (y); insert into x values (1); drop table x",
        "create temp table y (id int) on commit drop",
        "select * into temp z from t",
        "create table if not exists t (id int)",
        "drop table if exists nothing",
        "analyze t; vacuum t",
    ] {
        let touched = cache.touched(&postgres, &database, sql).await;
        assert!(!touched.killed, "{sql}");
    }
    cache.stop().await;
}

#[tokio::test]
async fn a_partition_that_is_detached_beside_readers_kills_when_it_is_gone_for_new_ones() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql(
            "create table part (id int primary key) partition by range (id);
             create table part1 partition of part for values from (0) to (10)",
        )
        .await;
    let mut cache = Cache::of(&database).await;
    cache.catch_up(&postgres, &database).await;
    let kill = cache.view.kill;
    let url = database.url();
    let target = weir_upstream::Target::parse(&url).unwrap();
    let mut reader = weir_upstream::Connection::connect(&target, Default::default())
        .await
        .unwrap();
    reader
        .simple_query("begin; declare c cursor for select * from part")
        .await
        .unwrap();
    let detach = async {
        database
            .psql("alter table part detach partition part1 concurrently")
            .await;
    };
    let seen = async {
        eventually("the partition is about to go", SOON, || async {
            let pending = database
                .psql("select inhdetachpending from pg_inherits where inhrelid = 'part1'::regclass")
                .await;
            (pending == "t").then_some(())
        })
        .await;
        cache
            .view
            .until("the first commit kills", |view| view.kill > kill)
            .await;
        reader.simple_query("commit").await.unwrap();
    };
    tokio::join!(detach, seen);
    cache.stop().await;
}

#[tokio::test]
async fn a_table_without_identity_stays_writable_and_is_reported() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    database
        .psql(
            "create table keyed (id int primary key, n int); create table bare (id int);
             create unlogged table quick (id int primary key);
             create table late (id int primary key deferrable, n int);
             create table parent (id int) partition by range (id);
             create table leaf partition of parent for values from (0) to (10);
             insert into keyed values (1, 1); insert into bare values (1); insert into late values (1, 1)",
        )
        .await;
    let mut cache = Cache::of(&database).await;
    database
        .psql("update bare set id = 2; update late set n = 2; insert into leaf values (1); update parent set id = 2")
        .await;
    let follower = cache.follower().await;
    let reasons: Vec<(&str, &str)> = follower
        .unfollowed
        .iter()
        .map(|table| (table.relation.as_str(), table.reason.as_str()))
        .collect();
    let expected = [
        ("public.bare", "no_replica_identity"),
        ("public.late", "no_replica_identity"),
        ("public.leaf", "no_replica_identity"),
        ("public.parent", "no_replica_identity"),
        ("public.quick", "unlogged"),
    ];
    assert_eq!(reasons, expected);
    assert!(
        follower.unfollowed[0]
            .advice
            .contains("ALTER TABLE \"public\".\"bare\"")
    );

    // It loses what identifies it, and is written to in the same transaction and after.
    let sql =
        "begin; alter table keyed drop constraint keyed_pkey; update keyed set n = 2; commit; update keyed set n = 3";
    database.psql(sql).await;
    cache.until_listed("public.keyed", Some("no_replica_identity")).await;
    database
        .psql("alter table keyed replica identity full; update keyed set n = 4")
        .await;
    cache.until_listed("public.keyed", None).await;
    let keyed = oid(&database, "keyed").await;
    let touched = cache.touched(&postgres, &database, "update keyed set n = 5").await;
    assert_eq!(touched, Touched::only([Tag::table(keyed)]));
    database
        .psql("alter table keyed replica identity nothing; update keyed set n = 6")
        .await;
    cache.until_listed("public.keyed", Some("no_replica_identity")).await;
    cache.stop().await;
}

#[tokio::test]
async fn a_new_table_is_told_once_nobody_can_have_written_to_it_unseen() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    let mut cache = Cache::of(&database).await;
    // Somebody writes to it before it is published, and commits long after.
    let target = weir_upstream::Target::parse(&database.url()).unwrap();
    let mut writer = weir_upstream::Connection::connect(&target, Default::default())
        .await
        .unwrap();
    database.psql("create role plain; drop role plain").await;
    writer.simple_query("begin").await.unwrap();
    writer.simple_query("select pg_current_xact_id()").await.unwrap();
    database.psql("create table fresh (id int primary key)").await;
    writer.simple_query("insert into fresh values (1)").await.unwrap();
    cache.until_listed("public.fresh", Some("published_just_now")).await;
    writer.simple_query("commit").await.unwrap();
    cache.until_listed("public.fresh", None).await;
    let fresh = oid(&database, "fresh").await;
    let touched = cache
        .touched(&postgres, &database, "insert into fresh values (2)")
        .await;
    assert_eq!(touched, Touched::only([Tag::table(fresh), number(fresh, "id", 2)]));
    cache.stop().await;
}

#[tokio::test]
async fn what_hinders_is_said_in_a_sentence_and_mended_is_followed() {
    let postgres = logical(&[]).await;
    let database = postgres.database().await;
    let bus = Bus::in_memory(Limits::default());
    let cache = Cache::begin(
        &database,
        bus,
        &[("WEIR_CACHE__MANAGE", "false"), ("WEIR_CACHE__RETRY_MAX", "100ms")],
    )
    .await;
    let follower = cache.until(api::FollowerState::Blocked).await;
    assert!(follower.hindrance.contains("event triggers"), "{follower:?}");
    database.psql(include_str!("../../src/follow/triggers.sql")).await;
    eventually("the publication to be missed", SOON, || async {
        let follower = cache.follower().await;
        follower.hindrance.contains("CREATE PUBLICATION").then_some(())
    })
    .await;
    database
        .psql("create table t (id int primary key); create table u (id int primary key, n int); create publication weir_cache for table t")
        .await;
    let follower = cache.until(api::FollowerState::Following).await;
    assert_eq!(follower.unfollowed[0].reason, "not_published");
    let advice = follower.unfollowed[0].advice.clone();
    database.psql(&advice).await;
    cache.until_listed("public.u", None).await;
    database
        .psql("alter publication weir_cache set table t, u where (n > 1)")
        .await;
    cache.until_listed("public.u", Some("published_in_part")).await;
    database.psql("drop event trigger weir_follow_end").await;
    let follower = cache.until(api::FollowerState::Blocked).await;
    assert!(follower.hindrance.contains("event triggers"), "{follower:?}");
    cache.stop().await;

    let plain = weir_testkit::Postgres::start().await;
    let database = plain.database().await;
    let cache = Cache::begin(&database, Bus::in_memory(Limits::default()), &[]).await;
    let follower = cache.until(api::FollowerState::Blocked).await;
    assert_eq!(
        follower.hindrance,
        "wal_level is replica; set wal_level = logical and restart the server"
    );
    cache.stop().await;
}

#[tokio::test]
async fn a_role_without_rights_follows_what_is_its_own_once_the_triggers_are_there() {
    let postgres = weir_testkit::PostgresOptions::new()
        .setting("wal_level", "logical")
        .user("app", "secret")
        .start()
        .await;
    let database = postgres.database().await;
    let name = database.name();
    database
        .psql(&format!(
            "alter database {name} owner to app; alter schema public owner to app;
             create table foreign_one (id int primary key);
             set role app; create table own (id int primary key, n int)"
        ))
        .await;
    let url = format!("postgres://app:secret@127.0.0.1:{}/{name}", postgres.port());
    let settings = [("DATABASE_URL", url.as_str()), ("WEIR_CACHE__RETRY_MAX", "100ms")];
    let mut cache = Cache::begin(&database, Bus::in_memory(Limits::default()), &settings).await;
    let until = async |cache: &Cache, words: &str| {
        eventually(words, SOON, || async {
            let follower = cache.follower().await;
            if follower.hindrance.contains(words) {
                return Ok(());
            }
            Err(format!("{follower:?}"))
        })
        .await;
    };
    until(&cache, "may not create event triggers").await;
    database.psql(include_str!("../../src/follow/triggers.sql")).await;
    until(&cache, "ALTER ROLE \"app\" REPLICATION").await;
    assert_eq!(cache.follower().await.state, i32::from(api::FollowerState::Blocked));
    database.psql("alter role app replication").await;
    cache.until(api::FollowerState::Following).await;
    cache.until_listed("public.foreign_one", Some("not_published")).await;
    cache.until_listed("public.own", None).await;
    let own = oid(&database, "own").await;
    let touched = cache
        .touched(&postgres, &database, "insert into own values (4, 4)")
        .await;
    assert_eq!(touched, Touched::only([Tag::table(own), number(own, "id", 4)]));
    database
        .psql("set role app; begin; alter table own drop constraint own_pkey; update own set n = 5; commit")
        .await;
    cache.until_listed("public.own", Some("no_replica_identity")).await;
    cache.stop().await;
}
