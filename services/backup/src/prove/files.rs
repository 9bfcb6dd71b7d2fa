//! The files of a backup on a scratch directory: whatever is there already and is right stays, everything else is
//! brought, and what the backup does not have is removed. It may be cut off anywhere and begun again.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use crate::engine::pace::Pace;
use crate::error::Error;
use crate::repo;
use crate::repo::Repository;
use crate::repo::chunk::{CHUNK_BYTES, ChunkId};
use crate::repo::manifest::{EntryKind, FileEntry, Manifest};
use crate::repo::reader::ChunkReader;

/// The server takes this one for its own, so it is there last.
const CONTROL: &str = "global/pg_control";

/// What a restore did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Brought {
    /// Bytes of the files.
    pub bytes: u64,
    /// Of these, bytes that were there and right.
    pub kept: u64,
    /// Bytes fetched from the repository.
    pub fetched: u64,
}

/// Brings the files of a backup into `data`, its tablespaces into directories below `tablespaces`.
pub(super) async fn bring(
    repository: &Repository,
    manifest: &Manifest,
    data: PathBuf,
    tablespaces: PathBuf,
    pace: &Pace,
) -> Result<Brought, Error> {
    let reader = ChunkReader::new(repository.clone(), manifest.packs.clone().into());
    let total = manifest.files.iter().map(|file| file.bytes).sum();
    pace.progress().begin("restore", total);
    let (manifest, pace, repository) = (manifest.clone(), pace.clone(), repository.clone());
    let runtime = Handle::current();
    let bringing = tokio::task::spawn_blocking(move || {
        let mut bringer = Bringer {
            reader,
            naming: *repository.keys().naming(),
            data,
            tablespaces,
            pace,
            runtime,
            brought: Brought::default(),
        };
        bringer.bring(&manifest)
    });
    match bringing.await {
        Ok(brought) => brought,
        Err(error) => Err(super::programs::refused(error.to_string())),
    }
}

struct Bringer {
    reader: ChunkReader,
    naming: [u8; 32],
    data: PathBuf,
    tablespaces: PathBuf,
    pace: Pace,
    runtime: Handle,
    brought: Brought,
}

impl Bringer {
    fn bring(&mut self, manifest: &Manifest) -> Result<Brought, Error> {
        for entry in &manifest.files {
            check_path(&entry.path)?;
        }
        make_directory(&self.data, 0o700)?;
        remove(&self.data.join(CONTROL))?;
        for tablespace in &manifest.tablespaces {
            let place = self.tablespaces.join(tablespace.oid.to_string());
            make_directory(&place, 0o700)?;
            make_directory(&self.data.join("pg_tblspc"), 0o700)?;
            link(&place, &self.data.join("pg_tblspc").join(tablespace.oid.to_string()))?;
        }
        let outside: HashSet<String> = manifest
            .tablespaces
            .iter()
            .map(|there| format!("pg_tblspc/{}", there.oid))
            .collect();
        self.remove_strange(manifest, &outside)?;
        for entry in manifest
            .files
            .iter()
            .filter(|entry| !outside.contains(&entry.path) && entry.path != CONTROL)
        {
            self.bring_entry(entry)?;
        }
        self.put("backup_label", &manifest.backup_label)?;
        for entry in manifest.files.iter().filter(|entry| entry.path == CONTROL) {
            self.bring_entry(entry)?;
        }
        self.brought.fetched = self.reader.read_bytes();
        Ok(self.brought)
    }

    /// What the backup does not have would be taken for a part of it.
    fn remove_strange(&self, manifest: &Manifest, outside: &HashSet<String>) -> Result<(), Error> {
        let known: HashSet<&str> = manifest.files.iter().map(|entry| entry.path.as_str()).collect();
        self.remove_strange_in("", &|path| {
            known.contains(path) || outside.contains(path) || path == "pg_tblspc"
        })
    }

    fn remove_strange_in(&self, directory: &str, known: &dyn Fn(&str) -> bool) -> Result<(), Error> {
        let at = self.data.join(directory);
        for entry in std::fs::read_dir(&at).map_err(|error| Error::file(&at, error))? {
            let entry = entry.map_err(|error| Error::file(&at, error))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = if directory.is_empty() {
                name.into_owned()
            } else {
                format!("{directory}/{name}")
            };
            let full = self.data.join(&path);
            let facts = std::fs::symlink_metadata(&full).map_err(|error| Error::file(&full, error))?;
            match (known(&path), facts.is_dir()) {
                (true, true) => self.remove_strange_in(&path, known)?,
                // A tablespace, through its link.
                (true, false) if facts.is_symlink() && full.is_dir() => self.remove_strange_in(&path, known)?,
                (true, false) => {}
                (false, true) => std::fs::remove_dir_all(&full).map_err(|error| Error::file(&full, error))?,
                (false, false) => remove(&full)?,
            }
        }
        Ok(())
    }

    fn bring_entry(&mut self, entry: &FileEntry) -> Result<(), Error> {
        let path = self.data.join(&entry.path);
        match entry.kind() {
            EntryKind::Directory => make_directory(&path, entry.mode),
            // The log of this server lies with it, wherever that of the cluster was.
            EntryKind::Link => make_directory(&path, 0o700),
            EntryKind::File => self.bring_file(entry, &path),
        }
    }

    fn bring_file(&mut self, entry: &FileEntry, path: &Path) -> Result<(), Error> {
        if let Some(parent) = path.parent() {
            make_directory(parent, 0o700)?;
        }
        if std::fs::symlink_metadata(path).is_ok_and(|facts| !facts.is_file()) {
            remove_whatever(path)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
        let failed = |error| Error::file(path, error);
        let file = file.map_err(failed)?;
        let there = file.metadata().map_err(failed)?.len();
        if there > entry.bytes {
            file.set_len(entry.bytes).map_err(failed)?;
        }
        self.bring_content(entry, &file, there.min(entry.bytes), path)?;
        file.set_len(entry.bytes).map_err(failed)
    }

    fn bring_content(&mut self, entry: &FileEntry, file: &File, there: u64, path: &Path) -> Result<(), Error> {
        let (mut content, mut present, mut at) = (Vec::new(), vec![0; CHUNK_BYTES], 0_u64);
        for chunk in entry.chunks() {
            let chunk = chunk?;
            let length = chunk.at.length as usize;
            let end = at + length as u64;
            let is_there = end <= there && {
                let present = present.get_mut(..length).unwrap_or_default();
                file.read_exact_at(present, at)
                    .map_err(|error| Error::file(path, error))?;
                ChunkId::of(&self.naming, present) == chunk.at.id
            };
            if is_there {
                self.brought.kept += length as u64;
            } else {
                self.pace.take_blocking(length as u64)?;
                self.runtime.block_on(self.reader.read(&chunk, &mut content))?;
                file.write_all_at(&content, at)
                    .map_err(|error| Error::file(path, error))?;
            }
            if self.pace.stop().is_cancelled() {
                return Err(Error::Stopped);
            }
            self.pace.progress().add(length as u64);
            self.brought.bytes += length as u64;
            at = end;
        }
        if at == entry.bytes {
            return Ok(());
        }
        let reason = format!(
            "{} has {at} bytes in chunks and should have {}",
            entry.path, entry.bytes
        );
        Err(repo::Error::corrupt("manifest", reason).into())
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.data.join(name);
        if content.is_empty() {
            return remove(&path);
        }
        std::fs::write(&path, content).map_err(|error| Error::file(&path, error))
    }
}

/// A path that leads out of the directory is not followed, whoever wrote it.
fn check_path(path: &str) -> Result<(), Error> {
    let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
    if Path::new(path).components().all(plain) {
        return Ok(());
    }
    Err(repo::Error::corrupt("manifest", format!("{path} is not a path within the data directory")).into())
}

fn make_directory(path: &Path, mode: u32) -> Result<(), Error> {
    let failed = |error| Error::file(path, error);
    if std::fs::symlink_metadata(path).is_ok_and(|facts| !facts.is_dir() && !path.is_dir()) {
        remove_whatever(path)?;
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed)?;
    let mode = if mode & 0o050 == 0o050 { 0o750 } else { 0o700 };
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).map_err(failed)
}

fn link(to: &Path, at: &Path) -> Result<(), Error> {
    remove_whatever(at)?;
    symlink(to, at).map_err(|error| Error::file(at, error))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, error)),
        _ => Ok(()),
    }
}

fn remove_whatever(path: &Path) -> Result<(), Error> {
    match std::fs::symlink_metadata(path) {
        Ok(facts) if facts.is_dir() => std::fs::remove_dir_all(path).map_err(|error| Error::file(path, error)),
        Ok(_) => remove(path),
        Err(_) => Ok(()),
    }
}
