//! What an estimator meets on its way: locks, missing rights, rows that somebody may still see, relations that go.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_testkit::Postgres;
use weir_upstream::Connection;

use super::super::{has_shrunk, heap, index, known, missing, screen_indexes, screen_tables, sqlstate, table, tools};
use super::{Lab, connect};
use crate::plan::{Bloat, Method};

const SOON: Duration = Duration::from_secs(10);

/// A table of 20 000 rows of which every second was deleted.
const HALF: &str = "create table half (id int primary key, t text);
    insert into half select i, noise(40) from generate_series(1, 20000) i; delete from half where id % 2 = 0;";

async fn lab(sql: &str) -> Lab {
    lab_in(Postgres::shared().await, sql).await
}

/// Transactions that stay open hold rows in every database of a cluster: those who open some have one of their own.
async fn lab_in(postgres: &Postgres, sql: &str) -> Lab {
    let lab = Lab::open(postgres).await;
    lab.database.psql(sql).await;
    lab
}

async fn of_table(lab: &mut Lab, name: &str) -> Bloat {
    let oid = lab.oid(name).await;
    timeout(SOON, table(&mut lab.connection, oid)).await.unwrap().unwrap()
}

async fn of_index(lab: &mut Lab, name: &str) -> Bloat {
    let oid = lab.oid(name).await;
    timeout(SOON, index(&mut lab.connection, oid)).await.unwrap().unwrap()
}

/// A session in which a transaction is open.
async fn other(lab: &Lab, sql: &str) -> Connection {
    let mut other = connect(&lab.database.url()).await;
    other.simple_query("begin").await.unwrap();
    other.simple_query(sql).await.unwrap();
    other
}

#[tokio::test]
async fn nobody_waits_for_a_table_that_somebody_holds_alone() {
    let own = Postgres::start().await;
    let mut lab = lab_in(&own, HALF).await;
    lab.database.psql("vacuum analyze half").await;
    let _holder = other(&lab, "lock half in access exclusive mode").await;
    let begun = Instant::now();
    let bloat = of_table(&mut lab, "half").await;
    assert_eq!(bloat.method, Method::Statistics);
    assert!(
        bloat.size > 0 && (bloat.likely_percent() - 50.0).abs() < 8.0,
        "{bloat:?}"
    );
    assert_eq!(of_index(&mut lab, "half_pkey").await.method, Method::Statistics);
    assert!(!screen_tables(&mut lab.connection).await.unwrap().is_empty());
    assert!(!screen_indexes(&mut lab.connection).await.unwrap().is_empty());
    assert!(
        begun.elapsed() < Duration::from_millis(400),
        "it waited: {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn who_may_not_read_pages_counts_and_who_may_not_count_screens() {
    let mut lab = lab(HALF).await;
    lab.database.psql("vacuum analyze half").await;
    let role = |name: &str| format!("{name}_{}", lab.database.name());
    let (counter, screener) = (role("counter"), role("screener"));
    let grants = format!(
        "create role {counter} login; create role {screener} login; grant pg_stat_scan_tables to {counter};
        grant usage on schema \"Odd Tools\" to public;
        grant select on half to {screener}, {counter}; grant execute on all functions in schema \"Odd Tools\" to public"
    );
    lab.database.psql(&grants).await;
    let oids = [lab.oid("half").await, lab.oid("half_pkey").await];
    assert_eq!(missing(&mut lab.connection).await.unwrap(), None);
    for (role, method) in [(counter, Method::Census), (screener, Method::Statistics)] {
        let url = lab.database.url().replace("postgres@", &format!("{role}@"));
        let mut connection = connect(&url).await;
        let of_table = table(&mut connection, oids[0]).await.unwrap();
        let of_index = index(&mut connection, oids[1]).await.unwrap();
        assert_eq!((of_table.method, of_index.method), (method, method), "{role}");
        assert!((of_table.likely_percent() - 50.0).abs() < 3.0, "{role}: {of_table:?}");
        assert!((of_index.likely_percent() - 50.0).abs() < 5.0, "{role}: {of_index:?}");
        assert_eq!(missing(&mut connection).await.unwrap(), Some("pageinspect"));
    }
}

#[tokio::test]
async fn without_extensions_there_are_statistics() {
    let mut lab = lab(HALF).await;
    lab.database
        .psql("drop extension pageinspect; drop extension pgstattuple")
        .await;
    lab.database.psql("vacuum analyze half").await;
    let bloat = of_table(&mut lab, "half").await;
    assert_eq!(bloat.method, Method::Statistics);
    assert!(bloat.low < bloat.likely && bloat.likely < bloat.high);
    assert_eq!(missing(&mut lab.connection).await.unwrap(), Some("pageinspect"));
}

#[tokio::test]
async fn what_a_snapshot_still_sees_is_no_waste() {
    let own = Postgres::start().await;
    let mut lab = lab_in(
        &own,
        "create table half (id int, t text);
        insert into half select i, 'x' from generate_series(1, 20000) i",
    )
    .await;
    let mut reader = other(
        &lab,
        "set transaction isolation level repeatable read; select count(*) from half",
    )
    .await;
    lab.database.psql("delete from half where id % 2 = 0").await;
    let seen = of_table(&mut lab, "half").await;
    assert_eq!(seen.likely, 0, "{seen:?}");
    reader.simple_query("commit").await.unwrap();
    let unseen = of_table(&mut lab, "half").await;
    assert!((unseen.likely_percent() - 50.0).abs() < 2.0, "{unseen:?}");
}

#[tokio::test]
async fn transactions_that_are_open_or_were_rolled_back_are_told_apart() {
    let own = Postgres::start().await;
    let mut lab = lab_in(
        &own,
        "create table t (id int, x text);
        insert into t select i, 'x' from generate_series(1, 20000) i; vacuum t",
    )
    .await;
    let mut writer = other(
        &lab,
        "delete from t where id <= 10000; insert into t select i, 'y' from generate_series(1, 20000) i",
    )
    .await;
    let open = of_table(&mut lab, "t").await;
    assert_eq!(open.likely, 0, "{open:?}");
    writer.simple_query("rollback").await.unwrap();
    let back = of_table(&mut lab, "t").await;
    assert!((back.likely_percent() - 50.0).abs() < 2.0, "{back:?}");
    let mut deleter = other(&lab, "delete from t where id <= 10000").await;
    deleter.simple_query("commit").await.unwrap();
    let gone = of_table(&mut lab, "t").await;
    assert!((gone.likely_percent() - 75.0).abs() < 2.0, "{gone:?}");
}

#[tokio::test]
async fn rows_that_several_transactions_locked_are_as_alive_as_their_update() {
    let own = Postgres::start().await;
    let mut lab = lab_in(
        &own,
        "create table t (id int primary key, x text);
        insert into t select i, 'x' from generate_series(1, 5000) i; vacuum t",
    )
    .await;
    let mut one = other(&lab, "select count(*) from (select from t for key share) l").await;
    let mut two = other(&lab, "update t set x = 'y' where id <= 2500").await;
    two.simple_query("commit").await.unwrap();
    one.simple_query("commit").await.unwrap();
    let multis = "select count(*) from \"Odd Tools\".heap_page_items(\"Odd Tools\".get_raw_page('t', 0))
        where t_infomask & 4096 <> 0 and t_infomask & 128 = 0";
    assert!(lab.number(multis).await > 50);
    let score = lab.judge_table("several lockers", "t").await;
    assert!(score.truth > 30.0 && score.sampled.error.abs() < 1.0, "{score}");
}

#[tokio::test]
async fn entries_of_dead_rows_are_no_sure_waste_of_an_index() {
    let mut lab = lab(HALF).await;
    lab.database.psql("analyze half").await;
    let before = of_index(&mut lab, "half_pkey").await;
    assert!(
        before.low_percent() < 3.0 && before.high as f64 > before.size as f64 * 0.5,
        "{before:?}"
    );
    assert!((before.likely_percent() - 50.0).abs() < 5.0, "{before:?}");
    lab.database.psql("vacuum half").await;
    let after = of_index(&mut lab, "half_pkey").await;
    assert!(after.low_percent() > 45.0, "{after:?}");
}

#[tokio::test]
async fn other_indexes_than_btrees_are_not_guessed_at() {
    let mut lab = lab("create table t (id int, a int[], p point);
        insert into t select i, array[i, i + 1], point(i, i) from generate_series(1, 5000) i;
        create index gin on t using gin (a); create index gist on t using gist (p); create index brin on t using brin (id);
        create index hash on t using hash (id); create index spgist on t using spgist (p)").await;
    for name in ["gin", "gist", "brin", "hash", "spgist"] {
        let bloat = of_index(&mut lab, name).await;
        assert!(bloat.size > 0, "{name}");
        assert_eq!((bloat.low, bloat.likely, bloat.high), (0, 0, bloat.size), "{name}");
    }
}

#[tokio::test]
async fn what_has_no_pages_or_is_gone_has_no_waste() {
    let mut lab = lab("create table parted (id int primary key) partition by range (id);
        create table part partition of parted for values from (1) to (20001);
        insert into parted select generate_series(1, 20000); delete from parted where id % 2 = 0; create view v as select 1;
        create table empty (id int, t text); create index empty_i on empty (id); create table nothing ()").await;
    lab.database.psql("vacuum analyze part").await;
    for name in ["parted", "v", "empty", "nothing"] {
        assert_eq!(of_table(&mut lab, name).await.size, 0, "{name}");
    }
    assert_eq!(of_index(&mut lab, "parted_pkey").await.size, 0);
    assert_eq!(table(&mut lab.connection, u32::MAX).await.unwrap().size, 0);
    let empty = of_index(&mut lab, "empty_i").await;
    assert_eq!((empty.size, empty.likely), (8192, 0));
    assert!((of_table(&mut lab, "part").await.likely_percent() - 50.0).abs() < 2.0);
    assert!((of_index(&mut lab, "part_pkey").await.likely_percent() - 50.0).abs() < 3.0);
}

#[tokio::test]
async fn a_table_that_shrinks_meanwhile_is_looked_at_again() {
    let mut lab = lab(HALF).await;
    let oid = lab.oid("half").await;
    let before = known::table(&mut lab.connection, oid).await.unwrap().unwrap();
    lab.database.psql("delete from half where id > 100").await;
    lab.database.psql("vacuum half").await;
    let schema = tools::find(&mut lab.connection).await.unwrap().pageinspect.unwrap();
    let Err(error) = heap::sample(&mut lab.connection, &schema, &before).await else {
        panic!("pages that are gone were read");
    };
    assert!(has_shrunk(&error), "{error:?}");
    assert!(of_table(&mut lab, "half").await.size < before.statistics.heap / 10);
}

#[tokio::test]
async fn a_question_whose_time_is_over_is_told_and_leaves_the_session_whole() {
    let mut lab = lab(HALF).await;
    let oid = lab.oid("half").await;
    lab.connection
        .simple_query("set statement_timeout = '1ms'")
        .await
        .unwrap();
    let error = table(&mut lab.connection, oid).await.unwrap_err();
    assert_eq!(sqlstate(&error), Some("57014"));
    lab.connection.simple_query("set statement_timeout = 0").await.unwrap();
    assert!(of_table(&mut lab, "half").await.size > 0);
}

#[tokio::test]
async fn names_and_search_paths_of_users_do_no_harm() {
    let mut lab = lab(
        "create schema \"It's\"; create table \"It's\".\"a \"\"b\"\" 'c'\" (id int primary key, \"Odd, column\" text);
        insert into \"It's\".\"a \"\"b\"\" 'c'\" select i, noise(30) from generate_series(1, 20000) i;
        delete from \"It's\".\"a \"\"b\"\" 'c'\" where id % 2 = 0",
    )
    .await;
    lab.database.psql("vacuum analyze").await;
    let evil = "create schema evil; create function evil.count() returns bigint language sql as 'select 1 / 0';
        create function evil.pg_relation_size(oid) returns bigint language sql as 'select 1 / 0';
        create function evil.unnest(bigint[]) returns setof bigint language sql as 'select 1 / 0';
        create view evil.pg_class as select 1 as oid; create function evil.get_raw_page(text, text, int) returns bytea
        language sql as 'select null::bytea'";
    lab.database.psql(evil).await;
    let oid = lab.oid("\"It''s\".\"a \"\"b\"\" ''c''\"").await;
    let index_oid = lab
        .number(&format!("select indexrelid from pg_index where indrelid = {oid}"))
        .await;
    lab.connection
        .simple_query("set search_path = evil, pg_catalog")
        .await
        .unwrap();
    let bloat = table(&mut lab.connection, oid).await.unwrap();
    assert_eq!(bloat.method, Method::Census);
    assert!((bloat.likely_percent() - 50.0).abs() < 2.0, "{bloat:?}");
    let bloat = index(&mut lab.connection, u32::try_from(index_oid).unwrap())
        .await
        .unwrap();
    assert!(
        bloat.method != Method::Statistics && (bloat.likely_percent() - 50.0).abs() < 3.0,
        "{bloat:?}"
    );
    assert!(
        screen_tables(&mut lab.connection)
            .await
            .unwrap()
            .iter()
            .any(|(known, _)| *known == oid)
    );
}

/// A crash sets the counters of rows to nothing. That says nothing of the rows.
#[tokio::test]
async fn counters_that_began_anew_do_not_make_a_full_table_waste() {
    let mut lab = lab("create table full_one (id int primary key, t text);
        insert into full_one select i, noise(40) from generate_series(1, 20000) i")
    .await;
    lab.database.psql("vacuum analyze full_one").await;
    lab.database.psql("select pg_stat_reset()").await;
    lab.database.psql("insert into full_one values (20001, 'x')").await;
    let (oid, pkey) = (lab.oid("full_one").await, lab.oid("full_one_pkey").await);
    let of = |found: Vec<(u32, Bloat)>, wanted: u32| found.into_iter().find(|(oid, _)| *oid == wanted).unwrap().1;
    let screened = of(screen_tables(&mut lab.connection).await.unwrap(), oid);
    assert!(screened.likely_percent() < 3.0 && screened.low == 0, "{screened:?}");
    let screened = of(screen_indexes(&mut lab.connection).await.unwrap(), pkey);
    assert!(screened.likely_percent() < 3.0 && screened.low == 0, "{screened:?}");
}
