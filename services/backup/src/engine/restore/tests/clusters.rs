//! Real clusters: each moment that one can name is restored to, and holds what was committed until then.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use weir_config::{Sources, Tables};
use weir_model::Clock;
use weir_testkit::{Postgres, PostgresOptions, eventually};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::super::run::{Means, Restored, restore_with};
use super::super::server::{self, Server, ServerOptions};
use super::super::testing::{Facts, stored, unhurried};
use crate::error::Error;
use crate::orders::{Consistent, LogPosition, RestoreOrder, RestoreTarget, Then};
use crate::repo::Repository;
use crate::repo::manifest::Manifest;
use crate::repo::state::{BackupEntry, Position};
use crate::repo::wal::Segment;
use crate::repositories::Repositories;
use crate::settings::{BackupSettings, FileRepository};

const SEGMENT: u32 = 16 << 20;

/// What was committed, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub id: u64,
    pub xid: u32,
    pub lsn: u64,
    pub unix_us: i64,
}

/// A cluster at work, a repository, and room for restores.
pub(super) struct Site {
    pub postgres: Postgres,
    pub dir: TempDir,
    pub settings: BackupSettings,
    pub repositories: Repositories,
    pub repository: Repository,
    pub steps: Vec<Step>,
    connection: Connection,
    command: String,
}

/// A directory that the server's user may pass through.
fn open_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn settings_in(dir: &Path, bin: &Path) -> BackupSettings {
    fs::write(dir.join("key"), [5; 32]).unwrap();
    let near = FileRepository {
        name: "near".to_owned(),
        url: format!("file://{}/repository", dir.display()),
        key_file: Some(dir.join("key")),
        old_key_files: Vec::new(),
        endpoint: None,
        region: None,
        access_key_id: None,
        secret_file: None,
        allow_http: false,
        object_lock_days: 0,
    };
    BackupSettings {
        repositories: Tables(vec![near]),
        postgres_bin: Some(bin.to_owned()),
        ..Sources::load(None, []).unwrap().section().unwrap()
    }
}

fn lsn_of(text: &str) -> u64 {
    let (high, low) = text.split_once('/').unwrap();
    u64::from_str_radix(high, 16).unwrap() << 32 | u64::from_str_radix(low, 16).unwrap()
}

impl Site {
    pub(super) async fn new() -> Self {
        let options = [
            ("wal_keep_size", "2GB"),
            ("track_commit_timestamp", "on"),
            ("max_connections", "20"),
        ];
        let with = |options: PostgresOptions, (name, value)| options.setting(name, value);
        let postgres = options.into_iter().fold(PostgresOptions::new(), with).start().await;
        let dir = open_dir();
        let settings = settings_in(dir.path(), &postgres.bin_dir());
        let repositories = Repositories::of(&settings, Clock::system());
        let repository = repositories.get("near").await.unwrap();
        let target = Target::parse(&postgres.url("postgres")).unwrap();
        let connection = Connection::connect(&target, ConnectOptions::default()).await.unwrap();
        let wal = dir.path().join("wal");
        fs::create_dir(&wal).unwrap();
        let mut site = Self {
            command: format!("cp {}/%f \"%p\"", wal.display()),
            postgres,
            dir,
            settings,
            repositories,
            repository,
            steps: Vec::new(),
            connection,
        };
        site.one("create table ledger (id bigint primary key, note text)").await;
        site
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) async fn one(&mut self, sql: &str) -> String {
        let rows = self.connection.simple_query(sql).await.unwrap();
        let first = rows
            .last()
            .and_then(|row| row.values().next().flatten().map(str::to_owned));
        first.unwrap_or_default()
    }

    /// Commits once more.
    pub(super) async fn step(&mut self) -> Step {
        let id = self.steps.len() as u64 + 1;
        let insert = format!("insert into ledger values ({id}, repeat('x', {id})) returning pg_current_xact_id()");
        let xid = self.one(&insert).await.parse::<u64>().unwrap() as u32;
        let at = format!("select (extract(epoch from pg_xact_commit_timestamp('{xid}'::xid)) * 1000000)::bigint");
        let unix_us = self.one(&at).await.parse().unwrap();
        let lsn = lsn_of(&self.one("select pg_current_wal_insert_lsn()").await);
        let step = Step { id, xid, lsn, unix_us };
        self.steps.push(step);
        // Times of restores have milliseconds.
        tokio::time::sleep(Duration::from_millis(3)).await;
        step
    }

    pub(super) async fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step().await;
        }
    }

    /// Takes a backup while the cluster works.
    pub(super) async fn back_up(&mut self) -> BackupEntry {
        self.one("select pg_backup_start('a test', true)").await;
        self.steps(2).await;
        let data = self.postgres.data_dir();
        let aside = self.path("aside");
        copy_of(&data, &aside);
        self.steps(2).await;
        let rows = self
            .connection
            .simple_query("select lsn, labelfile, spcmapfile from pg_backup_stop(false)")
            .await;
        let rows = rows.unwrap();
        let (stop, label) = (
            lsn_of(rows[0].text("lsn").unwrap()),
            rows[0].text("labelfile").unwrap().to_owned(),
        );
        let start = label
            .split("START WAL LOCATION: ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        let timeline = label.split("START TIMELINE: ").nth(1).unwrap().trim().parse().unwrap();
        let system = self.one("select system_identifier from pg_control_system()").await;
        let version: u32 = self.one("show server_version_num").await.parse().unwrap();
        let at = |lsn| Some(Position { timeline, lsn });
        let facts = Facts {
            entry: BackupEntry {
                start: at(lsn_of(start)),
                stop: at(stop),
                ended_unix_ms: self.steps.last().unwrap().unix_us / 1000 + 1,
                server_version: version,
                wal_segment_bytes: SEGMENT,
                ..BackupEntry::default()
            },
            manifest: Manifest {
                system_identifier: system.parse::<i64>().unwrap() as u64,
                backup_label: label.into_bytes().into(),
                server_version: version,
                ..Manifest::default()
            },
        };
        let entry = stored(&self.repository, None, &aside, facts).await;
        fs::remove_dir_all(&aside).unwrap();
        entry
    }

    /// Puts all log into the repository, and what a server needs of it where it can copy it.
    pub(super) async fn archive(&mut self) {
        self.one("select pg_switch_wal()").await;
        let end = lsn_of(&self.one("select pg_current_wal_insert_lsn()").await);
        for entry in fs::read_dir(self.postgres.data_dir().join("pg_wal")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if let Some(segment) = Segment::of_name(&name, SEGMENT)
                && segment.end() <= end
            {
                let content = fs::read(entry.path()).unwrap();
                self.repository.put_segment(segment, &content, 1).await.unwrap();
                let to = self.path("wal").join(&name);
                fs::write(&to, &content).unwrap();
                fs::set_permissions(&to, fs::Permissions::from_mode(0o644)).unwrap();
            }
        }
    }

    pub(super) fn order(&self, to: &str, target: RestoreTarget, then: Then) -> RestoreOrder {
        RestoreOrder {
            target,
            directory: self.path(to),
            then,
            ..RestoreOrder::default()
        }
    }

    pub(super) fn means<'a>(&'a self, clock: &'a Clock) -> Means<'a> {
        Means {
            settings: &self.settings,
            repositories: &self.repositories,
            user: "postgres",
            database: "postgres",
            clock,
            config_file: None,
            restore_command: Some(&self.command),
        }
    }

    pub(super) async fn restore(&self, order: &RestoreOrder) -> Result<Restored, Error> {
        restore_with(self.means(&Clock::system()), order, &unhurried()).await
    }

    /// What a restored directory holds, asked of a server that is started on it.
    pub(super) async fn ledger(&self, to: &str) -> Vec<u64> {
        let owner = server::owner_of("postgres").unwrap();
        let run = server::run_directory(owner).unwrap();
        let options = ServerOptions {
            owner,
            run: run.path().to_owned(),
            user: "postgres".to_owned(),
            database: "postgres".to_owned(),
            settings: Vec::new(),
        };
        let mut server = Server::start(&self.postgres.bin_dir(), &self.path(to), &options)
            .await
            .unwrap();
        server
            .ready(Duration::from_secs(60), &CancellationToken::new())
            .await
            .unwrap();
        let mut connection = server.ask("postgres").await.unwrap();
        // One that waits at its end replays the last of it once more.
        eventually("the end of the replay", Duration::from_secs(30), async || {
            let asked = "select not pg_is_in_recovery() or pg_is_wal_replay_paused() as done";
            let rows = connection.simple_query(asked).await.unwrap();
            rows[0].flag("done").unwrap().then_some(())
        })
        .await;
        let rows = connection
            .simple_query("select id, length(note) as length from ledger order by id")
            .await
            .unwrap();
        let ids = rows.iter().map(|row| {
            assert_eq!(row.text("id").unwrap(), row.text("length").unwrap());
            row.parse::<u64>("id").unwrap()
        });
        let ids = ids.collect();
        drop(connection);
        server.stop().await.unwrap();
        ids
    }
}

/// A copy of a data directory at work; what goes while it is made is not in it.
fn copy_of(data: &Path, to: &Path) {
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(data)
        .arg(to)
        .output()
        .unwrap();
    assert!(to.join("global/pg_control").exists(), "{copied:?}");
}

pub(super) fn upto(id: u64) -> Vec<u64> {
    (1..=id).collect()
}

#[tokio::test]
async fn every_moment_that_can_be_named_is_restored_to_exactly() {
    let mut site = Site::new().await;
    site.steps(3).await;
    site.back_up().await;
    let consistent = site.steps.len() as u64;
    site.steps(6).await;
    let point = site.step().await;
    site.one("select pg_create_restore_point('it''s here')").await;
    site.steps(9).await;
    site.archive().await;
    let step = |id: u64| site.steps[id as usize - 1];
    let ms_after = |id: u64| step(id).unix_us / 1000 + 1;
    let none = RestoreTarget::default;
    let (time, lsn, xid) = (consistent + 3, consistent + 4, consistent + 8);
    let targets = [
        (none(), Then::Stop, site.steps.len() as u64),
        (
            RestoreTarget {
                time_unix_ms: Some(ms_after(time)),
                ..none()
            },
            Then::Stop,
            time,
        ),
        (
            RestoreTarget {
                time_unix_ms: Some(ms_after(time)),
                before: true,
                ..none()
            },
            Then::Stop,
            time,
        ),
        (
            RestoreTarget {
                position: Some(LogPosition {
                    timeline: 1,
                    lsn: step(lsn).lsn,
                }),
                ..none()
            },
            Then::Stop,
            lsn,
        ),
        (
            RestoreTarget {
                restore_point: Some("it's here".to_owned()),
                ..none()
            },
            Then::Stop,
            point.id,
        ),
        (
            RestoreTarget {
                xid: Some(step(xid).xid),
                ..none()
            },
            Then::Stop,
            xid,
        ),
        (
            RestoreTarget {
                xid: Some(step(xid).xid),
                before: true,
                ..none()
            },
            Then::Stop,
            xid - 1,
        ),
        (
            RestoreTarget {
                consistent: Some(Consistent {}),
                ..none()
            },
            Then::Stop,
            consistent,
        ),
    ];
    for (target, then, expected) in targets {
        let mut order = site.order("to", target, then);
        // After the first the directory is the one that a server recovered in.
        order.delta = site.path("to").exists();
        let restored = site
            .restore(&order)
            .await
            .unwrap_or_else(|error| panic!("{:?}: {error}", order.target));
        assert_eq!(restored.kept_bytes > 10 << 20, order.delta, "{restored:?}");
        assert!(restored.recovered_to.is_some());
        assert_eq!(site.ledger("to").await, upto(expected), "{:?}", order.target);
    }
}
