//! What goes wrong: nothing half done is ever listed, or left in a database.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_testkit::{Postgres, eventually};
use weir_upstream::Target;

use super::world::{World, exported, exported_as, import_of, imported, pace, repository, slow_until, slug};
use crate::engine::pace::Pace;
use crate::error::Error;
use crate::keeper::Keeper;
use crate::orders::{ExportOrder, ImportOrder, RestoreTarget};
use crate::project::{self, Past, Standing};
use crate::repo::state::BackupEntry;

/// Enough for several parts: text that hardly compresses.
const BIG: &str = "create schema big; create table big.t (id int, x text);
    insert into big.t select n, (select string_agg(md5(n::text || m::text), '') from generate_series(1, 20) m) from generate_series(1, 6000) n;
    create table big.u (like big.t); insert into big.u select * from big.t where id <= 3000;
    create table big.w (a int primary key); insert into big.w select generate_series(1, 1000);";

async fn big(repositories: usize) -> World {
    let mut world = World::new(repositories).await;
    world.database.psql(BIG).await;
    world.project("big", "schemas = [\"big\"]");
    world
}

fn elsewhere(entry: &BackupEntry) -> ImportOrder {
    ImportOrder {
        schema: "back".to_owned(),
        ..import_of(entry)
    }
}

async fn is_absent(world: &World, schema: &str) -> bool {
    let sql = format!("select count(*) from pg_namespace where nspname = '{schema}'");
    world.database.psql(&sql).await == "0"
}

/// Sessions of ours at the database.
async fn sessions(world: &World) -> String {
    let sql = format!(
        "select coalesce(string_agg(application_name || ' ' || coalesce(query, ''), '; '), '') from pg_stat_activity
        where datname = '{}' and application_name like 'weir-backup%'",
        world.database.name()
    );
    Postgres::shared().await.psql("postgres", &sql).await
}

async fn until_nobody_is_there(world: &World) {
    eventually(
        "no session is left",
        Duration::from_secs(20),
        async || match sessions(world).await {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        },
    )
    .await;
}

fn files(world: &World, entry: &BackupEntry) -> Vec<PathBuf> {
    let folder = world.place(0).join("exports").join(&entry.id);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_an_object_is_found_before_anything_is_written() {
    let world = big(1).await;
    let keeper = world.keeper().await;
    let entry = exported(&keeper, "big").await.unwrap();
    let objects = files(&world, &entry);
    let parts: Vec<&PathBuf> = objects
        .iter()
        .filter(|file| file.to_string_lossy().contains("-00"))
        .collect();
    assert!(parts.len() >= 4, "{objects:?}");
    let same: Vec<(&Path, Vec<u8>)> = objects
        .iter()
        .map(|file| (file.as_path(), fs::read(file).unwrap()))
        .collect();
    let tries = |content: &[u8]| {
        let mut flipped = content.to_vec();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        [
            flipped,
            content[..content.len() - 1].to_vec(),
            [content, b"x"].concat(),
            Vec::new(),
        ]
    };
    let is_found = async |what: &str| {
        let failed = imported(&keeper, &elsewhere(&entry)).await.unwrap_err();
        let found = slug::<()>(Err(failed));
        assert!(
            ["backup-object-damaged", "backup-object-missing"].contains(&found),
            "{what}: {found}"
        );
        let checked = project::verify(&repository(&keeper, 0).await, &entry, &pace()).await;
        assert!(checked.is_err(), "{what}: the check without a key does not see it");
        assert!(is_absent(&world, "back").await, "{what}: something was written");
    };
    for (file, content) in &same {
        for changed in tries(content) {
            fs::write(file, &changed).unwrap();
            is_found(&format!("{} with {} bytes", file.display(), changed.len())).await;
        }
        fs::remove_file(file).unwrap();
        is_found(&format!("{} removed", file.display())).await;
        fs::write(file, content).unwrap();
    }
    let (one, other) = (fs::read(parts[1]).unwrap(), fs::read(parts[2]).unwrap());
    fs::write(parts[1], &other).unwrap();
    fs::write(parts[2], &one).unwrap();
    is_found("two parts swapped").await;
    fs::write(parts[1], &one).unwrap();
    fs::write(parts[2], &other).unwrap();
    imported(&keeper, &elsewhere(&entry)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_fails_leaves_nothing() {
    let world = big(1).await;
    let keeper = world.keeper().await;
    let db = &world.database;
    db.psql("alter table big.w add check (a > 0); create function big.f() returns int language sql as 'select 1'")
        .await;
    let entry = exported(&keeper, "big").await.unwrap();
    // What the list of relations does not show: it comes to light in the middle.
    db.psql("create schema back; create function back.f() returns int language sql as 'select 2'")
        .await;
    assert_eq!(
        slug(imported(&keeper, &elsewhere(&entry)).await),
        "backup-import-failed"
    );
    let left = "select count(*) from pg_class where relnamespace = 'back'::regnamespace";
    assert_eq!(db.psql(left).await, "0");
    assert_eq!(db.psql("select back.f()").await, "2");
    db.psql("drop schema back cascade").await;
    // After the rows: an index that cannot be made there.
    let other = world.other().await;
    other.psql("create function public.no() returns event_trigger language plpgsql as $$ begin raise 'no index today'; end $$; create event trigger no on ddl_command_start when tag in ('ALTER TABLE') execute function public.no()").await;
    let order = ImportOrder {
        database: other.name().to_owned(),
        ..import_of(&entry)
    };
    let failed = imported(&keeper, &order).await.unwrap_err();
    assert!(failed.to_string().contains("no index today"), "{failed}");
    assert_eq!(
        other
            .psql("select count(*) from pg_namespace where nspname = 'big'")
            .await,
        "0"
    );
    // Stopped in the middle.
    for after_ms in [50, 1000, 3000, 5000] {
        let stop = CancellationToken::new();
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            stop.cancel();
        };
        let pace = slow_until(&stop);
        let order = elsewhere(&entry);
        let importing = project::import(&keeper, Uuid::now_v7(), &order, &pace);
        let (done, ()) = tokio::join!(importing, stopping);
        assert_eq!(slug(done), "backup-stopped", "after {after_ms} ms");
        until_nobody_is_there(&world).await;
        assert!(is_absent(&world, "back").await);
    }
    imported(&keeper, &elsewhere(&entry)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_export_leaves_no_session_no_lease_and_no_object() {
    let world = big(2).await;
    let keeper = world.keeper().await;
    for after_ms in [20, 500, 2000, 4000] {
        let stop = CancellationToken::new();
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            stop.cancel();
        };
        let order = ExportOrder {
            project: "big".to_owned(),
            ..ExportOrder::default()
        };
        let pace = slow_until(&stop);
        let id = Uuid::now_v7();
        let (done, ()) = tokio::join!(project::export(&keeper, id, &order, &pace), stopping);
        assert_eq!(slug(done), "backup-stopped", "after {after_ms} ms");
        until_nobody_is_there(&world).await;
        for number in [0, 1] {
            let repository = repository(&keeper, number).await;
            let state = repository.state().await.unwrap();
            assert!(state.leases.is_empty() && state.backups.is_empty(), "{state:?}");
            let left = repository.shelf().list("exports").await.unwrap();
            assert!(left.is_empty(), "after {after_ms} ms: {left:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_cut_off_is_repeated_without_a_trace() {
    let world = big(2).await;
    let keeper = world.keeper().await;
    let id = Uuid::now_v7();
    let mut left = 0;
    // A process that ends at once gives nothing back.
    for after_ms in [50, 1500, 4000] {
        let order = ExportOrder {
            project: "big".to_owned(),
            ..ExportOrder::default()
        };
        let pace = slow_until(&CancellationToken::new());
        let exporting = project::export(&keeper, id, &order, &pace);
        let attempt = tokio::time::timeout(Duration::from_millis(after_ms), exporting).await;
        assert!(attempt.is_err(), "it was done within {after_ms} ms");
        let repository = repository(&keeper, 0).await;
        assert!(
            repository.state().await.unwrap().backups.is_empty(),
            "something half done is listed"
        );
        left += repository.shelf().list("exports").await.unwrap().len();
    }
    assert!(left > 0, "no attempt got as far as storing something");
    let entry = exported_as(&keeper, "big", id).await.unwrap();
    for number in [0, 1] {
        let repository = repository(&keeper, number).await;
        let state = repository.state().await.unwrap();
        assert!(state.leases.is_empty() && state.backups.len() == 1, "{state:?}");
        let entry = state.backup(&entry.id).unwrap();
        let index = project::verify(&repository, entry, &pace()).await.unwrap();
        let there = repository.shelf().list("exports").await.unwrap().len();
        assert_eq!(
            there,
            project::paths(entry, &index).len(),
            "something of an earlier attempt is left"
        );
    }
    // Once more, as after a crash between the end and the record of the job; with the second repository behind.
    let second = repository(&keeper, 1).await;
    let behind = second.change(|state| {
        state.backups.clear();
        state.project_keys.clear();
        Ok(())
    });
    behind.await.unwrap();
    for folder in ["exports", "project-keys"] {
        for listed in second.shelf().list(folder).await.unwrap() {
            second.shelf().delete(&listed.path).await.unwrap();
        }
    }
    let again = exported_as(&keeper, "big", id).await.unwrap();
    assert_eq!(again, entry);
    fs::remove_dir_all(world.place(0).join("exports")).unwrap();
    imported(&keeper, &elsewhere(&entry)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_away_is_left_out_unless_it_was_asked_for() {
    let world = big(2).await;
    let keeper = world.keeper().await;
    repository(&keeper, 0).await;
    let second = repository(&keeper, 1).await;
    // A file where the folder would be: nothing can be stored there.
    fs::write(world.place(1).join("exports"), "").unwrap();
    let order = |repositories: &[&str]| ExportOrder {
        project: "big".to_owned(),
        repositories: repositories.iter().map(|&name| name.to_owned()).collect(),
        ..ExportOrder::default()
    };
    let export = async |order: ExportOrder| project::export(&keeper, Uuid::now_v7(), &order, &pace()).await;
    assert_eq!(slug(export(order(&["r0", "r1"])).await), "backup-repository");
    assert!(repository(&keeper, 0).await.state().await.unwrap().backups.is_empty());
    let entry = export(order(&[])).await.unwrap();
    assert!(second.state().await.unwrap().backups.is_empty());
    imported(&keeper, &elsewhere(&entry)).await.unwrap();
}

/// A server that stands somewhere else, as one would that was restored.
struct Elsewhere(std::sync::Arc<std::sync::atomic::AtomicUsize>, String);

struct There(Target, std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Drop for There {
    fn drop(&mut self) {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Standing for There {
    fn target(&self) -> &Target {
        &self.0
    }
}

impl Past for Elsewhere {
    fn open<'a>(
        &'a self,
        _: &'a Keeper,
        moment: &'a RestoreTarget,
        _: &'a Pace,
    ) -> BoxFuture<'a, Result<Box<dyn Standing>, Error>> {
        assert_eq!(moment.xid, Some(7));
        Box::pin(async move {
            let standing = There(Target::parse(&self.1).unwrap(), std::sync::Arc::clone(&self.0));
            Ok(Box::new(standing) as Box<dyn Standing>)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_an_earlier_moment_reads_the_server_that_stands_there() {
    let mut world = World::new(1).await;
    let name = world.database.name().to_owned();
    world.database.psql("create schema s; create table s.t (a int)").await;
    world.project("s", "schemas = [\"s\"]");
    let keeper = world.keeper().await;
    let earlier = Postgres::start().await;
    earlier.psql("postgres", &format!("create database {name}")).await;
    earlier
        .psql(
            &name,
            "create schema s; create table s.t (a int); insert into s.t values (41), (42)",
        )
        .await;
    let order = ExportOrder {
        project: "s".to_owned(),
        target: Some(RestoreTarget {
            xid: Some(7),
            ..RestoreTarget::default()
        }),
        ..ExportOrder::default()
    };
    assert_eq!(
        slug(project::export(&keeper, Uuid::now_v7(), &order, &pace()).await),
        "backup-export-past"
    );
    let stopped = std::sync::Arc::default();
    let past = Elsewhere(std::sync::Arc::clone(&stopped), earlier.url("postgres"));
    let entry = project::export_at(&keeper, Uuid::now_v7(), &order, &pace(), Some(&past))
        .await
        .unwrap();
    assert_eq!(
        stopped.load(std::sync::atomic::Ordering::SeqCst),
        1,
        "the server was not let go"
    );
    imported(&keeper, &elsewhere(&entry)).await.unwrap();
    assert_eq!(world.database.psql("select sum(a) from back.t").await, "83");
}
