//! Backups for tests: a directory as it stands, stored like any backup.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::repo::Repository;
use crate::repo::chunk::{CHUNK_BYTES, ChunkList};
use crate::repo::codec::Compression;
use crate::repo::intake::Intake;
use crate::repo::manifest::{EntryKind, FileEntry, Manifest, Tablespace};
use crate::repo::state::{BackupEntry, BackupKind, BackupState};

/// What a server makes anew, and no backup holds.
const HOLLOW: [&str; 8] = [
    "pg_wal",
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
];

/// No limit, and no end.
pub(super) fn unhurried() -> Pace {
    Pace::new(0, CancellationToken::new(), Progress::default())
}

/// The entries of a data directory, directories before what is in them, and where each file's content is.
pub(super) fn entries(data: &Path) -> (Vec<(FileEntry, PathBuf)>, Vec<Tablespace>) {
    let (mut found, mut tablespaces) = (Vec::new(), Vec::new());
    walk(data, "", &mut found, &mut tablespaces);
    (found, tablespaces)
}

fn walk(directory: &Path, below: &str, found: &mut Vec<(FileEntry, PathBuf)>, tablespaces: &mut Vec<Tablespace>) {
    let Ok(listed) = fs::read_dir(directory) else { return };
    let mut names: Vec<_> = listed.map(|entry| entry.unwrap()).collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{below}{name}");
        let Ok(facts) = fs::symlink_metadata(entry.path()) else {
            continue;
        };
        if matches!(name.as_str(), "postmaster.pid" | "postmaster.opts" | "pgsql_tmp") {
            continue;
        }
        let mut made = FileEntry {
            path: path.clone(),
            mode: facts.mode() & 0o7777,
            modified_unix_ms: facts.mtime() * 1000 + facts.mtime_nsec() / 1_000_000,
            ..FileEntry::default()
        };
        if facts.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            let location = target.to_str().unwrap().to_owned();
            if below == "pg_tblspc/" {
                let oid = name.parse().unwrap();
                tablespaces.push(Tablespace { oid, location });
                walk(&target, &format!("{path}/"), found, tablespaces);
            } else {
                made.target = location;
                made.set_kind(EntryKind::Link);
                found.push((made, entry.path()));
            }
        } else if facts.is_dir() {
            made.set_kind(EntryKind::Directory);
            found.push((made, entry.path()));
            if !HOLLOW.contains(&path.as_str()) {
                walk(&entry.path(), &format!("{path}/"), found, tablespaces);
            }
        } else {
            found.push((made, entry.path()));
        }
    }
}

/// What a test says of a backup beside its files.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub manifest: Manifest,
    pub entry: BackupEntry,
}

/// Stores a data directory.
pub(super) async fn stored(repository: &Repository, basis: Option<&str>, data: &Path, facts: Facts) -> BackupEntry {
    let intake = Intake::begin(repository, Uuid::now_v7(), basis, "a test")
        .await
        .unwrap();
    let (send, sealed) = mpsc::channel(2);
    let mut worker = intake.worker(Compression::Zstd(1), send);
    let storing = Arc::clone(&intake).store(sealed, 2);
    let basis = intake.basis().cloned();
    let data = data.to_owned();
    let working = tokio::task::spawn_blocking(move || {
        let (found, tablespaces) = entries(&data);
        let mut files = Vec::new();
        for (mut entry, path) in found {
            // One that was dropped meanwhile is not there.
            let content = match entry.kind() {
                EntryKind::File => fs::read(&path).ok(),
                _ => Some(Vec::new()),
            };
            let Some(content) = content else { continue };
            let was = basis
                .as_ref()
                .and_then(|basis| basis.files.iter().find(|file| file.path == entry.path));
            let mut list = ChunkList::default();
            for (at, piece) in content.chunks(CHUNK_BYTES).enumerate() {
                let was = was.and_then(|was| was.chunks().nth(at)?.ok());
                list.push(&worker.store(piece, was).unwrap());
            }
            entry.bytes = content.len() as u64;
            entry.chunks = list.finish();
            files.push(entry);
        }
        worker.finish().unwrap();
        (files, tablespaces)
    });
    let (worked, stored) = tokio::join!(working, storing);
    stored.unwrap();
    let (files, tablespaces) = worked.unwrap();
    let Facts {
        mut manifest,
        mut entry,
    } = facts;
    (manifest.files, manifest.tablespaces) = (files, tablespaces);
    entry.source_bytes = manifest.files.iter().map(|file| file.bytes).sum();
    entry.set_kind(BackupKind::Full);
    entry.set_state(BackupState::Unproven);
    intake.commit(manifest, entry).await.unwrap()
}

/// Everything in a directory, links followed at the places of tablespaces only: path, mode, time of files, content.
pub(super) fn pictured(data: &Path) -> Vec<(String, u32, i64, Vec<u8>)> {
    let (mut pictured, mut links) = (Vec::new(), Vec::new());
    picture(data, "", &mut pictured, &mut links);
    for (below, target) in links {
        picture(&target, &below, &mut pictured, &mut Vec::new());
    }
    pictured.sort();
    pictured
}

fn picture(
    directory: &Path,
    below: &str,
    pictured: &mut Vec<(String, u32, i64, Vec<u8>)>,
    links: &mut Vec<(String, PathBuf)>,
) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        let facts = fs::symlink_metadata(entry.path()).unwrap();
        let mode = facts.permissions().mode();
        if facts.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            if below == "pg_tblspc/" {
                links.push((format!("{name}/"), target));
                pictured.push((name, 0, 0, Vec::new()));
            } else {
                pictured.push((name, 0, 0, target.to_str().unwrap().as_bytes().to_vec()));
            }
        } else if facts.is_dir() {
            picture(&entry.path(), &format!("{name}/"), pictured, links);
            pictured.push((name, mode, 0, Vec::new()));
        } else {
            // What the restore itself makes has the time at which it was made.
            let own = super::layout::is_own(&name);
            let time = if own {
                0
            } else {
                facts.mtime() * 1000 + facts.mtime_nsec() / 1_000_000
            };
            pictured.push((name, mode, time, fs::read(entry.path()).unwrap()));
        }
    }
}
