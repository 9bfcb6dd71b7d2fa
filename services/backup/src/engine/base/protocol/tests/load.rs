//! Backups of servers at work.

use std::os::unix::fs::chown;
use std::time::Duration;

use weir_testkit::{Database, Postgres};

use super::ground::{Place, Restored, backed_up, files, pace, server, target};

/// A table whose content says by itself whether it is whole.
async fn filled(postgres: &Postgres) -> Database {
    let database = postgres.database().await;
    let rows =
        "select g as id, md5(g::text) as text, repeat(md5(g::text), 20) as more from generate_series(1, 15000) g";
    let more =
        "create table dropped as table t; create table truncated as table t; create table grown (id int, text text)";
    database
        .psql(&format!(
            "create table t as {rows}; create index on t (id); {more}; create table ledger (id int)"
        ))
        .await;
    database
}

/// One line that says what is in a database.
const SUM: &str = "select (select count(*) || md5(string_agg(t::text, ',' order by id)) from t), \
    (select count(*) || coalesce(md5(string_agg(g::text, ',' order by id)), '') from grown g), \
    (select count(*) from truncated), to_regclass('dropped'), \
    (select count(*) || '/' || max(id) from ledger)";

/// What happens to a database while it is read.
async fn work(postgres: &Postgres, database: &Database) {
    for round in 0..8 {
        let update = format!("update t set text = md5(text || {round}) where id % 8 = {round}");
        let grow =
            format!("insert into grown select g, repeat('x', 200) from generate_series({round}000, {round}999) g");
        database.psql(&format!("{update}; {grow}; checkpoint")).await;
        for id in 0..10 {
            database
                .psql(&format!("insert into ledger values ({round} * 10 + {id})"))
                .await;
        }
        match round {
            2 => drop(database.psql("drop table dropped").await),
            3 => drop(database.psql("truncate truncated").await),
            4 => drop(
                postgres
                    .psql("postgres", "create database late; create table here (a int)")
                    .await,
            ),
            5 => drop(postgres.psql("late", "create table t as select 7 as a").await),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_server_at_work_is_restored_to_its_last_commit() {
    let postgres = server(&[]).await;
    let database = filled(&postgres).await;
    let place = Place::new().await;
    let pace = pace(12_000_000);
    let (entry, taken) = {
        let target = target(&postgres);
        let backup = backed_up(&place, &target, None, &pace);
        let (backup, ()) = tokio::join!(backup, work(&postgres, &database));
        backup.unwrap()
    };
    assert_eq!(
        (taken.corrupt_page_count, taken.corrupt_pages.len()),
        (0, 0),
        "{:?}",
        taken.corrupt_pages
    );
    assert!(taken.start.lsn < taken.stop.lsn);
    let reached = pace.progress().reached();
    assert_eq!(
        (reached.phase, reached.done_bytes > 30_000_000),
        ("copy", true),
        "{reached:?}"
    );
    assert!(
        reached.total_bytes > 30_000_000 && reached.moved_bytes > 0,
        "{reached:?}"
    );
    let mut restored = Restored::of(&place, &entry, &postgres).await;
    restored.verify();
    restored.start(&postgres).await;
    assert_eq!(restored.ask(database.name(), SUM), database.psql(SUM).await);
    assert_eq!(restored.ask("late", "select a from t"), "7");
    let checked = "create extension amcheck; select bt_index_check(indexrelid, true) from pg_index \
        join pg_class c on c.oid = indexrelid where c.relkind = 'i' and relam = 403 and relpersistence = 'p'";
    restored.ask(database.name(), checked);
}

#[tokio::test]
async fn tablespaces_come_along_wherever_they_are() {
    let postgres = server(&[("allow_in_place_tablespaces", "on")]).await;
    let place = Place::new().await;
    let outside = tempfile::tempdir().unwrap();
    let owner = std::fs::metadata(postgres.data_dir()).unwrap();
    let owner = {
        use std::os::unix::fs::MetadataExt as _;
        (owner.uid(), owner.gid())
    };
    let location = outside.path().join("it is here");
    std::fs::create_dir(&location).unwrap();
    for path in [outside.path(), &location] {
        chown(path, Some(owner.0), Some(owner.1)).unwrap();
    }
    let quoted = location.display();
    postgres
        .psql("postgres", &format!("create tablespace one location '{quoted}'"))
        .await;
    postgres.psql("postgres", "create tablespace two location ''").await;
    let fill = "create table a tablespace one as select generate_series(1, 50000) n;
        create table b tablespace two as select generate_series(1, 50000) n";
    postgres.psql("postgres", fill).await;
    let (entry, taken) = backed_up(&place, &target(&postgres), None, &pace(0)).await.unwrap();
    let [tablespace] = taken.tablespaces.as_slice() else {
        panic!("{:?}", taken.tablespaces);
    };
    assert_eq!(tablespace.location, location.display().to_string());
    let map = format!("{} {}\n", tablespace.oid, tablespace.location);
    assert_eq!(String::from_utf8_lossy(&taken.tablespace_map), map);
    let mut restored = Restored::of(&place, &entry, &postgres).await;
    restored.verify();
    restored.start(&postgres).await;
    let sums = "select (select sum(n) from a), (select sum(n) from b)";
    assert_eq!(restored.ask("postgres", sums), postgres.psql("postgres", sums).await);
}

#[tokio::test]
async fn what_did_not_change_is_not_stored_again() {
    let postgres = server(&[]).await;
    let database = filled(&postgres).await;
    let (place, target) = (Place::new().await, target(&postgres));
    let (first, _) = backed_up(&place, &target, None, &pace(0)).await.unwrap();
    database.psql("update t set text = 'new' where id = 5000").await;
    let (second, _) = backed_up(&place, &target, Some(&first), &pace(0)).await.unwrap();
    assert!(
        second.stored_bytes * 20 < first.stored_bytes,
        "{} after {}",
        second.stored_bytes,
        first.stored_bytes
    );
    let mut restored = Restored::of(&place, &second, &postgres).await;
    restored.verify();
    restored.start(&postgres).await;
    assert_eq!(restored.ask(database.name(), SUM), database.psql(SUM).await);
}

#[tokio::test]
async fn it_is_read_no_faster_than_allowed() {
    let postgres = server(&[]).await;
    let place = Place::new().await;
    let pace = pace(10_000_000);
    let begun = tokio::time::Instant::now();
    let (entry, taken) = backed_up(&place, &target(&postgres), None, &pace).await.unwrap();
    let least = Duration::from_secs_f64(taken.source_bytes as f64 / 10_500_000.0);
    assert!(
        begun.elapsed() >= least,
        "{:?} for {} bytes",
        begun.elapsed(),
        taken.source_bytes
    );
    let paths: Vec<String> = files(&place, &entry).await.into_iter().map(|(path, _)| path).collect();
    for path in ["global/pg_control", "backup_manifest", "PG_VERSION"] {
        assert!(paths.iter().any(|there| there == path), "{path} is missing");
    }
    assert!(
        !paths
            .iter()
            .any(|path| path == "backup_label" || path == "postmaster.pid")
    );
    assert!(String::from_utf8_lossy(&taken.backup_label).contains("LABEL: it's a test"));
    let is_listed = |path: &str| taken.files.iter().position(|file| file.path == path).unwrap();
    assert!(is_listed("base") < is_listed("base/1") && is_listed("base/1") < is_listed("base/1/PG_VERSION"));
}
