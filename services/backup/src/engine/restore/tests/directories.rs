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
pub(super) struct World {
    pub(super) dir: TempDir,
    pub(super) repository_dir: TempDir,
    pub(super) repository: Repository,
}

pub(super) fn facts() -> Facts {
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
    pub(super) async fn new() -> Self {
        let (dir, repository_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let repository = repository_in(&repository_dir).await;
        let world = Self {
            dir,
            repository_dir,
            repository,
        };
        world.make();
        world
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes the cluster that is backed up.
    pub(super) fn make(&self) {
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
        put("space/along", b"a file beside it that is in the backup");
        std::os::unix::fs::symlink(self.path("space"), self.path("data/pg_tblspc/16400")).unwrap();
        std::os::unix::fs::symlink("/etc/hosts", self.path("data/linked.conf")).unwrap();
    }

    pub(super) async fn stored(&self, basis: Option<&str>) -> BackupEntry {
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

    pub(super) fn options(&self, to: &str, delta: bool) -> FileOptions {
        FileOptions {
            delta,
            tablespaces: BTreeMap::from([(16400, self.path(&format!("{to}-space")))]),
            ..FileOptions::default()
        }
    }

    pub(super) async fn restore(&self, entry: &BackupEntry, to: &str, delta: bool) -> Result<Written, Error> {
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

pub(super) fn first_difference(
    one: &[(String, u32, i64, Vec<u8>)],
    other: &[(String, u32, i64, Vec<u8>)],
) -> Option<String> {
    let differs = one.iter().zip(other).find(|(one, other)| one != other);
    let told = differs.map(|(one, other)| {
        format!(
            "{} {:o} {} / {} {:o} {}",
            one.0, one.1, one.2, other.0, other.1, other.2
        )
    });
    told.or_else(|| (one.len() != other.len()).then(|| format!("{} and {} entries", one.len(), other.len())))
}

pub(super) fn assert_same(one: &[(String, u32, i64, Vec<u8>)], other: &[(String, u32, i64, Vec<u8>)]) {
    assert_eq!(first_difference(one, other), None);
}

pub(super) fn assert_restored(world: &World, to: &Path) {
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

/// Does something at random to a restored directory.
fn damage(world: &World, to: &str, random: &mut fastrand::Rng) {
    let files = [
        "base/1/1000",
        "base/1/1001",
        "base/1/1001_fsm",
        "base/1/1002",
        "base/1/1003",
        "base/5/7",
        "PG_VERSION",
    ];
    let at = |name: &str| world.path(to).join(name);
    let path = at(files[random.usize(..files.len())]);
    let space = world.path(&format!("{to}-space"));
    if path.is_symlink() {
        // What it leads to is somebody else's.
        return;
    }
    match random.u32(..14) {
        0 | 1 => {
            let Ok(file) = fs::File::options().write(true).open(&path) else {
                return;
            };
            let bytes = file.metadata().unwrap().len();
            if bytes > 0 {
                file.write_all_at(&[random.u8(..)], random.u64(..bytes)).unwrap();
            }
        }
        2 => drop(fs::remove_file(&path)),
        3 => drop(
            fs::File::options()
                .write(true)
                .open(&path)
                .map(|file| file.set_len(random.u64(..400_000))),
        ),
        4 => {
            let mut content = fs::read(&path).unwrap_or_default();
            content.extend(vec![random.u8(..); random.usize(..300_000)]);
            drop(fs::write(&path, content));
        }
        5 => fs::write(at(&format!("base/1/new{}", random.u8(..))), b"does not belong").unwrap(),
        6 => {
            fs::create_dir_all(at("base/77/deep/er")).unwrap();
            fs::write(at("base/77/deep/er/file"), b"does not belong").unwrap();
        }
        7 => drop(fs::remove_dir_all(at("base/5"))),
        8 => drop(fs::set_permissions(&path, fs::Permissions::from_mode(0o640))),
        9 => {
            drop(fs::remove_file(&path));
            drop(fs::create_dir(&path));
        }
        10 => {
            drop(fs::remove_file(at("pg_tblspc/16400")));
            std::os::unix::fs::symlink(&space, at("pg_tblspc/16400")).unwrap();
            drop(fs::write(space.join("PG_15_202209061/5/2000"), b"short"));
            fs::write(space.join("PG_15_202209061/5/2001"), b"does not belong").unwrap();
        }
        11 => {
            drop(fs::remove_file(&path));
            drop(std::os::unix::fs::symlink(world.path("unrelated-target"), &path));
        }
        12 => fs::write(at("standby.signal"), b"").unwrap(),
        _ => fs::write(at("postgresql.auto.conf"), b"archive_mode = 'on'\n").unwrap(),
    }
}

#[tokio::test]
async fn whatever_was_done_to_a_directory_a_delta_makes_it_as_new() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    world.restore(&entry, "to", false).await.unwrap();
    let fresh = pictured(&world.path("to"));
    fs::write(world.path("unrelated-target"), b"somebody else's").unwrap();
    fs::write(world.path("to-space/unrelated"), b"somebody else's").unwrap();
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..random.u32(1..6) {
            damage(&world, "to", &mut random);
        }
        let written = world.restore(&entry, "to", true).await.unwrap();
        assert!(written.kept_bytes > 0, "seed {seed}: something was as it has to be");
        let mut again = pictured(&world.path("to"));
        again.retain(|(name, ..)| name != "pg_tblspc/16400/unrelated");
        assert_eq!(first_difference(&again, &fresh), None, "seed {seed}");
    }
    for spared in ["unrelated-target", "to-space/unrelated"] {
        assert_eq!(fs::read(world.path(spared)).unwrap(), b"somebody else's");
    }
}

/// When anything in a directory was last changed, by path.
fn changed(directory: &Path) -> Vec<(PathBuf, i64, i64)> {
    use std::os::unix::fs::MetadataExt as _;
    let mut changed = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let facts = fs::symlink_metadata(&path).unwrap();
        changed.push((path.clone(), facts.ctime(), facts.ctime_nsec()));
        if facts.is_dir() {
            changed.extend(self::changed(&path));
        }
    }
    changed.sort();
    changed
}

#[tokio::test]
async fn where_nothing_differs_nothing_is_written() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    let first = world.restore(&entry, "to", false).await.unwrap();
    let before = (changed(&world.path("to")), changed(&world.path("to-space")));
    let again = world.restore(&entry, "to", true).await.unwrap();
    assert_eq!((again.written_bytes, again.removed), (0, 0));
    assert!(again.kept_bytes > 5 << 20);
    assert!(again.read_bytes * 5 < first.read_bytes, "{again:?} after {first:?}");
    assert_eq!((changed(&world.path("to")), changed(&world.path("to-space"))), before);
}

#[tokio::test]
async fn only_what_differs_is_fetched() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    world.restore(&entry, "to", false).await.unwrap();
    let file = fs::File::options()
        .write(true)
        .open(world.path("to/base/1/1000"))
        .unwrap();
    file.write_all_at(b"!", 2 << 20).unwrap();
    let again = world.restore(&entry, "to", true).await.unwrap();
    assert_eq!(again.written_bytes, 128 << 10);
    assert_restored(&world, &world.path("to"));
}

fn refused(result: Result<Written, Error>) -> &'static str {
    match result {
        Err(Error::Refused { slug, .. }) => slug,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_must_not_be_overwritten_is_not_touched() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    let put = |name: &str, content: &[u8]| {
        let path = world.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    // Files that are none of a cluster's.
    put("letters/love.txt", b"dear");
    assert_eq!(
        refused(world.restore(&entry, "letters", false).await),
        "backup-restore-not-empty"
    );
    assert_eq!(
        refused(world.restore(&entry, "letters", true).await),
        "backup-restore-foreign"
    );
    let mut forced = world.options("letters", true);
    forced.force = true;
    let to = world.path("letters");
    let pace = unhurried();
    assert_eq!(
        refused(files(&world.repository, &entry, &to, &forced, &pace).await),
        "backup-restore-foreign"
    );
    assert_eq!(fs::read(world.path("letters/love.txt")).unwrap(), b"dear");
    // Another cluster's directory.
    put("other/PG_VERSION", b"15\n");
    put("other/global/pg_control", &[1; 8192]);
    assert_eq!(
        refused(world.restore(&entry, "other", false).await),
        "backup-restore-not-empty"
    );
    assert_eq!(
        refused(world.restore(&entry, "other", true).await),
        "backup-restore-foreign"
    );
    assert_eq!(fs::read(world.path("other/global/pg_control")).unwrap(), [1; 8192]);
    // A server at work: this process, whose working directory that is taken to be.
    world.restore(&entry, "to", false).await.unwrap();
    let before = pictured(&world.path("to"));
    let mut sleeper = std::process::Command::new("sleep")
        .arg("60")
        .current_dir(world.path("to"))
        .spawn()
        .unwrap();
    put("to/postmaster.pid", format!("{}\n/data\n", sleeper.id()).as_bytes());
    let mut forced = world.options("to", true);
    forced.force = true;
    let to = world.path("to");
    let running = files(&world.repository, &entry, &to, &forced, &pace).await;
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(refused(running), "backup-restore-running");
    fs::remove_file(world.path("to/postmaster.pid")).unwrap();
    assert_same(&pictured(&world.path("to")), &before);
    // A tablespace's place that is another cluster's.
    let mut mapped = world.options("fresh", false);
    mapped.tablespaces.insert(16400, world.path("to-space"));
    let fresh = world.path("fresh");
    assert_eq!(
        refused(files(&world.repository, &entry, &fresh, &mapped, &pace).await),
        "backup-restore-not-empty"
    );
    assert!(!fresh.exists());
    mapped.delta = true;
    assert_eq!(
        refused(files(&world.repository, &entry, &fresh, &mapped, &pace).await),
        "backup-restore-not-empty"
    );
    assert_same(&pictured(&world.path("to")), &before);
    // A process that is gone left its mark.
    put("to/postmaster.pid", format!("{}\n/data\n", sleeper.id()).as_bytes());
    world.restore(&entry, "to", true).await.unwrap();
    assert_same(&pictured(&world.path("to")), &before);
}

#[tokio::test]
async fn forced_another_clusters_directory_is_overwritten() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    world.restore(&entry, "to", false).await.unwrap();
    let control = fs::File::options()
        .write(true)
        .open(world.path("to/global/pg_control"))
        .unwrap();
    control.write_all_at(&[1; 8], 0).unwrap();
    let mut forced = world.options("to", true);
    forced.force = true;
    files(&world.repository, &entry, &world.path("to"), &forced, &unhurried())
        .await
        .unwrap();
    assert_restored(&world, &world.path("to"));
}

#[tokio::test]
async fn what_is_damaged_in_the_repository_is_named_and_nothing_starts() {
    let world = World::new().await;
    let entry = world.stored(None).await;
    let manifest = world.repository.manifest(&entry).await.unwrap();
    let pack = world.repository_dir.path().join(&manifest.packs[0].path);
    let whole = fs::read(&pack).unwrap();
    let chunks: Vec<_> = manifest
        .files
        .iter()
        .filter(|file| file.path == "base/1/1000")
        .flat_map(|file| file.chunks())
        .collect();
    for (number, chunk) in chunks.iter().enumerate().step_by(7) {
        let at = chunk.as_ref().unwrap().at;
        let mut damaged = whole.clone();
        damaged[(at.offset + at.stored / 2) as usize] ^= 1;
        fs::write(&pack, &damaged).unwrap();
        let restored = world.restore(&entry, &format!("to{number}"), false).await;
        let told = restored.unwrap_err().to_string();
        assert!(told.contains(&manifest.packs[0].path), "{told}");
        assert!(!world.path(&format!("to{number}/global/pg_control")).exists());
    }
    fs::write(&pack, &whole[..whole.len() / 2]).unwrap();
    assert!(world.restore(&entry, "cut", false).await.is_err());
    assert!(!world.path("cut/global/pg_control").exists());
    fs::write(&pack, &whole).unwrap();
    world.restore(&entry, "cut", false).await.unwrap();
    assert_restored(&world, &world.path("cut"));
}
