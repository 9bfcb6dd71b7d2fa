//! What of a data directory belongs to a backup.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::repo::manifest::{EntryKind, FileEntry, Tablespace};

/// Directories that are kept and whose content is not: a server makes it anew.
const EMPTIED: [&str; 9] = [
    "pg_wal",
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_tblspc",
];
/// Files that belong to the server that runs, or are made anew.
const LEFT_OUT: [&str; 9] = [
    "postmaster.pid",
    "postmaster.opts",
    "backup_label",
    "backup_label.old",
    "tablespace_map",
    "tablespace_map.old",
    "backup_manifest",
    "postgresql.auto.conf.tmp",
    "current_logfiles.tmp",
];
/// The file that says whether the cluster is what it seems to be. It is read last.
pub(crate) const CONTROL: &str = "global/pg_control";

/// A data directory as it was listed.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Entries without chunks; a directory before what is in it, [`CONTROL`] last.
    pub entries: Vec<FileEntry>,
    pub tablespaces: Vec<Tablespace>,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Lists a data directory and its tablespaces.
pub(crate) fn list(root: &Path) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    walk(root, "", &mut listing)?;
    for (oid, location) in tablespaces(root)? {
        let below = format!("pg_tblspc/{oid}");
        if let Some(location) = location {
            listing.tablespaces.push(Tablespace {
                oid,
                location: location.display().to_string(),
            });
        }
        // A link is followed: what it leads to is a directory of this path.
        if let Ok(about) = fs::metadata(root.join(&below)) {
            listing.entries.push(entry(&below, EntryKind::Directory, &about));
            walk(root, &below, &mut listing)?;
        }
    }
    leave_unlogged(&mut listing.entries);
    listing.bytes = listing.entries.iter().map(|entry| entry.bytes).sum();
    let last = listing.entries.iter().position(|entry| entry.path == CONTROL);
    let Some(control) = last.map(|at| listing.entries.remove(at)) else {
        let reason = format!("{} has no {CONTROL}: it is not a data directory", root.display());
        return Err(Error::Refused {
            slug: "backup-data-directory",
            reason,
        });
    };
    listing.entries.push(control);
    Ok(listing)
}

fn walk(root: &Path, below: &str, listing: &mut Listing) -> Result<(), Error> {
    let directory = root.join(below);
    let read = match fs::read_dir(&directory) {
        Ok(read) => read,
        // A database that was dropped meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !below.is_empty() => return Ok(()),
        Err(error) => return Err(Error::file(&directory, error)),
    };
    let mut names: Vec<(String, PathBuf)> = Vec::new();
    for found in read {
        let found = found.map_err(|error| Error::file(&directory, error))?;
        // PostgreSQL makes none that is not text; whose it is, nobody needs.
        if let Ok(name) = found.file_name().into_string() {
            names.push((name, found.path()));
        }
    }
    names.sort();
    for (name, at) in names {
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        add(root, &path, &at, listing)?;
    }
    Ok(())
}

fn add(root: &Path, path: &str, at: &Path, listing: &mut Listing) -> Result<(), Error> {
    let about = match fs::symlink_metadata(at) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file(at, error)),
    };
    // The log and others may lie elsewhere, behind a link; a restore has them in place.
    let is_emptied = EMPTIED.contains(&path);
    if is_emptied {
        let about = fs::metadata(at).map_err(|error| Error::file(at, error))?;
        listing.entries.push(entry(path, EntryKind::Directory, &about));
        if path == "pg_wal" {
            listing
                .entries
                .push(entry("pg_wal/archive_status", EntryKind::Directory, &about));
        }
    } else if about.is_dir() {
        if path
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with("pgsql_tmp"))
        {
            return Ok(());
        }
        listing.entries.push(entry(path, EntryKind::Directory, &about));
        walk(root, path, listing)?;
    } else if about.is_file() && !is_left_out(path) {
        listing.entries.push(entry(path, EntryKind::File, &about));
    } else if about.is_symlink() {
        let target = fs::read_link(at).map_err(|error| Error::file(at, error))?;
        let mut link = entry(path, EntryKind::Link, &about);
        link.target = target.display().to_string();
        listing.entries.push(link);
    }
    Ok(())
}

fn entry(path: &str, kind: EntryKind, about: &Metadata) -> FileEntry {
    FileEntry {
        path: path.to_owned(),
        kind: kind.into(),
        bytes: if kind == EntryKind::File { about.len() } else { 0 },
        mode: about.mode() & 0o7777,
        modified_unix_ms: about.mtime() * 1_000 + about.mtime_nsec() / 1_000_000,
        ..FileEntry::default()
    }
}

/// Whether a file belongs to the running server, or is temporary.
pub(crate) fn is_left_out(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_temporary_table = (path.starts_with("base/") || path.starts_with("pg_tblspc/"))
        && name
            .strip_prefix('t')
            .and_then(|rest| rest.split_once('_'))
            .is_some_and(|(backend, _)| !backend.is_empty() && backend.bytes().all(|byte| byte.is_ascii_digit()));
    LEFT_OUT.contains(&path)
        || name.starts_with("pg_internal.init")
        || name.starts_with("pgsql_tmp")
        || is_temporary_table
}

/// Tables that are not logged are empty after a recovery: only what they begin with is needed.
fn leave_unlogged(entries: &mut Vec<FileEntry>) {
    let unlogged: std::collections::HashSet<String> = entries
        .iter()
        .filter_map(|entry| entry.path.strip_suffix("_init").map(str::to_owned))
        .collect();
    if unlogged.is_empty() {
        return;
    }
    entries.retain(|entry| {
        let Some(file) = relation_of(&entry.path) else {
            return true;
        };
        entry.path.ends_with("_init") || !unlogged.contains(file)
    });
}

/// The path of a relation's first file, of any of its files; none for others.
fn relation_of(path: &str) -> Option<&str> {
    let at = path.rfind('/')? + 1;
    let name = path.get(at..)?;
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let rest = name.get(digits..)?;
    let is_relation = digits > 0 && (rest.is_empty() || rest.starts_with(['_', '.']));
    is_relation.then(|| path.get(..at + digits)).flatten()
}

/// Tablespaces by number; those in place have no location.
fn tablespaces(root: &Path) -> Result<Vec<(u32, Option<PathBuf>)>, Error> {
    let directory = root.join("pg_tblspc");
    let read = fs::read_dir(&directory).map_err(|error| Error::file(&directory, error))?;
    let mut found = Vec::new();
    for link in read.flatten() {
        let Some(oid) = link.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        found.push((oid, fs::read_link(link.path()).ok()));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_temporary_or_unlogged_stays_behind() {
        for path in [
            "base/5/t12_16400",
            "base/5/pg_internal.init",
            "global/pg_internal.init.77",
            "base/pgsql_tmp/pgsql_tmp1.2",
            "postmaster.pid",
        ] {
            assert!(is_left_out(path), "{path}");
        }
        for path in [
            "base/5/16400",
            "PG_VERSION",
            "base/5/t_x",
            "postgresql.auto.conf",
            "pg_hba.conf",
        ] {
            assert!(!is_left_out(path), "{path}");
        }
        let named = |path: &str| FileEntry {
            path: path.to_owned(),
            ..FileEntry::default()
        };
        let all = [
            "base/5/7",
            "base/5/7.1",
            "base/5/7_fsm",
            "base/5/7_init",
            "base/5/77",
            "base/5/8_vm",
            "x",
        ];
        let mut entries: Vec<FileEntry> = all.iter().map(|path| named(path)).collect();
        leave_unlogged(&mut entries);
        let left: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(left, ["base/5/7_init", "base/5/77", "base/5/8_vm", "x"]);
    }
}
