//! A directory that looks like a cluster's is restored, damaged, and restored again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::testing::{Facts, pictured, stored, unhurried};
use super::super::{FileOptions, Written, files};
use crate::error::Error;
use crate::repo::Repository;
use crate::repo::manifest::Manifest;
use crate::repo::state::BackupEntry;
use crate::repo::tests::{content, repository_in};

const SYSTEM: u64 = 0x1234_5678_9ABC_DEF0;

/// A cluster's directory with a tablespace outside of it, its repository, and room for restores.
struct World {
    dir: TempDir,
    _repository_dir: TempDir,
    repository: Repository,
}

fn facts() -> Facts {
    Facts {
        manifest: Manifest {
            system_identifier: SYSTEM,
            backup_label: b"START WAL LOCATION: 0/2000028\n".to_vec().into(),
            tablespace_map: b"16400 /nowhere\n".to_vec().into(),
            ..Manifest::default()
        },
        entry: BackupEntry::default(),
    }
}

impl World {
    async fn new() -> Self {
        let (dir, repository_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let repository = repository_in(&repository_dir).await;
        let world = Self {
            dir,
            _repository_dir: repository_dir,
            repository,
        };
        world.make();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes the cluster that is backed up.
    fn make(&self) {
        let put = |name: &str, content: &[u8]| {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        let mut control = content(9, 8192);
        control[..8].copy_from_slice(&SYSTEM.to_ne_bytes());
        put("data/global/pg_control", &control);
        put("data/PG_VERSION", b"15\n");
        put("data/postgresql.auto.conf", b"work_mem = '5MB'\n");
        put("data/base/1/1000", &content(1, 3 << 20));
        put("data/base/1/1001", &content(2, 300_000));
        put("data/base/1/1001_fsm", &vec![0; 400_000]);
        put("data/base/1/1002", &[]);
        let mut holes = content(3, 1 << 20);
        holes[200_000..900_000].fill(0);
        put("data/base/1/1003", &holes);
        for number in 0..40 {
            put(&format!("data/base/5/{number}"), &content(100 + number, 9_000));
        }
        put("data/pg_wal/000000010000000000000001", &[7; 100]);
        put("data/pg_tblspc/16500/PG_15_202209061/5/1", &content(5, 50_000));
        put("space/PG_15_202209061/5/2000", &content(4, 700_000));
        put("space/unrelated", b"not a file of the cluster");
        std::os::unix::fs::symlink(self.path("space"), self.path("data/pg_tblspc/16400")).unwrap();
        std::os::unix::fs::symlink("/etc/hosts", self.path("data/linked.conf")).unwrap();
    }

    async fn stored(&self, basis: Option<&str>) -> BackupEntry {
        // Only what belongs to the cluster is stored of a tablespace.
        let aside = self.path("unrelated");
        let unrelated = self.path("space/unrelated");
        let has = unrelated.exists();
        if has {
            fs::rename(&unrelated, &aside).unwrap();
        }
        let entry = stored(&self.repository, basis, &self.path("data"), facts()).await;
        if has {
            fs::rename(&aside, &unrelated).unwrap();
        }
        entry
    }

    fn options(&self, to: &str, delta: bool) -> FileOptions {
        FileOptions {
            delta,
            tablespaces: BTreeMap::from([(16400, self.path(&format!("{to}-space")))]),
            ..FileOptions::default()
        }
    }

    async fn restore(&self, entry: &BackupEntry, to: &str, delta: bool) -> Result<Written, Error> {
        let options = self.options(to, delta);
        files(&self.repository, entry, &self.path(to), &options, &unhurried()).await
    }
}

/// What a restored directory has to be: the source without what no backup holds, with the label.
fn expected(world: &World) -> Vec<(String, u32, i64, Vec<u8>)> {
    let mut expected = pictured(&world.path("data"));
    expected.retain(|(name, ..)| !name.starts_with("pg_wal/") && name != "pg_tblspc/16400/unrelated");
    let label = facts().manifest.backup_label.to_vec();
    expected.push(("backup_label".to_owned(), 0o100_600, 0, label));
    expected.sort();
    expected
}

fn first_difference(one: &[(String, u32, i64, Vec<u8>)], other: &[(String, u32, i64, Vec<u8>)]) -> Option<String> {
    let differs = one.iter().zip(other).find(|(one, other)| one != other);
    let told = differs.map(|(one, other)| {
        format!(
            "{} {:o} {} / {} {:o} {}",
            one.0, one.1, one.2, other.0, other.1, other.2
        )
    });
    told.or_else(|| (one.len() != other.len()).then(|| format!("{} and {} entries", one.len(), other.len())))
}

fn assert_same(one: &[(String, u32, i64, Vec<u8>)], other: &[(String, u32, i64, Vec<u8>)]) {
    assert_eq!(first_difference(one, other), None);
}

fn assert_restored(world: &World, to: &Path) {
    assert_same(&pictured(to), &expected(world));
}

#[tokio::test]
async fn a_restored_directory_is_what_was_backed_up() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    let written = world.restore(&entry, "to", false).await.unwrap();
    assert_restored(&world, &world.path("to"));
    assert_eq!((written.kept_bytes, written.removed), (0, 0));
    let link = fs::read_link(world.path("to/pg_tblspc/16400")).unwrap();
    assert_eq!(link, world.path("to-space"));
    assert!(!world.path("to/tablespace_map").exists());
    let holes = fs::metadata(world.path("to/base/1/1001_fsm")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::blocks(&holes), 0, "zeros are holes");
}

#[tokio::test]
async fn deltas_are_restored_with_what_they_are_against() {
    let world = World::new().await;
    let mut basis = world.stored(None).await;
    for round in 0..4 {
        let file = fs::File::options()
            .write(true)
            .open(world.path("data/base/1/1000"))
            .unwrap();
        for page in (0..384).step_by(3 + round) {
            file.write_all_at(&[round as u8 + 1; 16], page * 8192 + 100).unwrap();
        }
        basis = world.stored(Some(&basis.id)).await;
    }
    let manifest = world.repository.manifest(&basis).await.unwrap();
    let deltas = manifest
        .files
        .iter()
        .flat_map(|file| file.chunks())
        .filter(|chunk| chunk.as_ref().unwrap().base.is_some());
    assert!(deltas.count() > 10, "the backup has deltas");
    world.restore(&basis, "to", false).await.unwrap();
    assert_restored(&world, &world.path("to"));
}
