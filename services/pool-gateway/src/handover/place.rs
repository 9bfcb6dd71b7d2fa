//! Where the socket of the hand-over lies: who listens there, and how the place of one who has died is taken.
//!
//! Nothing but a socket is ever replaced, and there is no moment at which a living one is missing.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Its owner's only.
const MODE: u32 = 0o600;

/// Connects to whoever listens there. `None`: nobody does, and whoever did has died.
pub(super) async fn reach(path: &Path) -> io::Result<Option<UnixStream>> {
    refuse_what_is_no_socket(path)?;
    match UnixStream::connect(path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Listens there, in the place of one who has died if need be. To be called by whoever holds the ports, so that it is
/// done by one process at a time.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    refuse_what_is_no_socket(path)?;
    let fresh = aside(path);
    let listener = UnixListener::bind(&fresh)?;
    let placed = fs::set_permissions(&fresh, fs::Permissions::from_mode(MODE)).and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = placed {
        // It is of no use to anybody.
        let _ = fs::remove_file(&fresh);
        return Err(error);
    }
    Ok(listener)
}

fn refuse_what_is_no_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => Err(io::Error::other("there is a file that is not a socket")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A name beside it that no other living process uses.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_of_the_dead_is_replaced_and_a_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("handover");
        assert!(reach(&path).await.unwrap().is_none(), "nothing is there");
        drop(bind(&path).unwrap());
        assert!(
            path.exists() && reach(&path).await.unwrap().is_none(),
            "its owner has gone"
        );
        let listener = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(reach(&path).await.unwrap().is_some());
        drop(listener);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "no other file is left"
        );

        let file = directory.path().join("file");
        fs::write(&file, "kept").unwrap();
        assert!(reach(&file).await.is_err() && bind(&file).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        assert!(bind(&directory.path().join("nowhere/handover")).is_err());
    }
}
