//! The files that are being written: open while they are, at most so many at once.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::layout::Layout;
use crate::error::Error;
use crate::repo::manifest::{FileEntry, Manifest};

/// At most so many files are open at once.
const OPEN_MAX: usize = 192;

/// Who files belong to: a user and a group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub user: u32,
    pub group: u32,
}

/// The files that are being written.
pub(super) struct OpenFiles {
    manifest: Arc<Manifest>,
    layout: Arc<Layout>,
    owner: Option<Owner>,
    /// Chunks that each file still lacks, by its place in the manifest.
    lacking: Vec<AtomicU32>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    files: HashMap<u32, (Arc<File>, u64)>,
    tick: u64,
}

impl OpenFiles {
    /// `lacking`: how many chunks each file lacks, by its place in the manifest.
    pub(super) fn of(manifest: Arc<Manifest>, layout: Arc<Layout>, owner: Option<Owner>, lacking: Vec<u32>) -> Self {
        Self {
            manifest,
            layout,
            owner,
            lacking: lacking.into_iter().map(AtomicU32::new).collect(),
            open: Mutex::default(),
        }
    }

    fn entry(&self, file: u32) -> Result<&FileEntry, Error> {
        let entry = self.manifest.files.get(file as usize);
        Ok(entry.ok_or_else(|| crate::repo::Error::corrupt("manifest", "a file is not in it"))?)
    }

    /// Whether a file lacks nothing.
    pub(super) fn is_whole(&self, file: u32) -> bool {
        let lacking = self.lacking.get(file as usize);
        lacking.is_none_or(|lacking| lacking.load(Ordering::Acquire) == 0)
    }

    /// What went wrong with a file.
    pub(super) fn failed(&self, file: u32, error: std::io::Error) -> Error {
        let entry = self.manifest.files.get(file as usize);
        let path = entry.map_or_else(|| self.layout.root().to_owned(), |entry| self.layout.path(&entry.path));
        Error::file(&path, error)
    }

    /// A file to write to, of the size that it will have.
    pub(super) fn get(&self, file: u32) -> Result<Arc<File>, Error> {
        let mut open = self.lock();
        open.tick += 1;
        let tick = open.tick;
        if let Some((file, used)) = open.files.get_mut(&file) {
            *used = tick;
            return Ok(Arc::clone(file));
        }
        if open.files.len() >= OPEN_MAX {
            let oldest = open
                .files
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(file, _)| *file);
            oldest.and_then(|oldest| open.files.remove(&oldest));
        }
        let opened = Arc::new(self.open_one(self.entry(file)?)?);
        open.files.insert(file, (Arc::clone(&opened), tick));
        Ok(opened)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file, or makes it, and gives it its size: what nobody writes is a hole.
    pub(super) fn open_one(&self, entry: &FileEntry) -> Result<File, Error> {
        let path = self.layout.path(&entry.path);
        let mut how = OpenOptions::new();
        how.write(true).create(true).truncate(false).mode(0o600);
        // A link that somebody put there is not followed.
        how.custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default());
        let made = how
            .open(&path)
            .and_then(|file| file.set_len(entry.bytes).map(|()| file));
        made.map_err(|error| Error::file(&path, error))
    }

    /// One chunk of a file is there. After the last it gets its mode, owner and time.
    pub(super) fn wrote(&self, file: u32) -> Result<(), Error> {
        let lacking = self.lacking.get(file as usize);
        if lacking.is_none_or(|lacking| lacking.fetch_sub(1, Ordering::AcqRel) != 1) {
            return Ok(());
        }
        let opened = self.get(file)?;
        self.lock().files.remove(&file);
        self.finish(self.entry(file)?, &opened)
    }

    /// Gives a file its mode, owner and time.
    pub(super) fn finish(&self, entry: &FileEntry, file: &File) -> Result<(), Error> {
        let path = || self.layout.path(&entry.path);
        dressed(file, entry, self.owner).map_err(|error| Error::file(&path(), error))
    }
}

/// Gives a file or directory the mode, owner and time of an entry.
pub(super) fn dressed(file: &File, entry: &FileEntry, owner: Option<Owner>) -> std::io::Result<()> {
    own(file, owner)?;
    file.set_permissions(Permissions::from_mode(mode_of(entry)))?;
    if entry.modified_unix_ms > 0 {
        let time = std::time::UNIX_EPOCH + Duration::from_millis(entry.modified_unix_ms.unsigned_abs());
        file.set_modified(time)?;
    }
    Ok(())
}

/// Gives a file or directory to its owner.
pub(super) fn own(file: &File, owner: Option<Owner>) -> std::io::Result<()> {
    match owner {
        Some(owner) => std::os::unix::fs::fchown(file, Some(owner.user), Some(owner.group)),
        None => Ok(()),
    }
}

/// The mode that an entry is to have.
pub(super) fn mode_of(entry: &FileEntry) -> u32 {
    match (entry.mode & 0o777, entry.kind()) {
        (0, crate::repo::manifest::EntryKind::Directory) => 0o700,
        (0, _) => 0o600,
        (mode, _) => mode,
    }
}
