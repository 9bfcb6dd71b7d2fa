//! Single steps on a file system, each of which says which path failed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::open_files::{Owner, own};
use crate::error::Error;

/// Opens a directory, to hold, give away or make durable.
pub(super) fn opened(directory: &Path) -> Result<File, Error> {
    File::open(directory).map_err(|error| Error::file(directory, error))
}

/// Has the names in a directory outlast a power cut.
pub(super) fn sync_directory(directory: &Path) -> Result<(), Error> {
    opened(directory)?
        .sync_all()
        .map_err(|error| Error::file(directory, error))
}

/// Has everything on the file system of a directory outlast a power cut.
pub(super) fn sync_file_system(directory: &Path) -> Result<(), Error> {
    rustix::fs::syncfs(opened(directory)?).map_err(|error| Error::file(directory, error.into()))
}

/// Makes a directory, with those above it, and gives it away.
pub(super) fn make_directory(path: &Path, mode: u32, owner: Option<Owner>) -> Result<(), Error> {
    let make = || -> std::io::Result<()> {
        fs::create_dir_all(path)?;
        let made = File::open(path)?;
        own(&made, owner)?;
        made.set_permissions(Permissions::from_mode(mode))
    };
    make().map_err(|error| Error::file(path, error))
}

/// Puts a file in the place of whatever has its name, so that there is always one of both, and durably.
pub(super) fn put(path: &Path, content: &[u8], mode: u32, owner: Option<Owner>) -> Result<(), Error> {
    let aside = path.with_added_extension("weir-restore");
    let write = || -> std::io::Result<()> {
        let mut how = OpenOptions::new();
        let mut file = how.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(content)?;
        own(&file, owner)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    write().map_err(|error| Error::file(path, error))
}

/// Makes a symbolic link.
pub(super) fn link(path: &Path, target: &Path, owner: Option<Owner>) -> Result<(), Error> {
    let make = || {
        std::os::unix::fs::symlink(target, path)?;
        match owner {
            Some(owner) => std::os::unix::fs::lchown(path, Some(owner.user), Some(owner.group)),
            None => Ok(()),
        }
    };
    make().map_err(|error| Error::file(path, error))
}

/// Removes a file, a link, or a directory that is empty. One that is gone counts as removed.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    let is_directory = fs::symlink_metadata(path).is_ok_and(|facts| facts.is_dir());
    let removed = if is_directory {
        fs::remove_dir(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(path, error)),
        _ => Ok(()),
    }
}

/// What is in a small file. None: there is none.
pub(super) fn content(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::file(path, error)),
    }
}
