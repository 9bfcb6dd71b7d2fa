//! VACUUM of real tables: what is done, what is left, and what ends it early.

use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::{Connection as _, Executor as _, PgConnection};
use weir_jobs::Window;
use weir_model::Clock;
use weir_testkit::{Database, Postgres, eventually};
use weir_upstream::Target;

use super::*;
use crate::act::{Limits, Session};
use crate::in_job::in_job;

const SOON: Duration = Duration::from_secs(20);

fn named(schema: &str, name: &str) -> TableName {
    TableName {
        schema: schema.to_owned(),
        name: name.to_owned(),
    }
}

fn twice() -> VacuumOrder {
    VacuumOrder {
        tries: 2,
        ..VacuumOrder::default()
    }
}

/// Vacuums a table of this address as a job with this window would.
async fn vacuumed(url: &str, table: TableName, order: VacuumOrder, window: Window) -> Result<Vacuumed, Halt> {
    let target = Target::parse(url).unwrap();
    in_job(window, move |job| {
        let (target, table) = (target.clone(), table.clone());
        async move {
            let limits = Limits {
                lock: Duration::from_millis(300),
                statement: SOON,
            };
            let mut session = Session::open(&target, "weir-maint/test", limits).await.unwrap();
            let clock = Clock::system();
            let done = vacuum(&mut session, &Guard::new(job, &clock), &table, &order).await;
            let settings = "select current_setting('vacuum_cost_delay') || current_setting('vacuum_cost_limit') as set";
            if done.is_ok() {
                let rows = session.connection().simple_query(settings).await.unwrap();
                assert_eq!(
                    rows[0].get("set"),
                    Some("0200"),
                    "the session keeps what one vacuum was given"
                );
            }
            session.close().await;
            done
        }
        .boxed()
    })
    .await
}

async fn done(database: &Database, table: &str, order: VacuumOrder) -> Vacuumed {
    let done = vacuumed(&database.url(), named("public", table), order, Window::default()).await;
    done.unwrap()
}

fn left(vacuumed: &Vacuumed) -> &str {
    match &vacuumed.outcome {
        Outcome::Left(reason) => reason,
        Outcome::Done => panic!("it is said to be done: {vacuumed:?}"),
    }
}

/// A table of 10,000 rows, half of them dead, the later half.
async fn half_dead(name: &str) -> Database {
    let database = Postgres::shared().await.database().await;
    database
        .psql(&format!(
            "create table {name} (id int primary key, note text);
             insert into {name} select g, repeat('x', 100) from generate_series(1, 10000) g;
             delete from {name} where id > 5000"
        ))
        .await;
    let dead = format!("select pg_stat_get_dead_tuples('{name}'::regclass)");
    eventually("the dead rows to be counted", SOON, async || {
        let seen = database.psql(&dead).await;
        if seen == "5000" { Ok(()) } else { Err(seen) }
    })
    .await;
    database
}

async fn holding(database: &Database, statement: &str) -> PgConnection {
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    holder.execute("begin isolation level repeatable read").await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    holder.execute(statement).await.unwrap();
    holder
}

#[tokio::test]
async fn dead_rows_go_and_the_file_keeps_its_length() {
    let database = half_dead("t").await;
    let done = done(&database, "t", VacuumOrder::default()).await;
    assert_eq!((&done.outcome, done.tries, &done.note), (&Outcome::Done, 1, &None));
    assert_eq!((done.before.dead_tuples, done.after.dead_tuples), (5_000, 0));
    assert_eq!(done.after.live_tuples, 5_000);
    assert_eq!(
        done.report.map(|report| (report.removed, report.dead_left)),
        Some((5_000, 0))
    );
    // A truncation would have to lock readers out.
    assert!(
        done.after.pages_visible == done.after.pages && done.after.pages > 150,
        "{:?}",
        done.after
    );
    assert!(
        done.after.size_bytes >= done.before.size_bytes,
        "{:?}",
        (&done.before, &done.after)
    );
}

#[tokio::test]
async fn rows_grow_young_where_that_is_ordered_with_those_that_are_stored_out_of_line() {
    let database = half_dead("t").await;
    database.psql("insert into t select 20000 + g, string_agg(md5(random()::text), '') from generate_series(1, 20) g, generate_series(1, 400) group by g").await;
    database.psql(&burn(5_000)).await;
    let plain = done(&database, "t", VacuumOrder::default()).await;
    assert!(plain.after.xid_age > 5_000, "{plain:?}");
    let order = VacuumOrder {
        freeze: true,
        ..VacuumOrder::default()
    };
    let frozen = done(&database, "t", order).await;
    assert_eq!(frozen.outcome, Outcome::Done);
    assert!(frozen.before.toast_xid_age > 5_000, "{frozen:?}");
    let (heap, toast) = (frozen.after.xid_age, frozen.after.toast_xid_age);
    assert!(heap < 100 && toast < 100, "{frozen:?}");
    // A database is as old as its oldest table: here one of the server's own.
    let age = "select age(datfrozenxid) >= 5000 from pg_database where datname = current_database()";
    assert_eq!(database.psql(age).await, "t");
}

/// Uses up ids, each in a transaction of its own.
fn burn(ids: u32) -> String {
    format!("do $$ begin for i in 1..{ids} loop perform pg_current_xact_id(); commit; end loop; end $$")
}

#[tokio::test]
async fn a_table_whose_lock_cannot_be_had_is_left_and_never_told_as_done() {
    let database = half_dead("t").await;
    let holder = holding(&database, "lock table t in share update exclusive mode").await;
    let skipped = done(&database, "t", twice()).await;
    assert!(left(&skipped).contains("its lock could not be had"), "{skipped:?}");
    assert_eq!((skipped.tries, skipped.after.dead_tuples), (2, 5_000));
    // In an emergency the lock is waited for, and time runs out.
    let urgent = VacuumOrder {
        emergency: true,
        ..twice()
    };
    let waited = done(&database, "t", urgent).await;
    assert!(left(&waited).contains("lock timeout"), "{waited:?}");
    assert_eq!(waited.tries, 2);
    drop(holder);
    assert_eq!(done(&database, "t", twice()).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn a_lock_that_is_given_back_in_time_is_had_at_a_later_try() {
    let database = half_dead("t").await;
    let holder = holding(&database, "lock table t in share update exclusive mode").await;
    let release = async {
        let waits = "select count(*) from pg_stat_activity where query like 'vacuum (verbose%' and datname = current_database()";
        eventually("the first try", SOON, async || {
            (database.psql(waits).await == "1").then_some(())
        })
        .await;
        holder.close().await.unwrap();
    };
    let order = VacuumOrder::default();
    let (done, ()) = tokio::join!(done(&database, "t", order), release);
    assert_eq!(done.outcome, Outcome::Done);
    assert!(done.tries >= 2, "{done:?}");
}

#[tokio::test]
async fn a_table_of_somebody_else_is_left() {
    let database = half_dead("t").await;
    let role = format!("app_{}", uuid::Uuid::now_v7().simple());
    database.psql(&format!("create role {role} login")).await;
    let url = database.url().replacen("postgres@", &format!("{role}@"), 1);
    let done = vacuumed(&url, named("public", "t"), twice(), Window::default())
        .await
        .unwrap();
    let reason = left(&done);
    assert!(reason.contains("\"t\"") && reason.contains("vacuum"), "{reason}");
    assert_eq!((done.tries, done.after.dead_tuples), (1, 5_000));
}

#[tokio::test]
async fn what_somebody_may_still_see_stays_and_a_freeze_in_vain_is_told_as_left() {
    let database = Postgres::shared().await.database().await;
    database
        .psql("create table t (id int); insert into t select generate_series(1, 1000)")
        .await;
    let holder = holding(&database, "select 1").await;
    database.psql("delete from t where id <= 400").await;
    database.psql(&burn(3_000)).await;
    let plain = done(&database, "t", VacuumOrder::default()).await;
    assert_eq!((&plain.outcome, plain.after.dead_tuples), (&Outcome::Done, 400));
    assert!(
        plain
            .note
            .as_ref()
            .is_some_and(|note| note.contains("400 dead rows stayed")),
        "{plain:?}"
    );
    let report = plain.report.as_ref().unwrap();
    assert!(report.cutoff_age >= 3_000, "{report:?}");
    let order = VacuumOrder {
        freeze: true,
        ..VacuumOrder::default()
    };
    let vain = done(&database, "t", order).await;
    assert!(left(&vain).contains("in vain"), "{vain:?}");
    holder.close().await.unwrap();
    let frozen = done(&database, "t", order).await;
    assert_eq!((&frozen.outcome, frozen.after.dead_tuples), (&Outcome::Done, 0));
    assert!(frozen.after.xid_age < 100, "{frozen:?}");
}

#[tokio::test]
async fn names_and_search_paths_do_not_mislead() {
    let database = Postgres::shared().await.database().await;
    let name = "Odd\\'\"; drop table t; --";
    let quoted = named("S x", name).quoted();
    database
        .psql(&format!(
            "create schema \"S x\"; create table {quoted} (id int); insert into {quoted} select generate_series(1, 500);
             create table t (); create schema evil;
             create function evil.age(xid) returns int language sql as 'select 1 / 0';
             create function evil.mxid_age(xid) returns int language sql as 'select 1 / 0';
             create table evil.pg_class (); create table evil.pg_namespace ();
             do $$ begin execute format('alter database %I set search_path = evil, pg_catalog', current_database()); end $$"
        ))
        .await;
    let done = vacuumed(&database.url(), named("S x", name), twice(), Window::default())
        .await
        .unwrap();
    assert_eq!(done.outcome, Outcome::Done, "{done:?}");
    assert_eq!(done.after.live_tuples, 500);
    assert_eq!(database.psql("select to_regclass('public.t') is not null").await, "t");
    let gone = vacuumed(&database.url(), named("public", "nothing"), twice(), Window::default())
        .await
        .unwrap();
    assert_eq!(left(&gone), "it is gone");
}

#[tokio::test]
async fn a_window_that_ends_ends_the_vacuum() {
    let database = half_dead("t").await;
    let window = Window {
        ends: Some(Clock::system().now() + Duration::from_secs(2)),
        is_closed: false,
    };
    // A rest after every page: it would take long.
    let order = VacuumOrder {
        cost_limit: 1,
        ..VacuumOrder::default()
    };
    database
        .psql("insert into t select 100000 + g, repeat('y', 500) from generate_series(1, 60000) g")
        .await;
    let begun = Instant::now();
    let ended = vacuumed(&database.url(), named("public", "t"), order, window).await;
    assert!(matches!(ended, Err(Halt::WindowEnded)), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let left = "select count(*) from pg_stat_progress_vacuum where datname = current_database()";
    assert_eq!(database.psql(left).await, "0");
}

#[test]
fn every_version_is_asked_for_what_it_knows() {
    let (table, plain) = (named("public", "t"), VacuumOrder::default());
    let of = |version, order: &VacuumOrder| statement(version, &table, order);
    assert_eq!(
        of(15, &plain),
        "vacuum (verbose, truncate false, process_toast true, index_cleanup auto, parallel 0, skip_locked true) \"public\".\"t\""
    );
    let eighteen = of(18, &plain);
    assert!(
        eighteen.contains("buffer_usage_limit '128MB', skip_database_stats)"),
        "{eighteen}"
    );
    let freeze = VacuumOrder {
        freeze: true,
        parallel: true,
        ..plain
    };
    let freeze = of(17, &freeze);
    assert!(
        freeze.contains("parallel 1, freeze") && !freeze.contains("skip_database_stats"),
        "{freeze}"
    );
    let urgent = VacuumOrder {
        emergency: true,
        ..plain
    };
    let statement = of(15, &urgent);
    assert!(
        statement.contains("index_cleanup off") && !statement.contains("skip_locked"),
        "{statement}"
    );
    assert!(set(&urgent).contains("vacuum_cost_delay = '0'"));
    let most = VacuumOrder {
        memory_bytes: u64::MAX,
        cost_limit: u32::MAX,
        ..plain
    };
    assert_eq!(
        set(&most),
        "set vacuum_cost_delay = '2ms'; set vacuum_cost_limit = 10000; set maintenance_work_mem = '1048576kB'"
    );
}
