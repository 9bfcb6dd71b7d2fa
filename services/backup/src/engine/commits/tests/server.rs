//! A real server, its log, and a repository that it is brought into.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use weir_config::Sources;
use weir_model::Clock;
use weir_store::{Store, StoreOptions};
use weir_testkit::{Postgres, PostgresOptions};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::super::indexer::Indexer;
use crate::cluster::Cluster;
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::repo::Repository;
use crate::repo::manifest::{Manifest, Relation};
use crate::repo::state::{BackupEntry, BackupKind, BackupState, Position};
use crate::repo::wal::Segment;
use crate::repositories::Repositories;

/// A server whose log is brought into a repository.
pub(super) struct Archive {
    pub server: Postgres,
    pub keeper: Arc<Keeper>,
    pub repository: Repository,
    pub segment_bytes: u32,
    /// The first segment that is brought.
    pub first: u64,
    /// The first that was not brought yet.
    next: u64,
    timeline: u32,
    _dir: TempDir,
}

impl Archive {
    pub(super) async fn start() -> Self {
        Self::start_with(&[("wal_level", "logical"), ("max_prepared_transactions", "20")]).await
    }

    pub(super) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let kept = [("wal_keep_size", "2GB"), ("max_wal_size", "4GB")];
        let settings = kept.iter().chain(settings);
        let options = settings.fold(PostgresOptions::new(), |options, (name, value)| {
            options.setting(name, value)
        });
        let server = options.start().await;
        let dir = tempfile::tempdir().unwrap();
        let keeper = keeper(&server, &dir);
        let repository = keeper.repositories.first().await.unwrap();
        let mut archive = Self {
            first: 0,
            next: 0,
            timeline: 1,
            segment_bytes: 16 << 20,
            server,
            keeper,
            repository,
            _dir: dir,
        };
        archive.know_the_cluster().await;
        // What initdb did is of no interest.
        archive.server.psql("postgres", "select pg_switch_wal()").await;
        archive.first = archive.insert_position().await / u64::from(archive.segment_bytes);
        archive.next = archive.first;
        archive
    }

    async fn know_the_cluster(&self) {
        let said = self
            .server
            .psql("postgres", "select system_identifier from pg_control_system()")
            .await;
        let system_identifier: u64 = said.parse().unwrap();
        let known = self.repository.change(|state| {
            state.system_identifier = system_identifier;
            Ok(())
        });
        known.await.unwrap();
    }

    pub(super) async fn connect(&self, database: &str) -> Connection {
        let target = Target::parse(&self.server.url(database)).unwrap();
        Connection::connect(&target, ConnectOptions::default()).await.unwrap()
    }

    pub(super) async fn insert_position(&self) -> u64 {
        lsn(&self.server.psql("postgres", "select pg_current_wal_insert_lsn()").await)
    }

    pub(super) async fn flushed(&self) -> u64 {
        // Which flushes the log, and is no transaction.
        self.server.psql("postgres", "checkpoint").await;
        lsn(&self.server.psql("postgres", "select pg_current_wal_flush_lsn()").await)
    }

    fn segment(&self, number: u64) -> Segment {
        Segment {
            timeline: self.timeline,
            number,
            bytes: self.segment_bytes,
        }
    }

    pub(super) fn file(&self, segment: Segment) -> Vec<u8> {
        fs::read(self.server.data_dir().join("pg_wal").join(segment.name())).unwrap()
    }

    /// Ends the segment that is being written, if anything is in it.
    pub(super) async fn switch(&self) {
        self.server.psql("postgres", "select pg_switch_wal()").await;
    }

    /// Brings every whole segment that was not brought yet.
    pub(super) async fn bring(&mut self) {
        let until = self.flushed().await / u64::from(self.segment_bytes);
        for number in self.next..until {
            let segment = self.segment(number);
            self.repository
                .put_segment(segment, &self.file(segment), 1)
                .await
                .unwrap();
        }
        self.next = until;
    }

    /// Brings what there is of the segment that is being written, from where the last piece ended.
    pub(super) async fn bring_open(&mut self, from: u32) -> u32 {
        let flushed = self.flushed().await;
        let segment = self.segment(flushed / u64::from(self.segment_bytes));
        let end = (flushed - segment.start()) as u32;
        let content = self.file(segment);
        let piece = &content[from as usize..end as usize];
        self.repository.put_piece(segment, from, piece, 1).await.unwrap();
        end
    }

    /// Indexes what was brought.
    pub(super) async fn indexed(&self) {
        Indexer::new(self.keeper.clone()).round().await.unwrap();
    }

    /// Lists a backup that begins and ends there.
    pub(super) async fn backed_up(&self, id: &str, start: u64, stop: u64) {
        self.backed_up_with(id, start, stop, Vec::new()).await;
    }

    /// The same with names of relations.
    pub(super) async fn backed_up_with(&self, id: &str, start: u64, stop: u64, relations: Vec<Relation>) {
        let position = |lsn| {
            Some(Position {
                timeline: self.timeline,
                lsn,
            })
        };
        let mut entry = BackupEntry {
            id: id.to_owned(),
            start: position(start),
            stop: position(stop),
            wal_segment_bytes: self.segment_bytes,
            ended_unix_ms: 1,
            ..BackupEntry::default()
        };
        entry.set_kind(BackupKind::Full);
        entry.set_state(BackupState::Proven);
        let manifest = Manifest {
            id: id.to_owned(),
            relations,
            ..Default::default()
        };
        entry.manifest_hash = self.repository.put_manifest(&manifest, "").await.unwrap();
        let listed = self.repository.change(|state| {
            state.backups.push(entry.clone());
            Ok(())
        });
        listed.await.unwrap();
    }

    /// What PostgreSQL's own reader says of the transactions in the segments that were brought.
    pub(super) fn waldump(&self) -> Vec<Dumped> {
        let wal = self.server.data_dir().join("pg_wal");
        let mut all = Vec::new();
        for number in self.first..self.next {
            let name = self.segment(number).name();
            let ran = Command::new(self.server.bin_dir().join("pg_waldump"))
                .env("TZ", "UTC")
                .args(["-r", "Transaction", "-p"])
                .args([wal.as_os_str(), name.as_ref(), name.as_ref()])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&ran.stdout).into_owned();
            all.extend(text.lines().filter_map(Dumped::read));
        }
        all
    }
}

/// The keeper of a server, with one repository in a directory.
fn keeper(server: &Postgres, dir: &TempDir) -> Arc<Keeper> {
    let url = server.url("postgres");
    let settings = [("DATABASE_URL", url.as_str()), ("BACKUP_ENCRYPTION_ENABLED", "false")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources::load(None, settings).unwrap();
    let (mut settings, target) = crate::check(&sources).unwrap();
    let one = serde_json::json!({ "name": "one", "url": format!("file://{}", dir.path().display()) });
    settings.repositories.0.push(serde_json::from_value(one).unwrap());
    let store = StoreOptions::from_settings(&sources.section().unwrap(), &sources.section().unwrap(), crate::SCHEMA);
    Arc::new(Keeper {
        config_file: None,
        repositories: Repositories::of(&settings, Clock::system()),
        cluster: Cluster::of(&settings, target).unwrap(),
        store: Store::open(store.unwrap(), Vec::new()).unwrap(),
        clock: Clock::system(),
        metrics: Arc::new(Metrics::register(&weir_telemetry::Registry::default())),
        settings,
    })
}

/// A commit as PostgreSQL's own reader shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dumped {
    pub xid: u32,
    /// Where it begins.
    pub start: u64,
    pub unix_us: i64,
}

impl Dumped {
    fn read(line: &str) -> Option<Self> {
        let (_, what) = line.split_once("desc: ")?;
        let prepared = what.strip_prefix("COMMIT_PREPARED ");
        let told = prepared.or_else(|| what.strip_prefix("COMMIT "))?;
        let after = |text: &str, mark: &str| {
            let (_, rest) = text.split_once(mark)?;
            Some(rest.trim_start().split([',', ':', ' ', ';']).next()?.to_owned())
        };
        // That of one that was prepared stands before its time.
        let (xid, time) = match prepared.and_then(|told| told.split_once(": ")) {
            Some((xid, time)) => (xid.parse().ok()?, time),
            None => (after(line, "tx:")?.parse().ok()?, told),
        };
        Some(Self {
            xid,
            start: lsn(&after(line, "lsn:")?),
            unix_us: unix_us(time)?,
        })
    }
}

/// Reads `2026-11-30 11:02:03.123456 UTC`.
fn unix_us(text: &str) -> Option<i64> {
    let digits = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let fraction = text.get(20..26).and_then(|part| part.parse::<i64>().ok()).unwrap_or(0);
    let shifted = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + fraction)
}

/// Reads a position as PostgreSQL writes it.
pub(super) fn lsn(text: &str) -> u64 {
    let (high, low) = text.split_once('/').unwrap();
    u64::from_str_radix(high, 16).unwrap() << 32 | u64::from_str_radix(low, 16).unwrap()
}
