//! A repository in a directory: what was acknowledged is there after a loss of power, and whoever is killed leaves
//! nothing that stays.
//!
//! An object is written under a name that nobody else has (`<object>#<number>`), written through, and only then given
//! its own name; then the directory is written through. A failure to write through is final for what was written: the
//! next attempt writes a file of its own. One who finds an object there has the directory written through, after a file
//! was made in it, before it counts as there: whoever put it may have failed at that. The lock of a file that is being
//! written ends with its writer, which is how what is left of others is told from what is on its way.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::disk::{Disk, System};

/// For errors.
const STORE: &str = "directory";
/// Others may take away a directory or a file that nobody holds, so often, before a put is given up.
const TRIES: u32 = 10;
/// The directories of a repository. Others below its root are none of ours.
const FOLDERS: [&str; 9] = [
    "packs",
    "manifests",
    "exports",
    "proofs",
    "commits",
    "wal",
    "generations",
    "keys",
    "project-keys",
];
/// So many objects are removed at once.
const AT_ONCE: usize = 8;

/// A directory as a store. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    reading: LocalFileSystem,
    disk: Box<dyn Disk>,
    /// Directories whose own names were written through, all the way up.
    lasting: Mutex<HashSet<PathBuf>>,
    /// Directories that could not be written through.
    spoilt: Mutex<HashSet<PathBuf>>,
}

/// What nobody needed any more and was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Files of writers that are gone.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What came of an attempt to put something.
enum Tried {
    Put,
    Exists,
    /// Somebody took away what is needed for it meanwhile.
    Again,
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory({})", self.0.root.display())
    }
}

impl Directory {
    /// A directory that is there.
    pub(crate) fn of(root: &FilePath) -> Result<Self> {
        Self::on(root, Box::new(System))
    }

    /// The same on a file system of a test's.
    pub(crate) fn on(root: &FilePath, disk: Box<dyn Disk>) -> Result<Self> {
        let root = fs::canonicalize(root).map_err(|error| failed(root, "cannot be found", error))?;
        Ok(Self(Arc::new(Inner {
            reading: LocalFileSystem::new_with_prefix(&root)?,
            root,
            disk,
            lasting: Mutex::default(),
            spoilt: Mutex::default(),
        })))
    }

    /// Has all that is done in a directory of the repository last: names that are there, and names that went.
    pub(crate) async fn settle(&self, within: &Path) -> Result<()> {
        let path = self.0.reading.path_to_filesystem(within)?;
        self.apart(move |inner| inner.settle(&path)).await
    }

    /// Removes what writers left that are gone, and directories in which nothing is. What was written to since then stays.
    pub(crate) async fn sweep(&self, since_unix_ms: i64) -> Result<Swept> {
        self.apart(move |inner| {
            let mut swept = Swept::default();
            inner.sweep(&inner.root, 0, since_unix_ms, &mut swept)?;
            Ok(swept)
        })
        .await
    }

    async fn apart<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> Result<T> + Send + 'static) -> Result<T> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| {
            Err(Error::Generic {
                store: STORE,
                source: error.into(),
            })
        })
    }
}

impl Inner {
    fn put(&self, path: &FilePath, payload: &PutPayload, mode: &PutMode) -> Result<()> {
        for _ in 0..TRIES {
            match self.try_put(path, payload, mode)? {
                Tried::Put => return Ok(()),
                Tried::Exists => {
                    return Err(Error::AlreadyExists {
                        path: path.display().to_string(),
                        source: "it is there already".into(),
                    });
                }
                Tried::Again => {}
            }
        }
        Err(failed(path, "cannot be written", ErrorKind::NotFound.into()))
    }

    fn try_put(&self, path: &FilePath, payload: &PutPayload, mode: &PutMode) -> Result<Tried> {
        let parent = path.parent().unwrap_or(&self.root);
        let staged = staged(path);
        let file = match self.disk.create(&staged) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.provide(parent)?;
                return Ok(Tried::Again);
            }
            Err(error) => return Err(failed(path, "cannot be written", error)),
        };
        let put = self.fill(&file, path, payload).and_then(|()| {
            self.outlast(parent)?;
            self.publish(&staged, path, mode)
        });
        // Where it was renamed it is gone. What stays because this fails too is swept later.
        if !matches!((&put, mode), (Ok(Tried::Put), PutMode::Overwrite)) {
            drop(self.disk.remove(&staged));
        }
        let put = put?;
        if matches!(put, Tried::Put | Tried::Exists) {
            self.sync_dir(parent)?;
        }
        Ok(put)
    }

    /// Writes all of it, and through to the disk.
    fn fill(&self, file: &File, path: &FilePath, payload: &PutPayload) -> Result<()> {
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            // It is being swept; then it has no name any more, and gets none.
            tracing::debug!(path = %path.display(), "a file was taken for another's");
        }
        for part in payload.iter() {
            self.write(file, part)
                .map_err(|error| failed(path, "cannot be written", error))?;
        }
        self.disk
            .sync(file)
            .map_err(|error| failed(path, "cannot be written through to the disk", error))
    }

    fn write(&self, file: &File, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.disk.write(file, bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn publish(&self, staged: &FilePath, path: &FilePath, mode: &PutMode) -> Result<Tried> {
        let published = match mode {
            PutMode::Overwrite => self.disk.rename(staged, path),
            _ => self.disk.link(staged, path),
        };
        match published {
            Ok(()) => Ok(Tried::Put),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Tried::Exists),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Tried::Again),
            Err(error) => Err(failed(path, "cannot be given its name", error)),
        }
    }

    fn spoilt(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.spoilt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lasting(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.lasting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a directory and those above it.
    fn provide(&self, directory: &FilePath) -> Result<()> {
        let mut missing = Vec::new();
        for above in directory.ancestors().take_while(|above| above.starts_with(&self.root)) {
            self.lasting().remove(above);
            if above.exists() {
                break;
            }
            missing.push(above);
        }
        for directory in missing.into_iter().rev() {
            match self.disk.make_dir(directory) {
                Ok(()) => {}
                // Another made it, or took away the one above it: then all is tried again.
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {}
                Err(error) => return Err(failed(directory, "cannot be made", error)),
            }
        }
        Ok(())
    }

    /// Has the name of a directory last, and those of all above it: whoever made one of them may have been cut off before
    /// that.
    fn outlast(&self, directory: &FilePath) -> Result<()> {
        if self.lasting().contains(directory) {
            return Ok(());
        }
        if let Some(above) = directory.parent() {
            self.outlast(above)?;
            if above.starts_with(&self.root) {
                // Another process may have failed at it, and then it counts as written.
                self.touch(above)?;
                self.sync_dir(above)?;
            } else if let Err(error) = self.disk.sync_dir(above) {
                // Nobody may have given us a right to it.
                tracing::debug!(%error, "the name of a repository's directory may not last");
            }
        }
        self.lasting().insert(directory.to_owned());
        Ok(())
    }

    fn sync_dir(&self, directory: &FilePath) -> Result<()> {
        if self.spoilt().contains(directory) {
            self.touch(directory)?;
        }
        match self.disk.sync_dir(directory) {
            Ok(()) => drop(self.spoilt().remove(directory)),
            // Nothing is in it, or it would be there.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                self.spoilt().insert(directory.to_owned());
                return Err(failed(directory, "cannot be written through to the disk", error));
            }
        }
        Ok(())
    }

    /// Changes a directory. One that could not be written through counts as written from then on, until it is changed.
    fn touch(&self, directory: &FilePath) -> Result<()> {
        let mark = staged(&directory.join("settled"));
        match self.disk.create(&mark) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(directory, "cannot be written", error)),
        }
        let removed = self.disk.remove(&mark);
        removed.map_err(|error| failed(&mark, "cannot be removed", error))
    }

    fn settle(&self, directory: &FilePath) -> Result<()> {
        // One that is not there went with what was in it, which shows in the one above.
        let mut there = directory.ancestors().take_while(|at| at.starts_with(&self.root));
        let directory = there.find(|at| at.is_dir()).unwrap_or(&self.root);
        // Another process may have failed at it.
        self.touch(directory)?;
        self.outlast(directory)?;
        self.sync_dir(directory)
    }

    fn delete(&self, path: &FilePath) -> Result<()> {
        match self.disk.remove(path) {
            Ok(()) => {
                self.prune(path.parent());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::NotFound {
                path: path.display().to_string(),
                source: error.into(),
            }),
            Err(error) => Err(failed(path, "cannot be removed", error)),
        }
    }

    /// Removes a directory in which nothing is, and those above it, but for the first below the root.
    fn prune(&self, directory: Option<&FilePath>) {
        let mut next = directory;
        while let Some(directory) = next {
            let depth = directory
                .strip_prefix(&self.root)
                .map_or(0, |below| below.iter().count());
            if depth < 2 || self.disk.remove_dir(directory).is_err() {
                return;
            }
            self.lasting().remove(directory);
            next = directory.parent();
        }
    }

    fn sweep(&self, directory: &FilePath, depth: usize, since_unix_ms: i64, swept: &mut Swept) -> Result<()> {
        let unreadable = |error| failed(directory, "cannot be read", error);
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && (depth > 0 || is_ours(&path)) => {
                    self.sweep(&path, depth + 1, since_unix_ms, swept)?;
                }
                Ok(kind) if kind.is_file() && is_staged(&path) => self.sweep_file(&path, since_unix_ms, swept)?,
                _ => {}
            }
        }
        if depth > 1 && self.disk.remove_dir(directory).is_ok() {
            self.lasting().remove(directory);
        }
        Ok(())
    }

    fn sweep_file(&self, path: &FilePath, since_unix_ms: i64, swept: &mut Swept) -> Result<()> {
        let Ok(file) = File::open(path) else {
            return Ok(());
        };
        let Ok(about) = file.metadata() else {
            return Ok(());
        };
        let written = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let written_unix_ms = written.and_then(|at| i64::try_from(at.as_millis()).ok());
        let is_old = written_unix_ms.is_some_and(|at| at <= since_unix_ms);
        // Held: its writer lives. No locks here: nobody knows.
        if !is_old || file.try_lock().is_err() {
            return Ok(());
        }
        self.disk
            .remove(path)
            .map_err(|error| failed(path, "cannot be removed", error))?;
        swept.files += 1;
        swept.bytes += about.len();
        Ok(())
    }
}

/// Whether a directory below the root is one of a repository's.
fn is_ours(path: &FilePath) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| FOLDERS.contains(&name))
}

/// A name that nobody else has, for a file on its way. Names like it are no objects to whoever lists.
fn staged(path: &FilePath) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("#{}", fastrand::u64(..)));
    name.into()
}

/// Whether a file is one on its way, or was.
fn is_staged(path: &FilePath) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let number = name.and_then(|name| Some(name.rsplit_once('#')?.1));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn failed(path: &FilePath, what: &str, error: io::Error) -> Error {
    Error::Generic {
        store: STORE,
        source: io::Error::new(error.kind(), format!("{} {what}: {error}", path.display())).into(),
    }
}

#[async_trait::async_trait]
impl ObjectStore for Directory {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if matches!(opts.mode, PutMode::Update(_)) || !opts.attributes.is_empty() {
            return Err(unknown("a change of an object that is there"));
        }
        let path = self.0.reading.path_to_filesystem(location)?;
        self.apart(move |inner| inner.put(&path, &payload, &opts.mode)).await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
            extensions: Default::default(),
        })
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(unknown("an object in parts"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.reading.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.reading.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let directory = self.clone();
        let deleted = locations.map(move |location| {
            let directory = directory.clone();
            async move {
                let location = location?;
                let path = directory.0.reading.path_to_filesystem(&location)?;
                directory.apart(move |inner| inner.delete(&path)).await?;
                Ok(location)
            }
        });
        deleted.buffered(AT_ONCE).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.reading.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.reading.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(unknown("a copy within it"))
    }
}

fn unknown(operation: &str) -> Error {
    Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}
