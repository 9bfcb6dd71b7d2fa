//! Backups of a real cluster out of its data directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;
use weir_testkit::{Postgres, PostgresOptions, eventually};

use super::pages::PAGE_BYTES;
use super::{back_up, listing};
use crate::bed::{Bed, bed, pace};
use crate::error::Error;
use crate::orders::{BackupOrder, Kind};
use crate::repo::Repository;
use crate::repo::manifest::EntryKind;
use crate::repo::state::{BackupEntry, BackupKind};
use crate::repo::tests::restored;

async fn cluster() -> Postgres {
    let postgres = PostgresOptions::new()
        .checksums()
        .setting("autovacuum", "off")
        .start()
        .await;
    let rows = "select g, md5(g::text) || repeat('x', g % 200) from generate_series(1, 60000) g";
    let made = format!("create table shop as {rows}; create index on shop (g); checkpoint");
    postgres.psql("postgres", &made).await;
    postgres
}

async fn taken(bed: &Bed, kind: Kind) -> Result<BackupEntry, Error> {
    let order = BackupOrder {
        kind,
        checkpoint_now: true,
        ..BackupOrder::default()
    };
    back_up(&bed.keeper, Uuid::now_v7(), &order, &pace().0).await
}

async fn repository(bed: &Bed) -> Repository {
    bed.keeper.repositories.first().await.unwrap()
}

/// The files of a data directory, as a backup has them.
fn files_of(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let listing = listing::list(root).unwrap();
    let files = listing.entries.iter().filter(|entry| entry.kind() == EntryKind::File);
    files
        .map(|entry| (entry.path.clone(), std::fs::read(root.join(&entry.path)).unwrap()))
        .collect()
}

/// Paths of files that a backup has otherwise than the directory, but for the control file, which says when it was.
async fn differing(bed: &Bed, postgres: &Postgres, entry: &BackupEntry) -> Vec<String> {
    let mut there = files_of(&postgres.data_dir());
    let stored = restored(&repository(bed).await, entry).await.unwrap();
    let mut differing = Vec::new();
    for (path, content) in stored {
        let same = there.remove(&path).is_none_or(|now| now == content);
        if !same && path != listing::CONTROL {
            differing.push(path);
        }
    }
    differing.extend(there.into_keys());
    differing
}

#[tokio::test]
async fn a_backup_has_every_file_as_it_is() {
    let postgres = cluster().await;
    let bed = bed(&postgres, &[]).await;
    let full = taken(&bed, Kind::Unspecified).await.unwrap();
    assert_eq!(full.kind(), BackupKind::Full, "the first has nothing to take over");
    assert_eq!(differing(&bed, &postgres, &full).await, Vec::<String>::new());
    assert!(full.stored_bytes * 2 < full.source_bytes, "{full:?}");
    let manifest = repository(&bed).await.manifest(&full).await.unwrap();
    assert!(manifest.relations.iter().any(|relation| relation.name == "public.shop"));
    for entry in &manifest.files {
        let at = postgres.data_dir().join(&entry.path);
        if entry.kind() == EntryKind::File && entry.path != listing::CONTROL {
            assert_eq!(
                crc32c::crc32c(&std::fs::read(at).unwrap()),
                entry.crc32c,
                "{}",
                entry.path
            );
        }
    }
}

#[tokio::test]
async fn what_changed_little_adds_little_whatever_it_is_called() {
    let postgres = cluster().await;
    let bed = bed(&postgres, &[]).await;
    let full = taken(&bed, Kind::Full).await.unwrap();
    let mut sizes = Vec::new();
    for (kind, expected, rows) in [
        (Kind::Incremental, BackupKind::Incremental, 100),
        (Kind::Incremental, BackupKind::Incremental, 200),
        (Kind::Differential, BackupKind::Differential, 300),
    ] {
        let changed = format!("update shop set g = -g where g % 300 = {}; checkpoint", rows % 299);
        postgres.psql("postgres", &changed).await;
        let entry = taken(&bed, kind).await.unwrap();
        assert_eq!(entry.kind(), expected);
        assert_eq!(differing(&bed, &postgres, &entry).await, Vec::<String>::new());
        sizes.push(entry.stored_bytes);
    }
    let ends = repository(&bed).await.state().await.unwrap();
    let based: Vec<&str> = ends.backups.iter().map(|entry| entry.based_on.as_str()).collect();
    let ids: Vec<&str> = ends.backups.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(based, ["", ids[0], ids[1], ids[0]]);
    assert!(
        sizes.iter().all(|bytes| bytes * 4 < full.stored_bytes),
        "{sizes:?} of {}",
        full.stored_bytes
    );
}

#[tokio::test]
async fn a_page_that_is_wrong_is_named_and_one_being_written_is_not() {
    let postgres = cluster().await;
    let bed = bed(&postgres, &[]).await;
    let path = postgres.psql("postgres", "select pg_relation_filepath('shop')").await;
    let at = postgres.data_dir().join(&path);
    let mut content = std::fs::read(&at).unwrap();
    content[3 * PAGE_BYTES + 5_000] ^= 0x40;
    std::fs::write(&at, content).unwrap();
    let entry = taken(&bed, Kind::Full).await.unwrap();
    let manifest = repository(&bed).await.manifest(&entry).await.unwrap();
    assert_eq!(
        (entry.corrupt_pages, manifest.corrupt_pages),
        (1, vec![format!("{path}:3")])
    );
    // Written over while backups are taken: what is young, or half there, is not called wrong.
    let writing = postgres.psql(
        "postgres",
        "create table busy as select g, repeat('y', 500) as t from generate_series(1, 20000) g; \
         do $$ begin for i in 1..6 loop update busy set t = repeat(i::text, 500); commit; end loop; end $$; checkpoint",
    );
    let taking = async {
        let mut broken = Vec::new();
        for _ in 0..4 {
            broken.push(taken(&bed, Kind::Incremental).await.unwrap().corrupt_pages);
        }
        broken
    };
    let (_, broken) = tokio::join!(writing, taking);
    assert_eq!(broken, [1; 4]);
}

#[tokio::test]
async fn a_backup_that_was_cut_off_lists_nothing_and_its_next_attempt_goes_on() {
    let postgres = cluster().await;
    let bed = bed(&postgres, &[("threads", "1")]).await;
    let order = BackupOrder {
        checkpoint_now: true,
        ..BackupOrder::default()
    };
    let id = Uuid::now_v7();
    let (pace, stop) = pace();
    pace.limit(10_000_000);
    let progress = pace.progress().clone();
    let cutting = async {
        let far = async || (progress.reached().done_bytes > 2_000_000).then_some(());
        eventually("a part is read", Duration::from_secs(20), far).await;
        stop.cancel();
    };
    let (cut, ()) = tokio::join!(back_up(&bed.keeper, id, &order, &pace), cutting);
    assert!(matches!(cut, Err(Error::Stopped)), "{cut:?}");
    assert_eq!(repository(&bed).await.state().await.unwrap().backups, vec![]);
    let asked = "select count(*) from pg_stat_activity where application_name = 'weir-backup'";
    let gone = async || (postgres.psql("postgres", asked).await == "0").then_some(());
    eventually("no session stays behind", Duration::from_secs(20), gone).await;
    let whole = back_up(&bed.keeper, id, &order, &crate::bed::pace().0).await.unwrap();
    assert_eq!(whole.id, id.to_string());
    assert_eq!(differing(&bed, &postgres, &whole).await, Vec::<String>::new());
}

#[tokio::test]
async fn another_clusters_repository_is_refused() {
    let postgres = cluster().await;
    let bed = bed(&postgres, &[]).await;
    let other = repository(&bed).await;
    let claimed = other.change(|state| {
        state.system_identifier = 77;
        Ok(())
    });
    claimed.await.unwrap();
    let refused = taken(&bed, Kind::Full).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("holds the cluster")));
}
