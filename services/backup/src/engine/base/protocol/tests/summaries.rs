//! Backups of servers that keep books of what changed: version 17 and newer. Older ones are left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_testkit::{Postgres, eventually};

use super::ground::{Place, Restored, SOON, backed_up, files, pace, pipe, server, target_at, version};
use crate::repo::state::BackupEntry;

const FILL: &str = "create table t as select g as id, md5(g::text) as text, repeat(md5(g::text), 20) as more
    from generate_series(1, 8000) g; create index on t (id); create table emptied as table t; create table grown as table t;
    create table dropped as table t; create table rewritten as table t; delete from emptied where id > 4000";

/// Changes of every sort that a file can undergo.
const CHANGE: &str =
    "update t set text = 'new' where id in (100, 4000, 7999); insert into grown select * from t where id < 3000;
    vacuum emptied; drop table dropped; truncate rewritten; insert into rewritten select * from t where id < 2000;
    create table added as table grown; checkpoint";

const SUM: &str = "select (select md5(string_agg(t::text, ',' order by id)) from t),
    (select count(*) || md5(string_agg(g::text, ',' order by id, text)) from grown g), (select count(*) from emptied),
    (select count(*) from rewritten), (select count(*) from added)";

/// A server that keeps books; none where its version cannot.
async fn bookkeeper() -> Option<Postgres> {
    let probe = Postgres::shared().await;
    if version(probe).await < 17 {
        tracing::warn!("left out: this PostgreSQL keeps no books of what changed");
        return None;
    }
    let postgres = server(&[("summarize_wal", "on")]).await;
    postgres.psql("postgres", FILL).await;
    postgres.psql("postgres", "vacuum; checkpoint").await;
    Some(postgres)
}

/// Takes a backup, and says how many bytes the server sent for it.
async fn taken(place: &Place, postgres: &Postgres, basis: Option<&BackupEntry>) -> (BackupEntry, u64) {
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let port = pipe(postgres.port(), move |bytes| {
        counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    });
    let (entry, _) = backed_up(place, &target_at(port), basis, &pace(0)).await.unwrap();
    (entry, sent.load(Ordering::Relaxed))
}

/// One statement after the other: some must not be in a transaction.
async fn change(postgres: &Postgres, statements: &str) {
    for statement in statements.split(';') {
        postgres.psql("postgres", statement).await;
    }
}

/// What may be another a moment later: labels, times, and what the checkpoint of each backup itself changes.
fn comparable(files: Vec<(String, Vec<u8>)>) -> BTreeMap<String, Vec<u8>> {
    let is_compared = |path: &str| {
        !["backup_manifest", "global/pg_control"].contains(&path)
            && !path.starts_with("pg_logical/")
            && !path.starts_with("pg_stat")
    };
    files.into_iter().filter(|(path, _)| is_compared(path)).collect()
}

#[tokio::test]
async fn what_is_put_together_is_what_is_read_whole() {
    let Some(postgres) = bookkeeper().await else {
        return;
    };
    let place = Place::new().await;
    let (first, _) = taken(&place, &postgres, None).await;
    let mut basis = first.clone();
    for round in 0..2 {
        let statements = if round == 0 {
            CHANGE
        } else {
            "update t set more = 'other' where id % 1000 = 0; vacuum t; checkpoint"
        };
        change(&postgres, statements).await;
        let (increment, sent) = taken(&place, &postgres, Some(&basis)).await;
        let (whole, sent_whole) = taken(&place, &postgres, None).await;
        assert!(
            sent * 2 < sent_whole,
            "the server sent {sent} bytes, and {sent_whole} for everything"
        );
        let (one, other) = (
            comparable(files(&place, &increment).await),
            comparable(files(&place, &whole).await),
        );
        assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        for (path, content) in &one {
            assert!(content == &other[path], "{path} is another in round {round}");
        }
        assert!(
            increment.stored_bytes * 3 < whole.stored_bytes,
            "{} of {}",
            increment.stored_bytes,
            whole.stored_bytes
        );
        basis = increment;
    }
    let mut restored = Restored::of(&place, &basis, &postgres).await;
    restored.verify();
    restored.start(&postgres).await;
    assert_eq!(restored.ask("postgres", SUM), postgres.psql("postgres", SUM).await);
}

#[tokio::test]
async fn a_server_that_cannot_say_what_changed_is_read_whole() {
    let Some(postgres) = bookkeeper().await else {
        return;
    };
    let place = Place::new().await;
    let (first, sent_first) = taken(&place, &postgres, None).await;
    change(&postgres, CHANGE).await;
    change(&postgres, "select pg_switch_wal(); checkpoint").await;
    let books = postgres.data_dir().join("pg_wal/summaries");
    let redo = postgres
        .psql("postgres", "select redo_lsn from pg_control_checkpoint()")
        .await;
    let is_there = format!("select summarized_lsn >= '{redo}' from pg_get_wal_summarizer_state()");
    eventually("what changed to be in the books", SOON, async || {
        match postgres.psql("postgres", &is_there).await.as_str() {
            "t" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
    // Without them nobody can say what changed.
    let files = std::fs::read_dir(&books).unwrap().flatten();
    files.for_each(|file| std::fs::remove_file(file.path()).unwrap());
    let (second, sent) = taken(&place, &postgres, Some(&first)).await;
    assert!(sent * 2 > sent_first, "{sent} of {sent_first}");
    let mut restored = Restored::of(&place, &second, &postgres).await;
    restored.verify();
    restored.start(&postgres).await;
    assert_eq!(restored.ask("postgres", SUM), postgres.psql("postgres", SUM).await);
}
