//! The log of a real server on its way into a repository, whatever happens to either.

mod archive;
mod gaps;
mod kill;
mod measure;
mod repositories;
mod servers;
mod steps;
mod store;
mod stores;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path as StorePath;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_config::{Sources, Tables};
use weir_model::{Clock, Secret};
use weir_store::{Store, StoreOptions};
use weir_telemetry::Registry;
use weir_testkit::{Postgres, PostgresOptions, eventually};
use weir_upstream::{Lsn, Target};

use super::history::History;
use super::{Log, lead};
use crate::cluster::Cluster;
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::repo::directory::Directory;
use crate::repo::keys::Wrapping;
use crate::repo::state::Position;
use crate::repo::wal::{Held, Segment};
use crate::repo::{Repository, Shelf};
use crate::repositories::Repositories;
use crate::settings::{BackupSettings, FileRepository};
use store::Moody;

const SOON: Duration = Duration::from_secs(30);

/// A server whose log is received.
async fn postgres() -> Postgres {
    server(PostgresOptions::new()).await
}

async fn server(options: PostgresOptions) -> Postgres {
    options
        .setting("full_page_writes", "on")
        .setting("max_wal_size", "128MB")
        .setting("wal_keep_size", "0")
        .start()
        .await
}

/// Repositories in directories, and who receives into them.
struct World {
    dirs: Vec<TempDir>,
    /// What stands between the receiver and each directory.
    moods: Vec<Arc<Moody>>,
    keeper: Arc<Keeper>,
    log: Log,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl World {
    async fn new(postgres: &Postgres, repositories: usize, change: impl FnOnce(&mut BackupSettings)) -> Self {
        let dirs = (0..repositories).map(|_| tempfile::tempdir().unwrap()).collect();
        Self::in_dirs(dirs, &postgres.url("postgres"), change).await
    }

    async fn in_dirs(dirs: Vec<TempDir>, url: &str, change: impl FnOnce(&mut BackupSettings)) -> Self {
        let mut settings: BackupSettings = Sources::load(None, []).unwrap().section().unwrap();
        settings.repositories = Tables(dirs.iter().enumerate().map(|(at, dir)| file(at, dir.path())).collect());
        settings.encryption = false;
        change(&mut settings);
        let (keeper, moods) = keeper(settings, url, &dirs).await;
        let log = Log::new(
            &keeper.cluster.name,
            keeper.settings.wal_slot_guard_bytes,
            keeper.settings.wal_exposure_max,
            keeper.metrics.clone(),
        );
        Self {
            dirs,
            moods,
            keeper,
            log,
            stop: CancellationToken::new(),
            running: JoinSet::new(),
        }
    }

    /// Begins to receive.
    fn start(&mut self) {
        let (keeper, log, stop) = (self.keeper.clone(), self.log.clone(), self.stop.clone());
        self.running
            .spawn(async move { Box::pin(lead(&keeper, &log, &stop)).await });
    }

    /// Ends it in order.
    async fn stop(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        self.stop = CancellationToken::new();
    }

    /// Ends it wherever it is.
    async fn kill(&mut self) {
        self.running.shutdown().await;
    }

    /// The repository of a number, opened anew.
    async fn repository(&self, number: usize) -> Repository {
        opened(&self.dirs[number]).await
    }

    /// Waits until all that the server has is safe.
    async fn until_safe(&self, postgres: &Postgres) -> u64 {
        let lsn = flushed(postgres).await;
        self.until_safe_at(lsn).await;
        lsn
    }

    async fn until_safe_at(&self, lsn: u64) {
        let what = format!("the log up to {} to be safe", Lsn(lsn));
        eventually(&what, SOON, async || {
            let state = self.log.state();
            match state.durable {
                Some(durable) if durable.lsn >= lsn => Ok(()),
                _ => Err(format!("{state:?}")),
            }
        })
        .await;
    }

    /// Waits until somebody says why the log is hindered.
    async fn until_reason(&self, words: &str) {
        eventually(&format!("the reason {words:?}"), SOON, async || {
            let state = self.log.state();
            if state.reason.contains(words) {
                Ok(())
            } else {
                Err(format!("{state:?}"))
            }
        })
        .await;
    }
}

fn file(at: usize, dir: &std::path::Path) -> FileRepository {
    FileRepository {
        name: format!("r{at}"),
        url: format!("file://{}", dir.display()),
        key_file: None,
        old_key_files: Vec::new(),
        endpoint: None,
        region: None,
        access_key_id: None,
        secret_file: None,
        allow_http: false,
        object_lock_days: 0,
    }
}

async fn keeper(settings: BackupSettings, url: &str, dirs: &[TempDir]) -> (Arc<Keeper>, Vec<Arc<Moody>>) {
    let (mut moods, mut all) = (Vec::new(), Vec::new());
    for (at, dir) in dirs.iter().enumerate() {
        let mood = Arc::new(Moody::new(dir.path()));
        let shelf = Shelf::new(mood.clone(), StorePath::default(), &format!("r{at}"), true);
        let opened = Repository::open(shelf, Wrapping::open_to_all(), "main", Clock::system(), None).await;
        all.push(opened.unwrap());
        moods.push(mood);
    }
    (keeper_of(settings, url, all).await, moods)
}

/// A keeper of repositories that are open.
async fn keeper_of(settings: BackupSettings, url: &str, all: Vec<Repository>) -> Arc<Keeper> {
    let repositories = Repositories::of(&settings, Clock::system());
    for (at, repository) in all.into_iter().enumerate() {
        repositories.stand_in(&format!("r{at}"), repository).await;
    }
    let options = StoreOptions {
        url: Secret::new(url),
        schema: "weir_backup",
        connections_max: 2,
        acquire_timeout: SOON,
        connect_timeout: SOON,
    };
    let keeper = Keeper {
        cluster: Cluster::of(&settings, Target::parse(url).unwrap()).unwrap(),
        repositories,
        store: Store::open(options, vec![]).unwrap(),
        metrics: Arc::new(Metrics::register(&Registry::default())),
        clock: Clock::system(),
        config_file: None,
        settings,
    };
    Arc::new(keeper)
}

async fn opened(dir: &TempDir) -> Repository {
    let shelf = Shelf::in_directory(Directory::of(dir.path()).unwrap(), "test");
    let opened = Repository::find(shelf, Wrapping::open_to_all(), Clock::system(), None).await;
    opened.unwrap().expect("a repository is there")
}

/// Up to where the server's own log is safe.
async fn flushed(postgres: &Postgres) -> u64 {
    let lsn = postgres.psql("postgres", "select pg_current_wal_flush_lsn()").await;
    lsn.parse::<Lsn>().unwrap().0
}

/// Has the server write about so much log.
async fn write(postgres: &Postgres, megabytes: u32) {
    let sql = format!(
        "create table if not exists filler (a text);
         insert into filler select md5(random()::text) || repeat(md5(n::text), 31) from generate_series(1, {}) n;
         truncate filler",
        megabytes * 1000
    );
    postgres.psql("postgres", &sql).await;
}

/// A span of the log as the server's own files hold it.
fn own_log(postgres: &Postgres, timeline: u32, from: u64, end: u64, bytes: u32) -> Vec<u8> {
    let mut log = Vec::new();
    let mut segment = Segment::at(timeline, from, bytes);
    while segment.start() < end {
        let path = postgres.data_dir().join("pg_wal").join(segment.name());
        log.extend(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        segment = segment.next();
    }
    let first = Segment::at(timeline, from, bytes).start();
    log[(from - first) as usize..(end - first) as usize].to_vec()
}

/// The same as the repository holds it: whole segments but for the last.
async fn kept_log(repository: &Repository, timeline: u32, from: u64, end: u64, bytes: u32) -> Vec<u8> {
    let mut log = Vec::new();
    let mut segment = Segment::at(timeline, from, bytes);
    while segment.start() < end {
        match repository.segment(segment).await.unwrap() {
            Held::Whole(content) => log.extend_from_slice(&content),
            Held::Beginning(content) => {
                assert!(
                    segment.end() >= end,
                    "{} is not whole: {} bytes",
                    segment.name(),
                    content.len()
                );
                log.extend_from_slice(&content);
            }
        }
        segment = segment.next();
    }
    let first = Segment::at(timeline, from, bytes).start();
    assert!(
        log.len() as u64 >= end - first,
        "the log ends at {}, not {}",
        Lsn(first + log.len() as u64),
        Lsn(end)
    );
    log[(from - first) as usize..(end - first) as usize].to_vec()
}

/// Says where two logs part, rather than print them.
fn assert_same(kept: &[u8], own: &[u8], from: u64) {
    if let Some(at) = kept.iter().zip(own).position(|(kept, own)| kept != own) {
        panic!("the log differs at {}", Lsn(from + at as u64));
    }
    assert_eq!(kept.len(), own.len());
}

/// What `pg_waldump` reads of files in a directory.
fn waldump(postgres: &Postgres, directory: &std::path::Path, from: u64, end: u64) -> String {
    let output = Command::new(postgres.bin_dir().join("pg_waldump"))
        .arg("-p")
        .arg(directory)
        .args(["-s", &Lsn(from).to_string(), "-e", &Lsn(end).to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The first position that the repository has.
async fn first_kept(repository: &Repository, timeline: u32, bytes: u32) -> u64 {
    let whole = repository.segments(timeline, bytes).await.unwrap();
    let open = repository.open_segments(timeline, bytes).await.unwrap();
    let all = whole.iter().map(|listed| listed.segment).chain(open);
    all.map(|segment| segment.start()).min().expect("there is some log")
}

const fn position(timeline: u32, lsn: u64) -> Position {
    Position { timeline, lsn }
}

fn path(dir: &TempDir, name: &str) -> PathBuf {
    dir.path().join(name)
}
