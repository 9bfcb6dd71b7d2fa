//! A directory below `backup.scratch_directory` that is ours: marked, locked while somebody works in it, and tidied by
//! whoever takes it next.
//!
//! Nothing is removed, and no process ended, that does not lie under a mark of ours. A server counts as ours only if
//! its own command line names the data directory in here.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use super::programs::{Programs, refused};
use crate::engine::base::on_a_thread;
use crate::error::Error;

/// How a directory says that it is ours.
const MARK: &str = "weir-scratch";
const MARK_TEXT: &str = "This directory belongs to Weir's backup service, which removes what is in it.\n";
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A server that was told to end at once is killed after this.
const END_WITHIN: Duration = Duration::from_secs(20);
/// So much is left free, for log and for others.
const RESERVE_BYTES: u64 = 256 << 20;
/// The path of a socket cannot be longer, all told.
const SOCKET_PATH_MAX: usize = 107;

/// A directory of ours, locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    _lock: File,
}

impl Place {
    /// Takes the place of this name, waiting while another has it, and ends what a crash left running there.
    pub(crate) async fn take(
        parent: &Path,
        name: &str,
        programs: &Programs,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let path = parent.join(name);
        let longest = path.join("run/.s.PGSQL.5432");
        if longest.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(refused(format!(
                "backup.scratch_directory is too long for the path of a socket: {}",
                longest.display()
            )));
        }
        make_way(parent)?;
        mark(&path)?;
        let lock = lock(&path, stop).await?;
        let place = Self { path, _lock: lock };
        end_left_over(&place.path).await?;
        // A note of a process that is gone, whose number may be another's by now.
        let _ = std::fs::remove_file(place.data().join("postmaster.pid"));
        place.remove("run")?;
        place.remove("wal")?;
        for part in ["run", "wal", "wal/wanted"] {
            place.make(part, programs)?;
        }
        programs.own(&place.path)?;
        Ok(place)
    }

    fn make(&self, part: &str, programs: &Programs) -> Result<(), Error> {
        let path = self.path.join(part);
        make_private(&path)?;
        programs.own(&path)
    }

    fn remove(&self, part: &str) -> Result<(), Error> {
        remove_all(&self.path.join(part))
    }

    /// The data directory of the server.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where tablespaces lie that were outside of the data directory.
    pub(crate) fn tablespaces(&self) -> PathBuf {
        self.path.join("tablespaces")
    }

    /// Where the server's socket, rules and log are.
    pub(crate) fn run(&self) -> PathBuf {
        self.path.join("run")
    }

    /// Where the log of the cluster is laid ready for replay.
    pub(crate) fn wal(&self) -> PathBuf {
        self.path.join("wal")
    }

    /// Removes the data.
    pub(crate) async fn empty(&self) -> Result<(), Error> {
        let path = self.path.clone();
        let all = ["data", "tablespaces", "wal"];
        on_a_thread(move || all.iter().try_for_each(|part| remove_all(&path.join(part)))).await
    }

    /// Refuses where there is no room for so many bytes in the place of what is there.
    pub(crate) async fn check_room(&self, bytes: u64) -> Result<(), Error> {
        let path = self.path.clone();
        on_a_thread(move || check_room(&path, bytes)).await
    }
}

/// Ends and removes what a crash left in the places below `parent`, as far as nobody works there now. Data is kept: the
/// next proof goes on from it.
pub(crate) async fn tidy(parent: &Path) -> Result<(), Error> {
    let entries = match std::fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file(parent, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| Error::file(parent, error))?.path();
        if !is_ours(&path) {
            continue;
        }
        if let Some(_lock) = try_lock(&path)? {
            end_left_over(&path).await?;
            remove_all(&path.join("run"))?;
            remove_all(&path.join("wal"))?;
        }
    }
    Ok(())
}

fn check_room(path: &Path, bytes: u64) -> Result<(), Error> {
    let failed = |error: rustix::io::Errno| Error::file(path, error.into());
    let facts = rustix::fs::statvfs(path).map_err(failed)?;
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    let (room, needed) = (
        free.saturating_add(bytes_below(path)?),
        bytes.saturating_add(RESERVE_BYTES),
    );
    if room >= needed {
        return Ok(());
    }
    Err(refused(format!(
        "{} has room for {room} bytes, and {needed} are needed with log and something left over",
        path.display()
    )))
}

/// What the files below a directory take.
fn bytes_below(path: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).map_err(|error| Error::file(path, error))? {
        let entry = entry.map_err(|error| Error::file(path, error))?;
        // Of the entry itself: links lead elsewhere.
        let facts = entry.metadata().map_err(|error| Error::file(&entry.path(), error))?;
        bytes += if facts.is_dir() {
            bytes_below(&entry.path())?
        } else {
            facts.blocks() * 512
        };
    }
    Ok(bytes)
}

fn is_ours(path: &Path) -> bool {
    std::fs::read_to_string(path.join(MARK)).is_ok_and(|text| text == MARK_TEXT)
}

/// Marks a directory that is new or empty. One that holds something else is refused.
fn mark(path: &Path) -> Result<(), Error> {
    if is_ours(path) {
        return Ok(());
    }
    make_private(path)?;
    let mut entries = std::fs::read_dir(path).map_err(|error| Error::file(path, error))?;
    let mark = path.join(MARK);
    // A mark that was cut off while it was written is the only thing there.
    if entries.any(|entry| entry.is_ok_and(|entry| entry.path() != mark)) {
        return Err(refused(format!(
            "{} holds something that is not ours; nothing is touched there",
            path.display()
        )));
    }
    let written = std::fs::write(&mark, MARK_TEXT);
    written.map_err(|error| Error::file(&mark, error))
}

async fn lock(path: &Path, stop: &CancellationToken) -> Result<File, Error> {
    loop {
        if let Some(lock) = try_lock(path)? {
            return Ok(lock);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return Err(Error::Stopped),
        }
    }
}

fn try_lock(path: &Path) -> Result<Option<File>, Error> {
    let path = path.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let mut file = file.map_err(|error| Error::file(&path, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(Error::file(&path, error)),
    }
    // For people who wonder.
    let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.map_err(|error| Error::file(&path, error))?;
    Ok(Some(file))
}

/// Ends the server of an earlier process that still runs on our data.
async fn end_left_over(path: &Path) -> Result<(), Error> {
    let data = path.join("data");
    let Some(pid) = server_of(&data) else { return Ok(()) };
    tracing::warn!(
        process.id = pid.as_raw_nonzero().get(),
        directory = %data.display(),
        "a scratch server of an earlier process still ran and is ended"
    );
    end(pid, &data).await;
    Ok(())
}

/// Has the server on a data directory end at once, and waits for it.
async fn end(pid: Pid, data: &Path) {
    let _ = kill_process(pid, Signal::QUIT);
    let give_up = tokio::time::Instant::now() + END_WITHIN;
    while is_server_on(pid, data) {
        if tokio::time::Instant::now() > give_up {
            let _ = kill_process(pid, Signal::KILL);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The server that runs on this data directory, if its own command line says so.
pub(super) fn server_of(data: &Path) -> Option<Pid> {
    let note = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid = Pid::from_raw(note.lines().next()?.trim().parse().ok()?)?;
    is_server_on(pid, data).then_some(pid)
}

/// Whether a process was started as a server on this data directory, by this service.
fn is_server_on(pid: Pid, data: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    program.ends_with(b"/postgres") && words.next() == Some(b"-D") && words.next() == Some(data.as_os_str().as_bytes())
}

/// Makes the directory of all places, which the servers' user has to get through and nobody has to look into.
fn make_way(parent: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o711).create(parent);
    made.map_err(|error| Error::file(parent, error))
}

pub(super) fn make_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::file(path, error))
}

fn remove_all(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_is_free_and_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(bytes_below(dir.path()).unwrap(), 0);
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::write(dir.path().join("data/file"), [1; 8192]).unwrap();
        assert_eq!(bytes_below(dir.path()).unwrap(), 8192);
        check_room(dir.path(), 1).unwrap();
        let refused = check_room(dir.path(), u64::MAX / 2).unwrap_err();
        assert!(refused.to_string().contains("has room for"), "{refused}");
    }
}
