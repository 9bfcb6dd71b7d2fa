//! A cluster for tests with a repository of its own: backups are taken of its files, its log goes to the repository when a
//! test says so, and what is stored may be changed on the way.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_config::Sources;
use weir_model::{Clock, Secret};
use weir_store::{Store, StoreOptions};
use weir_telemetry::Registry;
use weir_upstream::{Connection, Row, Target};

use super::scratch::{HOME, Scratch, Start};
use super::target;
use super::{Place, Programs};
use crate::cluster::Cluster;
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::orders::ProofOrder;
use crate::repo::Repository;
use crate::repo::chunk::{CHUNK_BYTES, Chunk, ChunkList};
use crate::repo::codec::Compression;
use crate::repo::intake::{ChunkWorker, Intake};
use crate::repo::manifest::{EntryKind, FileEntry, Manifest, Tablespace};
use crate::repo::state::{BackupEntry, BackupKind, BackupState, Position, ProofEntry};
use crate::repo::wal::Segment;
use crate::repositories::Repositories;
use crate::settings::BackupSettings;

/// Where `deploy/test` puts versions that the packages do not bring, under the name of each.
const FURTHER: &str = "/opt/weir-test-tools/postgresql-";
const SEGMENT_BYTES: u32 = 1 << 20;
/// Directories whose content a backup leaves out.
const EMPTY: [&str; 8] = [
    "pg_wal",
    "pg_stat_tmp",
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_subtrans",
];

/// What a test does to a file on its way into the repository.
type Change<'a> = dyn FnMut(&str, &mut Vec<u8>) + 'a;

/// A cluster with a repository.
pub(super) struct Lab {
    pub(super) primary: Scratch,
    pub(super) programs: Programs,
    pub(super) keeper: Keeper,
    pub(super) repository: Repository,
    /// How far each segment is in the repository.
    stored: HashMap<Segment, u32>,
    pub(super) dir: tempfile::TempDir,
    _place: Place,
}

/// The programs of a version on this machine, if they are there.
fn bin_of(major: u32) -> Option<PathBuf> {
    let packaged = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
    let further = PathBuf::from(format!("{FURTHER}{major}/bin"));
    [packaged, further]
        .into_iter()
        .find(|bin| bin.join("postgres").exists())
}

/// The newest packaged version.
pub(super) fn packaged() -> u32 {
    (12..40)
        .rev()
        .find(|major| Path::new(&format!("/usr/lib/postgresql/{major}/bin/initdb")).exists())
        .unwrap()
}

/// A directory that the servers' user can pass.
pub(super) fn open_directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    dir
}

/// Settings for work in a directory, with the programs of a version.
pub(super) fn settings(dir: &Path, major: u32) -> BackupSettings {
    checked(dir, &bin_of(major).unwrap()).0
}

fn checked(dir: &Path, bin: &Path) -> (BackupSettings, Target) {
    std::fs::write(dir.join("key"), [7; 32]).unwrap();
    let repositories = format!(
        "[{{ name = \"local\", url = \"file://{0}/repository\", key_file = \"{0}/key\" }}]",
        dir.display()
    );
    let variables = [
        ("DATABASE_URL", "postgres://postgres@127.0.0.1:1/template1".to_owned()),
        ("WEIR_BACKUP__REPOSITORIES", repositories),
        ("WEIR_BACKUP__POSTGRES_BIN", bin.display().to_string()),
        (
            "WEIR_BACKUP__SCRATCH_DIRECTORY",
            dir.join("scratch").display().to_string(),
        ),
    ];
    let sources = Sources::load(None, variables.map(|(name, value)| (name.to_owned(), value))).unwrap();
    crate::check(&sources).unwrap()
}

fn keeper(dir: &Path, bin: &Path) -> Keeper {
    let (settings, target) = checked(dir, bin);
    let options = StoreOptions {
        url: Secret::new("postgres://postgres@127.0.0.1:1/none".to_owned()),
        schema: "weir_backup",
        connections_max: 1,
        acquire_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
    };
    Keeper {
        config_file: None,
        repositories: Repositories::of(&settings, Clock::system()),
        cluster: Cluster::of(&settings, target).unwrap(),
        store: Store::open(options, Vec::new()).unwrap(),
        metrics: Arc::new(Metrics::register(&Registry::default())),
        clock: Clock::system(),
        settings,
    }
}

impl Lab {
    /// A fresh cluster of a version, with page checksums and small segments; none where the version is not here.
    pub(super) async fn of(major: u32) -> Option<Self> {
        let bin = bin_of(major)?;
        let dir = open_directory();
        let keeper = keeper(dir.path(), &bin);
        std::fs::create_dir(dir.path().join("scratch")).unwrap();
        std::fs::set_permissions(dir.path().join("scratch"), PermissionsExt::from_mode(0o755)).unwrap();
        let programs = Programs::find(&keeper.settings, major * 10_000).await.unwrap();
        let place = Place::take(dir.path(), "primary", &programs, &CancellationToken::new())
            .await
            .unwrap();
        let data = place.data().display().to_string();
        let megabytes = (SEGMENT_BYTES >> 20).to_string();
        let init = [
            "-D",
            &data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "-k",
            "--wal-segsize",
            &megabytes,
        ];
        programs.output("initdb", &init).await.unwrap();
        let how = Start {
            users: vec!["postgres".to_owned()],
            settings: vec![
                ("wal_keep_size".to_owned(), "4GB".to_owned()),
                ("full_page_writes".to_owned(), "on".to_owned()),
                ("synchronous_commit".to_owned(), "on".to_owned()),
            ],
            ..Start::default()
        };
        let mut primary = Scratch::start(&programs, &place.data(), &place.run(), &how)
            .await
            .unwrap();
        primary.wait_open(&CancellationToken::new()).await.unwrap();
        Some(Self {
            repository: keeper.repositories.first().await.unwrap(),
            primary,
            programs,
            keeper,
            stored: HashMap::new(),
            dir,
            _place: place,
        })
    }

    /// A connection to the cluster.
    pub(super) async fn connect(&mut self) -> Connection {
        self.primary.connect(HOME).await.unwrap()
    }

    /// Runs statements in the cluster.
    pub(super) async fn sql(&mut self, sql: &str) -> Vec<Row> {
        self.connect().await.simple_query(sql).await.unwrap()
    }

    /// The one value that a statement answers with.
    pub(super) async fn value(&mut self, sql: &str) -> String {
        let rows = self.sql(sql).await;
        rows[0].values().next().flatten().unwrap_or_default().to_owned()
    }

    /// Takes a backup as it is.
    pub(super) async fn back_up(&mut self, basis: Option<&str>) -> BackupEntry {
        self.back_up_changed(basis, |_, _| {}).await
    }

    /// Takes a backup; what `change` makes of a file's content is taken for what was read.
    pub(super) async fn back_up_changed(
        &mut self,
        basis: Option<&str>,
        mut change: impl FnMut(&str, &mut Vec<u8>),
    ) -> BackupEntry {
        let mut session = self.connect().await;
        let started = session
            .simple_query("select pg_backup_start('lab', true)::text as at")
            .await
            .unwrap();
        let start = target::lsn_of(started[0].text("at").unwrap()).unwrap();
        let intake = Intake::begin(&self.repository, Uuid::now_v7(), basis, "a test")
            .await
            .unwrap();
        let read = read_files(self.primary.data(), &mut change);
        let files = store_files(&intake, read).await;
        let sql = "select lsn::text as at, labelfile as label from pg_backup_stop(false)";
        let stopped = session.simple_query(sql).await.unwrap();
        let stop = target::lsn_of(stopped[0].text("at").unwrap()).unwrap();
        let label = stopped[0].text("label").unwrap().to_owned();
        self.archive().await;
        let (version, identifier) = self.identity().await;
        let (start, stop) = (
            Position {
                timeline: 1,
                lsn: start,
            },
            Position { timeline: 1, lsn: stop },
        );
        let manifest = Manifest {
            files,
            backup_label: label.into(),
            system_identifier: identifier,
            server_version: version,
            start: Some(start),
            stop: Some(stop),
            tablespaces: self.tablespaces().await,
            page_checksums: true,
            wal_segment_bytes: SEGMENT_BYTES,
            ..Manifest::default()
        };
        let mut entry = BackupEntry {
            start: Some(start),
            stop: Some(stop),
            server_version: version,
            wal_segment_bytes: SEGMENT_BYTES,
            ..BackupEntry::default()
        };
        entry.set_kind(BackupKind::Full);
        entry.set_state(BackupState::Unproven);
        intake.commit(manifest, entry).await.unwrap()
    }

    async fn tablespaces(&mut self) -> Vec<Tablespace> {
        let sql = "select oid::text as oid, pg_tablespace_location(oid) as location from pg_tablespace \
                   where spcname not like 'pg\\_%'";
        let rows = self.sql(sql).await;
        let tablespace = |row: &Row| Tablespace {
            oid: row.parse("oid").unwrap(),
            location: row.text("location").unwrap().to_owned(),
        };
        rows.iter().map(tablespace).collect()
    }

    /// Makes a tablespace, and returns its directory.
    pub(super) async fn make_tablespace(&mut self, name: &str) -> PathBuf {
        let place = self.dir.path().join(name);
        std::fs::create_dir(&place).unwrap();
        self.programs.own(&place).unwrap();
        self.sql(&format!("create tablespace {name} location '{}'", place.display()))
            .await;
        place
    }

    async fn identity(&mut self) -> (u32, u64) {
        let sql = "select current_setting('server_version_num') as version, system_identifier::text as system \
                   from pg_control_system()";
        let rows = self.sql(sql).await;
        (rows[0].parse("version").unwrap(), rows[0].parse("system").unwrap())
    }

    /// Has all log that was written so far in the repository: whole segments, and the open one in pieces.
    pub(super) async fn archive(&mut self) {
        // A commit of its own: everything before it is flushed, and recovery to a time before it finds something later.
        self.sql("select pg_logical_emit_message(true, 'archive', 'here')")
            .await;
        let now = target::lsn_of(&self.value("select pg_current_wal_flush_lsn()::text").await).unwrap();
        let current = Segment::at(1, now, SEGMENT_BYTES);
        for entry in std::fs::read_dir(self.primary.data().join("pg_wal")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let Some(segment) = Segment::of_name(name, SEGMENT_BYTES) else {
                continue;
            };
            let reached = if segment < current {
                SEGMENT_BYTES
            } else {
                (now - current.start()) as u32
            };
            let known = self.stored.get(&segment).copied().unwrap_or_default();
            if segment > current || known >= reached {
                continue;
            }
            let content = std::fs::read(&path).unwrap();
            if segment < current {
                self.repository.put_segment(segment, &content, 1).await.unwrap();
                self.repository.drop_pieces(segment).await.unwrap();
            } else {
                let piece = &content[known as usize..reached as usize];
                self.repository.put_piece(segment, known, piece, 1).await.unwrap();
            }
            self.stored.insert(segment, reached);
        }
    }

    /// Writes some log and goes on to the next segment.
    pub(super) async fn fill_a_segment(&mut self) {
        self.sql("select pg_logical_emit_message(false, 'lab', repeat('x', 1000)) from generate_series(1, 50)")
            .await;
        self.sql("select pg_switch_wal()").await;
        self.sql("select pg_logical_emit_message(true, 'lab', 'after the switch')")
            .await;
        self.archive().await;
    }

    /// Proves as the order says.
    pub(super) async fn prove(&self, order: &ProofOrder) -> ProofEntry {
        self.prove_until(order, CancellationToken::new()).await
    }

    /// The same until it is stopped.
    pub(super) async fn prove_until(&self, order: &ProofOrder, stop: CancellationToken) -> ProofEntry {
        let pace = Pace::new(0, stop, Progress::default());
        super::prove(&self.keeper, Uuid::now_v7(), order, &pace).await.unwrap()
    }

    /// The directory in which backups are proven.
    pub(super) fn place(&self) -> PathBuf {
        self.dir.path().join("scratch/proof")
    }
}

fn read_files(data: &Path, change: &mut Change<'_>) -> Vec<(FileEntry, Vec<u8>)> {
    let mut read = Vec::new();
    read_directory(data, "", &mut read, change);
    read
}

fn read_directory(data: &Path, directory: &str, read: &mut Vec<(FileEntry, Vec<u8>)>, change: &mut Change<'_>) {
    let mut names: Vec<String> = std::fs::read_dir(data.join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in names {
        let path = if directory.is_empty() {
            name.clone()
        } else {
            format!("{directory}/{name}")
        };
        let full = data.join(&path);
        let mut entry = FileEntry {
            path: path.clone(),
            mode: 0o700,
            ..FileEntry::default()
        };
        if full.is_dir() {
            entry.set_kind(EntryKind::Directory);
            read.push((entry, Vec::new()));
            if !EMPTY.contains(&path.as_str()) {
                read_directory(data, &path, read, change);
            }
        } else if !name.starts_with("postmaster.") && !name.starts_with("pg_internal.init") {
            let mut content = std::fs::read(&full).unwrap();
            change(&path, &mut content);
            entry.bytes = content.len() as u64;
            read.push((entry, content));
        }
    }
}

async fn store_files(intake: &Arc<Intake>, read: Vec<(FileEntry, Vec<u8>)>) -> Vec<FileEntry> {
    let (send, sealed) = mpsc::channel(2);
    let mut worker = intake.worker(Compression::Zstd(1), send);
    let mut storing = JoinSet::new();
    storing.spawn(Arc::clone(intake).store(sealed, 2));
    let basis = intake.basis().cloned();
    let working = tokio::task::spawn_blocking(move || {
        let mut files = Vec::new();
        for (mut entry, content) in read {
            entry.chunks = store_file(&mut worker, basis.as_deref(), &entry.path, &content).finish();
            files.push(entry);
        }
        worker.finish().unwrap();
        files
    });
    let files = working.await.unwrap();
    storing.join_next().await.unwrap().unwrap().unwrap();
    files
}

fn store_file(worker: &mut ChunkWorker, basis: Option<&Manifest>, path: &str, content: &[u8]) -> ChunkList {
    let was = basis.and_then(|basis| basis.files.iter().find(|file| file.path == path));
    let was: Vec<Chunk> = was
        .map(|was| was.chunks().map(Result::unwrap).collect())
        .unwrap_or_default();
    let mut list = ChunkList::default();
    for (at, piece) in content.chunks(CHUNK_BYTES).enumerate() {
        list.push(&worker.store(piece, was.get(at).copied()).unwrap());
    }
    list
}
