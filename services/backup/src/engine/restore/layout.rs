//! Where each entry of a backup goes on this machine. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::FileOptions;
use crate::error::Error;
use crate::repo;
use crate::repo::manifest::{EntryKind, FileEntry, Manifest};

/// The directory of tablespaces.
pub(super) const TABLESPACES: &str = "pg_tblspc";
/// Without it no server starts, so it is put in place last.
pub(super) const CONTROL: &str = "global/pg_control";
/// What `ALTER SYSTEM` writes, and recovery settings are put into.
pub(super) const AUTO_CONF: &str = "postgresql.auto.conf";

/// What is in the place of entries of these names: the restore's own, or nothing. Links to tablespaces are made here, so
/// that no `tablespace_map` is needed, which would have the server make them where they were.
const OWN: [&str; 8] = [
    CONTROL,
    AUTO_CONF,
    "backup_label",
    "tablespace_map",
    "recovery.signal",
    "standby.signal",
    "postmaster.pid",
    "postmaster.opts",
];

/// Where each entry goes.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
    /// Tablespaces outside of the data directory that are restored.
    places: BTreeMap<u32, PathBuf>,
    /// Nothing but these tablespaces is restored. Empty: everything.
    only: Vec<u32>,
}

impl Layout {
    /// For a backup that goes into a directory. The error says what cannot be.
    pub(crate) fn of(manifest: &Manifest, directory: &Path, options: &FileOptions) -> Result<Self, Error> {
        if !directory.is_absolute() {
            return Err(wrong(
                "directory",
                format!("{} is not an absolute path", directory.display()),
            ));
        }
        check_paths(manifest)?;
        let known = |oid: &u32| manifest.tablespaces.iter().any(|tablespace| tablespace.oid == *oid);
        if let Some(oid) = options.tablespaces.keys().find(|oid| !known(oid)) {
            return Err(wrong(
                "tablespaces",
                format!("the backup has no tablespace {oid} outside of its data directory"),
            ));
        }
        if let Some(oid) = options.only_tablespaces.iter().find(|oid| !holds(manifest, **oid)) {
            return Err(wrong("only_tablespaces", format!("the backup has no tablespace {oid}")));
        }
        let mut places = BTreeMap::new();
        for tablespace in &manifest.tablespaces {
            let mapped = options.tablespaces.get(&tablespace.oid);
            let place = mapped.cloned().unwrap_or_else(|| PathBuf::from(&tablespace.location));
            places.insert(tablespace.oid, place);
        }
        let only = options.only_tablespaces.clone();
        places.retain(|oid, _| only.is_empty() || only.contains(oid));
        let layout = Self {
            root: directory.to_owned(),
            places,
            only,
        };
        layout.check_places()?;
        Ok(layout)
    }

    fn check_places(&self) -> Result<(), Error> {
        let mut taken = vec![self.root.as_path()];
        for (oid, place) in &self.places {
            let plain = place.is_absolute()
                && !place
                    .components()
                    .any(|part| matches!(part, std::path::Component::ParentDir));
            if !plain {
                let reason = format!("tablespace {oid}: {} is not an absolute path", place.display());
                return Err(wrong("tablespaces", reason));
            }
            let overlaps = |other: &&Path| place.starts_with(other) || other.starts_with(place);
            if let Some(other) = taken.iter().find(|other| overlaps(other)) {
                let reason = format!(
                    "tablespace {oid} would be in {}, and {} is in use; give it a directory of its own",
                    place.display(),
                    other.display()
                );
                return Err(wrong("tablespaces", reason));
            }
            taken.push(place);
        }
        Ok(())
    }

    /// The data directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Tablespaces outside of it, with the directories that they go to.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u32, &Path)> {
        self.places.iter().map(|(oid, place)| (*oid, place.as_path()))
    }

    /// Whether only some tablespaces are restored, and the rest of the cluster is left alone.
    pub(crate) const fn is_partial(&self) -> bool {
        !self.only.is_empty()
    }

    /// Where an entry goes.
    pub(crate) fn path(&self, entry: &str) -> PathBuf {
        match tablespace_of(entry) {
            Some((oid, rest)) => match self.places.get(&oid) {
                Some(place) if rest.is_empty() => place.clone(),
                Some(place) => place.join(rest),
                None => self.root.join(entry),
            },
            None => self.root.join(entry),
        }
    }

    /// Whether there are tablespaces in the data directory itself.
    pub(super) fn has_in_place(&self, manifest: &Manifest) -> bool {
        let outside = |oid| manifest.tablespaces.iter().any(|tablespace| tablespace.oid == oid);
        let within = |file: &FileEntry| tablespace_of(&file.path).is_some_and(|(oid, _)| !outside(oid));
        manifest.files.iter().any(within)
    }

    /// The directory that an entry goes to: the data directory, or a tablespace's.
    pub(super) fn place_of(&self, entry: &str) -> &Path {
        let place = tablespace_of(entry).and_then(|(oid, _)| self.places.get(&oid));
        place.unwrap_or(&self.root)
    }

    /// Directories of tablespaces that lie in the data directory and are restored alone.
    pub(super) fn in_place(&self) -> impl Iterator<Item = PathBuf> {
        let within = self.only.iter().filter(|oid| !self.places.contains_key(oid));
        within.map(|oid| self.link(*oid))
    }

    /// Where the link to a tablespace is.
    pub(crate) fn link(&self, oid: u32) -> PathBuf {
        self.root.join(TABLESPACES).join(oid.to_string())
    }

    /// Whether an entry is restored as it is in the backup.
    pub(crate) fn takes(&self, entry: &FileEntry) -> bool {
        let within = tablespace_of(&entry.path);
        let is_place = within.is_some_and(|(oid, rest)| rest.is_empty() && self.places.contains_key(&oid));
        if self.is_partial() {
            return !is_place && within.is_some_and(|(oid, _)| self.only.contains(&oid));
        }
        let is_root = matches!(entry.path.as_str(), "" | ".");
        !is_root && !is_place && !is_own(&entry.path)
    }

    /// Whether the log is where a link of the backup led to. It is kept in the data directory instead: whose machine
    /// that was may be this one, and its server may be at work.
    pub(crate) fn is_directory(&self, manifest: &Manifest, entry: &FileEntry) -> bool {
        match entry.kind() {
            EntryKind::Directory => true,
            EntryKind::File => false,
            EntryKind::Link => {
                let below = format!("{}/", entry.path);
                entry.path == "pg_wal" || manifest.files.iter().any(|other| other.path.starts_with(&below))
            }
        }
    }
}

/// Whether the restore itself says what is in a file of this name.
pub(super) fn is_own(entry: &str) -> bool {
    OWN.contains(&entry)
}

/// The tablespace that an entry belongs to, and the path within it.
pub(super) fn tablespace_of(entry: &str) -> Option<(u32, &str)> {
    let rest = entry.strip_prefix(TABLESPACES)?.strip_prefix('/')?;
    let (oid, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Some((oid.parse().ok()?, rest))
}

fn holds(manifest: &Manifest, oid: u32) -> bool {
    let files = &mut manifest.files.iter();
    manifest.tablespaces.iter().any(|tablespace| tablespace.oid == oid)
        || files.any(|file| tablespace_of(&file.path).is_some_and(|(other, _)| other == oid))
}

/// No entry may lead out of the directory, and none below a link.
fn check_paths(manifest: &Manifest) -> Result<(), Error> {
    let is_name = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    for entry in &manifest.files {
        if !matches!(entry.path.as_str(), "" | ".") && !entry.path.split('/').all(is_name) {
            let reason = format!("{:?} is no path in a data directory", entry.path);
            return Err(repo::Error::corrupt("manifest", reason).into());
        }
    }
    Ok(())
}

fn wrong(field: &'static str, reason: String) -> Error {
    Error::Field { field, reason }
}
